#include "pipeline/ingest.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/json_tape.h"
#include "base/text.h"

#define CUSTOMER_MAX 128 /* bytes of a customer's name that an event brings */

/* Most conditions first, then the first id: the first that accepts an event is its source. */
static int by_rank(const void *a, const void *b, void *set)
{
    const struct source *sources = ((const struct ruleset *)set)->sources;
    const struct source *x = &sources[*(const uint32_t *)a], *y = &sources[*(const uint32_t *)b];
    if (x->accepts_count != y->accepts_count)
        return x->accepts_count > y->accepts_count ? -1 : 1;
    return str_compare(x->id, y->id);
}

static void order_sources(struct detector *detector)
{
    const struct ruleset *set = detector->set;
    detector->order = mem_alloc((set->source_count + 1) * sizeof(*detector->order));
    for (uint32_t i = 0; i < set->source_count; i++)
        if (set->sources[i].accepts_count)
            detector->order[detector->order_count++] = i;
    qsort_r(detector->order, detector->order_count, sizeof(*detector->order), by_rank, detector->set);
}

static int add_triage(struct detector *detector, const struct detector_options *options, struct err *err)
{
    struct triage_options triage = {.set = options->set,
                                    .health = options->policy_health,
                                    .watchdog = options->watchdog,
                                    .clock = options->clock,
                                    .verdicts = options->verdicts};
    detector->triage = triage_new(&triage, err);
    return detector->triage ? 0 : -1;
}

struct detector *detector_new(const struct detector_options *options, struct err *err)
{
    struct pack_options pack = {.set = options->set,
                                .health = options->health,
                                .watchdog = options->watchdog,
                                .clock = options->clock,
                                .test = options->test};
    struct detector *detector = mem_zalloc(1, sizeof(*detector));
    detector->set = ruleset_ref(options->set);
    order_sources(detector);
    detector->health = options->health;
    memcpy(detector->shard_key, options->shard_key, sizeof(detector->shard_key));
    detector->parser = event_parser_new(&event_limits_default);
    detector->scratch = match_scratch_new(options->set->matcher);
    detector->pack = pack_new(&pack, err);
    if (detector->pack && (options->verdicts == NULL || add_triage(detector, options, err) == 0))
        return detector;
    detector_free(detector);
    return NULL;
}

void detector_free(struct detector *detector)
{
    if (detector == NULL)
        return;
    if (detector->pack)
        pack_free(detector->pack);
    triage_free(detector->triage);
    match_scratch_free(detector->scratch);
    event_parser_free(detector->parser);
    ruleset_unref(detector->set);
    free(detector->order);
    vec_free(&detector->items);
    free(detector);
}

/* ---- parse ---- */

static void reject(struct batch *batch, uint32_t index, const struct err *err)
{
    enum ledger_reject reason = err->code == ERR_LIMIT ? REJECT_TOO_LARGE : REJECT_JSON;
    struct batch_reject item = {index, reason, arena_dup(batch->arena, str_from(err->message))};
    vec_push(&batch->rejects, item);
    batch->delta.rejected[reason]++;
}

static void take_item(struct detector *detector, struct batch *batch, struct str item)
{
    struct err err = {0};
    struct event *event;
    uint32_t index = batch->item_count++;
    if (event_parse(detector->parser, batch->set->fields, item, batch->arena, &event, &err) != 0) {
        reject(batch, index, &err);
        return;
    }
    event->json = item;
    event->position = index;
    batch->indexes[batch->event_count] = index;
    batch->events[batch->event_count++] = event;
}

static int next_item(struct batch *batch, size_t *at, struct str *item, struct err *err)
{
    struct str body = buf_str(&batch->body);
    if (batch->format == JOURNAL_NDJSON)
        return json_lines_next(body, at, item);
    if (batch->format == JOURNAL_ARRAY)
        return json_array_next(body, at, item, err);
    *item = body;
    return *at == 0 ? (*at = 1) : 0;
}

/* All items before the first is parsed: a broken body is refused as a whole. */
static int split(struct detector *detector, struct batch *batch, struct err *err)
{
    size_t at = 0;
    struct str item;
    int more;
    for (detector->items.count = 0; (more = next_item(batch, &at, &item, err)) == 1;) {
        if (detector->items.count == BATCH_EVENTS_MAX)
            return err_set(err, ERR_LIMIT, "a batch holds at most %d events", BATCH_EVENTS_MAX);
        vec_push(&detector->items, item);
    }
    return more;
}

int ingest_parse(struct detector *detector, struct batch *batch, struct err *err)
{
    struct str name = batch->source_name;
    if (name.len && !str_is(name, "demo") && !batch->replay && ruleset_source(batch->set, name) == UINT32_MAX)
        return err_set(err, ERR_NOT_FOUND, "no source is called \"%.*s\"", STR_ARG(name));
    if (split(detector, batch, err) != 0)
        return -1;
    size_t count = detector->items.count;
    batch->events = arena_alloc(batch->arena, (count + 1) * sizeof(*batch->events));
    batch->indexes = arena_alloc(batch->arena, (count + 1) * sizeof(*batch->indexes));
    for (size_t i = 0; i < count; i++)
        take_item(detector, batch, detector->items.items[i]);
    batch->delta.received = batch->item_count;
    batch->delta.accepted = batch->event_count;
    return 0;
}

/* ---- map ---- */

static bool all_hold(struct match_predicate **predicates, size_t count, const struct event *event,
                     struct event_parser *parser)
{
    for (size_t i = 0; i < count; i++)
        if (!match_predicate_holds(predicates[i], event, parser))
            return false;
    return true;
}

static uint32_t choose_source(const struct detector *detector, const struct event *event)
{
    for (uint32_t i = 0; i < detector->order_count; i++) {
        const struct source *source = &detector->set->sources[detector->order[i]];
        if (all_hold(source->accepts, source->accepts_count, event, detector->parser))
            return detector->order[i];
    }
    return UINT32_MAX;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* As names in the token file are. */
static bool is_customer(struct str name)
{
    for (size_t i = 0; i < name.len && i < CUSTOMER_MAX; i++)
        if (is_control(name.ptr[i]))
            return false;
    return name.len <= CUSTOMER_MAX && text_is_utf8(name);
}

/* Neither a cut nor a NUL may make of it another customer's name: what can be read of it, and a hash of all.
 */
static struct str customer_of(struct str name, struct arena *arena)
{
    struct id128 hash = hash_id(&name, 1);
    size_t len = 0, room = CUSTOMER_MAX - 1 - 2 * sizeof(hash.bytes);
    char *out = arena_alloc(arena, CUSTOMER_MAX + 1);
    for (size_t at = 0; at < name.len;) {
        uint32_t point;
        int step = text_utf8_decode((struct str){name.ptr + at, name.len - at}, &point);
        size_t bytes = (size_t)(step < 0 ? -step : step), kept = step < 0 ? 1 : bytes;
        if (len + kept > room)
            break;
        if (step < 0 || is_control(name.ptr[at]))
            out[len] = '_';
        else
            memcpy(out + len, name.ptr + at, kept);
        len += kept;
        at += bytes;
    }
    out[len++] = '~';
    id_hex(hash.bytes, sizeof(hash.bytes), out + len);
    return (struct str){out, len + 2 * sizeof(hash.bytes)};
}

static void set_customer(struct batch *batch, struct event *event)
{
    event->customer = batch->customer;
    if (event->customer.len == 0)
        event->customer = event_text(event, FIELD_ORGANIZATION_ID);
    if (event->customer.len == 0)
        event->customer = event_text(event, FIELD_ORGANIZATION_NAME);
    if (event->customer.len == 0)
        event->customer = STR("default");
    if (is_customer(event->customer))
        return;
    event->customer = customer_of(event->customer, batch->arena);
    event->quality |= QUALITY_CUSTOMER;
}

static void set_identity(struct batch *batch, struct event *event)
{
    struct str own = event_text(event, FIELD_EVENT_ID);
    if (own.len) {
        const struct ruleset *set = batch->set;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an address within an array is not NULL */
        struct str source = event->source == UINT32_MAX ? STR("") : set->sources[event->source].id;
        event->id = hash_id((struct str[]){event->customer, source, own}, 3);
        return;
    }
    uint32_t position = event->position;
    event->id = hash_id((struct str[]){{(const char *)batch->id_base.bytes, sizeof(batch->id_base.bytes)},
                                       {(const char *)&position, sizeof(position)}},
                        2);
}

static void map_event(struct detector *detector, struct batch *batch, uint32_t named, struct event *event)
{
    const struct ruleset *set = batch->set;
    event->accepted_ns = batch->accepted_ns;
    event->source = named != UINT32_MAX ? named : choose_source(detector, event);
    const struct source *source = event->source == UINT32_MAX ? NULL : &set->sources[event->source];
    source_map_apply(source ? source->map : NULL, event, batch->arena);
    if (source && source->has_fix && all_hold(source->when, source->when_count, event, detector->parser)) {
        pack_begin(detector->pack, detector->parser, batch->arena);
        event_parser_hold(detector->parser, event);
        pack_fix(detector->pack, event->source, event);
        event->fixed = true;
        event_parser_hold(detector->parser, NULL);
    }
    set_customer(batch, event);
    set_identity(batch, event);
    event_freeze(event, batch->arena);
}

void ingest_map(struct detector *detector, struct batch *batch)
{
    uint32_t named = batch->source_name.len ? ruleset_source(batch->set, batch->source_name) : UINT32_MAX;
    for (uint32_t i = 0; i < batch->event_count; i++)
        map_event(detector, batch, named, batch->events[i]);
}
