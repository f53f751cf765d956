#include "pipeline/analyse_impl.h"
#include "base/pem.h"
#include "pipeline/view.h"

#include <stdlib.h>

#define BEGIN_EVERY_NS  NS_PER_MS
#define GATHER_LIMIT_NS (10 * NS_PER_S)
#define PERSONAL_MAX    64
#define CALLS_LEAST     1024

static struct str no_object = {"{}", 2};

/* ---- life ---- */

static void split_personal(struct analyst *analyst, const char *list)
{
    char *copy = mem_dup(list, strlen(list)), *rest = copy, *path;
    analyst->personal = mem_zalloc(PERSONAL_MAX, sizeof(*analyst->personal));
    while ((path = strsep(&rest, ", ")) && analyst->personal_count < PERSONAL_MAX)
        if (path[0])
            analyst->personal[analyst->personal_count++] = mem_dup(path, strlen(path));
    free(copy);
}

bool ai_has_model(const struct ai_settings *settings)
{
    return settings && (settings->make || (settings->url && settings->url[0]));
}

static int open_model(struct analyst *analyst, const struct ai_settings *settings, struct err *err)
{
    if (settings->make) {
        analyst->provider = settings->make(analyst->options.loop, settings->make_context);
        return 0;
    }
    struct chat_options chat = {.url = settings->url,
                                .model = settings->model,
                                .key_file = settings->key_file,
                                .clock = analyst->options.clock};
    /* All analyses may be this worker's: a request that finds no room would look like an outage. */
    size_t calls = (size_t)settings->concurrency * AGENT_COUNT;
    struct http_fetch_options fetch = {.ca_file = settings->ca_file,
                                       .max_calls = calls > CALLS_LEAST ? calls : CALLS_LEAST};
    if (settings->ca_file && settings->ca_file[0] && pem_check_certificates(settings->ca_file, err) != 0)
        return -1;
    analyst->fetch = http_fetch_new(analyst->options.loop, &fetch);
    analyst->provider = chat_new(analyst->fetch, analyst->options.loop, &chat, err);
    return analyst->provider ? 0 : -1;
}

static void begin_next(void *arg);

struct analyst *analyst_new(const struct analyst_options *options, struct err *err)
{
    struct analyst *analyst = mem_zalloc(1, sizeof(*analyst));
    const struct ai_settings *settings = options->settings;
    analyst->options = *options;
    if (settings && options->gather_limit_ns == 0)
        analyst->options.gather_limit_ns = settings->gather_limit_ns;
    analyst->provider = options->provider;
    analyst->loop_timers = lua_timers_loop(options->loop);
    analyst->timers = analyst_timers(analyst);
    analyst->next = timer_new(options->loop, begin_next, analyst);
    if (settings && settings->personal_fields)
        split_personal(analyst, settings->personal_fields);
    if (analyst->provider || !ai_has_model(settings) || open_model(analyst, settings, err) == 0)
        return analyst;
    analyst_free(analyst);
    return NULL;
}

static void state_release(struct agents_state *state)
{
    if (state == NULL || --state->users > 0)
        return;
    agents_free(state->agents);
    ruleset_unref(state->set);
    free(state);
}

void analyst_free(struct analyst *analyst)
{
    if (analyst == NULL)
        return;
    state_release(analyst->newest);
    timer_free(analyst->next);
    vec_free(&analyst->waiting);
    provider_free(analyst->provider);
    http_fetch_free(analyst->fetch);
    for (size_t i = 0; i < analyst->personal_count; i++)
        free(analyst->personal[i]);
    free(analyst->personal);
    free(analyst);
}

void analyst_retire(struct analyst *analyst, const struct ruleset *current)
{
    if (analyst->newest == NULL || analyst->newest->set == current)
        return;
    state_release(analyst->newest);
    analyst->newest = NULL;
}

size_t analyst_in_work(const struct analyst *analyst)
{
    return analyst->in_work + analyst->waiting.count - analyst->begun;
}

/* The agents of this set, loaded when the first analysis needs them. NULL where they do not load. */
static struct agents_state *state_of(struct analyst *analyst, struct ruleset *set)
{
    struct agents_options options = {.set = set,
                                     .watchdog = analyst->options.watchdog,
                                     .clock = analyst->options.clock,
                                     .timers = &analyst->timers,
                                     .host = analyst,
                                     .ask = analyst_asks,
                                     .ask_cancel = analyst_ask_cancel};
    if (analyst->newest && analyst->newest->set == set)
        return analyst->newest;
    struct agents *agents = agents_new(&options, NULL);
    if (agents == NULL)
        return NULL;
    state_release(analyst->newest);
    struct agents_state *state = mem_zalloc(1, sizeof(*state));
    *state = (struct agents_state){agents, ruleset_ref(set), 1};
    return analyst->newest = state;
}

/* ---- one analysis ---- */

static void enter(struct analyst *analyst, struct analysis *analysis)
{
    analysis->next = analyst->first;
    if (analyst->first)
        analyst->first->prev = analysis;
    analyst->first = analysis;
    analyst->in_work++;
}

static void leave(struct analysis *analysis)
{
    if (analysis->prev)
        analysis->prev->next = analysis->next;
    else
        analysis->analyst->first = analysis->next;
    if (analysis->next)
        analysis->next->prev = analysis->prev;
    analysis->analyst->in_work--;
}

static void analysis_free(struct analysis *analysis)
{
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        struct turn *turn = &analysis->turns[i];
        if (turn->gathering)
            agents_gather_cancel(analysis->state->agents, turn->task);
        if (turn->call)
            provider_cancel(analysis->analyst->provider, turn->call);
    }
    analysis_forget_asks(analysis);
    leave(analysis);
    timer_free(analysis->limit);
    if (analysis->sent != analysis->block)
        evidence_block_free(analysis->sent);
    evidence_block_free(analysis->block);
    redact_free(analysis->redact);
    json_free(analysis->threat);
    state_release(analysis->state);
    free(analysis);
}

static void finish(struct analysis *analysis)
{
    struct errand *errand = analysis->errand;
    analysis_free(analysis);
    errand_return(errand);
}

/* ---- turns ---- */

static void turn_decide(struct turn *turn)
{
    if (!turn_ask_model(turn))
        turn_offline(turn, "");
}

static void begin_coordinator(struct analysis *analysis)
{
    struct turn *turn = &analysis->turns[AGENT_COORDINATOR];
    struct buf findings = BUF_EMPTY;
    if (!analysis->state->set->agents[AGENT_COORDINATOR].present) {
        turn_finish(turn, STR("{\"claims\":[],\"confidence\":0,\"verdict\":\"not_evaluable\"}"));
        return;
    }
    buf_putc(&findings, '{');
    for (unsigned i = 0; i < ANALYSTS; i++) {
        buf_json_key(&findings, agent_names[i]);
        buf_put(&findings, analysis->turns[i].finding.len ? analysis->turns[i].finding : STR("null"));
    }
    buf_putc(&findings, '}');
    turn->gathered = arena_dup(analysis->errand->arena, buf_str(&findings));
    buf_free(&findings);
    turn_decide(turn);
}

void turn_finish(struct turn *turn, struct str finding)
{
    struct analysis *analysis = turn->analysis;
    turn->done = true;
    turn->finding = finding;
    if (turn->kind == AGENT_COORDINATOR) {
        analysis_result(analysis);
        finish(analysis);
    } else if (--analysis->left == 0 && !analysis->starting) {
        begin_coordinator(analysis);
    }
}

static void gathered(void *context, struct str json, const char *reason)
{
    struct turn *turn = context;
    (void)reason; /* an agent that could not look does without */
    turn->gathering = false;
    turn->gathered = json;
    turn_decide(turn);
}

static bool is_wanted(struct analysis *analysis, enum agent_kind kind)
{
    struct agent_call call = {kind, analysis->view, no_object, analysis->errand->arena};
    char reason[POLICY_REASON];
    bool wanted = true;
    return analysis->state->set->agents[kind].present &&
           (agents_when(analysis->state->agents, &call, &wanted, reason) != 0 || wanted);
}

static void begin_turn(struct analysis *analysis, enum agent_kind kind)
{
    struct turn *turn = &analysis->turns[kind];
    struct agent_gather gather = {kind, analysis->view, analysis->errand->arena, gathered, turn};
    if (!is_wanted(analysis, kind)) {
        turn_finish(turn, STR(""));
        return;
    }
    turn->gathering = true;
    turn->gathered = no_object;
    if (agents_gather_start(analysis->state->agents, &gather, &turn->task, NULL) == 0)
        return;
    turn->gathering = false;
    turn_decide(turn);
}

static void limit_passed(void *arg)
{
    struct analysis *analysis = arg;
    analysis->starting = true; /* the last of them must not end the analysis under our feet */
    for (unsigned i = 0; i < ANALYSTS; i++) {
        struct turn *turn = &analysis->turns[i];
        if (!turn->gathering)
            continue;
        agents_gather_cancel(analysis->state->agents, turn->task);
        gathered(turn, no_object, "took too long");
    }
    analysis->starting = false;
    if (analysis->left == 0 && !analysis->turns[AGENT_COORDINATOR].done &&
        !analysis->turns[AGENT_COORDINATOR].call)
        begin_coordinator(analysis);
}

static void begin_turns(struct analysis *analysis)
{
    struct analyst *analyst = analysis->analyst;
    struct analysis *before = analyst->running;
    int64_t limit = analyst->options.gather_limit_ns;
    analysis->left = ANALYSTS;
    analysis->starting = true;
    analyst->running = analysis;
    timer_start(analysis->limit, limit ? limit : GATHER_LIMIT_NS, false);
    for (unsigned i = 0; i < ANALYSTS; i++)
        begin_turn(analysis, (enum agent_kind)i);
    analyst->running = before;
    analysis->starting = false;
    if (analysis->left == 0)
        begin_coordinator(analysis);
}

static void looked_up(struct analysis *analysis, struct str json)
{
    if (json.len && analysis_result_kept(analysis, json))
        finish(analysis);
    else
        begin_turns(analysis);
}

/* No agents: the job is done all the same, and says so. What was found before stands. */
static void without_agents(const struct analyst *analyst, struct errand *errand)
{
    errand->failure = "the agents do not load";
    errand->analysis = analysis_stamped(
        analyst, errand,
        STR("{\"status\":\"failed\",\"provider\":\"rules\",\"claims\":[],\"verdict\":\"not_evaluable\","
            "\"confidence\":0,\"error\":\"the agents do not load\"}"));
    errand_return(errand);
}

/* Callbacks see as much as they take; a model gets its evidence from all of it. */
static void make_views(struct analysis *analysis)
{
    struct errand *errand = analysis->errand;
    struct buf whole = BUF_EMPTY;
    analysis->view = view_print(errand->threat, errand->arena);
    threat_json(errand->threat, false, &whole);
    analysis->threat = view_parse(buf_str(&whole));
    buf_free(&whole);
}

static void begin_analysis(struct analyst *analyst, struct ruleset *set, struct errand *errand)
{
    struct agents_state *state = state_of(analyst, set);
    if (state == NULL) {
        without_agents(analyst, errand);
        return;
    }
    struct analysis *analysis = mem_zalloc(1, sizeof(*analysis));
    analysis->analyst = analyst;
    analysis->errand = errand;
    analysis->state = state;
    state->users++;
    for (unsigned i = 0; i < AGENT_COUNT; i++)
        analysis->turns[i] = (struct turn){
            .analysis = analysis, .kind = (enum agent_kind)i, .gathered = no_object};
    enter(analyst, analysis);
    make_views(analysis);
    analysis_evidence(analysis);
    analysis->limit = timer_new(analyst->options.loop, limit_passed, analysis);
    errand->model_status = AI_ANSWERED;
    analysis_cache_key(analysis);
    if (errand->stage != JOB_MODEL || !analyst->provider || !analysis_look_up(analysis, looked_up))
        begin_turns(analysis);
}

/* One a time, with what else the loop has to do in between: two hundred at once would hold up requests. */
static void begin_next(void *arg)
{
    struct analyst *analyst = arg;
    struct waiting next = analyst->waiting.items[analyst->begun++];
    if (analyst->begun == analyst->waiting.count)
        analyst->begun = analyst->waiting.count = 0;
    else
        timer_start(analyst->next, BEGIN_EVERY_NS, false);
    begin_analysis(analyst, next.set, next.errand);
    ruleset_unref(next.set);
}

void analyst_take(struct analyst *analyst, struct ruleset *set, struct errand *errand)
{
    if (analyst->waiting.count == 0)
        timer_start(analyst->next, 0, false);
    vec_push(&analyst->waiting, ((struct waiting){ruleset_ref(set), errand}));
}

void analyst_stop(struct analyst *analyst)
{
    for (; analyst->begun < analyst->waiting.count; analyst->begun++) {
        ruleset_unref(analyst->waiting.items[analyst->begun].set);
        errand_drop(analyst->waiting.items[analyst->begun].errand);
    }
    analyst->begun = analyst->waiting.count = 0;
    timer_stop(analyst->next);
    while (analyst->first) {
        struct errand *errand = analyst->first->errand;
        analysis_free(analyst->first);
        errand_drop(errand);
    }
}
