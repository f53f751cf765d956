/* The shipped rules and sources on events that nobody here wrote: which of them find what, and that the
 * sources understand the records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/json_tape.h"
#include "rules/loader.h"
#include "rules/pack.h"

#define DATA       LUNETTE_SOURCE_DIR "/../shared/data/"
#define LINE_MAX_B (1 << 20)

/* One worker's eye on the shipped rules. */
struct reader {
    struct ruleset *set;
    struct pack *pack;
    struct event_parser *parser;
    struct match_scratch *scratch;
    struct arena *arena;
    char *line;
    uint64_t hits[64]; /* by rule, of the events that passed `filter` */
    uint64_t events, unmapped, identified;
    uint32_t quality; /* all marks together */
};

static int setup(void **state)
{
    struct reader *r = calloc(1, sizeof(*r));
    struct report report = {0};
    struct err err = {0};
    struct tree *tree = tree_read(LUNETTE_SOURCE_DIR "/rules", LUNETTE_SOURCE_DIR "/plugins", &err);
    assert_non_null(tree);
    r->set = ruleset_load(tree, NULL, 0, &report);
    tree_free(tree);
    for (size_t i = 0; i < report.problems.count; i++)
        printf("%s: %s\n", report.problems.items[i].where, report.problems.items[i].message);
    assert_int_equal(report.problems.count, 0);
    report_free(&report);
    struct pack_options options = {.set = r->set, .clock = &clock_real};
    r->pack = pack_new(&options, &err);
    assert_non_null(r->pack);
    r->parser = event_parser_new(&event_limits_default);
    r->scratch = match_scratch_new(r->set->matcher);
    r->arena = arena_new(0);
    r->line = calloc(1, LINE_MAX_B + JSON_TAPE_PADDING);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct reader *r = *state;
    pack_free(r->pack);
    match_scratch_free(r->scratch);
    event_parser_free(r->parser);
    arena_free(r->arena);
    ruleset_unref(r->set);
    free(r->line);
    free(r);
    return 0;
}

static bool all_hold(const struct reader *r, struct match_predicate **predicates, size_t count,
                     const struct event *event)
{
    for (size_t i = 0; i < count; i++)
        if (!match_predicate_holds(predicates[i], event, r->parser))
            return false;
    return true;
}

/* As ingest does: most conditions win. */
static uint32_t choose(const struct reader *r, const struct event *event)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < r->set->source_count; i++) {
        const struct source *source = &r->set->sources[i];
        if (source->accepts_count &&
            (best == UINT32_MAX || source->accepts_count > r->set->sources[best].accepts_count) &&
            all_hold(r, source->accepts, source->accepts_count, event))
            best = i;
    }
    return best;
}

static struct event *read_event(struct reader *r, struct str json)
{
    struct event *event;
    struct err err = {0};
    if (event_parse(r->parser, r->set->fields, json, r->arena, &event, &err) != 0)
        fail_msg("%s", err_text(&err));
    event->accepted_ns = INT64_C(1900000000) * NS_PER_S;
    event->source = choose(r, event);
    const struct source *source = event->source == UINT32_MAX ? NULL : &r->set->sources[event->source];
    source_map_apply(source ? source->map : NULL, event, r->arena);
    pack_begin(r->pack, r->parser, r->arena);
    if (source && source->has_fix && all_hold(r, source->when, source->when_count, event))
        pack_fix(r->pack, event->source, event);
    event_freeze(event, r->arena);
    return event;
}

static void judge(struct reader *r, struct str json)
{
    struct event *event = read_event(r, json);
    r->events++;
    r->unmapped += event->source == UINT32_MAX;
    r->identified += event_text(event, FIELD_EVENT_ID).len > 0;
    r->quality |= event->quality;
    struct match_result result = match_run(r->set->matcher, r->scratch, event);
    struct pack_note note = {""};
    for (size_t i = 0; i < result.count; i++) {
        pack_begin(r->pack, r->parser, r->arena);
        r->hits[result.rules[i]] += pack_filter(r->pack, result.rules[i], event, &note);
    }
    assert_string_equal(note.reason, "");
    arena_reset(r->arena);
}

static void judge_file(struct reader *r, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s%s", DATA, name);
    if (access(DATA, R_OK) != 0) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    while (gzgets(file, r->line, LINE_MAX_B)) {
        size_t len = strlen(r->line);
        memset(r->line + len, 0, JSON_TAPE_PADDING);
        if (len > 1)
            judge(r, (struct str){r->line, len});
    }
    gzclose(file);
}

static uint64_t hits(const struct reader *r, const char *rule)
{
    const struct rule *found = ruleset_find(r->set, str_from(rule));
    assert_non_null(found);
    return r->hits[found - r->set->rules];
}

static void reset(struct reader *r)
{
    memset(r->hits, 0, sizeof(r->hits));
    r->events = r->unmapped = r->identified = 0;
    r->quality = 0;
}

static const struct {
    const char *file, *rule;
    uint64_t least;
} attacks[] = {
    {"otrf/cmd_lsass_memory_dumpert_syscalls.ndjson.gz", "windows.lsass_access", 1},
    {"otrf/cmd_lsass_memory_dumpert_syscalls.ndjson.gz", "windows.lsass_dump", 1},
    {"otrf/psh_lsass_memory_dump_comsvcs.ndjson.gz", "windows.lsass_dump", 2},
    {"otrf/psh_lsass_memory_dump_comsvcs.ndjson.gz", "windows.lsass_access", 1},
    {"otrf/rdp_interactive_taskmanager_lsass_dump.ndjson.gz", "windows.lsass_access", 1},
    {"otrf/rdp_interactive_taskmanager_lsass_dump.ndjson.gz", "windows.lsass_dump", 1},
    {"otrf/cmd_psexec_lsa_secrets_dump.ndjson.gz", "windows.credential_hives", 1},
    {"otrf/cmd_psexec_lsa_secrets_dump.ndjson.gz", "windows.service_installed", 2},
    {"otrf/empire_shell_reg_dump_sam.ndjson.gz", "windows.credential_hives", 1},
    {"otrf/covenant_sharpsc_create_dcerpc_smb_svcctl.ndjson.gz", "windows.service_installed", 1},
    {"otrf/cmd_bitsadmin_download_psh_script.ndjson.gz", "windows.bits_download", 1},
    {"otrf/cmd_bitsadmin_download_psh_script.ndjson.gz", "windows.log_cleared", 2},
    {"otrf/cmd_mshta_vbscript_execute_psh.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/psh_mshta_html_application_execution.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/psh_cmstp_execution_bypassuac.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/psh_hh_local_html_payload.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/covenant_lolbin_wuauclt_createremotethread.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/empire_launcher_sct_regsvr32.ndjson.gz", "windows.script_proxy", 1},
    {"otrf/empire_launcher_sct_regsvr32.ndjson.gz", "windows.suspicious_powershell", 2},
    {"otrf/empire_psremoting_stager.ndjson.gz", "windows.suspicious_powershell", 1},
    {"otrf/schtask_create.ndjson.gz", "windows.scheduled_task", 2},
    {"otrf/empire_persistence_registry_modification_run_keys_elevated_user.ndjson.gz", "windows.run_key", 1},
    {"hospital/windows.ndjson.gz", "windows.lsass_access", 1},
    {"hospital/windows.ndjson.gz", "windows.lsass_dump", 1},
    {"hospital/windows.ndjson.gz", "windows.suspicious_powershell", 1},
    {"hospital/windows.ndjson.gz", "windows.scheduled_task", 1},
    {"hospital/windows.ndjson.gz", "identity.brute_force", 22},
};

static void the_rules_find_the_attacks_of_others(void **state)
{
    struct reader *r = *state;
    const char *last = "";
    size_t missed = 0;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(last, attacks[i].file) != 0) {
            reset(r);
            judge_file(r, attacks[i].file);
        }
        last = attacks[i].file;
        if (hits(r, attacks[i].rule) >= attacks[i].least)
            continue;
        printf("%s: %s: expected %llu, got %llu\n", attacks[i].file, attacks[i].rule,
               (unsigned long long)attacks[i].least, (unsigned long long)hits(r, attacks[i].rule));
        missed++;
    }
    assert_int_equal(missed, 0);
}

/* Six hours of a company at work: what is not the attack must stay quiet. */
static void the_rules_are_quiet_about_ordinary_work(void **state)
{
    struct reader *r = *state;
    reset(r);
    judge_file(r, "hospital/windows.ndjson.gz");
    assert_int_equal(r->events, 10797);
    assert_int_equal(r->unmapped, 0);
    assert_int_equal(r->identified, r->events);
    uint64_t all = 0;
    for (size_t i = 0; i < r->set->rule_count; i++) {
        bool sign_ins = str_starts(r->set->rules[i].id, STR("identity."));
        all += sign_ins ? 0 : r->hits[i];
        if (r->hits[i])
            printf("%.*s: %llu\n", STR_ARG(r->set->rules[i].id), (unsigned long long)r->hits[i]);
    }
    assert_in_range(all, 1, 30);
}

static void records_of_windows_are_understood_without_a_mark(void **state)
{
    struct reader *r = *state;
    reset(r);
    judge_file(r, "hospital/windows.ndjson.gz");
    judge_file(r, "otrf/psh_lsass_memory_dump_comsvcs.ndjson.gz");
    for (unsigned i = 0; i < QUALITY_COUNT; i++)
        if (r->quality & (1u << i))
            printf("mark: %s\n", event_quality_name(i));
    assert_int_equal(r->quality, 0);
}

static void assert_field(const struct reader *r, const struct event *event, const char *path,
                         const char *value)
{
    uint32_t slot = fields_find(r->set->fields, str_from(path));
    assert_int_not_equal(slot, FIELD_NONE);
    struct str got = event_text(event, slot);
    if (!str_is(got, value))
        fail_msg("%s: expected \"%s\", got \"%.*s\"", path, value, STR_ARG(got));
}

static struct event *read_text(struct reader *r, const char *json)
{
    size_t len = strlen(json);
    memcpy(r->line, json, len);
    memset(r->line + len, 0, JSON_TAPE_PADDING);
    return read_event(r, (struct str){r->line, len});
}

static void a_source_recognises_its_records(void **state)
{
    struct reader *r = *state;
    static const struct {
        const char *json, *source, *path, *value;
    } records[] = {
        {"{\"Channel\":\"Security\",\"EventID\":4688,\"NewProcessName\":\"C:\\\\a.exe\"}", "windows",
         "process.executable", "C:\\a.exe"},
        {"{\"Event\":{\"System\":{\"Channel\":\"Security\",\"EventID\":4688,\"Computer\":\"a\"},"
         "\"EventData\":{"
         "\"NewProcessName\":\"C:\\\\a.exe\"}}}",
         "windows_evtx", "process.executable", "C:\\a.exe"},
        {"{\"rule\":{\"level\":5,\"groups\":[\"sshd\",\"authentication_failed\"]},\"agent\":{\"id\":\"001\"},"
         "\"manager\":{\"name\":\"m\"},\"id\":\"1.2\"}",
         "wazuh", "event.outcome", "failure"},
        {"{\"all_fields\":{\"rule\":{\"level\":5},\"agent\":{\"id\":\"001\",\"name\":\"web\"}}}",
         "wazuh_all_fields", "host.name", "web"},
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        struct event *event = read_text(r, records[i].json);
        assert_int_equal(event->source, ruleset_source(r->set, str_from(records[i].source)));
        assert_field(r, event, records[i].path, records[i].value);
        arena_reset(r->arena);
    }
    assert_int_equal(read_text(r, "{\"user\":{\"name\":\"ana\"}}")->source, UINT32_MAX);
}

static void each_of_the_six_types_has_a_rule(void **state)
{
    struct reader *r = *state;
    static const char *const types[] = {"bot_traffic",       "proxy_network",     "device_compromise",
                                        "anomaly_detection", "rate_limit_breach", "geo_anomaly"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t count = 0;
        for (size_t j = 0; j < r->set->rule_count; j++)
            count += str_is(r->set->rules[j].type, types[i]);
        assert_true(count > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_rules_find_the_attacks_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rules_are_quiet_about_ordinary_work, setup, teardown),
        cmocka_unit_test_setup_teardown(records_of_windows_are_understood_without_a_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(a_source_recognises_its_records, setup, teardown),
        cmocka_unit_test_setup_teardown(each_of_the_six_types_has_a_rule, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
