#include "pipeline/judge.h"

#include "base/map.h"
#include "base/text.h"
#include "pipeline/book_entry.h"

#define GROUP_VALUES_SHOWN 100 /* group.values: at most so many */
#define VERDICT_ARENA      4096

void verdict_init(struct verdict *verdict, struct batch *batch)
{
    *verdict = (struct verdict){.batch = batch_ref(batch)};
}

void verdict_release(struct verdict *verdict)
{
    ledger_delta_free(&verdict->delta);
    vec_free(&verdict->judged);
    vec_free(&verdict->pressure);
    arena_free(verdict->arena);
    batch_unref(verdict->batch);
    *verdict = (struct verdict){0};
}

/* Most batches fire nothing, so the arena is made when something does. */
static struct arena *verdict_arena(struct verdict *verdict)
{
    if (verdict->arena == NULL)
        verdict->arena = arena_new(VERDICT_ARENA);
    return verdict->arena;
}

/* One question to a rule about one event: what all callbacks after `filter` get. */
struct question {
    struct detector *detector;
    struct verdict *verdict;
    uint32_t rule;
    struct event *event;
    const struct lua_group *group;
    struct pack_note note; /* the first reason for review */
    struct str review;     /* one that the pair brought along */
    bool suppressed;
};

static bool ask_detect(struct question *q)
{
    pack_begin(q->detector->pack, q->group ? NULL : q->detector->parser, verdict_arena(q->verdict));
    return pack_detect(q->detector->pack, q->rule, q->event, q->group, &q->note);
}

static void add_entities(struct question *q, struct firing *firing)
{
    struct arena *arena = q->verdict->arena;
    struct str *entities = arena_alloc(arena, ENTITY_FIELDS * sizeof(*entities));
    for (size_t i = 0; i < ENTITY_FIELDS; i++) {
        uint32_t slot = fields_find(q->detector->set->fields, str_from(entity_fields[i]));
        struct str value = slot == FIELD_NONE ? STR("") : event_text(q->event, slot);
        if (value.len && value.len <= 256)
            entities[firing->entity_count++] = str_from(
                arena_printf(arena, "%s:%.*s", entity_fields[i], STR_ARG(value)));
    }
    firing->entities = entities;
}

/* A threat begins with this firing, as far as the owner knows. */
static void run_triage(struct question *q, struct firing *firing)
{
    struct triage *triage = q->detector->triage;
    struct arena *arena = verdict_arena(q->verdict);
    if (triage == NULL)
        return;
    struct triage_result *result = arena_alloc(arena, sizeof(*result));
    struct threat *threat = entry_preview(firing, firing->accepted_ns);
    triage_run(triage, threat, STR(""), arena, result);
    threat_free(threat);
    firing->triage = result;
}

static struct firing make_firing(struct question *q)
{
    const struct rule *rule = &q->detector->set->rules[q->rule];
    struct pack *pack = q->detector->pack;
    const struct batch *batch = q->verdict->batch;
    struct firing firing = {.rule_id = rule->id,
                            .rule_title = rule->title,
                            .type = rule->type,
                            .runbook = rule->runbook,
                            .rule_version = rule->version,
                            .customer = q->event->customer,
                            .dedup_window_ns = rule->dedup_window_ns,
                            .time_ns = q->event->time_ns,
                            .accepted_ns = batch->accepted_ns,
                            .event = q->event->id,
                            .base_count = rule->grouped ? rule->group.count : 1,
                            .mitre = rule->mitre,
                            .mitre_count = rule->mitre_count,
                            .trace_id = batch->trace_id,
                            .shadow = rule->mode == RULE_SHADOW,
                            .suppressed = q->suppressed,
                            .demo = str_is(batch->source_name, "demo")};
    firing.dedup_key = pack_dedup(pack, q->rule, q->event, q->group, &q->note);
    firing.severity = pack_severity(pack, q->rule, q->event, q->group, &q->note);
    bool folds = hints_fold(q->verdict->hints, &firing);
    firing.title = folds ? rule->title : pack_title(pack, q->rule, q->event, q->group, &q->note);
    firing.context = pack_context(pack, q->rule, q->event, q->group, &q->note);
    add_entities(q, &firing);
    if (q->note.reason[0])
        firing.review_reason = arena_dup(q->verdict->arena, str_from(q->note.reason));
    else
        firing.review_reason = q->review;
    if (!folds)
        run_triage(q, &firing);
    return firing;
}

static void add_judged(struct question *q, enum judged_from from)
{
    struct judged judged = {.firing = make_firing(q), .rule = q->rule, .from = from};
    vec_push(&q->verdict->judged, judged);
}

static void judge_single(struct detector *detector, const struct observation *o, struct verdict *verdict)
{
    struct question q = {.detector = detector,
                         .verdict = verdict,
                         .rule = o->rule,
                         .event = verdict->batch->events[o->event],
                         .review = o->review,
                         .suppressed = o->excepted};
    if (ask_detect(&q))
        add_judged(&q, FROM_NOWHERE);
    else
        ledger_count(&verdict->delta, o->rule, LEDGER_REFUSED, 1);
}

/* ---- grouped ---- */

/* The event as callbacks of a grouped rule always see it: only what its window entry kept. */
static struct event *stored_event(struct question *q, const struct rule *rule,
                                  const struct group_entry *entry)
{
    struct arena *arena = verdict_arena(q->verdict);
    struct err err;
    struct str fields = arena_dup(arena, entry->fields);
    struct event *event = event_unpack(fields, q->detector->set->fields, rule->stored.items,
                                       rule->stored.count, arena, &err);
    if (event == NULL) /* packed by another version of the rule: its identity and time are still right */
        event = event_make(arena, q->detector->set->fields, 0);
    event->id = entry->id;
    event->time_ns = entry->time_ns;
    event->source = UINT32_MAX;
    return event;
}

static struct str *copy_values(struct group_shard *shard, uint32_t candidate, struct arena *arena,
                               size_t *count)
{
    struct str *values = arena_alloc(arena, GROUP_VALUES_SHOWN * sizeof(*values));
    *count = group_values(shard, candidate, values, GROUP_VALUES_SHOWN);
    for (size_t i = 0; i < *count; i++)
        values[i] = arena_dup(arena, values[i]);
    return values;
}

static void judge_candidate(struct detector *detector, struct group_shard *shard, const struct observation *o,
                            const struct group_candidate *candidate, struct verdict *verdict)
{
    const struct rule *rule = &detector->set->rules[o->rule];
    struct arena *arena = verdict_arena(verdict);
    struct lua_group group = {.key = detect_key_text(arena, o->key),
                              .count = candidate->count,
                              .first_ns = candidate->first_ns,
                              .last_ns = candidate->last_ns};
    struct question q = {.detector = detector,
                         .verdict = verdict,
                         .rule = o->rule,
                         .group = &group,
                         .review = o->review,
                         .suppressed = candidate->all_excepted};
    if (rule->group.distinct)
        group.values = copy_values(shard, candidate->index, arena, &group.value_count);
    q.event = stored_event(&q, rule, &candidate->entry);
    q.event->customer = verdict->batch->events[o->event]->customer;
    enum judged_from from = candidate->arrived ? FROM_NOWHERE : candidate->seen ? FROM_REFUSED : FROM_WAITING;
    if (ask_detect(&q)) {
        group_accept(shard, candidate->index);
        add_judged(&q, from);
        return;
    }
    if (from == FROM_WAITING)
        ledger_count(&verdict->delta, o->rule, LEDGER_WAITING, -1);
    if (from != FROM_REFUSED)
        ledger_count(&verdict->delta, o->rule, LEDGER_REFUSED, 1);
}

static struct str distinct_value(const struct rule *rule, const struct event *event, struct arena *arena)
{
    return rule->group.distinct ? text_fold_dup(arena, event_text(event, rule->distinct)) : STR("");
}

static void judge_grouped(struct detector *detector, struct group_shard *shard, const struct observation *o,
                          struct verdict *verdict)
{
    const struct rule *rule = &detector->set->rules[o->rule];
    const struct event *event = verdict->batch->events[o->event];
    struct buf fields = BUF_EMPTY;
    event_pack(event, rule->stored.items, rule->stored.count, GROUP_FIELDS_MAX, &fields);
    struct group_entry entry = {.time_ns = event->time_ns,
                                .id = event->id,
                                .excepted = o->excepted,
                                .distinct = distinct_value(rule, event, verdict_arena(verdict)),
                                .fields = buf_str(&fields)};
    struct group_result result = group_observe(shard, &rule->group, o->key, &entry,
                                               verdict->batch->accepted_ns);
    static const enum ledger_term terms[] = {
        [GROUP_WAITING] = LEDGER_WAITING, [GROUP_REPEATED] = LEDGER_REPEATED, [GROUP_LATE] = LEDGER_LATE};
    if (result.outcome != GROUP_FIRED)
        ledger_count(&verdict->delta, o->rule, terms[result.outcome], 1);
    if (result.evicted_groups + result.evicted_times) {
        verdict->evicted += result.evicted_groups + result.evicted_times;
        vec_push(&verdict->pressure, rule->group.state);
    }
    for (size_t i = 0; i < result.count; i++)
        judge_candidate(detector, shard, o, &result.candidates[i], verdict);
    buf_free(&fields);
}

void judge_observation(struct detector *detector, struct group_shard *shard,
                       const struct observation *observation, struct verdict *verdict)
{
    if (observation->shard == SHARD_NONE)
        judge_single(detector, observation, verdict);
    else
        judge_grouped(detector, shard, observation, verdict);
}

/* ---- raise ---- */

/* Also notes that it came. */
static bool came_before(struct verdict *verdict, const struct firing *firing)
{
    struct id128 id = hash_id(
        (struct str[]){firing->rule_id,
                       firing->customer,
                       firing->dedup_key,
                       {(const char *)firing->event.bytes, sizeof(firing->event.bytes)}},
        4);
    return verdict->replayed &&
           map_put(verdict->replayed, (struct str){(const char *)id.bytes, sizeof(id.bytes)},
                   verdict->replayed);
}

static void count_raised(struct verdict *verdict, const struct judged *judged,
                         const struct raise_result *result)
{
    enum ledger_term term = LEDGER_FOLDED;
    if (judged->rule == RULE_INTERNAL)
        return;
    bool again = came_before(verdict, &judged->firing);
    if (result->outcome == RAISE_HELD && (again || !verdict->batch->replay))
        term = LEDGER_REPEATED;
    else if (result->outcome == RAISE_NEW || (result->outcome == RAISE_HELD && result->is_anchor))
        term = LEDGER_RAISED;
    if (judged->firing.suppressed && term != LEDGER_REPEATED)
        term = LEDGER_SUPPRESSED;
    if (judged->from == FROM_WAITING)
        ledger_count(&verdict->delta, judged->rule, LEDGER_WAITING, -1);
    else if (judged->from == FROM_REFUSED)
        ledger_count(&verdict->delta, judged->rule, LEDGER_REFUSED, -1);
    ledger_count(&verdict->delta, judged->rule, term, 1);
}

int judge_raise(struct book *book, struct verdict *verdict, size_t *from,
                void (*each)(const struct judged *judged, const struct raise_result *result, void *arg),
                void *arg, struct err *err)
{
    for (; *from < verdict->judged.count; ++*from) {
        const struct judged *judged = &verdict->judged.items[*from];
        struct raise_result result;
        if (book_raise(book, &judged->firing, &result, err) != 0)
            return -1;
        count_raised(verdict, judged, &result);
        if (each)
            each(judged, &result, arg);
    }
    return 0;
}
