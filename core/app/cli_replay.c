/* lunette replay and explain: recorded events through the rules, without a server. */
#include <stdio.h>

#include "app/cli.h"
#include "app/cli_explain.h"
#include "base/json_tape.h"
#include "pipeline/engine.h"
#include "rules/loader.h"

#define REPLAY_STATE (1u << 30)
#define REPLAY_BATCH 1000
#define EVENT_MAX    (1u << 20)

struct replay {
    struct engine *engine;
    struct ruleset *set;
    struct clock_virtual clock;
    const char *source;
    uint64_t records, rejected;
    bool refused; /* a whole batch: no such source, too many lines */
};

static void tell_rejected(struct replay *r, const struct batch *batch, const struct cli_lines *lines)
{
    for (size_t i = 0; i < batch->rejects.count; i++) {
        const struct batch_reject *reject = &batch->rejects.items[i];
        if (r->rejected++ < CLI_REASONS_MAX && reject->index < lines->numbers.count)
            fprintf(stderr, "line %llu: %.*s\n", (unsigned long long)lines->numbers.items[reject->index],
                    STR_ARG(reject->error));
    }
}

/* Event time is the file's; acceptance follows it, so that old records are not late and new ones not early.
 */
static void feed(struct replay *r, struct cli_lines *lines)
{
    struct err err = {0};
    struct batch *batch = batch_new(r->set);
    uint64_t number = r->records;
    batch->body = lines->text;
    lines->text = BUF_EMPTY;
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->format = JOURNAL_NDJSON;
    batch->accepted_ns = clock_now(&clock_real);
    r->clock.now_ns = batch->accepted_ns; /* a threat is not made before its record was taken */
    batch->source_name = str_from(r->source);
    batch->id_base = hash_id((struct str[]){STR("replay"), {(const char *)&number, sizeof(number)}}, 2);
    r->refused |= engine_feed(r->engine, batch, &err) != 0;
    if (err.code != ERR_NONE)
        fprintf(stderr, "line %llu: %s\n", (unsigned long long)lines->numbers.items[0], err_text(&err));
    tell_rejected(r, batch, lines);
    r->records += batch->item_count;
    batch_unref(batch);
}

static void feed_file(struct replay *r, FILE *file)
{
    struct cli_lines lines = {0};
    while (cli_lines_next(&lines, file, REPLAY_BATCH, SIZE_MAX))
        feed(r, &lines);
    cli_lines_free(&lines);
}

static void print_threat(const struct threat *threat, bool json)
{
    char when[32];
    struct buf out = BUF_EMPTY;
    if (json) {
        threat_json(threat, false, &out);
        printf("%s\n", out.ptr);
        buf_free(&out);
        return;
    }
    time_print(threat->anchor_ns, when);
    printf("%s  %-8s  %-36.*s  %6llu  %.*s%s\n", when, severity_label(threat->severity),
           STR_ARG(threat->rule_id), (unsigned long long)threat->event_count, STR_ARG(threat->title),
           threat->review ? "  (review)" : "");
}

static size_t print_threats(struct replay *r, bool json)
{
    VEC(struct threat *) threats = {0};
    struct book_change change;
    size_t at = 0;
    while (book_next_change(engine_book(r->engine), &at, false, &change))
        vec_push(&threats, change.threat);
    if (threats.count)
        qsort(threats.items, threats.count, sizeof(*threats.items), threat_by_anchor);
    for (size_t i = 0; i < threats.count; i++)
        print_threat(threats.items[i], json);
    size_t count = threats.count;
    vec_free(&threats);
    return count;
}

static int read_events(struct replay *r, const char *path)
{
    struct cli_input input;
    struct err err = {0};
    int rc = cli_input_open(&input, path, &err);
    if (rc == 0)
        feed_file(r, input.file);
    if (rc == 0 && ferror(input.file))
        rc = err_set(&err, ERR_IO, "%s cannot be read", path);
    if (rc != 0)
        fprintf(stderr, "lunette replay: %s\n", err_text(&err));
    cli_input_close(&input);
    return rc;
}

static int run_replay(struct replay *r, const char *path, bool json)
{
    if (read_events(r, path) != 0 || r->refused)
        return EXIT_USAGE;
    size_t threats = print_threats(r, json);
    bool balanced = ledger_balanced(engine_ledger(r->engine));
    if (!json)
        printf("%llu event%s, %llu rejected, %zu threat%s; the ledger %s\n", (unsigned long long)r->records,
               cli_plural(r->records), (unsigned long long)r->rejected, threats, cli_plural(threats),
               balanced ? "adds up" : "DOES NOT ADD UP");
    int code = cli_records_code(r->records - r->rejected, r->rejected);
    return code == EXIT_OK && !balanced ? EXIT_EXPECTATION : code;
}

static struct ruleset *load_for(const struct cli *cli, int *code)
{
    struct report report = {0};
    struct ruleset *set = cli_load_rules(cli, NULL, &report, code);
    if (set == NULL)
        cli_print_report(&report);
    report_free(&report);
    return set;
}

static int replay_open(struct replay *r, struct cli *cli)
{
    struct err err = {0};
    int code;
    r->set = load_for(cli, &code);
    if (r->set == NULL)
        return code;
    r->source = cli->source;
    clock_virtual_init(&r->clock, clock_now(&clock_real));
    struct engine_options options = {.set = r->set, .clock = &r->clock.clock, .state_max = REPLAY_STATE};
    r->engine = engine_new(&options, &err);
    if (r->engine)
        return EXIT_OK;
    fprintf(stderr, "lunette: %s\n", err_text(&err));
    ruleset_unref(r->set);
    return EXIT_BROKEN_RULES;
}

static void replay_close(struct replay *r)
{
    engine_free(r->engine);
    ruleset_unref(r->set);
}

int cli_replay(struct cli *cli)
{
    struct replay r = {0};
    int rc = replay_open(&r, cli);
    if (rc != EXIT_OK)
        return rc;
    rc = run_replay(&r, cli->args[0], cli->json);
    replay_close(&r);
    return rc;
}

/* ---- explain ---- */

/* What comes after the match: `filter`, and the fields a group needs. */
static void explain_rest(struct replay *r, const struct rule *rule, struct batch *batch, struct buf *out)
{
    struct detector *detector = engine_detector(r->engine);
    struct event *event = batch->events[0];
    struct pack_note note = {""};
    if (rule->callbacks & 1u << CALLBACK_FILTER) {
        pack_begin(detector->pack, detector->parser, batch->arena);
        bool passes = pack_filter(detector->pack, (uint32_t)(rule - r->set->rules), event, &note);
        buf_json_kbool(out, "filter", passes);
        if (note.reason[0])
            buf_json_kstr(out, "filter_failed", str_from(note.reason));
    }
    if (!rule->grouped)
        return;
    buf_json_key(out, "unkeyed");
    buf_putc(out, '[');
    for (size_t i = 0; i < rule->group_by.count; i++) {
        if (event_first(event, rule->group_by.items[i]))
            continue;
        buf_puts(out, out->ptr[out->len - 1] == '[' ? "" : ",");
        buf_json_string(out, fields_path(r->set->fields, rule->group_by.items[i]));
    }
    buf_putc(out, ']');
}

static void print_explained(struct buf *out, bool json)
{
    struct json_limits limits = {.size = 64u << 20, .depth = 512, .duplicates = true};
    struct err err = {0};
    struct json *answer = json ? NULL : json_parse(buf_str(out), &limits, &err);
    if (answer)
        explain_print(answer);
    else
        printf("%s\n", out->ptr);
    json_free(answer);
}

static int explain_event(struct replay *r, const char *rule_id, const char *path, bool json)
{
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    const struct rule *rule = ruleset_find(r->set, str_from(rule_id));
    struct detector *detector = engine_detector(r->engine);
    struct batch *batch = batch_new(r->set);
    int rc = EXIT_USAGE;
    batch->source_name = str_from(r->source);
    batch->accepted_ns = clock_now(&clock_real);
    if (rule == NULL)
        err_set(&err, ERR_NOT_FOUND, "no rule has the id \"%s\"", rule_id);
    else if (cli_read(path, EVENT_MAX, &batch->body, &err) == 0) {
        memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
        if (ingest_parse(detector, batch, &err) == 0 && batch->rejects.count)
            err_set(&err, ERR_INVALID, "%.*s", STR_ARG(batch->rejects.items[0].error));
        else if (err.code == ERR_NONE) {
            ingest_map(detector, batch);
            buf_putc(&out, '{');
            buf_json_key(&out, "match");
            match_explain(r->set->matcher, detector->scratch, (uint32_t)(rule - r->set->rules),
                          batch->events[0], &out);
            explain_rest(r, rule, batch, &out);
            buf_putc(&out, '}');
            print_explained(&out, json);
            rc = EXIT_OK;
        }
    }
    if (err.code != ERR_NONE)
        fprintf(stderr, "lunette explain: %s\n", err_text(&err));
    batch_unref(batch);
    buf_free(&out);
    return rc;
}

int cli_explain(struct cli *cli)
{
    struct replay r = {0};
    int rc = replay_open(&r, cli);
    if (rc != EXIT_OK)
        return rc;
    rc = explain_event(&r, cli->args[0], cli->args[1], cli->json);
    replay_close(&r);
    return rc;
}
