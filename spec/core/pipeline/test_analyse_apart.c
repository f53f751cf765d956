/* Analyses: a suspicion of one agent is the threat's, pseudonyms come back within bounds, and agents see
 * nothing of other customers. */
#include "core/pipeline/desk.h"

#define AGENTS DESK_RULE, DESK_PLAN, DESK_AGENTS("")
#define OPEN(d, with_model, ...)                                                                             \
    struct desk d;                                                                                           \
    do {                                                                                                     \
        static const struct text_file files_[] = {__VA_ARGS__};                                              \
        desk_open(&d, files_, sizeof(files_) / sizeof(files_[0]), with_model);                               \
    } while (0)

/* ---- suspicion ---- */

static enum ai_status coordinator_ends; /* under the model's lock */

static void one_suspects(struct desk_model *model, const char *agent, unsigned turn, struct ai_reply *reply)
{
    desk_answer(model, agent, turn, reply);
    if (strcmp(agent, "config") == 0)
        reply->content = STR(
            "{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E1\"]}],\"confidence\":0.9,"
            "\"injection_suspected\":{\"suspected\":true,\"where\":[\"E1\"],\"reason\":\"r\"}}");
    if (strcmp(agent, "coordinator") != 0)
        return;
    reply->status = coordinator_ends;
    reply->content = coordinator_ends == AI_ANSWERED
                         ? STR("{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E1\"]}],\"confidence\":0.9,"
                               "\"verdict\":\"malicious\",\"severity_suggestion\":\"critical\","
                               "\"injection_suspected\":{\"suspected\":false,\"where\":[],\"reason\":\"\"}}")
                         : STR("");
}

static int review_for_another_reason(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    assert_non_null(threat);
    threat->review = true;
    threat->review_reason = threat_keep(threat, STR("another"));
    book_touch(writer_book(writer), threat);
    return 0;
}

/* The reason of the review may be another; the flag says it all the same. */
static void a_suspicion_of_one_agent_is_the_threats(void **state)
{
    static const enum ai_status ends[] = {AI_ANSWERED, AI_REFUSED};
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = one_suspects;
    desk_start(&d);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char id[UUID_TEXT], user[8];
        desk_hold(&d.model, true);
        pthread_mutex_lock(&d.model.lock);
        coordinator_ends = ends[i];
        pthread_mutex_unlock(&d.model.lock);
        snprintf(user, sizeof(user), "u%zu", i);
        desk_send(&d, user, "", id);
        assert_int_equal(desk_on_writer(&d, review_for_another_reason, id), ERR_NONE);
        desk_hold(&d.model, false);
        desk_settle(&d);
        desk_expect(&d, id, "review_reason", "\"another\"");
        desk_expect(&d, id, "severity", "\"LOW\"");
        desk_expect(&d, id, "analysis.injection_suspected", "true");
        desk_expect(&d, id, "analysis.injection", "(none)"); /* the coordinator said nothing of it */
    }
    desk_close(&d);
}

/* ---- pseudonyms ---- */

static void repeats_pseudonyms(struct desk_model *model, const char *agent, unsigned turn,
                               struct ai_reply *reply)
{
    static char text[4096];
    size_t len = 0;
    desk_answer(model, agent, turn, reply);
    if (strcmp(agent, "coordinator") != 0)
        return;
    len += (size_t)snprintf(text, sizeof(text),
                            "{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E1\"]}],\"verdict\":\"malicious\","
                            "\"confidence\":0.9,\"summary\":\"of [USER_1]\",\"long\":\"");
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[USER_1]");
    snprintf(text + len, sizeof(text) - len, "\"}");
    reply->content = str_from(text);
}

/* A pseudonym is short, what it stands for is not: a finding does not grow beyond its bounds by them. */
static void pseudonyms_come_back_while_there_is_room(void **state)
{
    char id[UUID_TEXT], user[601], summary[640];
    (void)state;
    OPEN(d, true, AGENTS);
    d.model.answer = repeats_pseudonyms;
    d.settings.personal_fields = "user.name";
    desk_start(&d);
    desk_send(&d, "anastasia", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.summary", "\"of anastasia\"");
    desk_expect(&d, id, "analysis.pseudonyms_stay", "(none)");
    memset(user, 'u', sizeof(user) - 1);
    user[sizeof(user) - 1] = '\0';
    desk_send(&d, user, "", id);
    desk_settle(&d);
    snprintf(summary, sizeof(summary), "\"of %s\"", user);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_expect(&d, id, "analysis.summary", summary);
    desk_expect(&d, id, "analysis.pseudonyms_stay", "true");
    char *analysis = desk_text(&d, id, "analysis");
    assert_true(strlen(analysis) < 50 << 10);
    free(analysis);
    desk_close(&d);
}

/* ---- what agents ask ---- */

static void agents_see_their_own_customer_only(void **state)
{
    char other[UUID_TEXT], id[UUID_TEXT];
    (void)state;
    OPEN(d, false, DESK_RULE,
         DESK_AGENTS("gather = function(threat)\n"
                     "local s = threats.similar({ id = 'x', customer_name = 'umbrella' }, { limit = 20 })\n"
                     "sleep(0.001)\n"
                     "local again = threats.similar(threat)\n"
                     "return { text = #s .. ' ' .. #again .. ' ' .. (s[1] and s[1].title or '-') } end,"));
    desk_start(&d);
    desk_send(&d, "ana", "umbrella", other);
    desk_settle(&d);
    desk_expect(&d, other, "agent_analyses.historical.summary", "\"0 0 -\"");
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.summary", "\"0 0 -\"");
    atomic_fetch_add(&d.clock.now_ns, 2 * 3600 * NS_PER_S);
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.summary", "\"1 1 one\"");
    desk_close(&d);
}

/* Threats of a store that an earlier version wrote may have such a name. */
static int end_customer_with_nul(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    assert_non_null(threat);
    threat->customer = threat_keep(threat, (struct str){"acme\0x", 6});
    book_touch(writer_book(writer), threat);
    return followup_analyse(writer_followup(writer), threat, err);
}

static int observe_acme(struct writer *writer, void *arg, struct err *err)
{
    struct store_observation news = {.kind = STR("news"),
                                     .customer = STR("acme"),
                                     .time_ns = clock_now(writer_clock(writer)),
                                     .event = {{1}},
                                     .body = STR("{\"n\":1}")};
    (void)arg;
    return store_add_observation(writer_store(writer), &news, err);
}

static void a_nul_in_the_customer_reads_nobody_elses(void **state)
{
    char id[UUID_TEXT];
    (void)state;
    OPEN(d, false, DESK_RULE,
         DESK_AGENTS(
             "gather = function() return { text = #observations.list({ kind = 'news' }) .. '' } end,"));
    desk_start(&d);
    assert_int_equal(desk_on_writer(&d, observe_acme, NULL), ERR_NONE);
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.summary", "\"1\"");
    desk_send(&d, "ana", "umbrella", id);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.summary", "\"0\"");
    assert_int_equal(desk_on_writer(&d, end_customer_with_nul, id), ERR_NONE);
    desk_settle(&d);
    desk_expect(&d, id, "agent_analyses.historical.summary", "\"0\"");
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suspicion_of_one_agent_is_the_threats),
        cmocka_unit_test(pseudonyms_come_back_while_there_is_room),
        cmocka_unit_test(agents_see_their_own_customer_only),
        cmocka_unit_test(a_nul_in_the_customer_reads_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
