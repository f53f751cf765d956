/* lunette bench: how fast the engine judges recorded events here, on one core, from bytes to verdict. */
#include <stdio.h>
#include <stdlib.h>

#include "app/cli.h"
#include "base/json_tape.h"
#include "pipeline/engine.h"
#include "rules/loader.h"

#define BENCH_BATCH 100
#define BENCH_INPUT (512u << 20)
#define BENCH_STATE ((size_t)1 << 30)
#define BENCH_RUNS  5

struct bench {
    struct ruleset *set;
    struct engine *engine;
    struct buf input;     /* the file, followed by padding */
    VEC(struct str) runs; /* batches: slices of whole lines */
    uint64_t events, bytes, rejected;
    const char *source;
};

/* The file in slices of BENCH_BATCH lines. */
static void slice(struct bench *b)
{
    struct str text = buf_str(&b->input), item, begin = {0};
    size_t at = 0;
    unsigned held = 0;
    while (json_lines_next(text, &at, &item) == 1) {
        if (held == 0)
            begin = item;
        begin.len = (size_t)(item.ptr + item.len - begin.ptr);
        if (++held == BENCH_BATCH) {
            vec_push(&b->runs, begin);
            held = 0;
        }
    }
    if (held)
        vec_push(&b->runs, begin);
}

static double seconds_since(int64_t began)
{
    return (double)(clock_thread_cpu() - began) / 1e9;
}

static double parse_only(struct bench *b, int64_t limit)
{
    struct json_tape *tape = json_tape_new(1 << 20, 64);
    struct err err;
    unsigned repairs;
    int64_t began = clock_thread_cpu(), done = 0;
    for (size_t i = 0; done < limit; i = (i + 1) % b->runs.count) {
        size_t at = 0;
        struct str item;
        while (json_lines_next(b->runs.items[i], &at, &item) == 1) {
            json_tape_parse(tape, item, &repairs, &err);
            done++;
        }
    }
    double seconds = seconds_since(began);
    json_tape_free(tape);
    return seconds * 1e9 / (double)done;
}

/* A batch as the server holds one when it begins to judge: with the bytes in it. */
static struct batch *next_batch(const struct bench *b, size_t run, uint64_t number)
{
    struct batch *batch = batch_new(b->set);
    buf_put(&batch->body, b->runs.items[run]);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->format = JOURNAL_NDJSON;
    batch->accepted_ns = clock_now(&clock_real);
    batch->source_name = str_from(b->source);
    memcpy(batch->id_base.bytes, &number, sizeof(number));
    return batch;
}

static double judge(struct bench *b, int64_t limit)
{
    struct err err = {0};
    uint64_t number = 0;
    double seconds = 0;
    engine_reset(b->engine);
    b->events = b->bytes = b->rejected = 0;
    for (size_t i = 0; b->events < (uint64_t)limit; i = (i + 1) % b->runs.count) {
        struct batch *batch = next_batch(b, i, ++number);
        int64_t began = clock_thread_cpu();
        if (engine_feed(b->engine, batch, &err) != 0)
            die("bench: %s", err_text(&err));
        b->events += batch->item_count;
        b->rejected += batch->rejects.count;
        b->bytes += b->runs.items[i].len;
        batch_unref(batch);
        seconds += seconds_since(began);
    }
    return seconds * 1e9 / (double)b->events;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run(struct bench *b, const struct cli *cli)
{
    double parse[BENCH_RUNS], whole[BENCH_RUNS], ratio[BENCH_RUNS];
    for (unsigned i = 0; i < BENCH_RUNS; i++) {
        parse[i] = parse_only(b, cli->events);
        whole[i] = judge(b, cli->events);
        ratio[i] = whole[i] / parse[i];
    }
    qsort(parse, BENCH_RUNS, sizeof(double), by_value);
    qsort(whole, BENCH_RUNS, sizeof(double), by_value);
    qsort(ratio, BENCH_RUNS, sizeof(double), by_value);
    double mean = (double)b->bytes / (double)b->events;
    const unsigned mid = BENCH_RUNS / 2;
    printf(
        cli->json
            ? "{\"events_per_second\":%.0f,\"ns_per_event\":%.0f,\"parse_ns\":%.0f,\"ratio_to_parse\":%.2f,"
              "\"bytes_per_event\":%.0f,\"rules\":%zu,\"rejected\":%llu}\n"
            : "%.0f events/s (%.0f ns each; parsing alone %.0f ns; ratio %.2f), %.0f bytes an event, rules: "
              "%zu, "
              "rejected: %llu; median of 5 runs, CPU time of one thread\n",
        1e9 / whole[mid], whole[mid], parse[mid], ratio[mid], mean, b->set->rule_count,
        (unsigned long long)b->rejected);
}

static int bench_open(struct bench *b, const struct cli *cli, int *code, struct err *err)
{
    struct report report = {0};
    b->set = cli_load_rules(cli, NULL, &report, code);
    if (b->set == NULL)
        cli_print_report(&report);
    report_free(&report);
    if (b->set == NULL)
        return err_set(err, ERR_INVALID, "without rules there is nothing to measure");
    *code = EXIT_USAGE;
    if (cli_read(cli->args[0], BENCH_INPUT, &b->input, err) != 0)
        return -1;
    memset(buf_reserve(&b->input, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    slice(b);
    if (b->runs.count == 0)
        return err_set(err, ERR_INVALID, "%s holds no events", cli->args[0]);
    struct engine_options options = {.set = b->set, .clock = &clock_real, .state_max = BENCH_STATE};
    b->source = cli->source;
    b->engine = engine_new(&options, err);
    return b->engine ? 0 : -1;
}

int cli_bench(struct cli *cli)
{
    struct bench b = {0};
    struct err err = {0};
    int code;
    int rc = bench_open(&b, cli, &code, &err);
    if (rc == 0)
        run(&b, cli);
    else
        fprintf(stderr, "lunette bench: %s\n", err_text(&err));
    engine_free(b.engine);
    vec_free(&b.runs);
    buf_free(&b.input);
    ruleset_unref(b.set);
    return rc == 0 ? EXIT_OK : code;
}
