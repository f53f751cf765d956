#include "pipeline/reload.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/overlays.h"
#include "pipeline/pipeline_impl.h"
#include "pipeline/testrun.h"

struct reload {
    struct reload_options options;
    char hash[65];  /* of the tree that runs */
    char tried[65]; /* of the last one tried */
    atomic_bool degraded;
    pthread_mutex_t lock; /* of the text */
    struct buf status;
    struct buf overlays; /* of what runs, as JSON */
    struct metric *outcomes;
    struct metric_series *seconds, *rules;
};

struct reload *reload_new(const struct reload_options *options)
{
    struct reload *r = mem_zalloc(1, sizeof(*r));
    r->options = *options;
    pthread_mutex_init(&r->lock, NULL);
    r->outcomes = metric_new(METRIC_COUNTER, "lunette_rules_reloads_total", "outcome",
                             "reloads of the rules");
    r->seconds = metric_with(
        metric_new(METRIC_GAUGE, "lunette_rules_reload_seconds", "", "time of the last reload"), NULL);
    r->rules = metric_with(metric_new(METRIC_GAUGE, "lunette_rules", "", "rules in service"), NULL);
    return r;
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    buf_free(&r->status);
    buf_free(&r->overlays);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- status ---- */

static void remember(struct reload *r, const struct ruleset *set, const char *state,
                     const struct report *report)
{
    struct buf text = BUF_EMPTY;
    buf_putc(&text, '{');
    buf_json_kstr(&text, "state", str_from(state));
    buf_json_kuint(&text, "generation", set ? set->generation : 0);
    buf_json_kstr(&text, "hash", str_from(r->hash));
    buf_json_kstr(&text, "tried_hash", str_from(r->tried));
    buf_json_kuint(&text, "rules", set ? set->rule_count : 0);
    buf_json_kuint(&text, "sources", set ? set->source_count : 0);
    buf_json_ktime(&text, "tried_at", clock_now(&clock_real));
    buf_json_key(&text, "overlays");
    buf_put(&text, r->overlays.len ? buf_str(&r->overlays) : STR("[]"));
    buf_json_key(&text, "problems");
    report_json(report, &text);
    buf_putc(&text, '}');
    pthread_mutex_lock(&r->lock);
    buf_free(&r->status);
    r->status = text;
    pthread_mutex_unlock(&r->lock);
    metric_add(metric_with(r->outcomes, (const char *const[]){state}), 1);
    if (set)
        metric_set(r->rules, (double)set->rule_count);
}

void reload_status_json(struct reload *r, struct buf *out)
{
    pthread_mutex_lock(&r->lock);
    buf_put(out, buf_str(&r->status));
    pthread_mutex_unlock(&r->lock);
}

bool reload_degraded(const struct reload *r)
{
    return atomic_load(&r->degraded);
}

static void log_problems(const struct report *report)
{
    for (size_t i = 0; i < report->problems.count; i++) {
        const struct problem *p = &report->problems.items[i];
        enum log_level level = p->level == PROBLEM_ERROR ? LOG_ERROR : LOG_WARN;
        LOG(p->level == PROBLEM_NOTE ? LOG_INFO : level, "rules.problem", log_text("where", p->where),
            log_text("message", p->message));
    }
}

/* ---- one try ---- */

/* An empty tree is a good one: what is mounted may come later. But nobody should think that anything is
 * watched. */
static void warn_of_none(const struct ruleset *set, struct report *report)
{
    if (set && set->rule_count == 0)
        report_add(report, PROBLEM_WARNING, "", "the roots hold no rule: nothing will ever be raised");
}

/* A tree that compiles and whose tests pass; NULL otherwise. */
static struct ruleset *accept_tree(const struct reload *r, const struct tree *tree,
                                   const struct overlays *overlays, struct report *report)
{
    struct ruleset *set = ruleset_load(tree, overlays->lists.items, overlays->lists.count, report);
    if (set == NULL)
        return NULL;
    struct test_results results = {0};
    testrun(set, STR(""), r->options.test_limit_ns, &results);
    testrun_report(&results, report);
    bool failed = results.failed || results.out_of_time;
    test_results_free(&results);
    if (!failed)
        return set;
    ruleset_unref(set);
    return NULL;
}

static void show_running(struct reload *r, const struct ruleset *set, const struct overlays *overlays)
{
    snprintf(r->hash, sizeof(r->hash), "%s", set->hash);
    buf_clear(&r->overlays);
    overlays_json(overlays, &r->overlays);
}

static void keep_tree(struct reload *r, const struct tree *tree)
{
    struct err err = {0};
    if (r->options.keep_dir && tree_save(tree, r->options.keep_dir, &err) != 0)
        LOG_ERR(LOG_WARN, "rules.keep", &err);
}

static struct ruleset *last_good(struct reload *r, const struct overlays *overlays, struct report *report)
{
    struct err err = {0};
    struct tree *tree = r->options.keep_dir ? tree_restore(r->options.keep_dir, &err) : NULL;
    if (tree == NULL)
        return NULL;
    struct report old = {0};
    struct ruleset *set = ruleset_load(tree, overlays->lists.items, overlays->lists.count, &old);
    report_free(&old);
    if (set) {
        show_running(r, set, overlays);
        report_add(report, PROBLEM_WARNING, "", "running the last good rules, kept from before this start");
        atomic_store(&r->degraded, true);
    }
    tree_free(tree);
    return set;
}

/* ---- overlays ---- */

/* Before the pipeline opens the store for good: what is judged again at the start is judged with the lists as
 * they were. Where the store cannot be read the pipeline will not start either. */
static struct overlays *first_overlays(const struct reload *r, struct report *report)
{
    struct overlays *overlays = overlays_new();
    struct err err = {0};
    struct buf path = BUF_EMPTY;
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    if (r->options.keep_dir)
        buf_printf(&path, "%s/lunette.db", r->options.keep_dir);
    if (path.len && access(path.ptr, F_OK) == 0) {
        store = store_open(path.ptr, &err);
        reader = store ? store_reader_open(store, &err) : NULL;
        if (reader == NULL || overlays_read(overlays, reader, &err) != 0)
            report_add(report, PROBLEM_WARNING, err.where, "the overlays of lists are not read: %s",
                       err.message);
    }
    if (reader)
        store_reader_close(reader);
    if (store)
        store_close(store);
    buf_free(&path);
    return overlays;
}

static struct overlays *stored_overlays(struct pipeline *p, struct err *err)
{
    struct overlays *overlays = overlays_new();
    struct store_reader *reader = store_reader_open(p->store, err);
    int rc = reader ? overlays_read(overlays, reader, err) : -1;
    if (reader)
        store_reader_close(reader);
    if (rc == 0)
        return overlays;
    overlays_free(overlays);
    return NULL;
}

struct ruleset *reload_first(struct reload *r, struct report *report)
{
    struct err err = {0};
    struct ruleset *set = NULL;
    struct overlays *overlays = first_overlays(r, report);
    struct tree *tree = tree_read(r->options.rules, r->options.plugins, &err);
    if (tree) {
        ruleset_hash(tree, overlays->lists.items, overlays->lists.count, r->tried);
        set = accept_tree(r, tree, overlays, report);
        if (set) {
            show_running(r, set, overlays);
            keep_tree(r, tree);
        }
        tree_free(tree);
    } else {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
    }
    if (set == NULL)
        set = last_good(r, overlays, report);
    overlays_free(overlays);
    warn_of_none(set, report);
    log_problems(report);
    if (set)
        set->generation = 1;
    remember(r, set, set == NULL ? "failed" : reload_degraded(r) ? "degraded" : "ok", report);
    return set;
}

/* A rule whose windows mean something else now begins without them. */
static void note_emptied(struct pipeline *p, const struct ruleset *set, struct report *report)
{
    struct ruleset *running = pipeline_ruleset(p);
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct rule *now = &set->rules[i], *before = ruleset_find(running, now->id);
        if (before && before->grouped && now->grouped && before->group.state != now->group.state)
            report_add(
                report, PROBLEM_NOTE, now->path.ptr,
                "%.*s starts without its windows: what it groups by, its window or its function changed",
                STR_ARG(now->id));
    }
    ruleset_unref(running);
}

static int refused(const struct report *report, struct err *err)
{
    return err_set(err, ERR_INVALID, "the rules have %zu error%s; the running ones stay", report->errors,
                   report->errors == 1 ? "" : "s");
}

/* One load: what it is made from, and where its problems go. */
struct load_try {
    struct tree *tree;
    struct overlays *overlays;
    struct report *report;
};

static int publish(struct reload *r, struct pipeline *p, const struct load_try *load, struct ruleset *set,
                   struct err *err)
{
    note_emptied(p, set, load->report);
    if (pipeline_publish(p, set, err) != 0) {
        report_add(load->report, PROBLEM_ERROR, err->where, "%s", err->message);
        return -1;
    }
    show_running(r, set, load->overlays);
    keep_tree(r, load->tree);
    return 0;
}

static int try_tree(struct reload *r, struct pipeline *p, const struct load_try *load, struct err *err)
{
    struct ruleset *set = accept_tree(r, load->tree, load->overlays, load->report);
    if (set == NULL)
        return refused(load->report, err);
    int rc = publish(r, p, load, set, err);
    ruleset_unref(set);
    return rc;
}

static void conclude(struct reload *r, struct pipeline *p, int rc, int64_t began, struct report *report)
{
    struct ruleset *running = pipeline_ruleset(p);
    double seconds = (double)(clock_monotonic() - began) / 1e9;
    atomic_store(&r->degraded, rc != 0);
    warn_of_none(running, report);
    log_problems(report);
    remember(r, running, rc == 0 ? "ok" : "failed", report);
    metric_set(r->seconds, seconds);
    LOG(rc == 0 ? LOG_INFO : LOG_ERROR, rc == 0 ? "rules.reloaded" : "rules.rejected",
        log_int("generation", running->generation), log_int("rules", running->rule_count),
        log_double("seconds", seconds));
    ruleset_unref(running);
}

/* Both, or neither and err. */
static int read_all(const struct reload *r, struct pipeline *p, struct load_try *load, struct err *err)
{
    load->overlays = stored_overlays(p, err);
    load->tree = load->overlays ? tree_read(r->options.rules, r->options.plugins, err) : NULL;
    if (load->tree)
        return 0;
    report_add(load->report, PROBLEM_ERROR, err->where, "%s", err->message);
    return -1;
}

static void release(struct load_try *load)
{
    tree_free(load->tree);
    overlays_free(load->overlays);
    report_free(load->report);
}

int reload_now(struct reload *r, struct pipeline *p, struct err *err)
{
    struct report report = {0};
    struct load_try load = {.report = &report};
    int64_t began = clock_monotonic();
    int rc = read_all(r, p, &load, err);
    if (rc == 0) {
        ruleset_hash(load.tree, load.overlays->lists.items, load.overlays->lists.count, r->tried);
        /* Back to what runs already: nothing to publish, and an earlier failure is over. */
        rc = strcmp(r->tried, r->hash) == 0 ? 0 : try_tree(r, p, &load, err);
    }
    conclude(r, p, rc, began, &report);
    release(&load);
    return rc;
}

/* ---- a change of a list ---- */

static int check_change(const struct overlays *overlays, const struct overlay_change *change, struct err *err)
{
    uint32_t now = overlays_version(overlays, change->overlay.name);
    if (change->takes_back && !overlays_change(overlays, change->overlay.name))
        return err_set(err, ERR_NOT_FOUND, "the list has no overlay");
    return change->any_version || now == change->overlay.version
               ? 0
               : err_set(err, ERR_CONFLICT, "the list is at version %u, not %u", now,
                         change->overlay.version);
}

/* As it stood before, or empty where there was none; in the arena. */
static int read_before(struct pipeline *p, struct str name, struct arena *arena, struct store_overlay *before,
                       struct err *err)
{
    struct err missing = {0};
    struct store_reader *reader = store_reader_open(p->store, err);
    if (reader == NULL)
        return -1;
    int rc = store_read_overlay(reader, name, arena, before, &missing);
    store_reader_close(reader);
    if (rc == 0)
        return 0;
    *before = (struct store_overlay){.name = name, .added = STR("[]"), .removed = STR("[]")};
    if (missing.code == ERR_NOT_FOUND)
        return 0;
    *err = missing;
    return -1;
}

/* Stored first: what is in service was never lost by a crash. Where it cannot be published after all, what
 * stood before is the next version. */
static int store_and_publish(struct reload *r, struct pipeline *p, struct overlay_change *change,
                             const struct load_try *load, struct ruleset *set, struct err *err)
{
    struct arena *arena = arena_new(0);
    struct store_overlay before;
    struct err undo = {0};
    int rc = read_before(p, change->overlay.name, arena, &before, err);
    if (rc == 0) {
        change->overlay.version = before.version;
        rc = overlays_store(p->writer, &change->overlay, change->takes_back ? "list.delete" : "list.put",
                            change->detail, &change->version, err);
    }
    if (rc == 0 &&
        overlays_put(load->overlays,
                     &(struct store_overlay){.name = change->overlay.name,
                                             .version = change->version,
                                             .author = change->overlay.author,
                                             .updated_ns = change->overlay.updated_ns,
                                             .added = change->overlay.added,
                                             .removed = change->overlay.removed},
                     err) == 0 &&
        publish(r, p, load, set, err) != 0) {
        before.version = change->version;
        before.author = change->overlay.author;
        before.updated_ns = change->overlay.updated_ns;
        if (overlays_store(p->writer, &before, "list.undo", STR("{}"), NULL, &undo) != 0)
            LOG_ERR(LOG_ERROR, "list.undo", &undo);
        rc = -1;
    }
    arena_free(arena);
    return rc;
}

int reload_overlay(struct reload *r, struct pipeline *p, struct overlay_change *change, struct report *report,
                   struct err *err)
{
    struct load_try load = {.report = report};
    struct ruleset *set = NULL;
    int64_t began = clock_monotonic();
    int rc = read_all(r, p, &load, err);
    if (rc == 0 && check_change(load.overlays, change, err) == 0 &&
        overlays_put(load.overlays, &change->overlay, err) == 0) {
        set = accept_tree(r, load.tree, load.overlays, report);
        rc = set ? store_and_publish(r, p, change, &load, set, err) : refused(report, err);
        if (rc == 0) {
            snprintf(r->tried, sizeof(r->tried), "%s", set->hash);
            conclude(r, p, rc, began, report);
        }
        ruleset_unref(set);
    } else {
        rc = -1;
    }
    tree_free(load.tree);
    overlays_free(load.overlays);
    return rc;
}
