#include "pipeline/engine.h"

#define ENGINE_FAMILIES 1000000

struct engine {
    struct engine_options options;
    struct pack_health *health;
    struct detector *detector;
    struct group_shard *shards[GROUP_SHARDS];
    struct book *book;
    struct ledger ledger;
};

static void state_new(struct engine *engine)
{
    static const struct book_source nowhere;
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        engine->shards[i] = group_shard_new(engine->options.state_max / GROUP_SHARDS);
    engine->book = book_new(&nowhere, ENGINE_FAMILIES, engine->options.clock);
    ledger_init(&engine->ledger);
}

static void state_free(struct engine *engine)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        group_shard_free(engine->shards[i]);
    book_free(engine->book);
    ledger_free(&engine->ledger);
}

struct engine *engine_new(const struct engine_options *options, struct err *err)
{
    static const uint8_t shard_key[16]; /* one process, one owner: nothing to hide the shards from */
    struct engine *engine = mem_zalloc(1, sizeof(*engine));
    engine->options = *options;
    engine->health = pack_health_new(options->set->rule_count);
    struct detector_options detector = {.set = options->set,
                                        .health = engine->health,
                                        .clock = options->clock,
                                        .test = options->test,
                                        .shard_key = shard_key};
    engine->detector = detector_new(&detector, err);
    if (engine->detector == NULL) {
        pack_health_free(engine->health);
        free(engine);
        return NULL;
    }
    state_new(engine);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    state_free(engine);
    detector_free(engine->detector);
    pack_health_free(engine->health);
    free(engine);
}

void engine_reset(struct engine *engine)
{
    state_free(engine);
    state_new(engine);
}

struct detector *engine_detector(struct engine *engine)
{
    return engine->detector;
}

struct book *engine_book(struct engine *engine)
{
    return engine->book;
}

const struct ledger *engine_ledger(const struct engine *engine)
{
    return &engine->ledger;
}

void engine_judge(struct engine *engine, struct batch *batch)
{
    struct verdict verdict;
    struct err err;
    size_t from = 0;
    verdict_init(&verdict, batch);
    for (size_t i = 0; i < batch->observations.count; i++) {
        const struct observation *o = &batch->observations.items[i];
        struct group_shard *shard = o->shard == SHARD_NONE ? NULL : engine->shards[o->shard];
        judge_observation(engine->detector, shard, o, &verdict);
    }
    if (judge_raise(engine->book, &verdict, &from, NULL, NULL, &err) != 0)
        die("the book without a source failed: %s", err_text(&err));
    ledger_delta_merge(&verdict.delta, &batch->delta);
    ledger_add(&engine->ledger, &verdict.delta, batch->set, true);
    verdict_release(&verdict);
}

int engine_feed(struct engine *engine, struct batch *batch, struct err *err)
{
    if (ingest_parse(engine->detector, batch, err) != 0)
        return -1;
    ingest_map(engine->detector, batch);
    detect_match(engine->detector, batch);
    detect_route(engine->detector, batch);
    engine_judge(engine, batch);
    return 0;
}
