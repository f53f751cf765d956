#include "app/gauges.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/metrics.h"
#include "loop/mailbox.h"
#include "pipeline/followup.h"
#include "pipeline/meters.h"

static double cpu_seconds(void *arg)
{
    struct rusage usage;
    (void)arg;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void *arg)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    (void)arg;
    if (file == NULL)
        return 0;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes no number that is too large for it */
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void *arg)
{
    DIR *dir = opendir("/proc/self/fd");
    double count = -3; /* ".", ".." and the folder itself */
    (void)arg;
    if (dir == NULL)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static double start_seconds(void *arg)
{
    static double started;
    (void)arg;
    if (started == 0)
        started = (double)clock_now(&clock_real) / 1e9;
    return started;
}

static struct tally *tally_of(struct pipeline *pipeline)
{
    return writer_tally(pipeline_writer(pipeline));
}

static double writer_depth(void *arg)
{
    return (double)mailbox_depth(writer_mailbox(pipeline_writer(arg)));
}

static double pending_events(void *arg)
{
    return (double)tally_pending_events(tally_of(arg));
}

static double pending_bytes(void *arg)
{
    struct pipeline_health health;
    pipeline_health(arg, &health);
    return (double)health.pending_bytes;
}

static double unbalanced(void *arg)
{
    return tally_balanced(tally_of(arg)) ? 0 : 1;
}

static double judged_batch(void *arg)
{
    return (double)tally_judged(tally_of(arg));
}

static double event_term(void *arg, enum tally_events which)
{
    return (double)tally_events(tally_of(arg), which);
}

static double received(void *arg)
{
    return event_term(arg, TALLY_RECEIVED);
}

static double accepted(void *arg)
{
    return event_term(arg, TALLY_ACCEPTED);
}

static double rejected_invalid(void *arg)
{
    return (double)tally_rejected(tally_of(arg), REJECT_JSON);
}

static double rejected_too_large(void *arg)
{
    return (double)tally_rejected(tally_of(arg), REJECT_TOO_LARGE);
}

static double rejected_journal(void *arg)
{
    return (double)tally_rejected(tally_of(arg), REJECT_JOURNAL);
}

static double (*const rejected[REJECT_REASONS])(void *arg) = {
    [REJECT_JSON] = rejected_invalid,
    [REJECT_TOO_LARGE] = rejected_too_large,
    [REJECT_JOURNAL] = rejected_journal,
};

/* ---- analysis ---- */

static struct followup_state analysis(void *arg)
{
    struct followup_state state;
    followup_state(writer_followup(pipeline_writer(arg)), &state);
    return state;
}

static double findings_queued(void *arg)
{
    return (double)analysis(arg).queued_findings;
}

static double model_queued(void *arg)
{
    return (double)analysis(arg).queued_model;
}

static double findings_in_work(void *arg)
{
    return (double)analysis(arg).in_work;
}

static double model_in_work(void *arg)
{
    return (double)analysis(arg).in_work_model;
}

/* -1: nobody knows. */
static double analysis_eta(void *arg)
{
    int64_t eta = analysis(arg).eta_ns;
    return eta < 0 ? -1 : (double)eta / 1e9;
}

/* Answers from the cache are done, too; each analysis is counted under one word. */
static double analyses_done(void *arg)
{
    struct followup_state state = analysis(arg);
    return (double)(state.done > state.cached ? state.done - state.cached : 0);
}

static double analyses_cached(void *arg)
{
    return (double)analysis(arg).cached;
}

static double analyses_failed(void *arg)
{
    return (double)analysis(arg).failed;
}

static double analyses_retried(void *arg)
{
    return (double)analysis(arg).retried;
}

static double breaker_open(void *arg)
{
    return strcmp(analysis(arg).breaker, "closed") == 0 ? 0 : 1;
}

static double over_budget(void *arg)
{
    return analysis(arg).over_budget ? 1 : 0;
}

static double escalations(void *arg)
{
    return (double)analysis(arg).escalated;
}

static const struct {
    enum metric_type type;
    const char *name, *help, *label, *value;
    double (*read)(void *arg);
} labelled[] = {
    {METRIC_GAUGE, "lunette_analysis_queue", "analyses that wait", "stage", "findings", findings_queued},
    {METRIC_GAUGE, "lunette_analysis_queue", "analyses that wait", "stage", "model", model_queued},
    {METRIC_GAUGE, "lunette_analysis_in_work", "analyses under way", "stage", "findings", findings_in_work},
    {METRIC_GAUGE, "lunette_analysis_in_work", "analyses under way", "stage", "model", model_in_work},
    {METRIC_COUNTER, "lunette_analysis_total", "analyses ended", "outcome", "done", analyses_done},
    {METRIC_COUNTER, "lunette_analysis_total", "analyses ended", "outcome", "cached", analyses_cached},
    {METRIC_COUNTER, "lunette_analysis_total", "analyses ended", "outcome", "failed", analyses_failed},
    {METRIC_COUNTER, "lunette_analysis_total", "analyses ended", "outcome", "retried", analyses_retried},
};

static const struct {
    enum metric_type type;
    const char *name, *help;
    double (*read)(void *arg);
} gauges[] = {
    {METRIC_COUNTER, "process_cpu_seconds_total", "CPU time of the process", cpu_seconds},
    {METRIC_GAUGE, "process_resident_memory_bytes", "memory in use", resident_bytes},
    {METRIC_GAUGE, "process_open_fds", "open file descriptors", open_fds},
    {METRIC_GAUGE, "process_start_time_seconds", "when the process started, since 1970", start_seconds},
    {METRIC_GAUGE, "lunette_writer_queue", "verdicts that wait for the writer", writer_depth},
    {METRIC_GAUGE, "lunette_pending_events", "events accepted and not judged yet", pending_events},
    {METRIC_GAUGE, "lunette_pending_bytes", "bytes of requests in work", pending_bytes},
    {METRIC_GAUGE, "lunette_judged_batch", "all batches up to this one are judged", judged_batch},
    {METRIC_GAUGE, "lunette_ledger_unbalanced", "1: the ledger does not add up", unbalanced},
    {METRIC_COUNTER, "lunette_events_received_total", "events received", received},
    {METRIC_COUNTER, "lunette_events_accepted_total", "events accepted", accepted},
    {METRIC_GAUGE, "lunette_analysis_eta_seconds", "until all that waits for a model is done; -1: not known",
     analysis_eta},
    {METRIC_GAUGE, "lunette_ai_breaker_open", "1: the model does not answer and is left alone", breaker_open},
    {METRIC_GAUGE, "lunette_ai_over_budget", "1: analyses by the model wait for the next day", over_budget},
    {METRIC_COUNTER, "lunette_escalations_total", "threats that nobody took up in time", escalations},
};

void gauges_start(struct pipeline *pipeline)
{
    start_seconds(NULL);
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        metric_callback(metric_new(gauges[i].type, gauges[i].name, "", gauges[i].help), NULL, gauges[i].read,
                        pipeline);
    struct metric *rejects = metric_new(METRIC_COUNTER, "lunette_events_rejected_total", "reason",
                                        "events rejected");
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        metric_callback(rejects, (const char *const[]){ledger_reject_names[i]}, rejected[i], pipeline);
    for (size_t i = 0; i < sizeof(labelled) / sizeof(labelled[0]); i++)
        metric_callback(metric_new(labelled[i].type, labelled[i].name, labelled[i].label, labelled[i].help),
                        (const char *const[]){labelled[i].value}, labelled[i].read, pipeline);
    meters_start();
}

void gauges_stop(struct pipeline *pipeline)
{
    metric_forget(pipeline);
}
