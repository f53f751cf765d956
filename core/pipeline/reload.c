#include "pipeline/reload.h"

#include <pthread.h>
#include <stdio.h>

#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/testrun.h"

struct reload {
    struct reload_options options;
    char hash[65];  /* of the tree that runs */
    char tried[65]; /* of the last one tried */
    atomic_bool degraded;
    pthread_mutex_t lock; /* of the text */
    struct buf status;
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
static struct ruleset *accept_tree(const struct reload *r, const struct tree *tree, struct report *report)
{
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
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

static void keep_tree(struct reload *r, const struct tree *tree)
{
    struct err err = {0};
    snprintf(r->hash, sizeof(r->hash), "%s", tree_hash(tree));
    if (r->options.keep_dir && tree_save(tree, r->options.keep_dir, &err) != 0)
        LOG_ERR(LOG_WARN, "rules.keep", &err);
}

static struct ruleset *last_good(struct reload *r, struct report *report)
{
    struct err err = {0};
    struct tree *tree = r->options.keep_dir ? tree_restore(r->options.keep_dir, &err) : NULL;
    if (tree == NULL)
        return NULL;
    struct report old = {0};
    struct ruleset *set = ruleset_load(tree, NULL, 0, &old);
    report_free(&old);
    if (set) {
        snprintf(r->hash, sizeof(r->hash), "%s", tree_hash(tree));
        report_add(report, PROBLEM_WARNING, "", "running the last good rules, kept from before this start");
        atomic_store(&r->degraded, true);
    }
    tree_free(tree);
    return set;
}

struct ruleset *reload_first(struct reload *r, struct report *report)
{
    struct err err = {0};
    struct ruleset *set = NULL;
    struct tree *tree = tree_read(r->options.rules, r->options.plugins, &err);
    if (tree) {
        snprintf(r->tried, sizeof(r->tried), "%s", tree_hash(tree));
        set = accept_tree(r, tree, report);
        if (set)
            keep_tree(r, tree);
        tree_free(tree);
    } else {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
    }
    if (set == NULL)
        set = last_good(r, report);
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

static int try_tree(struct reload *r, struct pipeline *p, const struct tree *tree, struct report *report,
                    struct err *err)
{
    struct ruleset *set = accept_tree(r, tree, report);
    if (set == NULL)
        return err_set(err, ERR_INVALID, "the rules have %zu error%s; the running ones stay", report->errors,
                       report->errors == 1 ? "" : "s");
    note_emptied(p, set, report);
    int rc = pipeline_publish(p, set, err);
    if (rc == 0)
        keep_tree(r, tree);
    else
        report_add(report, PROBLEM_ERROR, err->where, "%s", err->message);
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

int reload_now(struct reload *r, struct pipeline *p, struct err *err)
{
    struct report report = {0};
    int64_t began = clock_monotonic();
    int rc = -1;
    struct tree *tree = tree_read(r->options.rules, r->options.plugins, err);
    if (tree == NULL) {
        report_add(&report, PROBLEM_ERROR, err->where, "%s", err->message);
    } else {
        snprintf(r->tried, sizeof(r->tried), "%s", tree_hash(tree));
        /* Back to what runs already: nothing to publish, and an earlier failure is over. */
        rc = strcmp(r->tried, r->hash) == 0 ? 0 : try_tree(r, p, tree, &report, err);
        tree_free(tree);
    }
    conclude(r, p, rc, began, &report);
    report_free(&report);
    return rc;
}
