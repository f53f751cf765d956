/* What matching costs per event as the number of rules grows: 1, 10 and 100 times a base set, every rule with
 * values of its own. Prints one JSON line for each size and data set:
 *   bench_match [--base 60] [--passes 5] [--data DIR]
 * `match_ns` and `parse_ns` are the best pass, per event; `ratio` is match_ns against the base set's;
 * `whole_ratio` the same for parsing and matching together. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_tape.h"
#include "base/vec.h"
#include "match/match.h"

/* ---- allocations, counted where no sanitizer has taken malloc ---- */

static size_t allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *ptr, size_t size)
{
    allocations++;
    return __libc_realloc(ptr, size);
}
#endif

/* ---- rules ---- */

static uint64_t mixed(uint64_t n)
{
    n = (n ^ n >> 31) * UINT64_C(0x7fb5d329728ea185);
    n = (n ^ n >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return n ^ n >> 33;
}

/* A word that only this rule and place has, made of syllables as names are. */
static const char *word(struct arena *arena, size_t rule, unsigned place)
{
    static const char *const syllables[] = {"ba",  "co",  "di",  "fu",  "ge",  "hy",  "jo",  "ki",
                                            "lu",  "me",  "no",  "pi",  "qua", "re",  "sa",  "to",
                                            "vi",  "wo",  "xe",  "zy",  "ran", "ter", "mal", "sys",
                                            "net", "cob", "win", "exe", "log", "hid", "pow", "ell"};
    uint64_t n = mixed(rule * 16 + place + 1);
    const char *s[5];
    for (int i = 0; i < 5; i++, n >>= 5)
        s[i] = syllables[n & 31];
    return arena_printf(arena, "%s%s%s%s%s%u", s[0], s[1], s[2], s[3], s[4], (unsigned)(n & 7));
}

struct rules {
    const char *prefix; /* of the field names in this data */
    struct arena *arena;
    struct fields *fields;
    VEC(struct match_rule) list;
};

static struct match_node *field(struct rules *r, const char *key, const char *const *texts, size_t count)
{
    struct literal literals[8];
    struct err err;
    for (size_t i = 0; i < count; i++)
        literals[i] = (struct literal){.type = LITERAL_STRING, .text = str_from(texts[i])};
    key = arena_printf(r->arena, "%s%s", r->prefix, key);
    struct match_node *node = match_field(r->arena, r->fields, str_from(key), literals, count, &err);
    if (!node)
        die("%s", err_text(&err));
    return node;
}

/* long: a test of one field, for one rule, in one line. */
static void add(struct rules *r, struct match_node *all, const char *key, const char *format, size_t rule,
                unsigned place)
{
    const char *text = arena_printf(r->arena, format, word(r->arena, rule, place));
    match_node_add(all, field(r, key, &text, 1));
}

/* long: the same with several values. */
static void add_list(struct rules *r, struct match_node *all, const char *key, const char *format,
                     size_t rule, unsigned count)
{
    const char *texts[8];
    for (unsigned i = 0; i < count; i++)
        texts[i] = arena_printf(r->arena, format, word(r->arena, rule, i));
    match_node_add(all, field(r, key, texts, count));
}

static void add_filter(struct rules *r, struct match_node *all, const char *key, const char *format,
                       size_t rule)
{
    struct match_node *none = match_node_new(r->arena, MATCH_NONE);
    add(r, none, key, format, rule, 9);
    match_node_add(all, none);
}

/* The shapes of published Windows rules, in about their proportions. */
static struct match_node *make_rule(struct rules *r, size_t rule)
{
    struct match_node *all = match_node_new(r->arena, MATCH_ALL);
    static const char *const event_ids[] = {"1", "11", "13", "3", "7", "10", "4688", "4624", "5156", "22"};
    const char *id = event_ids[mixed(rule) % 10];
    switch (rule % 12) {
    case 0:
    case 1:
    case 2:
        match_node_add(all, field(r, "EventID", &id, 1));
        add_list(r, all, "CommandLine|contains", " -%s ", rule, 4);
        add_filter(r, all, "ParentImage|endswith", "\\%s.exe", rule);
        break;
    case 3:
    case 4:
        add(r, all, "Image|endswith", "\\%s.exe", rule, 0);
        add_list(r, all, "CommandLine|contains|all", "%s", rule, 3);
        break;
    case 5:
        match_node_add(all, field(r, "EventID", &id, 1));
        add(r, all, "TargetObject|contains", "\\currentversion\\%s", rule, 0);
        break;
    case 6:
        add_list(r, all, "TargetFilename|endswith", "\\%s.dll", rule, 6);
        break;
    case 7:
        add(r, all, "Image|startswith", "C:\\Users\\Public\\%s", rule, 0);
        break;
    case 8:
        add_list(r, all, "Hashes|contains", "IMPHASH=%s", rule, 6);
        break;
    case 9:
        add(r, all, "Message|contains", "%s", rule, 0);
        add_filter(r, all, "Image|contains", "%s", rule);
        break;
    case 10:
        add(r, all, "QueryName|endswith", ".%s.example", rule, 0);
        break;
    default:
        add(r, all, "CommandLine|re|i", "\\b%s\\s+[a-z0-9]{8,}", rule, 0);
        break;
    }
    return all;
}

static void make_rules(struct rules *r, const char *prefix, size_t count)
{
    *r = (struct rules){.prefix = prefix, .arena = arena_new(0), .fields = fields_new()};
    for (size_t i = 0; i < count; i++) {
        struct match_rule rule = {.root = make_rule(r, i)};
        vec_push(&r->list, rule);
    }
    fields_freeze(r->fields);
}

static void free_rules(struct rules *r)
{
    fields_free(r->fields);
    arena_free(r->arena);
    vec_free(&r->list);
}

/* ---- events ---- */

struct events {
    struct buf text; /* each line followed by padding */
    VEC(struct str) lines;
    VEC(size_t) at;
};

static void add_line(struct events *e, struct str line)
{
    vec_push(&e->at, e->text.len);
    vec_push(&e->lines, line);
    buf_put(&e->text, line);
    memset(buf_reserve(&e->text, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    buf_grew(&e->text, JSON_TAPE_PADDING);
}

static void read_file(struct events *e, const char *path, size_t most)
{
    gzFile file = gzopen(path, "rb");
    static char line[1 << 18];
    while (file && e->lines.count < most && gzgets(file, line, sizeof(line)))
        if (line[0] == '{')
            add_line(e, (struct str){line, strcspn(line, "\r\n")});
    if (file)
        gzclose(file);
}

static void read_folder(struct events *e, const char *folder, size_t most)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[8192];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        if (strstr(names[i]->d_name, ".ndjson.gz"))
            read_file(e, path, most);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

/* Where the real ones are absent. */
static void make_events(struct events *e, size_t count)
{
    char line[2048];
    for (size_t i = 0; i < count; i++) {
        uint64_t n = mixed(i);
        int len = snprintf(
            line, sizeof(line),
            "{\"EventID\":%u,\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"Hostname\":\"WS%u\","
            "\"Image\":\"C:\\\\Windows\\\\System32\\\\tool%u.exe\",\"ParentImage\":\"C:\\\\Windows\\\\"
            "explorer.exe\",\"CommandLine\":\"\\\"C:\\\\Windows\\\\System32\\\\tool%u.exe\\\" -k %llx "
            "/path C:\\\\Users\\\\user%u\\\\Documents\\\\%llx.docx\",\"Hashes\":\"SHA1=%016llx%016llx,"
            "IMPHASH=%016llx\",\"User\":\"CORP\\\\user%u\",\"Message\":\"Process Create: a process was "
            "created on this host by a user, with the command line above\"}",
            (unsigned)(n % 30), (unsigned)(n % 97), (unsigned)(n % 53), (unsigned)(n % 53),
            (unsigned long long)n, (unsigned)(n % 301), (unsigned long long)mixed(n),
            (unsigned long long)mixed(n + 1), (unsigned long long)mixed(n + 2),
            (unsigned long long)mixed(n + 3), (unsigned)(n % 301));
        add_line(e, (struct str){line, (size_t)len});
    }
}

/* ---- measuring ---- */

struct figures {
    double parse_ns, match_ns;
    struct match_stats stats;
    size_t matches, allocated;
    double compile_ms;
};

#define BATCH 100 /* as ingest does it: parsed, then matched while it is still in the cache */

struct worker {
    struct event_parser *parser;
    struct arena *arena;
    struct event *batch[BATCH];
    const struct matcher *matcher;
    struct match_scratch *scratch;
};

static size_t parse_batch(struct worker *w, const struct events *e, const struct rules *r, size_t first)
{
    size_t count = 0;
    arena_reset(w->arena);
    for (size_t i = first; i < first + BATCH && i < e->lines.count; i++) {
        struct str json = {e->text.ptr + e->at.items[i], e->lines.items[i].len};
        if (event_parse(w->parser, r->fields, json, w->arena, &w->batch[count], NULL) == 0)
            count++;
    }
    return count;
}

static void keep_least(double *least, int64_t ns, size_t count)
{
    double each = (double)ns / (double)count;
    if (*least == 0 || each < *least)
        *least = each;
}

static void run_pass(struct worker *w, const struct events *e, const struct rules *r, struct figures *f)
{
    int64_t parsing = 0, matching = 0;
    f->matches = f->allocated = 0;
    for (size_t first = 0; first < e->lines.count; first += BATCH) {
        int64_t start = clock_monotonic();
        size_t count = parse_batch(w, e, r, first);
        int64_t parsed = clock_monotonic();
        size_t before = allocations;
        for (size_t i = 0; i < count; i++)
            f->matches += match_run(w->matcher, w->scratch, w->batch[i]).count;
        f->allocated += allocations - before;
        parsing += parsed - start;
        matching += clock_monotonic() - parsed;
    }
    keep_least(&f->parse_ns, parsing, e->lines.count);
    keep_least(&f->match_ns, matching, e->lines.count);
}

static struct figures measure(const struct events *e, const char *prefix, size_t rule_count, unsigned passes)
{
    struct figures f = {0};
    struct rules rules;
    struct err err;
    make_rules(&rules, prefix, rule_count);
    int64_t start = clock_monotonic();
    struct matcher *matcher = matcher_new(rules.list.items, rules.list.count, NULL, 0, rules.fields, &err);
    f.compile_ms = (double)(clock_monotonic() - start) / 1e6;
    if (!matcher)
        die("%s", err_text(&err));
    struct worker w = {event_parser_new(&event_limits_default),
                       arena_new(1 << 20),
                       {0},
                       matcher,
                       match_scratch_new(matcher)};
    for (unsigned pass = 0; pass < passes; pass++)
        run_pass(&w, e, &rules, &f);
    match_stats(matcher, w.scratch, &f.stats);
    match_scratch_free(w.scratch);
    matcher_free(matcher);
    event_parser_free(w.parser);
    arena_free(w.arena);
    free_rules(&rules);
    return f;
}

static void report(const char *data, const struct events *e, const char *prefix, size_t base, unsigned passes)
{
    struct figures first = {0};
    for (size_t times = 1; times <= 100 && base * times <= 10000; times *= 10) {
        struct figures f = measure(e, prefix, base * times, passes);
        if (times == 1)
            first = f;
        double runs = (double)f.stats.events;
        printf(
            "{\"bench\":\"match\",\"data\":\"%s\",\"events\":%zu,\"bytes\":%zu,\"rules\":%zu,\"times\":%zu,"
            "\"parse_ns\":%.0f,\"match_ns\":%.0f,\"ratio\":%.2f,\"whole_ratio\":%.2f,\"candidates\":%.3f,"
            "\"evaluations\":%.2f,\"regexes\":%.3f,\"matches\":%zu,\"allocations\":%.3f,\"index_bytes\":%zu,"
            "\"compile_ms\":%.1f}\n",
            data, e->lines.count, e->text.len / e->lines.count - JSON_TAPE_PADDING, base * times, times,
            f.parse_ns, f.match_ns, f.match_ns / first.match_ns,
            (f.parse_ns + f.match_ns) / (first.parse_ns + first.match_ns), (double)f.stats.candidates / runs,
            (double)f.stats.evaluations / runs, (double)f.stats.regexes / runs, f.matches,
            (double)f.allocated / (double)e->lines.count, f.stats.index_bytes, f.compile_ms);
        fflush(stdout);
    }
}

static void free_events(struct events *e)
{
    buf_free(&e->text);
    vec_free(&e->lines);
    vec_free(&e->at);
}

int main(int argc, char **argv)
{
    const char *data = LUNETTE_SOURCE_DIR "/../shared/data";
    size_t base = 60;
    unsigned passes = 5;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--base") == 0)
            base = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--passes") == 0)
            passes = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--data") == 0)
            data = argv[i + 1];
        else
            die("unknown option %s", argv[i]);
    }
    char path[4096];
    struct events events = {0};
    make_events(&events, 10000);
    report("made", &events, "", base, passes);
    free_events(&events);
    snprintf(path, sizeof(path), "%s/otrf", data);
    read_folder(&events, path, 20000);
    if (events.lines.count)
        report("otrf", &events, "", base, passes);
    free_events(&events);
    snprintf(path, sizeof(path), "%s/hospital/windows.ndjson.gz", data);
    read_file(&events, path, 20000);
    if (events.lines.count)
        report("hospital", &events, "Event.EventData.", base, passes);
    free_events(&events);
    return 0;
}
