#include "pipeline/triage.h"

#include <stdio.h>

#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/intel.h"
#include "pipeline/triage_check.h"
#include "pipeline/view.h"
#include "rules/lists.h"

#define TECHNIQUES_MOST 32                             /* of a threat, from rules, events and analyses */
#define ANALYSIS_MAX    (32 << 10)                     /* bytes of an analysis that policies are told whole */
#define CONTEXT_MAX     (POLICY_INPUT_MAX - (8 << 10)) /* bytes; what is beyond, a policy goes without */
#define TOLD_MAX        64                             /* bytes of a name that an analysis brings */

struct triage {
    struct ruleset *set; /* referenced */
    struct policies *policies;
    const struct clock *clock;
    const struct verdicts *verdicts;
    uint64_t looks; /* so far */
    struct metric_series *seconds, *dropped_actions, *dropped_techniques;
};

struct triage *triage_new(const struct triage_options *options, struct err *err)
{
    struct policies_options policies = {.set = options->set,
                                        .health = options->health,
                                        .watchdog = options->watchdog,
                                        .clock = options->clock};
    struct triage *triage = mem_zalloc(1, sizeof(*triage));
    triage->set = ruleset_ref(options->set);
    triage->clock = options->clock;
    triage->verdicts = options->verdicts;
    triage->seconds = metric_with(
        metric_new(METRIC_HISTOGRAM, "lunette_triage_seconds", "", "time of the triage of one threat"), NULL);
    triage->dropped_actions = metric_with(metric_new(METRIC_COUNTER, "lunette_triage_dropped_actions_total",
                                                     "",
                                                     "planned actions whose target is not in the evidence"),
                                          NULL);
    triage->dropped_techniques = metric_with(metric_new(METRIC_COUNTER,
                                                        "lunette_triage_dropped_techniques_total", "",
                                                        "techniques that are not in the ATT&CK table"),
                                             NULL);
    triage->policies = policies_new(&policies, err);
    if (triage->policies)
        return triage;
    triage_free(triage);
    return NULL;
}

void triage_free(struct triage *triage)
{
    if (triage == NULL)
        return;
    policies_free(triage->policies);
    ruleset_unref(triage->set);
    free(triage);
}

void triage_idle(struct triage *triage)
{
    policies_idle(triage->policies);
}

struct policies *triage_policies(struct triage *triage)
{
    return triage->policies;
}

/* ---- one run ---- */

struct run {
    struct triage *triage;
    const struct threat *threat;
    struct arena *arena;
    struct triage_result *result;
    struct str view; /* the threat as policies see it */
    struct str background;
    struct buf context; /* an object without its closing brace */
    struct buf extra, spare;
    VEC(struct str) techniques;
    char review[sizeof(((struct err *)0)->message) + 128];
};

static void set_extra(struct run *run, const char *key, const struct buf *value)
{
    if (run->threat->extra.len == 0) { /* it begins: each member comes once, there is nothing to replace */
        run->extra.len--;
        buf_json_key(&run->extra, key);
        buf_put(&run->extra, buf_str(value));
        buf_putc(&run->extra, '}');
        return;
    }
    buf_clear(&run->spare);
    threat_extra_set(&run->spare, buf_str(&run->extra), str_from(key), buf_str(value));
    struct buf old = run->extra;
    run->extra = run->spare;
    run->spare = old;
}

static void ask_for_review(struct run *run, const char *format, const char *what, const char *why)
{
    if (run->review[0] == '\0')
        snprintf(run->review, sizeof(run->review), format, what, why);
}

/* ---- what policies look at besides the threat ---- */

/* Those that there are: none is a count of 0. */
static void put_counts(struct buf *out, const struct verdict_counts *counts)
{
    static const enum threat_verdict kinds[] = {VERDICT_TRUE_POSITIVE, VERDICT_BENIGN_TRUE_POSITIVE,
                                                VERDICT_FALSE_POSITIVE, VERDICT_INCONCLUSIVE};
    buf_putc(out, '{');
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (counts->of[kinds[i]])
            buf_json_kuint(out, threat_verdict_label(kinds[i]), counts->of[kinds[i]]);
    buf_putc(out, '}');
}

static bool counted(const struct run *run, struct str entity, struct verdict_counts *counts)
{
    static const struct verdict_counts none;
    *counts = verdicts_of(run->triage->verdicts, run->threat->customer, run->threat->rule_id, entity);
    return memcmp(counts, &none, sizeof(none)) != 0;
}

static void put_verdicts(struct run *run)
{
    struct buf *out = &run->context;
    struct verdict_counts counts;
    counted(run, STR(""), &counts);
    buf_json_key(out, "verdicts");
    buf_puts(out, "{\"rule\":");
    put_counts(out, &counts);
    buf_json_key(out, "entities");
    buf_putc(out, '{');
    for (size_t i = 0; i < run->threat->entities.count && i < VERDICT_ENTITIES_MAX; i++) {
        if (!counted(run, run->threat->entities.items[i], &counts))
            continue;
        if (out->ptr[out->len - 1] != '{')
            buf_putc(out, ',');
        buf_json_string(out, run->threat->entities.items[i]);
        buf_putc(out, ':');
        put_counts(out, &counts);
    }
    buf_puts(out, "}}");
}

/* By "host.name:dc01", or by "dc01" alone. */
static bool asset_of(struct run *run, struct str entity, struct str *json)
{
    const struct list *assets = ruleset_list(run->triage->set, STR("assets"));
    const char *colon = entity.len ? memchr(entity.ptr, ':', entity.len) : NULL;
    if (assets == NULL)
        return false;
    if (list_get(assets, entity, json))
        return true;
    size_t at = colon ? (size_t)(colon - entity.ptr) + 1 : 0;
    return at && list_get(assets, (struct str){entity.ptr + at, entity.len - at}, json);
}

static void put_assets(struct run *run)
{
    struct buf *out = &run->context;
    struct str json;
    size_t count = 0;
    buf_json_key(out, "assets");
    buf_putc(out, '{');
    for (size_t i = 0; i < run->threat->entities.count && i < VERDICT_ENTITIES_MAX; i++) {
        if (!asset_of(run, run->threat->entities.items[i], &json))
            continue;
        if (count++)
            buf_putc(out, ',');
        buf_json_string(out, run->threat->entities.items[i]);
        buf_putc(out, ':');
        buf_put(out, json);
    }
    buf_putc(out, '}');
}

static void put_profile(struct run *run)
{
    struct str json = STR("{}");
    bool known;
    if (!ruleset_list_get(run->triage->set, STR("customers"), run->threat->customer, &json, &known))
        ruleset_list_get(run->triage->set, STR("customers"), STR("default"), &json, &known);
    buf_json_key(&run->context, "profile");
    buf_put(&run->context, json);
}

static void put_technique_ids(struct buf *out, const struct json *list)
{
    struct str id;
    size_t kept = 0;
    buf_json_key(out, "mitre");
    buf_putc(out, '[');
    for (size_t i = 0; json_kind(list) == JSON_KIND_ARRAY && i < json_count(list); i++) {
        const struct json *item = json_item(list, i);
        if ((!json_as_str(item, &id) && !json_get_str(item, "id", &id)) || id.len > TOLD_MAX ||
            kept == TECHNIQUES_MOST)
            continue;
        if (kept++)
            buf_putc(out, ',');
        buf_json_string(out, id);
    }
    buf_putc(out, ']');
}

/* Of a long one only what decides: whoever makes a model write much must not keep policies from being asked.
 */
static void put_analysis(struct run *run)
{
    struct buf *out = &run->context;
    struct str analysis, verdict;
    double confidence;
    if (!threat_extra_get(run->threat->extra, STR("analysis"), &analysis))
        return;
    buf_json_key(out, "analysis");
    if (analysis.len <= ANALYSIS_MAX) {
        buf_put(out, analysis);
        return;
    }
    struct json *json = view_parse(analysis);
    buf_putc(out, '{');
    if (json_get_str(json, "verdict", &verdict) && verdict.len <= TOLD_MAX)
        buf_json_kstr(out, "verdict", verdict);
    if (json_get_double(json, "confidence", &confidence))
        buf_json_kdouble(out, "confidence", confidence);
    put_technique_ids(out, json_get(json, "mitre"));
    buf_putc(out, '}');
    json_free(json);
}

/* A look whose background has no room is one without: it takes back nothing that one with it found. */
static void put_background(struct run *run)
{
    if (run->background.len == 0)
        return;
    if (run->context.len + run->background.len > CONTEXT_MAX) {
        run->background = STR("");
        ask_for_review(run, "%s%s",
                       "notes and what left the customer's machines are too long for the policies", "");
        return;
    }
    buf_putc(&run->context, ',');
    buf_put(&run->context, run->background);
}

static void begin_context(struct run *run)
{
    buf_putc(&run->context, '{');
    buf_json_kdouble(&run->context, "now", (double)clock_now(run->triage->clock) / (double)NS_PER_S);
    put_profile(run);
    put_assets(run);
    put_verdicts(run);
    put_analysis(run);
    put_background(run);
}

static void add_to_context(struct run *run, const char *key, const struct buf *value)
{
    if (run->context.len + value->len > CONTEXT_MAX) {
        ask_for_review(run, "policy %s answered too much for those after it%s", key, "");
        return;
    }
    buf_json_key(&run->context, key);
    buf_put(&run->context, buf_str(value));
}

/* ---- asking ---- */

/* What the policy answered, or NULL: its default is to be used. *failed: there was a policy, but no answer.
 */
static struct json *ask(struct run *run, enum policy_kind kind, bool *failed)
{
    char reason[POLICY_REASON] = "its answer cannot be read";
    struct str answer;
    *failed = false;
    if (!run->triage->set->policies[kind].present)
        return NULL;
    size_t len = run->context.len;
    buf_putc(&run->context, '}');
    struct policy_call call = {.kind = kind,
                               .threat = run->view,
                               .context = buf_str(&run->context),
                               .look = run->triage->looks,
                               .arena = run->arena};
    int rc = policies_decide(run->triage->policies, &call, &answer, reason);
    run->context.len = len;
    struct json *json = rc == 0 ? view_parse(answer) : NULL;
    *failed = json == NULL;
    if (*failed)
        ask_for_review(run, "policy %s: %s", policy_names[kind], reason);
    return json;
}

static void refused(struct run *run, enum policy_kind kind, const struct err *err)
{
    ask_for_review(run, "policy %s answered what cannot be used: %s", policy_names[kind], err->message);
    LOG(LOG_DEBUG, "triage.answer_refused", log_text("policy", policy_names[kind]));
}

/* A look without a background cannot take back what one with it found. */
static bool keep_manipulation(struct run *run)
{
    struct str before;
    if (run->background.len || !threat_extra_get(run->threat->extra, STR("manipulation"), &before) ||
        !memmem(before.ptr, before.len, "\"with_background\":true", 22))
        return false;
    struct buf kept = BUF_EMPTY;
    buf_put(&kept, before);
    add_to_context(run, "manipulation", &kept);
    buf_free(&kept);
    return true;
}

static void run_manipulation(struct run *run)
{
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    size_t findings = 0;
    bool failed;
    if (keep_manipulation(run))
        return;
    struct json *answer = ask(run, POLICY_MANIPULATION, &failed);
    if (answer == NULL || check_manipulation(answer, &findings, &out, &err) != 0) {
        if (answer)
            refused(run, POLICY_MANIPULATION, &err);
        buf_puts(&out, "{\"findings\":[],\"suspected\":false}");
    }
    if (run->background.len) {
        out.len--; /* one member more before the brace */
        buf_json_kbool(&out, "with_background", true);
        buf_putc(&out, '}');
    }
    if (findings)
        ask_for_review(run, "%s%s", "manipulation is suspected", "");
    add_to_context(run, "manipulation", &out);
    set_extra(run, "manipulation", &out);
    json_free(answer);
    buf_free(&out);
}

static void run_false_positive(struct run *run)
{
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    bool failed;
    struct json *answer = ask(run, POLICY_FALSE_POSITIVE, &failed);
    if (answer == NULL || check_false_positive(answer, &out, &err) != 0) {
        if (answer)
            refused(run, POLICY_FALSE_POSITIVE, &err);
        default_false_positive(&out);
    }
    add_to_context(run, "false_positive", &out);
    set_extra(run, "false_positive_score", &out);
    json_free(answer);
    buf_free(&out);
}

/* The least that it can be: the rule's word, and a step that an analysis took. */
static enum severity least_severity(const struct threat *threat)
{
    enum severity least = threat->floor, raised;
    struct str json, name;
    if (!threat_extra_get(threat->extra, STR("severity_raised"), &json))
        return least;
    struct json *by = view_parse(json);
    if (json_get_str(by, "to", &name) && severity_named(name, &raised) && raised > least)
        least = raised;
    json_free(by);
    return least;
}

static void run_severity(struct run *run)
{
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    enum severity least = least_severity(run->threat), severity = least;
    bool failed;
    struct json *answer = ask(run, POLICY_SEVERITY, &failed);
    if (answer == NULL || check_severity(answer, &severity, &out, &err) != 0) {
        if (answer)
            refused(run, POLICY_SEVERITY, &err);
        severity = least;
        default_severity(severity, &out);
    }
    run->result->severity = severity > least ? severity : least;
    set_extra(run, "score", &out);
    buf_json_key(&run->context, "severity");
    buf_puts(&run->context, "{\"severity\":");
    buf_json_string(&run->context, str_from(severity_label(run->result->severity)));
    add_to_context(run, "score", &out);
    buf_putc(&run->context, '}');
    json_free(answer);
    buf_free(&out);
}

/* What the threat names already, as an answer of the policy. */
static struct json *known_techniques(const struct run *run)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '[');
    for (size_t i = 0; i < run->threat->mitre.count; i++) {
        buf_puts(&out, i ? ",{" : "{");
        buf_json_kstr(&out, "id", run->threat->mitre.items[i]);
        buf_puts(&out, ",\"source\":\"rule\",\"confidence\":1}");
    }
    buf_putc(&out, ']');
    struct json *json = view_parse(buf_str(&out));
    buf_free(&out);
    return json;
}

static void keep_ids(struct run *run, const struct buf *list)
{
    struct json *json = view_parse(buf_str(list));
    struct str id;
    for (size_t i = 0; i < json_count(json); i++)
        if (json_get_str(json_item(json, i), "id", &id))
            vec_push(&run->techniques, arena_dup(run->arena, id));
    json_free(json);
}

static void run_mitre(struct run *run)
{
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    unsigned dropped = 0;
    bool failed;
    struct json *answer = ask(run, POLICY_MITRE, &failed);
    if (answer == NULL || check_mitre(answer, run->triage->set, &dropped, &out, &err) != 0) {
        struct json *known = known_techniques(run);
        if (answer)
            refused(run, POLICY_MITRE, &err);
        check_mitre(known, run->triage->set, &dropped, &out, NULL);
        json_free(known);
    }
    if (dropped)
        metric_add(run->triage->dropped_techniques, dropped);
    keep_ids(run, &out);
    add_to_context(run, "mitre", &out);
    set_extra(run, "mitre", &out);
    json_free(answer);
    buf_free(&out);
}

static void run_response(struct run *run)
{
    struct plan_subject subject = {.threat = run->threat, .before = STR("")};
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    bool failed;
    threat_extra_get(run->threat->extra, STR("response_plan"), &subject.before);
    struct json *answer = ask(run, POLICY_RESPONSE, &failed);
    if (answer == NULL || check_plan(answer, &subject, &out, &err) != 0) {
        if (answer)
            refused(run, POLICY_RESPONSE, &err);
        default_plan(&subject, &out);
    }
    if (subject.dropped)
        metric_add(run->triage->dropped_actions, subject.dropped);
    run->result->sla_minutes = subject.sla_minutes;
    set_extra(run, "response_plan", &out);
    json_free(answer);
    buf_free(&out);
}

static void run_timeline(struct run *run)
{
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    bool failed;
    struct json *answer = ask(run, POLICY_TIMELINE, &failed);
    if (answer && check_titles(answer, &out, &err) != 0)
        refused(run, POLICY_TIMELINE, &err);
    if (out.len)
        set_extra(run, "timeline_titles", &out);
    json_free(answer);
    buf_free(&out);
}

static void find_intel(struct run *run)
{
    struct buf out = BUF_EMPTY;
    intel_find(run->triage->set, run->threat, &out);
    set_extra(run, "intel_matches", &out);
    buf_free(&out);
}

/* How the threat stood, so that a change asks for another look. */
static void note_look(struct run *run)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kuint(&out, "event_count", run->threat->event_count);
    buf_json_kuint(&out, "version", run->threat->version);
    buf_putc(&out, '}');
    set_extra(run, "triaged", &out);
    buf_free(&out);
}

static void make_view(struct run *run)
{
    struct threat seen = *run->threat; /* a borrowed copy: only what it says of itself differs */
    seen.extra = buf_str(&run->extra);
    run->view = view_print(&seen, run->arena);
}

void triage_run(struct triage *triage, const struct threat *threat, struct str background,
                struct arena *arena, struct triage_result *result)
{
    struct run run = {
        .triage = triage, .threat = threat, .arena = arena, .result = result, .background = background};
    int64_t began = clock_monotonic();
    triage->looks++;
    *result = (struct triage_result){.severity = threat->floor, .created_ns = threat->created_ns};
    buf_put(&run.extra, threat->extra.len ? threat->extra : STR("{}"));
    find_intel(&run);
    make_view(&run);
    begin_context(&run);
    run_manipulation(&run);
    run_false_positive(&run);
    run_severity(&run);
    run_mitre(&run);
    run_response(&run);
    run_timeline(&run);
    note_look(&run);
    result->extra = arena_dup(arena, buf_str(&run.extra));
    result->review = arena_dup(arena, str_from(run.review));
    result->technique_count = run.techniques.count;
    struct str *ids = arena_alloc(arena, (run.techniques.count + 1) * sizeof(*ids));
    for (size_t i = 0; i < run.techniques.count; i++)
        ids[i] = run.techniques.items[i];
    result->techniques = ids;
    vec_free(&run.techniques);
    buf_free(&run.extra);
    buf_free(&run.spare);
    buf_free(&run.context);
    metric_observe(triage->seconds, (double)(clock_monotonic() - began) / 1e9);
}

/* ---- taking it over ---- */

static bool has_technique(const struct threat *threat, struct str id)
{
    for (size_t i = 0; i < threat->mitre.count; i++)
        if (str_equal(threat->mitre.items[i], id))
            return true;
    return false;
}

/* A new threat begins a moment after it was judged, one of the journal hours after. */
static void move_due(struct threat *threat, const struct triage_result *result)
{
    struct buf plan = BUF_EMPTY;
    struct str old;
    char due[32];
    if (threat->created_ns == result->created_ns ||
        !threat_extra_get(threat->extra, STR("response_plan"), &old))
        return;
    size_t len = time_print(threat->created_ns + result->sla_minutes * 60 * NS_PER_S, due);
    buf_put(&plan, old);
    threat_extra_put_text(&plan, "due_at", (struct str){due, len});
    threat_put_extra(threat, "response_plan", buf_str(&plan));
    buf_free(&plan);
}

void triage_apply(struct threat *threat, const struct triage_result *result)
{
    threat->severity = result->severity > threat->floor ? result->severity : threat->floor;
    threat->extra = threat_keep(threat, result->extra);
    move_due(threat, result);
    for (size_t i = 0; i < result->technique_count && threat->mitre.count < TECHNIQUES_MOST; i++)
        if (!has_technique(threat, result->techniques[i]))
            vec_push(&threat->mitre, threat_keep(threat, result->techniques[i]));
    if (result->review.len && !threat->review) {
        threat->review = true;
        threat->review_reason = threat_keep(threat, result->review);
    }
}
