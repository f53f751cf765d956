/* The queue of analyses: most severe first, then oldest; at most `capacity` jobs. When it is full the least
 * severe, newest leaves, which may be the one that comes. Pure: the caller passes the time. One owner. */
#ifndef LUNETTE_AI_QUEUE_H
#define LUNETTE_AI_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define AI_QUEUE_CAPACITY 10000
#define AI_SEVERITIES     5 /* 0 info, 1 low, 2 medium, 3 high, 4 critical: data/threat.h's order */

struct queue_job {
    struct str id;         /* copied by the queue; in what it gives back, borrowed until the next call */
    unsigned severity;     /* < AI_SEVERITIES; more counts as critical */
    int64_t queued_ns;     /* what "oldest" goes by; equal: in the order they were pushed */
    int64_t not_before_ns; /* not taken earlier; 0: at once */
    void *data;            /* the caller's */
};

enum queue_push {
    QUEUE_ADDED,
    QUEUE_DISPLACED, /* added, and *displaced left */
    QUEUE_REFUSED,   /* the new one is the least severe, newest: *displaced is it */
    QUEUE_DUPLICATE, /* that id is there already; nothing changed */
};

struct ai_queue;
struct ai_queue *ai_queue_new(size_t capacity); /* 0: AI_QUEUE_CAPACITY */
/* `drop` (may be NULL) is called on the data of each job still in it. */
void ai_queue_free(struct ai_queue *queue, void (*drop)(void *data));

enum queue_push ai_queue_push(struct ai_queue *queue, const struct queue_job *job,
                              struct queue_job *displaced);
/* The most severe, oldest job whose time has come; false when there is none. */
bool ai_queue_take(struct ai_queue *queue, int64_t now_ns, struct queue_job *job);
bool ai_queue_remove(struct ai_queue *queue, struct str id, struct queue_job *job); /* job may be NULL */
bool ai_queue_has(const struct ai_queue *queue, struct str id);
/* Moves a job that is there to another severity, at its age; false when it is not there. */
bool ai_queue_reprioritize(struct ai_queue *queue, struct str id, unsigned severity);
/* When the next job may be taken: now_ns if one can be now, INT64_MAX when the queue is empty. */
int64_t ai_queue_next_at(const struct ai_queue *queue, int64_t now_ns);

size_t ai_queue_depth(const struct ai_queue *queue);
size_t ai_queue_depth_of(const struct ai_queue *queue, unsigned severity);
/* How many would be taken before this one were all of them ready; SIZE_MAX when it is not there. */
size_t ai_queue_position(const struct ai_queue *queue, struct str id);

/* A job took so long: the running mean (weight 1/8; the first counts whole). */
void ai_queue_took(struct ai_queue *queue, int64_t took_ns);
/* How long `jobs` take with `concurrency` at once by that mean; 0 for none, -1 as long as nothing is known.
 */
int64_t ai_queue_eta(const struct ai_queue *queue, size_t jobs, unsigned concurrency);

#endif
