#include "pipeline/pipeline_impl.h"

struct preparing {
    const struct generation *generation;
    struct err err;
    bool ok;
};

static void prepare(struct worker *w, void *arg)
{
    struct preparing *preparing = arg;
    preparing->ok = worker_prepare(w, preparing->generation, &preparing->err) != NULL;
}

static void drop_prepared(struct worker *w, void *arg)
{
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        if (w->detectors[i] && w->detectors[i] != w->current && w->detectors[i]->set == arg) {
            detector_free(w->detectors[i]);
            w->detectors[i] = NULL;
        }
}

static void switch_to(struct worker *w, void *arg)
{
    worker_switch(w, arg);
}

static void drop_generation(struct generation *g)
{
    ruleset_unref(g->set);
    if (g->health)
        pack_health_free(g->health);
    policy_health_free(g->policy_health);
    *g = (struct generation){0};
}

void generations_free(struct pipeline *p)
{
    for (unsigned i = 0; i < GENERATIONS; i++)
        drop_generation(&p->generations[i]);
}

/* A place for the new generation. On the way those go whose set nobody else holds any more. */
static struct generation *free_generation(struct pipeline *p)
{
    struct generation *place = NULL;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &p->generations[i];
        if (g->set && g->set != p->set && atomic_load(&g->set->refs) == 1)
            drop_generation(g);
        if (g->set == NULL)
            place = g;
    }
    return place;
}

/* As long as one worker may still begin a batch on the old set, no other may give up its state for it. */
static void switch_all(struct pipeline *p, struct ruleset *set)
{
    atomic_fetch_add_explicit(&p->set->batches, 1, memory_order_relaxed);
    for (unsigned i = 0; i < p->worker_count; i++)
        pipeline_on_worker(p, i, switch_to, set);
    atomic_fetch_sub_explicit(&p->set->batches, 1, memory_order_release);
}

int pipeline_publish(struct pipeline *p, struct ruleset *set, struct err *err)
{
    struct generation *generation = free_generation(p);
    if (generation == NULL)
        return err_set(err, ERR_BUSY, "earlier generations of rules are still at work");
    set->generation = p->generation + 1;
    *generation = (struct generation){ruleset_ref(set), pack_health_new(set->rule_count),
                                      policy_health_new()};
    for (unsigned i = 0; i < p->worker_count; i++) {
        struct preparing preparing = {.generation = generation};
        pipeline_on_worker(p, i, prepare, &preparing);
        if (preparing.ok)
            continue;
        *err = preparing.err;
        for (unsigned k = 0; k < i; k++)
            pipeline_on_worker(p, k, drop_prepared, set);
        drop_generation(generation);
        return -1;
    }
    switch_all(p, set);
    p->generation = set->generation;
    pthread_mutex_lock(&p->set_lock);
    struct ruleset *old = p->set;
    p->set = ruleset_ref(set);
    pthread_mutex_unlock(&p->set_lock);
    ruleset_unref(old);
    return 0;
}

struct ruleset *pipeline_ruleset(struct pipeline *p)
{
    pthread_mutex_lock(&p->set_lock);
    struct ruleset *set = ruleset_ref(p->set);
    pthread_mutex_unlock(&p->set_lock);
    return set;
}
