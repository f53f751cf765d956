/* What an analysis brings back to the threat, and what is kept of it for identical evidence. */
#include "pipeline/analyse_impl.h"
#include "pipeline/view.h"

#include <stdio.h>

/* ---- identical evidence ---- */

/* What a model would be told, without what differs in each run: ids, times, nonces. Another set of rules has
 * other prompts. */
void analysis_cache_key(struct analysis *analysis)
{
    const struct threat *threat = analysis->errand->threat;
    struct buf text = BUF_EMPTY;
    buf_put_lstr(&text, threat->customer);
    buf_put_lstr(&text, threat->rule_id);
    buf_put_u32(&text, threat->rule_version);
    buf_put_lstr(&text, str_from(analysis->state->set->hash));
    buf_put_lstr(&text, str_from(analysis->analyst->provider
                                     ? analysis->analyst->provider->model(analysis->analyst->provider)
                                     : ""));
    buf_put_u32(&text, analysis->errand->since_evidence);
    for (size_t i = 0; i < threat->evidence.count; i++) {
        buf_put_u32(&text, threat->evidence.items[i].number);
        buf_put_lstr(&text, threat->evidence.items[i].context);
    }
    hash_sha256(buf_str(&text), analysis->errand->cache_key.hash);
    buf_free(&text);
}

/* ---- the result ---- */

static void put_agents(const struct analysis *analysis, struct buf *out)
{
    buf_putc(out, '{');
    for (unsigned i = 0; i < ANALYSTS; i++) {
        if (analysis->turns[i].finding.len == 0)
            continue;
        buf_json_key(out, agent_names[i]);
        buf_put(out, analysis->turns[i].finding);
    }
    buf_putc(out, '}');
}

static const char *status_of(const struct analysis *analysis)
{
    size_t by_model = 0, all = 0;
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        all += analysis->turns[i].finding.len > 0;
        by_model += analysis->turns[i].by_model;
    }
    if (!analysis->errand->asked_model || by_model == all)
        return "complete";
    return by_model ? "partial" : "failed";
}

static void set_number(struct buf *object, const char *key, uint64_t number)
{
    struct buf value = BUF_EMPTY;
    buf_printf(&value, "%llu", (unsigned long long)number);
    threat_extra_put(object, key, buf_str(&value));
    buf_free(&value);
}

struct str analysis_stamped(const struct analyst *analyst, const struct errand *errand, struct str analysis)
{
    const struct threat *threat = errand->threat;
    struct buf object = BUF_EMPTY;
    uint32_t last = threat->evidence_next ? threat->evidence_next - 1 : 0;
    char stamp[32];
    size_t len = time_print(clock_now(analyst->options.clock), stamp);
    buf_put(&object, analysis);
    threat_extra_put_text(&object, "completed_at", (struct str){stamp, len});
    set_number(&object, "event_count", threat->event_count);
    set_number(&object, "evidence_until", last);
    if (errand->cached)
        threat_extra_put(&object, "cached", STR("true"));
    struct str kept = arena_dup(errand->arena, buf_str(&object));
    buf_free(&object);
    return kept;
}

static void keep_answer(struct analysis *analysis, struct str agents, struct str answer)
{
    const struct answer *checked = &analysis->errand->answer;
    struct buf out = BUF_EMPTY;
    buf_puts(&out, "{\"agents\":");
    buf_put(&out, agents);
    buf_puts(&out, ",\"analysis\":");
    buf_put(&out, answer);
    buf_json_kint(&out, "verdict", checked->verdict);
    buf_json_kint(&out, "claims", checked->claims);
    buf_json_kdouble(&out, "confidence", checked->confidence);
    buf_json_kint(&out, "severity_suggestion", checked->severity_suggestion);
    buf_json_kbool(&out, "injection", analysis->errand->injection);
    buf_json_kstr(&out, "model", str_from(analysis->errand->model));
    buf_putc(&out, '}');
    if (out.len <= 64 << 10)
        analysis->errand->keep = arena_dup(analysis->errand->arena, buf_str(&out));
    buf_free(&out);
}

void analysis_result(struct analysis *analysis)
{
    struct errand *errand = analysis->errand;
    struct buf agents = BUF_EMPTY, object = BUF_EMPTY;
    const char *status = status_of(analysis);
    put_agents(analysis, &agents);
    errand->agent_analyses = arena_dup(errand->arena, buf_str(&agents));
    buf_put(&object, analysis->turns[AGENT_COORDINATOR].finding);
    threat_extra_put_text(&object, "provider", errand->answered ? STR("model") : STR("rules"));
    threat_extra_put_text(&object, "status", str_from(status));
    if (errand->asked_model)
        threat_extra_put_text(&object, "model", str_from(errand->model));
    if (errand->answered && strcmp(status, "complete") == 0)
        keep_answer(analysis, errand->agent_analyses, buf_str(&object));
    errand->analysis = analysis_stamped(analysis->analyst, errand, buf_str(&object));
    buf_free(&agents);
    buf_free(&object);
}

static struct str printed(const struct json *value, struct arena *arena)
{
    struct buf out = BUF_EMPTY;
    json_print(value, &out);
    struct str kept = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return kept;
}

bool analysis_result_kept(struct analysis *analysis, struct str text)
{
    struct errand *errand = analysis->errand;
    struct json *json = view_parse(text);
    int64_t verdict, suggestion, claims;
    struct str model;
    bool ok = json_kind(json_get(json, "agents")) == JSON_KIND_OBJECT &&
              json_kind(json_get(json, "analysis")) == JSON_KIND_OBJECT &&
              json_get_int(json, "verdict", &verdict) && verdict >= 0 && verdict <= ANSWER_NOT_EVALUABLE &&
              json_get_int(json, "claims", &claims) && claims >= 0 && claims <= ANSWER_CLAIMS_MAX &&
              json_get_double(json, "confidence", &errand->answer.confidence) &&
              json_get_int(json, "severity_suggestion", &suggestion) && suggestion >= -1 && suggestion <= 4 &&
              json_get_bool(json, "injection", &errand->injection) && json_get_str(json, "model", &model);
    if (ok) {
        errand->cached = errand->answered = true;
        errand->answer.verdict = (enum answer_verdict)verdict;
        errand->answer.claims = (unsigned)claims;
        errand->answer.severity_suggestion = (int)suggestion;
        errand->answer.injection_suspected = errand->injection;
        errand->agent_analyses = printed(json_get(json, "agents"), errand->arena);
        errand->analysis = analysis_stamped(analysis->analyst, errand,
                                            printed(json_get(json, "analysis"), errand->arena));
        snprintf(errand->model, sizeof(errand->model), "%.*s", STR_ARG(model));
    }
    json_free(json);
    return ok;
}
