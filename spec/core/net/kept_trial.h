/* Handlers that keep requests and answer them later, and waiting for what they count. Header only. */
#ifndef LUNETTE_SPEC_NET_KEPT_TRIAL_H
#define LUNETTE_SPEC_NET_KEPT_TRIAL_H

#include "trial.h"

static struct {
    struct http_request *kept[8]; /* server thread only */
    size_t count;
    atomic_int arrived, gone;
} later;

TRIAL_UNUSED static void on_gone(struct http_request *request, void *arg)
{
    assert_ptr_equal(arg, &later);
    assert_true(str_starts(http_path(request), STR("/later")));
    for (size_t i = 0; i < 8; i++)
        if (later.kept[i] == request)
            later.kept[i] = NULL;
    atomic_fetch_add(&later.gone, 1);
}

TRIAL_UNUSED static void keep(struct http_request *request, void *context)
{
    (void)context;
    http_keep(request, on_gone, &later);
    later.kept[later.count++ % 8] = request;
    atomic_fetch_add(&later.arrived, 1);
}

TRIAL_UNUSED static void answer_now(struct http_request *request, void *context)
{
    (void)context;
    http_respond(request, 200, "text/plain", http_query(request, "n"));
}

TRIAL_UNUSED static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 20000 && atomic_load(value) < wanted; i++)
        usleep(500);
    assert_int_equal(atomic_load(value), wanted);
}

TRIAL_UNUSED static void wait_for_connections(size_t wanted)
{
    for (int i = 0; i < 20000 && http_server_connections() != wanted; i++)
        usleep(500);
    assert_int_equal(http_server_connections(), wanted);
}

/* On the server's thread. */
TRIAL_UNUSED static void answer_kept(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < 8; i++) {
        struct http_request *request = later.kept[i];
        later.kept[i] = NULL;
        if (request)
            http_respond(request, 200, "text/plain", http_query(request, "n"));
    }
}

#endif
