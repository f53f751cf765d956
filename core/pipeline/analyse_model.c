/* What a model is asked, and what is left of its answer. */
#include <stdio.h>

#include "base/log.h"
#include "pipeline/analyse_impl.h"
#include "pipeline/view.h"

#define CONTEXT_MAX (16 << 10) /* bytes of what an agent gathered that a model gets */
#define TRIES_MAX   2          /* an answer that fails its checks is asked for once more */
#define GROWTH_MAX  (8 << 10)  /* bytes by which a finding grows when pseudonyms are put back */

void analysis_evidence(struct analysis *analysis)
{
    struct analyst *analyst = analysis->analyst;
    struct redact_options redact = {.personal_fields = (const char *const *)analyst->personal,
                                    .personal_count = analyst->personal_count};
    char nonce[EVIDENCE_NONCE_HEX + 1];
    analysis->redact = redact_new(&redact);
    evidence_nonce(nonce);
    struct evidence_options options = {.nonce = str_from(nonce), .redact = analysis->redact};
    analysis->block = evidence_block_new(analysis->threat, &options, NULL);
    INVARIANT(analysis->block); /* the threat is our own */
    analysis->sent = analysis->block;
    if (analysis->errand->since_evidence == 0)
        return;
    options.since = analysis->errand->since_evidence;
    analysis->sent = evidence_block_new(analysis->threat, &options, NULL);
}

/* ---- the prompt ---- */

/* What the agent gathered comes from people and lists: fenced like evidence, in one line. */
static void put_gathered(struct turn *turn, struct buf *out)
{
    struct buf redacted = BUF_EMPTY;
    char nonce[EVIDENCE_NONCE_HEX + 1];
    if (turn->gathered.len <= 2)
        return;
    evidence_nonce(nonce);
    redact_text(turn->analysis->redact, turn->gathered, &redacted);
    buf_printf(out, "\n<<<CONTEXT %s>>>\n", nonce);
    evidence_print_value(out, buf_str(&redacted), CONTEXT_MAX);
    buf_printf(out, "\n<<<END %s>>>\n", nonce);
    buf_free(&redacted);
}

struct prompt_texts {
    struct buf system, user;
};

static bool make_prompt(struct turn *turn, struct prompt_texts *texts)
{
    struct analysis *analysis = turn->analysis;
    struct agent_call call = {turn->kind, analysis->view, turn->gathered, analysis->errand->arena};
    char reason[POLICY_REASON];
    struct str answer, system, user;
    if (agents_prompt(analysis->state->agents, &call, &answer, reason) != 0)
        return false;
    struct json *json = view_parse(answer);
    bool ok = json_get_str(json, "system", &system) && json_get_str(json, "user", &user);
    if (ok) {
        redact_text(analysis->redact, system, &texts->system);
        redact_text(analysis->redact, user, &texts->user);
        buf_puts(&texts->user, "\n\n");
        buf_put(&texts->user, evidence_block_text(analysis->sent));
        put_gathered(turn, &texts->user);
    }
    json_free(json);
    return ok;
}

static void on_reply(const struct ai_reply *reply, void *arg);

static bool may_ask(const struct turn *turn)
{
    const struct analysis *analysis = turn->analysis;
    return analysis->analyst->provider && analysis->errand->stage == JOB_MODEL &&
           !(analysis->errand->agents_without_model & 1u << turn->kind) &&
           analysis->state->set->agents[turn->kind].has_prompt;
}

bool turn_ask_model(struct turn *turn)
{
    struct prompt_texts texts = {BUF_EMPTY, BUF_EMPTY};
    bool asked = may_ask(turn) && make_prompt(turn, &texts);
    if (asked) {
        const struct agent *agent = &turn->analysis->state->set->agents[turn->kind];
        struct ai_prompt prompt = {.system = buf_str(&texts.system),
                                   .user = buf_str(&texts.user),
                                   .schema_name = str_from(agent_names[turn->kind]),
                                   .schema = agent->schema,
                                   .max_tokens = agent->max_tokens,
                                   .timeout_ns = agent->timeout_ns};
        turn->tries++;
        turn->analysis->errand->asked_model = true;
        turn->analysis->errand->asked_coordinator |= turn->kind == AGENT_COORDINATOR;
        turn->call = provider_ask(turn->analysis->analyst->provider, &prompt, on_reply, turn);
    }
    buf_free(&texts.system);
    buf_free(&texts.user);
    return asked;
}

/* ---- the answer ---- */

static bool is_technique(struct str id, void *arg)
{
    const struct ruleset *set = arg;
    struct str name, tactics;
    return ruleset_technique(set, id, &name, &tactics);
}

struct restoring {
    const struct redact *redact;
    struct buf *out;
    size_t left;      /* of GROWTH_MAX */
    unsigned as_sent; /* texts whose pseudonyms stay */
};

/* A pseudonym has 8 bytes, what it stands for up to 4,096: a model that repeats it must not make a finding of
 * any size. */
static void print_text(struct restoring *restoring, struct str text)
{
    struct buf restored = BUF_EMPTY, printed = BUF_EMPTY;
    size_t start = restoring->out->len;
    redact_restore(restoring->redact, text, &restored);
    buf_json_string(&printed, buf_str(&restored));
    buf_json_string(restoring->out, text);
    size_t plain = restoring->out->len - start, growth = printed.len > plain ? printed.len - plain : 0;
    if (growth <= restoring->left) {
        restoring->left -= growth;
        restoring->out->len = start;
        buf_put(restoring->out, buf_str(&printed));
    } else {
        restoring->as_sent++;
    }
    buf_free(&restored);
    buf_free(&printed);
}

/* Pseudonyms back to what they stand for, in each text of the value. */
static void print_restored(struct restoring *restoring, const struct json *value)
{
    struct buf *out = restoring->out;
    struct str key, text;
    const struct json *member;
    void *at = NULL;
    bool first = true;
    switch (json_kind(value)) {
    case JSON_KIND_STRING:
        json_as_str(value, &text);
        print_text(restoring, text);
        break;
    case JSON_KIND_ARRAY:
        for (size_t i = 0; i < json_count(value); i++) {
            buf_putc(out, i ? ',' : '[');
            print_restored(restoring, json_item(value, i));
        }
        buf_puts(out, json_count(value) ? "]" : "[]");
        break;
    case JSON_KIND_OBJECT:
        buf_putc(out, '{');
        for (; json_next(value, &at, &key, &member); first = false) {
            if (!first)
                buf_putc(out, ',');
            buf_json_string(out, key);
            buf_putc(out, ':');
            print_restored(restoring, member);
        }
        buf_putc(out, '}');
        break;
    default:
        json_print(value, out);
    }
}

/* The analysis has one flag, true or false; what a coordinator says besides stands beside it. */
static void put_suspicion(struct turn *turn, const struct answer *answer, struct buf *finding)
{
    struct str said;
    if (turn->kind != AGENT_COORDINATOR ||
        !threat_extra_get(buf_str(finding), STR("injection_suspected"), &said))
        return;
    said = arena_dup(turn->analysis->errand->arena, said);
    if (said.ptr[0] == '{' && answer->injection_suspected)
        threat_extra_put(finding, "injection", said);
    threat_extra_put(finding, "injection_suspected",
                     answer->injection_suspected ? STR("true") : STR("false"));
}

/* The cleaned answer, as a finding of this agent. */
static struct str finding_of(struct turn *turn, const struct answer *answer, const char *provider,
                             const char *status)
{
    struct analysis *analysis = turn->analysis;
    struct json *json = view_parse(buf_str(&answer->json));
    struct buf finding = BUF_EMPTY, counts = BUF_EMPTY;
    struct restoring restoring = {analysis->redact, &finding, GROWTH_MAX, 0};
    print_restored(&restoring, json);
    json_free(json);
    put_suspicion(turn, answer, &finding);
    threat_extra_put_text(&finding, "provider", str_from(provider));
    threat_extra_put_text(&finding, "status", str_from(status));
    if (answer_dropped_total(&answer->dropped)) {
        answer_dropped_print(&answer->dropped, &counts);
        threat_extra_put(&finding, "dropped", buf_str(&counts));
    }
    if (restoring.as_sent)
        threat_extra_put(&finding, "pseudonyms_stay", STR("true"));
    struct str kept = arena_dup(analysis->errand->arena, buf_str(&finding));
    buf_free(&finding);
    buf_free(&counts);
    return kept;
}

static int check(struct turn *turn, struct str content, bool offline, struct answer *answer, struct err *err)
{
    const struct analysis *analysis = turn->analysis;
    struct ruleset *set = analysis->state->set;
    struct str schema_text = offline ? STR("") : set->agents[turn->kind].schema;
    struct json *schema = schema_text.len ? view_parse(schema_text) : NULL;
    struct answer_options options = {.evidence = offline ? analysis->block : analysis->sent,
                                     .schema = schema,
                                     .verdict_required = turn->kind == AGENT_COORDINATOR,
                                     .offline = offline,
                                     .known_technique = is_technique,
                                     .arg = set};
    int rc = answer_check(content, &options, answer, err);
    json_free(schema);
    return rc;
}

void turn_offline(struct turn *turn, const char *why)
{
    struct analysis *analysis = turn->analysis;
    struct agent_call call = {turn->kind, analysis->view, turn->gathered, analysis->errand->arena};
    const char *status = why[0] ? why : "complete";
    char reason[POLICY_REASON];
    struct answer answer = {0};
    struct err err = {0};
    struct str json;
    struct buf failed = BUF_EMPTY;
    if (agents_offline(analysis->state->agents, &call, &json, reason) == 0 &&
        check(turn, json, true, &answer, &err) == 0) {
        struct str finding = finding_of(turn, &answer, "rules", status);
        answer_release(&answer);
        turn_finish(turn, finding);
        return;
    }
    LOG(LOG_DEBUG, "agent.offline_failed", log_text("agent", agent_names[turn->kind]));
    answer_release(&answer);
    buf_puts(&failed, "{\"claims\":[],\"confidence\":0,\"provider\":\"rules\",\"status\":\"failed\"");
    buf_json_kstr(&failed, "error", str_from(err.code ? err.message : reason));
    buf_putc(&failed, '}');
    struct str finding = arena_dup(analysis->errand->arena, buf_str(&failed));
    buf_free(&failed);
    turn_finish(turn, finding);
}

static void count_usage(struct turn *turn, const struct ai_reply *reply)
{
    struct errand *errand = turn->analysis->errand;
    struct errand_usage *usage = &errand->usage[turn->kind];
    usage->agent = turn->kind;
    usage->calls += reply->attempts;
    usage->failures += reply->status != AI_ANSWERED;
    usage->prompt_tokens += (uint64_t)reply->prompt_tokens;
    usage->completion_tokens += (uint64_t)reply->completion_tokens;
    snprintf(errand->model, sizeof(errand->model), "%.*s", STR_ARG(reply->model));
    if (reply->retry_after_ns > errand->retry_after_ns)
        errand->retry_after_ns = reply->retry_after_ns;
}

/* How it ended for the threat as a whole: an outage of one agent counts for all. */
static void note_status(struct turn *turn, enum ai_status status, const char *error)
{
    struct errand *errand = turn->analysis->errand;
    if (!ai_status_is_outage(status) && turn->kind != AGENT_COORDINATOR)
        return;
    if (ai_status_is_outage(errand->model_status))
        return;
    errand->model_status = status;
    errand->model_error = error[0] ? error : NULL;
}

static void take_answer(struct turn *turn, const struct answer *answer)
{
    struct errand *errand = turn->analysis->errand;
    turn->by_model = true;
    errand->injection |= answer->injection_suspected;
    if (turn->kind != AGENT_COORDINATOR)
        return;
    errand->answered = true;
    errand->answer = *answer;
    errand->answer.json = BUF_EMPTY;
}

static void on_reply(const struct ai_reply *reply, void *arg)
{
    struct turn *turn = arg;
    struct answer answer = {0};
    struct err err = {0};
    turn->call = NULL;
    count_usage(turn, reply);
    if (reply->status == AI_ANSWERED)
        note_status(turn, AI_ANSWERED, "");
    if (reply->status == AI_ANSWERED && check(turn, reply->content, false, &answer, &err) == 0) {
        take_answer(turn, &answer);
        struct str finding = finding_of(turn, &answer, "model", "complete");
        answer_release(&answer);
        turn_finish(turn, finding);
        return;
    }
    answer_release(&answer);
    bool unusable = reply->status == AI_ANSWERED || reply->status == AI_MALFORMED;
    if (unusable && turn->tries < TRIES_MAX && turn_ask_model(turn))
        return;
    note_status(turn, unusable ? AI_MALFORMED : reply->status, reply->error);
    turn_offline(turn, unusable ? "not_evaluable" : ai_status_name(reply->status));
}
