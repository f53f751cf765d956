/* Analyses: five agents at once and their coordinator, by a model or by their own rules; what an answer may
 * do to a threat, and what becomes of one that does not come. */
#include "core/pipeline/desk.h"

#define AGENTS DESK_RULE, DESK_PLAN, DESK_AGENTS("")
#define OPEN(d, with_model, ...)                                                                             \
    struct desk d;                                                                                           \
    do {                                                                                                     \
        static const struct text_file files_[] = {__VA_ARGS__};                                              \
        desk_open(&d, files_, sizeof(files_) / sizeof(files_[0]), with_model);                               \
    } while (0)

/* ---- by the agents' own rules ---- */

static void every_threat_gets_findings_without_a_model(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, false, AGENTS);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"rules\"");
    desk_expect(&d, id, "analysis.status", "\"complete\"");
    desk_expect(&d, id, "analysis.event_count", "1");
    desk_expect(&d, id, "agent_analyses.priority.provider", "\"rules\"");
    desk_expect(&d, id, "severity", "\"LOW\"");
    desk_expect(&d, id, "requires_human_review", "false");
    assert_int_equal(desk_jobs(&d).count, 0);
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "rules"), 1);
    desk_close(&d);
}

/* Rules without any agents: the job ends all the same, once. */
static void no_agents_no_loop(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, DESK_RULE);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    assert_int_equal(desk_jobs(&d).count, 0);
    assert_int_equal(desk_asked(&d.model), 0);
    assert_true(desk_state(&d).done <= 2);
    desk_close(&d);
}

/* ---- by a model ---- */

static unsigned in_flight(struct desk_model *model)
{
    pthread_mutex_lock(&model->lock);
    unsigned count = model->in_flight;
    pthread_mutex_unlock(&model->lock);
    return count;
}

static void five_agents_ask_at_once_and_answer_in_any_order(void **state)
{
    char id[20][UUID_TEXT];
    char user[16];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.spread_ms = 20;
    d.settings.concurrency = 1;
    desk_start(&d);
    desk_hold(&d.model, true); /* the first answer comes after the fifth question, however slow this is */
    desk_send(&d, "first", "", id[0]);
    while (in_flight(&d.model) < 5)
        usleep(1000);
    desk_hold(&d.model, false);
    desk_settle(&d);
    assert_int_equal(d.model.most_in_flight, 5);
    assert_int_equal(d.model.asked, 6);
    desk_expect(&d, id[0], "analysis.provider", "\"model\"");
    desk_expect(&d, id[0], "analysis.model", "\"desk\"");
    desk_expect(&d, id[0], "analysis.status", "\"complete\"");
    desk_expect(&d, id[0], "agent_analyses.devops.provider", "\"model\"");
    for (int i = 1; i < 20; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    desk_settle(&d);
    for (int i = 1; i < 20; i++)
        desk_expect(&d, id[i], "analysis.provider", "\"model\"");
    assert_int_equal(d.model.most_in_flight, 5);
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

/* ---- monotonic ---- */

struct script {
    const char *coordinator;
    enum ai_status status;
    bool raises, reviews;
};

static const struct script *script; /* of the run under way; under the model's lock */

static void scripted(struct desk_model *model, const char *agent, unsigned turn, struct ai_reply *reply)
{
    desk_answer(model, agent, turn, reply);
    if (strcmp(agent, "coordinator") != 0)
        return;
    reply->status = script->status;
    reply->content = script->status == AI_ANSWERED ? str_from(script->coordinator) : STR("");
}

#define CLAIM "\"claims\":[{\"text\":\"t\",\"evidence\":[\"E1\"],\"kind\":\"fact\"}],"

static void no_answer_makes_a_threat_milder(void **state)
{
    static const struct script scripts[] = {
        {NULL, AI_REFUSED, false, true},
        {NULL, AI_TRUNCATED, false, true},
        {NULL, AI_MALFORMED, false, true},
        {"7", AI_ANSWERED, false, true},
        {"[]", AI_ANSWERED, false, true},
        {"{}", AI_ANSWERED, false, true},
        {"{" CLAIM "\"verdict\":\"harmless\",\"confidence\":1}", AI_ANSWERED, false, true},
        {"{" CLAIM "\"verdict\":\"benign_expected\",\"confidence\":7}", AI_ANSWERED, false, true},
        {"{" CLAIM "\"verdict\":\"benign_expected\",\"confidence\":1,\"severity_suggestion\":\"info\"}",
         AI_ANSWERED, false, false},
        {"{" CLAIM "\"verdict\":\"false_positive\",\"confidence\":1,\"severity_suggestion\":\"critical\","
         "\"status\":\"resolved\",\"suppressed\":true,\"severity\":\"INFO\",\"review\":false}",
         AI_ANSWERED, false, false},
        {"{" CLAIM "\"verdict\":\"malicious\",\"confidence\":1,\"severity_suggestion\":\"low\"}", AI_ANSWERED,
         false, false},
        {"{" CLAIM "\"verdict\":\"not_evaluable\",\"confidence\":1}", AI_ANSWERED, false, true},
        {"{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E99\"]}],\"verdict\":\"malicious\",\"confidence\":1,"
         "\"severity_suggestion\":\"critical\"}",
         AI_ANSWERED, false, true},
        {"{" CLAIM "\"verdict\":\"malicious\",\"confidence\":1,\"severity_suggestion\":\"critical\","
         "\"injection_suspected\":true}",
         AI_ANSWERED, false, true},
        {"{" CLAIM "\"verdict\":\"malicious\",\"confidence\":1,\"severity_suggestion\":\"critical\"}",
         AI_ANSWERED, true, false},
        {"{" CLAIM "\"verdict\":\"suspicious\",\"confidence\":0.1,\"severity_suggestion\":\"high\"}",
         AI_ANSWERED, true, false},
    };
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = scripted;
    d.settings.concurrency = 1;
    desk_start(&d);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char id[UUID_TEXT], user[16];
        pthread_mutex_lock(&d.model.lock);
        script = &scripts[i];
        pthread_mutex_unlock(&d.model.lock);
        snprintf(user, sizeof(user), "u%zu", i);
        desk_send(&d, user, "", id);
        desk_settle(&d);
        desk_expect(&d, id, "severity", scripts[i].raises ? "\"MEDIUM\"" : "\"LOW\"");
        desk_expect(&d, id, "requires_human_review", scripts[i].reviews ? "true" : "false");
        desk_expect(&d, id, "status", "\"new\"");
        desk_expect(&d, id, "suppressed", "false");
        desk_expect(&d, id, "severity_raised.by", scripts[i].raises ? "\"model\"" : "(none)");
        assert_int_equal(desk_jobs(&d).count, 0);
    }
    desk_close(&d);
}

static int analyse_again(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    assert_non_null(threat);
    return followup_analyse(writer_followup(writer), threat, err);
}

static void a_model_raises_once(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "severity", "\"MEDIUM\"");
    desk_expect(&d, id, "severity_raised.from", "\"LOW\"");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(desk_on_writer(&d, analyse_again, id), ERR_NONE);
        desk_settle(&d);
        desk_expect(&d, id, "severity", "\"MEDIUM\"");
    }
    desk_close(&d);
}

/* ---- answers that fail ---- */

static void fails_first(struct desk_model *model, const char *agent, unsigned turn, struct ai_reply *reply)
{
    desk_answer(model, agent, turn, reply);
    if (strcmp(agent, "config") == 0 && turn == 1)
        reply->content = STR("{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E77\"]}]}");
    if (strcmp(agent, "devops") == 0)
        reply->content = STR("{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E77\"]}]}");
    if (strcmp(agent, "context") == 0 && turn == 1) {
        reply->status = AI_MALFORMED;
        reply->content = STR("");
    }
    if (strcmp(agent, "priority") == 0) {
        reply->status = AI_REFUSED;
        reply->content = STR("");
    }
}

static void an_answer_that_fails_is_asked_for_once_more(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = fails_first;
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    assert_int_equal(d.model.turns[AGENT_HISTORICAL], 1);
    assert_int_equal(d.model.turns[AGENT_CONFIG], 2);
    assert_int_equal(d.model.turns[AGENT_DEVOPS], 2);
    assert_int_equal(d.model.turns[AGENT_CONTEXT], 2);
    assert_int_equal(d.model.turns[AGENT_PRIORITY], 1);
    desk_expect(&d, id, "agent_analyses.config.provider", "\"model\"");
    desk_expect(&d, id, "agent_analyses.devops.status", "\"not_evaluable\"");
    desk_expect(&d, id, "agent_analyses.devops.provider", "\"rules\"");
    desk_expect(&d, id, "agent_analyses.context.provider", "\"model\"");
    desk_expect(&d, id, "agent_analyses.priority.status", "\"refused\"");
    desk_expect(&d, id, "analysis.status", "\"partial\"");
    desk_close(&d);
}

/* ---- outages ---- */

static _Atomic int outages; /* answers that fail before one comes */

static void out_of_order(struct desk_model *model, const char *agent, unsigned turn, struct ai_reply *reply)
{
    desk_answer(model, agent, turn, reply);
    if (atomic_load(&outages) <= 0)
        return;
    reply->status = AI_FAILED;
    reply->error = "the host refuses the connection";
    reply->content = STR("");
}

static void an_outage_delays_and_opens_the_breaker(void **state)
{
    char id[8][UUID_TEXT], user[16];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = out_of_order;
    d.settings.breaker_open_ns = 20 * NS_PER_MS;
    atomic_store(&outages, 1);
    desk_start(&d);
    for (int i = 0; i < 8; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    while (desk_state(&d).retried < 8)
        usleep(1000);
    assert_true(desk_state(&d).failed >= 8);
    for (int i = 0; i < 8; i++) {
        desk_expect(&d, id[i], "analysis.provider", "\"rules\"");
        desk_expect(&d, id[i], "severity", "\"LOW\"");
    }
    assert_int_equal(desk_jobs(&d).by_stage[JOB_MODEL], 8);
    atomic_store(&outages, 0);
    atomic_fetch_add(&d.clock.now_ns, 600 * NS_PER_S);
    for (int i = 0; i < 8; i++)
        desk_wait_says(&d, id[i], "analysis.provider", "\"model\"");
    desk_settle(&d);
    assert_string_equal(desk_state(&d).breaker, "closed");
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

static void five_outages_open_the_breaker(void **state)
{
    char user[16];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = out_of_order;
    d.settings.concurrency = 1;
    d.settings.breaker_open_ns = 3600 * NS_PER_S;
    atomic_store(&outages, 1);
    desk_start(&d);
    for (int i = 0; i < 8; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", NULL);
    }
    while (strcmp(desk_state(&d).breaker, "open") != 0)
        usleep(1000);
    assert_int_equal(desk_asked(&d.model), 5 * 6);
    desk_jobs(&d); /* a commit later nothing more was asked */
    assert_int_equal(desk_asked(&d.model), 5 * 6);
    desk_close(&d);
}

/* A model that never answers: after five tries the threat says so, and keeps its findings. */
static void an_outage_without_end_ends(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = out_of_order;
    d.settings.breaker_open_ns = NS_PER_MS;
    atomic_store(&outages, 1);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    while (desk_jobs(&d).count) {
        atomic_fetch_add(&d.clock.now_ns, 60 * NS_PER_S);
        usleep(1000);
    }
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"rules\"");
    desk_expect(&d, id, "analysis.model_status", "\"failed\"");
    desk_expect(&d, id, "analysis.model_error", "\"the host refuses the connection\"");
    assert_string_equal(desk_state(&d).last_error, "the host refuses the connection");
    desk_expect(&d, id, "requires_human_review", "true");
    desk_expect(&d, id, "severity", "\"LOW\"");
    assert_int_equal(desk_asked(&d.model), 5 * 6);
    desk_close(&d);
}

static void add_events(struct desk *desk, const char *user, int count)
{
    for (int i = 0; i < count; i++)
        desk_send(desk, user, "", NULL);
    desk_settle(desk);
}

/* What a model found stays when the threat grows or somebody asks again, until a model answers. */
static void an_outage_takes_nothing_back(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = out_of_order;
    d.settings.breaker_open_ns = NS_PER_MS;
    atomic_store(&outages, 0);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.verdict", "\"malicious\"");
    atomic_store(&outages, 1);
    for (int i = 0; i < 3; i++)
        desk_send(&d, "ana", "", NULL);
    desk_wait_says(&d, id, "analysis.newer.provider", "\"rules\"");
    while (desk_jobs(&d).count) {
        atomic_fetch_add(&d.clock.now_ns, 60 * NS_PER_S);
        usleep(1000);
    }
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_expect(&d, id, "analysis.verdict", "\"malicious\"");
    desk_expect(&d, id, "analysis.event_count", "1");
    desk_expect(&d, id, "analysis.evidence_until", "1");
    desk_expect(&d, id, "analysis.newer.event_count", "4");
    desk_expect(&d, id, "analysis.newer.verdict", "\"not_evaluable\"");
    desk_expect(&d, id, "analysis.model_status", "\"failed\"");
    for (unsigned i = 0; i < AGENT_COORDINATOR; i++) {
        char path[64];
        snprintf(path, sizeof(path), "agent_analyses.%s.provider", agent_names[i]);
        desk_expect(&d, id, path, "\"model\"");
    }
    unsigned asked = desk_asked(&d.model);
    add_events(&d, "ana", 3); /* it was looked at with four: no analysis for each event from now on */
    assert_int_equal(desk_asked(&d.model), asked);
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "rules"), 2);

    /* The model is back: it gets all that it has not seen, and its answer is the only one. */
    pthread_mutex_lock(&d.model.lock);
    d.model.coordinator = "{\"claims\":[],\"verdict\":\"suspicious\",\"confidence\":1}";
    pthread_mutex_unlock(&d.model.lock);
    atomic_store(&outages, 0);
    add_events(&d, "ana", 9);
    desk_expect(&d, id, "analysis.verdict", "\"suspicious\"");
    desk_expect(&d, id, "agent_analyses.priority.provider", "\"model\"");
    desk_expect(&d, id, "analysis.event_count", "16");
    desk_expect(&d, id, "analysis.newer", "(none)");
    desk_expect(&d, id, "analysis.model_status", "(none)");
    desk_close(&d);
}

/* Six files that load one by one, and not together: each keeps twelve of the state's 64 MiB. */
#define BIG(name)                                                                                            \
    {                                                                                                        \
        "rules/agents/" name ".lua",                                                                         \
            "local keep = {} for i = 1, 12 do keep[i] = string.rep(tostring(i % 10), 1 << 20) end\n"         \
            "return agent { name = '" name "', schema = { type = 'object' },\n"                              \
            "tests = { { 't', threat = {}, expect = {} } },\n"                                               \
            "offline = function() return { claims = {}, confidence = #keep / 100, verdict = "                \
            "'not_evaluable' } end }"                                                                        \
    }

static void findings_stand_when_the_agents_do_not_load(void **state)
{
    static const struct text_file big[] = {DESK_RULE,         BIG("historical"), BIG("config"),
                                           BIG("devops"),     BIG("context"),    BIG("priority"),
                                           BIG("coordinator")};
    char id[UUID_TEXT], other[UUID_TEXT];
    struct err err = {0};
    (void)state;
    OPEN(d, true, AGENTS);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    struct ruleset *next = plant_rules(big, sizeof(big) / sizeof(big[0]));
    if (pipeline_publish(d.pipeline, next, &err) != 0)
        fail_msg("%s", err_text(&err));
    ruleset_unref(next);
    assert_int_equal(desk_on_writer(&d, analyse_again, id), ERR_NONE);
    desk_send(&d, "bo", "", other);
    desk_settle(&d);
    desk_expect(&d, other, "analysis.status", "\"failed\"");
    desk_expect(&d, other, "requires_human_review", "true");
    desk_expect(&d, id, "analysis.verdict", "\"malicious\"");
    desk_expect(&d, id, "analysis.newer.error", "\"the agents do not load\"");
    desk_expect(&d, id, "agent_analyses.priority.provider", "\"model\"");
    desk_expect(&d, id, "requires_human_review", "true");
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

/* ---- budgets ---- */

static void what_is_over_the_budget_waits_for_the_next_day(void **state)
{
    char id[5][UUID_TEXT], user[16];
    (void)state;
    OPEN(d, true, AGENTS);
    d.settings.tokens_day = 1000; /* one analysis takes 660 */
    d.settings.concurrency = 4;
    desk_start(&d);
    for (int i = 0; i < 5; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    while (desk_state(&d).in_work + desk_state(&d).in_work_model + desk_state(&d).queued_findings > 0 ||
           !desk_state(&d).over_budget)
        usleep(1000);
    unsigned by_model = 0;
    for (int i = 0; i < 5; i++) {
        by_model += desk_says(&d, id[i], "analysis.provider", "\"model\"");
        desk_expect(&d, id[i], "analysis.status", "\"complete\"");
    }
    assert_int_equal(by_model, 1);
    assert_int_equal(desk_jobs(&d).by_stage[JOB_MODEL], 4);
    assert_int_equal(desk_asked(&d.model), 6);

    /* Neither a restart of the process makes room. */
    desk_stop(&d);
    desk_start(&d);
    while (!desk_state(&d).over_budget)
        usleep(1000);
    assert_int_equal(desk_asked(&d.model), 6);
    atomic_fetch_add(&d.clock.now_ns, 86400 * NS_PER_S);
    while (desk_asked(&d.model) < 12)
        usleep(1000);
    desk_close(&d);
}

/* What is held for an analysis under way is more than it takes in the end: the others wait for that, not for
 * tomorrow. */
static void what_an_analysis_did_not_take_is_there_for_the_next(void **state)
{
    char id[5][UUID_TEXT], user[16];
    (void)state;
    OPEN(d, true, AGENTS);
    d.settings.tokens_day = 20000; /* 12,000 are held for the first, which takes 660 */
    desk_start(&d);
    desk_hold(&d.model, true);
    for (int i = 0; i < 5; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    while (!desk_state(&d).over_budget)
        usleep(1000);
    assert_int_equal(desk_state(&d).in_work_model, 1);
    desk_hold(&d.model, false);
    for (int i = 0; i < 5; i++)
        desk_wait_says(&d, id[i], "analysis.provider", "\"model\"");
    desk_close(&d);
}

static void an_agent_over_its_budget_does_without_the_model(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    d.settings.agent_tokens_day = 150;
    d.settings.concurrency = 1;
    desk_start(&d);
    desk_send(&d, "one", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_send(&d, "two", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"rules\"");
    desk_expect(&d, id, "requires_human_review", "false");
    assert_int_equal(desk_asked(&d.model), 6);
    desk_close(&d);
}

/* ---- identical evidence ---- */

static void identical_evidence_is_answered_once_for_each_customer(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, AGENTS);
    d.settings.concurrency = 1;
    desk_start(&d);
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.cached", "(none)");
    assert_int_equal(desk_asked(&d.model), 6);
    atomic_fetch_add(&d.clock.now_ns, 2 * 3600 * NS_PER_S); /* another threat of the same */
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.cached", "true");
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_expect(&d, id, "severity", "\"MEDIUM\"");
    assert_int_equal(desk_asked(&d.model), 6);
    assert_int_equal(desk_state(&d).cached, 1);
    desk_send(&d, "ana", "umbrella", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.cached", "(none)");
    assert_int_equal(desk_asked(&d.model), 12);
    desk_close(&d);
}

/* ---- agents that fail ---- */

static void a_gather_that_never_returns_is_cut_off(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, false, DESK_RULE, DESK_AGENTS("gather = function() sleep(3600) return { text = 'late' } end,"));
    d.settings.gather_limit_ns = 20 * NS_PER_MS;
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.status", "\"complete\"");
    desk_expect(&d, id, "agent_analyses.historical.provider", "\"rules\"");
    desk_expect(&d, id, "agent_analyses.historical.summary", "(none)");
    desk_close(&d);
}

/* Callbacks that fail leave findings that say so. */
static void agents_that_fail_say_so(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, true, DESK_RULE, DESK_AGENT("historical", "gather = function() error('no luck') end,"),
         DESK_AGENT("config", "when = function() return false end,"),
         {"rules/agents/devops.lua", "return agent { name = 'devops', tests = { { 't', threat = {}, expect = "
                                     "{} } }, offline = function() error('broken') end }"},
         DESK_AGENT("coordinator", ""));
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.provider", "\"model\"");
    desk_expect(&d, id, "agent_analyses.config", "(none)");
    desk_expect(&d, id, "agent_analyses.devops.status", "\"failed\"");
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_expect(&d, id, "analysis.status", "\"partial\"");
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_threat_gets_findings_without_a_model),
        cmocka_unit_test(no_agents_no_loop),
        cmocka_unit_test(five_agents_ask_at_once_and_answer_in_any_order),
        cmocka_unit_test(no_answer_makes_a_threat_milder),
        cmocka_unit_test(a_model_raises_once),
        cmocka_unit_test(an_answer_that_fails_is_asked_for_once_more),
        cmocka_unit_test(an_outage_delays_and_opens_the_breaker),
        cmocka_unit_test(five_outages_open_the_breaker),
        cmocka_unit_test(an_outage_without_end_ends),
        cmocka_unit_test(an_outage_takes_nothing_back),
        cmocka_unit_test(findings_stand_when_the_agents_do_not_load),
        cmocka_unit_test(what_is_over_the_budget_waits_for_the_next_day),
        cmocka_unit_test(what_an_analysis_did_not_take_is_there_for_the_next),
        cmocka_unit_test(an_agent_over_its_budget_does_without_the_model),
        cmocka_unit_test(identical_evidence_is_answered_once_for_each_customer),
        cmocka_unit_test(a_gather_that_never_returns_is_cut_off),
        cmocka_unit_test(agents_that_fail_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
