#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "pipeline/followup.h"
#include "pipeline/pipeline_impl.h"

/* ---- start ---- */

/* The shard secret and the store's epoch: made once, kept with the data. */
static int identity(struct pipeline *p, struct err *err)
{
    struct buf value = BUF_EMPTY;
    struct err missing = {0};
    int rc = 0;
    if (store_get(p->store, "identity", &value, &missing) == 0 && value.len == 24) {
        memcpy(p->shard_key, value.ptr, 16);
    } else if (missing.code != ERR_NONE && missing.code != ERR_NOT_FOUND) {
        *err = missing; /* another identity would part the windows from their shards */
        rc = -1;
    } else {
        buf_clear(&value);
        id_random(buf_reserve(&value, 24), 24);
        buf_grew(&value, 24);
        memcpy(p->shard_key, value.ptr, 16);
        rc = store_begin(p->store, err) || store_put(p->store, "identity", buf_str(&value), err) ||
                     store_commit(p->store, err)
                 ? -1
                 : 0;
    }
    if (rc == 0)
        id_hex(value.ptr + 16, 8, p->epoch);
    buf_free(&value);
    return rc;
}

static int load_record(unsigned shard, uint64_t batch, struct str payload, void *arg)
{
    struct pipeline *p = arg;
    struct err err = {0};
    if (shard >= GROUP_SHARDS || p->unreadable[shard])
        return 0; /* differences mean nothing without what they differ from */
    if (group_load(p->shards[shard], payload, &err) != 0) {
        LOG_ERR(LOG_ERROR, "state.load", &err); /* the shard starts empty; the journal fills it */
        group_shard_free(p->shards[shard]);
        p->shards[shard] = group_shard_new(p->options.state_max / GROUP_SHARDS);
        p->stands_at[shard] = 0;
        p->unreadable[shard] = true;
        return 0;
    }
    p->stands_at[shard] = batch;
    return 0;
}

static char *data_path(const struct pipeline *p, const char *name)
{
    struct buf path = BUF_EMPTY;
    if (p->options.data == NULL)
        return NULL;
    buf_printf(&path, "%s/%s", p->options.data, name);
    return path.ptr;
}

int pipeline_data_folder(const char *data, struct err *err)
{
    if (data == NULL || mkdir(data, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_errno(err, ERR_IO, errno, "the data folder %s cannot be made", data);
}

static int open_data(struct pipeline *p, struct err *err)
{
    char *state = data_path(p, "state"), *store = data_path(p, "lunette.db");
    int rc = -1;
    if (pipeline_data_folder(p->options.data, err) != 0)
        goto out;
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        p->shards[i] = group_shard_new(p->options.state_max / GROUP_SHARDS);
    p->store = store_open(store, err);
    if (p->store == NULL || identity(p, err) != 0)
        goto out;
    if (state) {
        p->state_log = state_log_open(state, err);
        if (p->state_log == NULL || state_log_replay(p->state_log, load_record, p, err) != 0)
            goto out;
    }
    rc = 0;
out:
    free(state);
    free(store);
    return rc;
}

static void keep(void *context, uint64_t *from_batch, int64_t *after_ns)
{
    struct pipeline *p = context;
    uint64_t state = checkpoint_needs_from(p->checkpoint), durable = writer_durable(p->writer) + 1;
    *from_batch = state < durable ? state : durable;
    int64_t longest = 0;
    struct ruleset *set = pipeline_ruleset(p);
    for (size_t i = 0; i < set->rule_count; i++) {
        int64_t span = set->rules[i].group.window_ns + set->rules[i].group.late_ns;
        longest = set->rules[i].grouped && span > longest ? span : longest;
    }
    ruleset_unref(set);
    *after_ns = clock_now(p->options.clock) - longest;
}

static int open_threads(struct pipeline *p, struct err *err)
{
    struct writer_options writer = {.store = p->store,
                                    .clock = p->options.clock,
                                    .retain_threats_ns = p->options.retain_threats_ns,
                                    .follows_up = true,
                                    .ai = p->options.ai,
                                    .published = p->options.published,
                                    .context = p->options.context};
    p->writer = writer_new(&writer, err);
    if (p->writer == NULL)
        return -1;
    char *journal = data_path(p, "journal");
    struct journaler_options options = {.dir = journal,
                                        .journal = {.segment_bytes = UINT64_C(64) << 20,
                                                    .retain_bytes = p->options.journal_bytes,
                                                    .retain_ns = p->options.journal_ns},
                                        .first = writer_durable(p->writer) + 1,
                                        .clock = p->options.clock,
                                        .keep = keep,
                                        .context = p};
    p->journaler = journaler_new(&options, err);
    free(journal);
    if (p->journaler == NULL)
        return -1;
    p->journal_last = journaler_last(p->journaler);
    p->checkpoint = checkpoint_start(p->state_log, p->writer, p->options.workers, p->stands_at, err);
    p->readers = p->checkpoint ? readers_start(p->store, err) : NULL;
    if (p->readers == NULL || writer_start(p->writer, err) != 0 || journaler_start(p->journaler, err) != 0)
        return -1;
    p->watchdog = watchdog_start(err);
    return p->watchdog ? 0 : -1;
}

static int count_verdict(const struct verdict_key *key, const uint32_t counts[VERDICT_COUNT], void *arg)
{
    for (unsigned kind = 0; kind < VERDICT_COUNT; kind++)
        if (counts[kind])
            verdicts_add(arg, &(struct verdict_step){key->customer, key->rule, key->entity,
                                                     (enum threat_verdict)kind, (int)counts[kind]});
    return 0;
}

static int open_workers(struct pipeline *p, struct err *err)
{
    p->verdicts = verdicts_new(VERDICT_KEYS_MAX);
    if (store_load_verdicts(p->store, count_verdict, p->verdicts, err) != 0)
        return -1;
    for (unsigned i = 0; i < p->options.workers; i++)
        p->workers[i] = worker_make(p, i);
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (worker_start(p, i, err) != 0)
            return -1;
        p->worker_count++;
    }
    followup_open(writer_followup(p->writer), p->workers, p->worker_count);
    return 0;
}

struct pipeline *pipeline_start(const struct pipeline_options *options, struct err *err)
{
    struct pipeline *p = mem_zalloc(1, sizeof(*p));
    p->options = *options;
    pthread_mutex_init(&p->set_lock, NULL);
    p->set = ruleset_ref(options->set);
    p->set->generation = p->generation = 1;
    p->generations[0] = (struct generation){ruleset_ref(p->set), pack_health_new(p->set->rule_count),
                                            policy_health_new()};
    if (open_data(p, err) != 0 || open_threads(p, err) != 0 || open_workers(p, err) != 0) {
        pipeline_stop(p, 0);
        return NULL;
    }
    char *journal = data_path(p, "journal");
    struct recovery_options recovery = {.dir = journal,
                                        .last = p->journal_last,
                                        .stands_at = p->stands_at,
                                        .worker = p->workers[0],
                                        .writer = p->writer};
    atomic_store(&p->recovery, recovery_start(&recovery, err));
    free(journal);
    if (atomic_load(&p->recovery) == NULL) {
        pipeline_stop(p, 0);
        return NULL;
    }
    return p;
}

/* ---- stop ---- */

static void read_in_flight(struct worker *w, void *arg)
{
    *(size_t *)arg = w->in_flight;
}

/* Also what nobody waits for: a start then finds nothing to observe again. */
static bool all_judged(struct pipeline *p)
{
    return !pipeline_recovered(p) || tally_judged(writer_tally(p->writer)) == journaler_last(p->journaler);
}

static void finish_batches(struct pipeline *p, int64_t limit_ns)
{
    int64_t deadline = clock_monotonic() + limit_ns;
    for (unsigned i = 0; i < p->worker_count; i++) {
        size_t left = 1;
        while (left && clock_monotonic() < deadline) {
            pipeline_on_worker(p, i, read_in_flight, &left);
            if (left)
                usleep(1000);
        }
    }
    while (!all_judged(p) && clock_monotonic() < deadline)
        usleep(1000);
}

static void on_all(struct pipeline *p, void (*call)(struct worker *worker, void *arg))
{
    for (unsigned i = 0; i < p->worker_count; i++)
        pipeline_on_worker(p, i, call, p);
}

static void nothing(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

static void save(struct worker *w, void *arg)
{
    (void)arg;
    worker_send_orphans(w);
    worker_save(w, checkpoint_wants_all(w->checkpoint, w->index));
    worker_end(w);
}

static void ending(struct worker *w, void *arg)
{
    struct pipeline *p = arg;
    if (p->options.worker_ending)
        p->options.worker_ending(w, p->options.context);
}

static void end_loop(struct worker *w, void *arg)
{
    (void)arg;
    loop_stop(w->loop);
}

/* A box is served in order, so a call on every worker comes back behind whatever was posted before it. What
 * is left of the batches in work (there is, where the limit ended the wait) goes its way leg by leg: journal
 * to origin, origin to owner, owner to writer, writer to owner, owner to origin. */
static void quiet(struct pipeline *p)
{
    if (p->writer)
        writer_close(p->writer);
    on_all(p, save);
    if (p->journaler)
        journaler_stop(p->journaler);
    on_all(p, nothing);
    if (p->writer)
        writer_stop(p->writer);
    on_all(p, nothing);
    on_all(p, nothing);
}

/* The readers answer into the workers' boxes, so they end between the servers and the loops. */
static void stop_threads(struct pipeline *p)
{
    on_all(p, ending);
    readers_stop(p->readers);
    on_all(p, end_loop);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (p->workers[i] && p->workers[i]->thread)
            thread_join(p->workers[i]->thread);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (p->workers[i])
            worker_free(p->workers[i]);
    checkpoint_stop(p->checkpoint);
    if (p->watchdog)
        watchdog_stop(p->watchdog);
}

void pipeline_stop(struct pipeline *p, int64_t limit_ns)
{
    struct recovery *recovery = atomic_load(&p->recovery);
    recovery_stop(recovery);
    finish_batches(p, limit_ns);
    quiet(p);
    stop_threads(p);
    recovery_free(recovery);
    journaler_free(p->journaler);
    if (p->writer)
        writer_free(p->writer);
    if (p->state_log)
        state_log_close(p->state_log);
    if (p->store)
        store_close(p->store);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        group_shard_free(p->shards[i]);
    verdicts_free(p->verdicts);
    generations_free(p);
    ruleset_unref(p->set);
    pthread_mutex_destroy(&p->set_lock);
    free(p);
}

/* ---- the rest ---- */

bool pipeline_recovered(const struct pipeline *p)
{
    return recovery_done(atomic_load(&p->recovery));
}

uint64_t pipeline_replayed(const struct pipeline *p)
{
    return recovery_batches(atomic_load(&p->recovery));
}

struct writer *pipeline_writer(struct pipeline *p)
{
    return p->writer;
}

struct readers *pipeline_readers(struct pipeline *p)
{
    return p->readers;
}

struct worker *pipeline_worker(struct pipeline *p, unsigned index)
{
    return p->workers[index];
}

unsigned pipeline_workers(const struct pipeline *p)
{
    return p->worker_count;
}

const char *pipeline_epoch(const struct pipeline *p)
{
    return p->epoch;
}

void pipeline_health(struct pipeline *p, struct pipeline_health *health)
{
    *health = (struct pipeline_health){.durable = p->options.data != NULL,
                                       .recovered = pipeline_recovered(p),
                                       .journal_full = journaler_full(p->journaler),
                                       .journal_short = journaler_short(p->journaler),
                                       .store_failing = writer_failing(p->writer),
                                       .balanced = tally_balanced(writer_tally(p->writer)),
                                       .pending_events = tally_pending_events(writer_tally(p->writer)),
                                       .judged = tally_judged(writer_tally(p->writer)),
                                       .journal_last = journaler_last(p->journaler),
                                       .pending_bytes = atomic_load(&p->pending_bytes)};
}
