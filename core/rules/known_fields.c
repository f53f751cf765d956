#include "rules/known_fields.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"

/* The schema as sets of names below prefixes, as the schema itself reuses its field sets. Both are
 * space-separated; "." as a prefix is the top. */
struct field_set {
    const char *prefixes, *names;
};

#define ENDPOINTS "client destination server source"
#define INDICATOR "threat.indicator threat.enrichments.indicator"
#define PROCESSES                                                                                            \
    "process process.parent process.entry_leader process.entry_leader.parent "                               \
    "process.entry_leader.parent.session_leader process.session_leader process.session_leader.parent "       \
    "process.group_leader process.previous process.parent.group_leader"
#define FILES "file threat.indicator.file threat.enrichments.indicator.file"

static const struct field_set schema[] = {
    {".", "@timestamp message tags labels"},
    {"agent", "build.original ephemeral_id id name type version"},
    {ENDPOINTS, "address bytes domain ip mac nat.ip nat.port packets port registered_domain subdomain "
                "top_level_domain"},
    {ENDPOINTS " " INDICATOR, "as.number as.organization.name"},
    {ENDPOINTS " host observer " INDICATOR,
     "geo.city_name geo.continent_code geo.continent_name geo.country_iso_code geo.country_name "
     "geo.location geo.location.lat geo.location.lon geo.name geo.postal_code geo.region_iso_code "
     "geo.region_name geo.timezone"},
    {"user user.changes user.effective user.target client.user destination.user server.user source.user "
     "process.user process.real_user process.saved_user process.attested_user process.parent.user "
     "process.parent.real_user process.parent.saved_user process.session_leader.user "
     "process.entry_leader.user process.group_leader.user",
     "domain email full_name hash id name roles risk.calculated_level risk.calculated_score "
     "risk.calculated_score_norm risk.static_level risk.static_score risk.static_score_norm group.domain "
     "group.id group.name entity.id entity.name entity.type"},
    {"cloud cloud.origin cloud.target",
     "account.id account.name availability_zone instance.id instance.name machine.type project.id "
     "project.name provider region service.name"},
    {"container", "cpu.usage disk.read.bytes disk.write.bytes id image.hash.all image.name image.tag labels "
                  "memory.usage name network.egress.bytes network.ingress.bytes runtime "
                  "security_context.privileged"},
    {"data_stream", "dataset namespace type"},
    {"device", "id manufacturer model.identifier model.name serial_number product.id product.name type "
               "vendor.id vendor.name"},
    {"dll process process.parent email.attachments.file " FILES,
     "hash.cdhash hash.md5 hash.sha1 hash.sha256 hash.sha384 hash.sha512 hash.ssdeep hash.tlsh "
     "code_signature.digest_algorithm code_signature.exists code_signature.flags "
     "code_signature.signing_id code_signature.status code_signature.subject_name "
     "code_signature.team_id code_signature.thumbprint_sha256 code_signature.timestamp "
     "code_signature.trusted code_signature.valid pe.architecture pe.company pe.description "
     "pe.file_version pe.go_import_hash pe.go_imports pe.go_stripped pe.imphash pe.import_hash pe.imports "
     "pe.original_file_name pe.pehash pe.product pe.sections elf.architecture elf.byte_order "
     "elf.cpu_type elf.creation_date elf.exports elf.import_hash elf.imports elf.shared_libraries "
     "elf.telfhash macho.import_hash macho.imports macho.symhash"},
    {"dll", "name path origin_referrer_url origin_url"},
    {"dns",
     "answers answers.class answers.data answers.name answers.ttl answers.type header_flags id op_code "
     "question.class question.name question.registered_domain question.subdomain "
     "question.top_level_domain question.type resolved_ip response_code type"},
    {"ecs", "version"},
    {"email",
     "attachments attachments.file.extension attachments.file.mime_type attachments.file.name "
     "attachments.file.size bcc.address cc.address content_type delivery_timestamp direction from.address "
     "local_id message_id origination_timestamp reply_to.address sender.address subject to.address x_mailer"},
    {"error", "code id message stack_trace type"},
    {"event",
     "action agent_id_status category code created dataset duration end hash id ingested kind module "
     "original outcome provider reason reference risk_score risk_score_norm sequence severity start "
     "timezone type url quality"},
    {"faas", "coldstart execution id name trigger.request_id trigger.type version"},
    {FILES,
     "accessed attributes created ctime device directory drive_letter extension fork_name gid group inode "
     "mime_type mode mtime name origin_referrer_url origin_url owner path size target_path type uid"},
    {FILES " tls.client tls.server threat.indicator",
     "x509.alternative_names x509.issuer.common_name x509.issuer.country "
     "x509.issuer.distinguished_name x509.issuer.locality x509.issuer.organization "
     "x509.issuer.organizational_unit x509.issuer.state_or_province x509.not_after x509.not_before "
     "x509.public_key_algorithm x509.public_key_curve x509.public_key_exponent x509.public_key_size "
     "x509.serial_number x509.signature_algorithm x509.subject.common_name x509.subject.country "
     "x509.subject.distinguished_name x509.subject.locality x509.subject.organization "
     "x509.subject.organizational_unit x509.subject.state_or_province x509.version_number"},
    {"gen_ai", "agent.description agent.id agent.name operation.name output.type request.model response.id "
               "response.model system token.type tool.call.id tool.name tool.type usage.input_tokens "
               "usage.output_tokens"},
    {"group", "domain id name"},
    {"host", "architecture boot.id cpu.usage disk.read.bytes disk.write.bytes domain hostname id ip mac name "
             "network.egress.bytes network.egress.packets network.ingress.bytes network.ingress.packets "
             "pid_ns_ino risk.calculated_level risk.calculated_score risk.static_level type uptime"},
    {"host observer user_agent", "os.family os.full os.kernel os.name os.platform os.type os.version"},
    {"http", "request.body.bytes request.body.content request.bytes request.id request.method "
             "request.mime_type request.referrer response.body.bytes response.body.content response.bytes "
             "response.mime_type response.status_code version"},
    {"log", "file.path level logger origin.file.line origin.file.name origin.function syslog.appname "
            "syslog.facility.code syslog.facility.name syslog.hostname syslog.msgid syslog.priority "
            "syslog.procid syslog.severity.code syslog.severity.name syslog.version"},
    {"network", "application bytes community_id direction forwarded_ip iana_number inner inner.vlan.id "
                "inner.vlan.name name packets protocol transport type vlan.id vlan.name"},
    {"observer", "egress.interface.alias egress.interface.id egress.interface.name egress.vlan.id "
                 "egress.vlan.name egress.zone hostname ingress.interface.alias ingress.interface.id "
                 "ingress.interface.name ingress.vlan.id ingress.vlan.name ingress.zone ip mac name product "
                 "serial_number type vendor version"},
    {"orchestrator", "api_version cluster.id cluster.name cluster.url cluster.version namespace organization "
                     "resource.annotation resource.id resource.ip resource.label resource.name "
                     "resource.parent.type resource.type type"},
    {"organization", "id name"},
    {"package", "architecture build_version checksum description install_scope installed license name path "
                "reference size type version"},
    {PROCESSES,
     "args args_count command_line end entity_id entry_meta.source.ip entry_meta.type env_vars executable "
     "exit_code group.id group.name interactive io io.text name pgid pid ppid same_as_process start "
     "supplemental_groups.id supplemental_groups.name thread.capabilities.effective "
     "thread.capabilities.permitted thread.id thread.name title tty tty.char_device.major uptime vpid "
     "working_directory"},
    {"registry threat.indicator.registry threat.enrichments.indicator.registry",
     "data.bytes data.strings data.type hive key path value"},
    {"related", "hash hosts ip user"},
    {"rule", "author category description id license name reference ruleset uuid version"},
    {"service service.origin service.target",
     "address environment ephemeral_id id name node.name node.role node.roles state type version"},
    {"span trace transaction", "id"},
    {"threat",
     "feed.dashboard_id feed.description feed.name feed.reference framework group.alias group.id group.name "
     "group.reference software.alias software.id software.name software.platforms software.reference "
     "software.type tactic.id tactic.name tactic.reference technique.id technique.name technique.reference "
     "technique.subtechnique.id technique.subtechnique.name technique.subtechnique.reference "
     "enrichments enrichments.matched.atomic enrichments.matched.field enrichments.matched.id "
     "enrichments.matched.index enrichments.matched.occurred enrichments.matched.type"},
    {INDICATOR,
     "confidence description email.address first_seen ip last_seen marking.tlp marking.tlp_version "
     "modified_at name port provider reference scanner_stats sightings type"},
    {"tls", "cipher client.certificate client.certificate_chain client.hash.md5 client.hash.sha1 "
            "client.hash.sha256 client.issuer client.ja3 client.not_after client.not_before "
            "client.server_name client.subject client.supported_ciphers curve established next_protocol "
            "resumed server.certificate server.certificate_chain server.hash.md5 server.hash.sha1 "
            "server.hash.sha256 server.issuer server.ja3s server.not_after server.not_before "
            "server.subject version version_protocol"},
    {"url threat.indicator.url threat.enrichments.indicator.url",
     "domain extension fragment full original password path port query "
     "registered_domain scheme subdomain top_level_domain username"},
    {"user_agent", "device.name name original version"},
    {"volume", "bus_type default_access device_name device_type dos_name file_system_type mount_name nt_name "
               "product_id product_name removable serial_number size vendor_id vendor_name writable"},
    {"vulnerability", "category classification description enumeration id reference report_id "
                      "scanner.vendor score.base score.environmental score.temporal score.version severity"},
    /* Not of the schema: what senders of this platform may add. */
    {"lunette.previous", "elapsed_seconds source.ip source.geo.location.lat source.geo.location.lon "
                         "source.geo.country_iso_code source.geo.city_name"},
    {"lunette", "geo.speed_kmh geo.distance_km demo"},
};

/* Below these anything goes: the schema leaves the names to the user. */
static const char *const open_prefixes[] = {"labels.", "container.labels.", "orchestrator.resource.label.",
                                            "lunette.custom."};

struct known_fields {
    struct arena *arena;
    struct map *paths;
    VEC(const char *) names;
};

static bool next_word(const char **at, struct str *word)
{
    while (**at == ' ')
        ++*at;
    size_t len = strcspn(*at, " ");
    *word = (struct str){*at, len};
    *at += len;
    return len > 0;
}

static void add_set(struct known_fields *known, const struct field_set *set)
{
    const char *prefixes = set->prefixes;
    struct str prefix, name;
    while (next_word(&prefixes, &prefix)) {
        const char *names = set->names;
        while (next_word(&names, &name)) {
            const char *path = str_is(prefix, ".")
                                   ? arena_dup(known->arena, name).ptr
                                   : arena_printf(known->arena, "%.*s.%.*s", STR_ARG(prefix), STR_ARG(name));
            known_fields_add(known, str_from(path));
        }
    }
}

struct known_fields *known_fields_new(void)
{
    struct known_fields *known = mem_zalloc(1, sizeof(*known));
    known->arena = arena_new(128 << 10);
    known->paths = map_new();
    for (size_t i = 0; i < sizeof(schema) / sizeof(schema[0]); i++)
        add_set(known, &schema[i]);
    return known;
}

void known_fields_free(struct known_fields *known)
{
    if (known == NULL)
        return;
    map_free(known->paths, NULL);
    vec_free(&known->names);
    arena_free(known->arena);
    free(known);
}

void known_fields_add(struct known_fields *known, struct str path)
{
    if (map_get(known->paths, path))
        return;
    const char *name = arena_dup(known->arena, path).ptr;
    map_put(known->paths, path, known);
    vec_push(&known->names, name);
}

bool known_fields_has(const struct known_fields *known, struct str path)
{
    if (map_get(known->paths, path))
        return true;
    for (size_t i = 0; i < sizeof(open_prefixes) / sizeof(open_prefixes[0]); i++)
        if (str_starts(path, str_from(open_prefixes[i])))
            return true;
    return false;
}

const char *known_fields_nearest(const struct known_fields *known, struct str path)
{
    return text_nearest(path, known->names.items, known->names.count);
}
