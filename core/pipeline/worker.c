#include "base/json_tape.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/meters.h"
#include "pipeline/worker_impl.h"

#define PARKED_MAX 256 /* batches that wait for a full box; beyond, nothing is taken in */
#define UNPARK_NS  (2 * NS_PER_MS)

/* ---- judging: on the owner ---- */

static bool waits_for_commit(struct worker *w, const struct part *part)
{
    /* Whoever is told that a change was taken finds it; and what waits to be stored counts as pending. */
    if (part->observed)
        return true;
    for (size_t i = 0; i < part->verdict.judged.count; i++)
        if (!hints_fold(w->hints, &part->verdict.judged.items[i].firing))
            return true;
    return false;
}

static void deliver_notice(struct mail *mail, void *receiver);

static void notify_origin(struct part *part)
{
    if (part->owner == part->origin) {
        deliver_notice(&part->notice, part->origin);
        return;
    }
    part->notice.deliver = deliver_notice;
    mailbox_post_reserved(part->origin->box, &part->notice);
}

/* Of a batch that was judged and stored before this start only the windows may lack something. */
static bool is_known(const struct worker *w, const struct batch *batch, const struct observation *o)
{
    return batch->replay && !batch->counted &&
           (o->shard == SHARD_NONE || batch->number <= w->stood_at[o->shard]);
}

static void judge_part(struct worker *w, struct part *part)
{
    struct batch *batch = part->batch;
    struct detector *detector = worker_detector(w, batch->set);
    INVARIANT(detector != NULL);
    unsigned voided = writer_hints_voided(w->writer);
    if (w->hints_voided != voided)
        hints_forget(w->hints);
    w->hints_voided = voided;
    part->verdict.hints = w->hints;
    for (size_t i = 0; i < part->count; i++) {
        const struct observation *o = &batch->observations.items[part->observations[i]];
        if (!is_known(w, batch, o))
            judge_observation(detector, o->shard == SHARD_NONE ? NULL : w->shards[o->shard], o,
                              &part->verdict);
    }
    if (batch->number > w->knows_of)
        w->knows_of = batch->number;
    if (part->verdict.evicted)
        metric_add(w->evicted, (double)part->verdict.evicted);
    for (size_t i = 0; i < part->verdict.pressure.count && w->pressure.count < 1000; i++)
        vec_push(&w->pressure, part->verdict.pressure.items[i]);
    part->waits = waits_for_commit(w, part);
    if (!part->waits) {
        atomic_fetch_add(&part->holders, 1);
        notify_origin(part);
    }
    part->mail.deliver = writer_deliver_part;
    mailbox_post_reserved(writer_mailbox(w->writer), &part->mail);
}

static void deliver_part(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;
    owner_check(&w->owner, "worker");
    judge_part(w, (struct part *)mail); /* mail is its first member */
}

/* The part came back from the writer. */
void worker_deliver_verdict(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;
    struct part *part = (struct part *)mail;
    owner_check(&w->owner, "worker");
    for (size_t i = 0; i < part->raised.count; i++)
        hints_learn(w->hints, &part->verdict.judged.items[i].firing, part->raised.items[i].anchor_ns);
    if (part->waits)
        notify_origin(part);
    else
        part_release(part);
}

/* ---- answering: on the origin ---- */

static void flight_free(struct flight *flight)
{
    struct worker *w = flight->worker;
    atomic_fetch_sub(w->pending_bytes, flight->batch->body.len);
    w->in_flight--;
    vec_free(&flight->raised);
    batch_unref(flight->batch);
    free(flight);
}

static void finish(struct flight *flight, const struct err *err)
{
    struct submission_result result = {.batch = flight->batch,
                                       .err = err,
                                       .raised = flight->raised.items,
                                       .raised_count = flight->raised.count};
    if (flight->done)
        flight->done(&result, flight->arg);
    flight_free(flight);
}

/* Accepted, but not judged in this process: the next one finds it in the journal. */
static void abandon(struct flight *flight)
{
    struct err err = {0};
    err_set(&err, ERR_BUSY, "the process stops; what was sent is kept and judged at its next start");
    flight->raised.count = 0; /* not stored */
    finish(flight, &err);
}

static void deliver_notice(struct mail *mail, void *receiver)
{
    struct part *part = (struct part *)((char *)mail - offsetof(struct part, notice));
    struct flight *flight = part->flight;
    struct worker *w = receiver;
    owner_check(&w->owner, "worker");
    /* Where the reply does not wait, the part is at the writer now and `raised` is not ours to read. */
    for (size_t i = 0; part->waits && i < part->raised.count; i++)
        if (part->raised.items[i].is_new)
            vec_push(&flight->raised, part->raised.items[i]);
    flight->lost |= part->waits && part->lost;
    part_release(part);
    if (--flight->parts_left)
        return;
    if (flight->lost)
        abandon(flight);
    else
        finish(flight, NULL);
}

/* ---- dispatch: on the origin ---- */

static unsigned owner_of(const struct worker *w, const struct observation *o)
{
    return o->shard == SHARD_NONE ? w->index : o->shard % w->count;
}

/* Slots for every leg of every part, or none at all. */
static bool reserve_legs(struct worker *w, const size_t *counts, size_t parts)
{
    if (!mailbox_reserve(writer_mailbox(w->writer), parts))
        return false;
    if (!mailbox_reserve(w->box, parts)) { /* verdict back for our own, notices for the others */
        mailbox_unreserve(writer_mailbox(w->writer), parts);
        return false;
    }
    for (unsigned k = 0; k < w->count; k++) {
        if (k == w->index || counts[k] == 0 || mailbox_reserve(w->peers[k]->box, 2))
            continue;
        while (k-- > 0)
            if (k != w->index && counts[k])
                mailbox_unreserve(w->peers[k]->box, 2);
        mailbox_unreserve(w->box, parts);
        mailbox_unreserve(writer_mailbox(w->writer), parts);
        return false;
    }
    return true;
}

static struct part *make_part(struct flight *flight, unsigned owner, size_t count, size_t parts)
{
    struct worker *w = flight->worker;
    struct batch *batch = flight->batch;
    struct part *part = part_new(batch);
    part->origin = w;
    part->owner = w->peers[owner];
    part->flight = flight;
    part->parts = parts;
    part->observations = mem_alloc((count + 1) * sizeof(*part->observations));
    for (size_t i = 0; i < batch->observations.count; i++)
        if (owner_of(w, &batch->observations.items[i]) == owner)
            part->observations[part->count++] = (uint32_t)i;
    return part;
}

/* The origin always has a part of its own: it carries the batch's delta and observations. False: a box is
 * full, try again later. */
static bool dispatch(struct flight *flight)
{
    struct worker *w = flight->worker;
    struct batch *batch = flight->batch;
    size_t counts[GROUP_SHARDS] = {0}; /* never more workers than shards */
    for (size_t i = 0; i < batch->observations.count; i++)
        counts[owner_of(w, &batch->observations.items[i])]++;
    size_t parts = 1;
    for (unsigned k = 0; k < w->count; k++)
        parts += k != w->index && counts[k];
    if (!reserve_legs(w, counts, parts))
        return false;
    flight->parts_left = parts;
    for (unsigned k = 0; k < w->count; k++) {
        if (k == w->index || counts[k] == 0)
            continue;
        struct part *part = make_part(flight, k, counts[k], parts);
        part->mail.deliver = deliver_part;
        mailbox_post_reserved(w->peers[k]->box, &part->mail);
    }
    struct part *own = make_part(flight, w->index, counts[w->index], parts);
    ledger_delta_merge(&own->verdict.delta, &batch->delta);
    if (batch->counted) /* what the store has counted it has kept as well */
        own->observed = observe_batch(worker_detector(w, batch->set), batch);
    judge_part(w, own);
    return true;
}

static struct flight *unpark_first(struct worker *w)
{
    struct flight *flight = w->parked_first;
    w->parked_first = flight->next;
    if (w->parked_first == NULL)
        w->parked_last = NULL;
    w->parked--;
    return flight;
}

static void park_first(struct worker *w, struct flight *flight)
{
    flight->next = w->parked_first;
    w->parked_first = flight;
    if (w->parked_last == NULL)
        w->parked_last = flight;
    w->parked++;
}

/* A flight is taken out before it goes: it may be answered at once, and the answer may bring the next. */
void worker_dispatch_parked(struct worker *w)
{
    while (w->parked_first) {
        struct flight *flight = unpark_first(w);
        if (dispatch(flight))
            continue;
        park_first(w, flight);
        timer_start(w->unpark, UNPARK_NS, false);
        return;
    }
}

static void park(struct flight *flight)
{
    struct worker *w = flight->worker;
    flight->next = NULL;
    if (w->parked_last)
        w->parked_last->next = flight;
    else
        w->parked_first = flight;
    w->parked_last = flight;
    w->parked++;
    worker_dispatch_parked(w);
}

void worker_end(struct worker *w)
{
    w->ending = true;
    analyst_stop(w->analyst);
    while (w->parked_first)
        abandon(unpark_first(w));
}

/* ---- taking in: on the origin ---- */

/* Events that were not accepted are counted although no batch carries them. */
static void orphan(struct worker *w, struct batch *batch)
{
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        w->orphans.rejected[i] += batch->delta.rejected[i];
    w->orphans.received += batch->delta.received;
}

static void journal_failed(struct flight *flight)
{
    struct batch *batch = flight->batch;
    struct err err = {0};
    batch->delta.rejected[REJECT_JOURNAL] += batch->event_count;
    orphan(flight->worker, batch);
    err_set(&err, ERR_BUSY, "the journal cannot be written: %s", flight->journal.err.message);
    finish(flight, &err);
}

static void deliver_journaled(struct mail *mail, void *receiver)
{
    struct flight *flight = (struct flight *)mail; /* journal.mail is its first member */
    struct worker *w = receiver;
    owner_check(&w->owner, "worker");
    if (flight->journal.err.code != ERR_NONE) {
        journal_failed(flight);
        return;
    }
    flight->batch->number = flight->journal.frame.batch;
    tally_pending(writer_tally(w->writer), flight->batch->event_count);
    if (w->ending)
        abandon(flight);
    else
        park(flight);
}

static struct str keep(struct batch *batch, struct str s)
{
    return s.len ? arena_dup(batch->arena, s) : STR("");
}

static struct batch *make_batch(struct worker *w, const struct submission *s)
{
    struct batch *batch = batch_new(w->current->set);
    batch->accepted_ns = clock_now(w->clock);
    batch->source_name = keep(batch, s->source);
    batch->customer = keep(batch, s->customer);
    batch->format = s->format;
    batch->id_base = s->id_base;
    if (s->trace_id)
        memcpy(batch->trace_id, s->trace_id, sizeof(batch->trace_id) - 1);
    return batch;
}

static struct flight *make_flight(struct worker *w, struct batch *batch)
{
    struct flight *flight = mem_zalloc(1, sizeof(*flight));
    flight->worker = w;
    flight->batch = batch;
    w->in_flight++;
    atomic_fetch_add(w->pending_bytes, batch->body.len);
    return flight;
}

static void send_to_journal(struct flight *flight)
{
    struct batch *batch = flight->batch;
    flight->journal.frame = (struct journal_frame){.accepted_ns = batch->accepted_ns,
                                                   .source = batch->source_name,
                                                   .customer = batch->customer,
                                                   .format = batch->format,
                                                   .id_base = batch->id_base,
                                                   .bytes = buf_str(&batch->body)};
    flight->journal.mail.deliver = journaler_deliver;
    flight->journal.back = deliver_journaled;
    flight->journal.reply_to = flight->worker->box;
    mailbox_post_reserved(journaler_mailbox(flight->worker->journaler), &flight->journal.mail);
}

static void work_on(struct worker *w, struct batch *batch)
{
    ingest_map(w->current, batch);
    detect_match(w->current, batch);
    detect_route(w->current, batch);
    meters_batch(batch);
}

/* Room in the journal's box, in ours for its answer, and for the bytes. */
static int admit(struct worker *w, size_t bytes, struct err *err)
{
    if (w->ending || w->parked >= PARKED_MAX || atomic_load(w->pending_bytes) + bytes > w->pending_max ||
        writer_failing(w->writer) || !mailbox_reserve(journaler_mailbox(w->journaler), 1))
        return err_set(err, ERR_BUSY, "the process cannot take more now; try again");
    if (mailbox_reserve(w->box, 1))
        return 0;
    mailbox_unreserve(journaler_mailbox(w->journaler), 1);
    return err_set(err, ERR_BUSY, "the process cannot take more now; try again");
}

static void give_back(struct worker *w)
{
    mailbox_unreserve(w->box, 1);
    mailbox_unreserve(journaler_mailbox(w->journaler), 1);
}

int worker_submit(struct worker *w, struct submission *s, struct err *err)
{
    owner_check(&w->owner, "worker");
    if (admit(w, s->body.len, err) != 0)
        return -1;
    struct batch *batch = make_batch(w, s);
    batch->body = s->body;
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    s->body = batch->body; /* it may have moved */
    if (ingest_parse(w->current, batch, err) != 0) {
        batch->body = BUF_EMPTY;
        batch_unref(batch);
        give_back(w);
        return -1;
    }
    s->body = BUF_EMPTY;
    struct flight *flight = make_flight(w, batch);
    flight->done = s->done;
    flight->arg = s->arg;
    if (batch->event_count == 0) {
        give_back(w);
        orphan(w, batch);
        finish(flight, NULL);
        return 0;
    }
    send_to_journal(flight);
    work_on(w, batch);
    return 0;
}

int worker_replay(struct worker *w, const struct journal_frame *frame, bool counted,
                  void (*done)(const struct submission_result *, void *), void *arg)
{
    struct submission s = {.source = frame->source,
                           .customer = frame->customer,
                           .format = frame->format,
                           .id_base = frame->id_base};
    struct err err = {0};
    struct batch *batch = make_batch(w, &s);
    batch->accepted_ns = frame->accepted_ns;
    batch->number = frame->batch;
    batch->replay = true;
    batch->counted = counted;
    buf_put(&batch->body, frame->bytes);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    if (frame->bytes.len && ingest_parse(w->current, batch, &err) != 0)
        LOG_ERR(LOG_ERROR, "replay.parse", &err); /* a source that left: its batch counts as empty */
    struct flight *flight = make_flight(w, batch);
    flight->done = done;
    flight->arg = arg;
    if (counted)
        tally_pending(writer_tally(w->writer), batch->event_count);
    work_on(w, batch);
    park(flight);
    return 0;
}

struct mailbox *worker_mailbox(struct worker *w)
{
    return w->box;
}

struct loop *worker_loop(const struct worker *w)
{
    return w->loop;
}

unsigned worker_index(const struct worker *w)
{
    return w->index;
}

struct pipeline *worker_pipeline(const struct worker *w)
{
    return w->pipeline;
}

struct ruleset *worker_ruleset(const struct worker *w)
{
    return w->current->set;
}

uint64_t worker_generation(const struct worker *w)
{
    return atomic_load(&w->generation);
}

size_t worker_in_flight(const struct worker *w)
{
    return w->in_flight;
}
