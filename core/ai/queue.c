#include "ai/queue.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

struct entry {
    char *id;
    size_t id_len;
    unsigned severity;
    int64_t queued_ns, not_before_ns;
    uint64_t order; /* of pushing */
    bool held;      /* it has a time, and that was not found to have come */
    void *data;
};

/* Sorted arrays, oldest first: at 10,000 jobs moving the pointers behind a place is a few microseconds. What
 * is held stands apart, so that nobody walks past it each time. */
struct row {
    VEC(struct entry *) entries;
};

struct lane { /* one a severity */
    struct row ready, held;
};

struct ai_queue {
    struct lane lanes[AI_SEVERITIES];
    struct map *by_id;
    size_t capacity, depth, held;
    int64_t wake_ns; /* the earliest time of what is held */
    uint64_t pushed;
    int64_t mean_ns; /* -1: unknown */
    char *given_id;  /* of what was given back last */
};

struct ai_queue *ai_queue_new(size_t capacity)
{
    struct ai_queue *queue = mem_zalloc(1, sizeof *queue);
    queue->capacity = capacity ? capacity : AI_QUEUE_CAPACITY;
    queue->by_id = map_new();
    queue->mean_ns = -1;
    queue->wake_ns = INT64_MAX;
    return queue;
}

static void entry_free(struct entry *entry)
{
    free(entry->id);
    free(entry);
}

static void row_free(struct row *row, void (*drop)(void *data))
{
    for (size_t i = 0; i < row->entries.count; i++) {
        if (drop)
            drop(row->entries.items[i]->data);
        entry_free(row->entries.items[i]);
    }
    vec_free(&row->entries);
}

void ai_queue_free(struct ai_queue *queue, void (*drop)(void *data))
{
    if (!queue)
        return;
    for (int lane = 0; lane < AI_SEVERITIES; lane++) {
        row_free(&queue->lanes[lane].ready, drop);
        row_free(&queue->lanes[lane].held, drop);
    }
    map_free(queue->by_id, NULL);
    free(queue->given_id);
    free(queue);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->queued_ns != b->queued_ns ? a->queued_ns < b->queued_ns : a->order < b->order;
}

/* Where the entry stands, or would stand. */
static size_t place_of(const struct row *row, const struct entry *entry)
{
    size_t low = 0, high = row->entries.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_before(row->entries.items[middle], entry))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct row *row_of(struct ai_queue *queue, const struct entry *entry)
{
    struct lane *lane = &queue->lanes[entry->severity];
    return entry->held ? &lane->held : &lane->ready;
}

static void insert(struct ai_queue *queue, struct entry *entry)
{
    struct row *row = row_of(queue, entry);
    size_t at = place_of(row, entry);
    vec_push(&row->entries, entry);
    memmove(row->entries.items + at + 1, row->entries.items + at,
            (row->entries.count - 1 - at) * sizeof entry);
    row->entries.items[at] = entry;
    queue->depth++;
    queue->held += entry->held;
    if (entry->held && entry->not_before_ns < queue->wake_ns)
        queue->wake_ns = entry->not_before_ns;
}

static void find_wake(struct ai_queue *queue)
{
    queue->wake_ns = INT64_MAX;
    for (int lane = 0; queue->held && lane < AI_SEVERITIES; lane++) {
        const struct row *row = &queue->lanes[lane].held;
        for (size_t i = 0; i < row->entries.count; i++)
            if (row->entries.items[i]->not_before_ns < queue->wake_ns)
                queue->wake_ns = row->entries.items[i]->not_before_ns;
    }
}

static void withdraw(struct ai_queue *queue, struct entry *entry)
{
    struct row *row = row_of(queue, entry);
    size_t at = place_of(row, entry);
    INVARIANT(at < row->entries.count && row->entries.items[at] == entry);
    row->entries.count--;
    memmove(row->entries.items + at, row->entries.items + at + 1, (row->entries.count - at) * sizeof entry);
    queue->depth--;
    queue->held -= entry->held;
    if (entry->held && entry->not_before_ns == queue->wake_ns)
        find_wake(queue);
}

/* What has been held long enough is ready. */
static void wake(struct ai_queue *queue, int64_t now_ns)
{
    if (queue->wake_ns > now_ns)
        return;
    for (int lane = 0; lane < AI_SEVERITIES; lane++) {
        struct row *row = &queue->lanes[lane].held;
        size_t kept = 0, count = row->entries.count;
        for (size_t i = 0; i < count; i++) {
            struct entry *entry = row->entries.items[i];
            if (entry->not_before_ns > now_ns) {
                row->entries.items[kept++] = entry;
                continue;
            }
            entry->held = false;
            queue->held--;
            queue->depth--; /* insert counts it again */
            insert(queue, entry);
        }
        row->entries.count = kept;
    }
    find_wake(queue);
}

static void give(struct ai_queue *queue, struct entry *entry, struct queue_job *job)
{
    map_take(queue->by_id, (struct str){entry->id, entry->id_len});
    free(queue->given_id);
    queue->given_id = entry->id;
    if (job)
        *job = (struct queue_job){.id = {entry->id, entry->id_len},
                                  .severity = entry->severity,
                                  .queued_ns = entry->queued_ns,
                                  .not_before_ns = entry->not_before_ns,
                                  .data = entry->data};
    free(entry);
}

static struct entry *last_of(const struct row *row)
{
    return row->entries.count ? row->entries.items[row->entries.count - 1] : NULL;
}

static struct entry *least(const struct ai_queue *queue)
{
    for (int lane = 0; lane < AI_SEVERITIES; lane++) {
        struct entry *ready = last_of(&queue->lanes[lane].ready), *held = last_of(&queue->lanes[lane].held);
        if (ready && held)
            return is_before(ready, held) ? held : ready;
        if (ready || held)
            return ready ? ready : held;
    }
    return NULL;
}

enum queue_push ai_queue_push(struct ai_queue *queue, const struct queue_job *job,
                              struct queue_job *displaced)
{
    if (map_get(queue->by_id, job->id))
        return QUEUE_DUPLICATE;
    struct entry *entry = mem_alloc(sizeof *entry);
    *entry = (struct entry){.id = mem_dup(job->id.ptr, job->id.len),
                            .id_len = job->id.len,
                            .severity = job->severity < AI_SEVERITIES ? job->severity : AI_SEVERITIES - 1,
                            .queued_ns = job->queued_ns,
                            .not_before_ns = job->not_before_ns,
                            .order = queue->pushed++,
                            .held = job->not_before_ns != 0,
                            .data = job->data};
    insert(queue, entry);
    map_put(queue->by_id, job->id, entry);
    if (queue->depth <= queue->capacity)
        return QUEUE_ADDED;
    struct entry *last = least(queue);
    bool is_new = last == entry;
    withdraw(queue, last);
    give(queue, last, displaced);
    return is_new ? QUEUE_REFUSED : QUEUE_DISPLACED;
}

bool ai_queue_take(struct ai_queue *queue, int64_t now_ns, struct queue_job *job)
{
    wake(queue, now_ns);
    for (int lane = AI_SEVERITIES - 1; lane >= 0; lane--) {
        if (queue->lanes[lane].ready.entries.count == 0)
            continue;
        struct entry *entry = queue->lanes[lane].ready.entries.items[0];
        withdraw(queue, entry);
        give(queue, entry, job);
        return true;
    }
    return false;
}

bool ai_queue_remove(struct ai_queue *queue, struct str id, struct queue_job *job)
{
    struct entry *entry = map_get(queue->by_id, id);
    if (!entry)
        return false;
    withdraw(queue, entry);
    give(queue, entry, job);
    return true;
}

bool ai_queue_has(const struct ai_queue *queue, struct str id)
{
    return map_get(queue->by_id, id) != NULL;
}

bool ai_queue_reprioritize(struct ai_queue *queue, struct str id, unsigned severity)
{
    struct entry *entry = map_get(queue->by_id, id);
    if (!entry)
        return false;
    withdraw(queue, entry);
    entry->severity = severity < AI_SEVERITIES ? severity : AI_SEVERITIES - 1;
    insert(queue, entry);
    return true;
}

int64_t ai_queue_next_at(const struct ai_queue *queue, int64_t now_ns)
{
    return queue->depth > queue->held || queue->wake_ns <= now_ns ? now_ns : queue->wake_ns;
}

size_t ai_queue_depth(const struct ai_queue *queue)
{
    return queue->depth;
}

size_t ai_queue_depth_of(const struct ai_queue *queue, unsigned severity)
{
    if (severity >= AI_SEVERITIES)
        return 0;
    const struct lane *lane = &queue->lanes[severity];
    return lane->ready.entries.count + lane->held.entries.count;
}

size_t ai_queue_position(const struct ai_queue *queue, struct str id)
{
    const struct entry *entry = map_get(queue->by_id, id);
    if (!entry)
        return SIZE_MAX;
    const struct lane *own = &queue->lanes[entry->severity];
    size_t before = place_of(&own->ready, entry) + place_of(&own->held, entry);
    for (unsigned lane = entry->severity + 1; lane < AI_SEVERITIES; lane++)
        before += ai_queue_depth_of(queue, lane);
    return before;
}

void ai_queue_took(struct ai_queue *queue, int64_t took_ns)
{
    if (took_ns < 0)
        return;
    queue->mean_ns = queue->mean_ns < 0 ? took_ns : queue->mean_ns + (took_ns - queue->mean_ns) / 8;
}

int64_t ai_queue_eta(const struct ai_queue *queue, size_t jobs, unsigned concurrency)
{
    int64_t eta_ns, rounds;
    if (jobs == 0)
        return 0;
    if (queue->mean_ns < 0)
        return -1;
    rounds = (int64_t)((jobs - 1) / (concurrency ? concurrency : 1)) + 1;
    return __builtin_mul_overflow(rounds, queue->mean_ns, &eta_ns) ? INT64_MAX : eta_ns;
}
