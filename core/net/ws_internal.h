/* What the files of the WebSocket server share: ws_server.c is the side of the workers (start, stop, queue,
 * upgrade), ws_hub.c the hub thread, which alone touches the library, the clients and the ring. Private to
 * net/. */
#ifndef LUNETTE_NET_WS_INTERNAL_H
#define LUNETTE_NET_WS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/vec.h"
#include "loop/thread.h"
#include "net/ws_server.h"

struct lws;
struct lws_context;
struct lws_vhost;

/* A connection on its way from a worker to the hub. */
struct ws_adoption {
    int fd;
    struct buf bytes; /* a request for the library, and what the client sent behind its own */
    void *user;
    void (*drop_user)(void *user); /* unless `opened` has taken the user */
    bool opened;
};

struct ws_input {
    enum { WS_INPUT_MESSAGE, WS_INPUT_ADOPT, WS_INPUT_CALL } kind;
    union {
        struct {
            void *message;
            size_t size;
        };
        struct ws_adoption *adoption;
        struct {
            void (*call)(void *arg);
            void *arg;
        };
    };
};

struct ws_inputs {
    VEC(struct ws_input) list;
};

struct ws_slot {
    void *message;
    size_t size;
};

/* Messages are numbered from 0; the ring holds [tail, head). */
struct ws_ring {
    struct ws_slot *slots;
    uint64_t mask, head, tail;
    size_t bytes, bytes_max;
};

struct ws_frame {
    struct ws_frame *next;
    uint64_t at; /* goes out before this message of the ring */
    size_t len;
    unsigned char bytes[]; /* with the room in front that the library wants */
};

struct ws_client {
    struct ws_client *next, **link;
    struct ws_server *server;
    struct lws *wsi;
    void *state;
    uint64_t cursor; /* the next message of the ring */
    struct ws_frame *frames, **frames_end;
    size_t frames_bytes;
    struct buf in; /* fragments of a message */
    bool closing;
    int close_code;
    char close_reason[120];
    int64_t written_at;   /* when it last took something */
    int64_t lagged_at[3]; /* the last three times it fell out of the ring */
    unsigned lags;
};

struct ws_server {
    struct ws_options options;
    struct ws_hooks hooks;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct thread *thread;
    _Atomic size_t count; /* clients, those on their way included */

    pthread_mutex_t lock; /* of these: */
    struct ws_inputs inputs;
    bool signalled; /* the hub was woken and has not looked yet */
    bool stopping;
    int64_t stop_limit;

    struct owner owner; /* the hub thread, for all below */
    struct ws_inputs taken;
    struct ws_adoption *adopting;
    struct ws_client *clients;
    struct ws_ring ring;
    struct buf out; /* scratch */
    bool closing, done, sweeping;
    struct ws_library *library;
};

/* ws_hub.c */
int ws_hub_create(struct ws_server *server, struct err *err);
void ws_hub_main(void *server);
void ws_hub_destroy(struct ws_server *server); /* after the thread: closes what is still open */
void ws_hub_wake(struct ws_server *server);
void ws_adoption_free(struct ws_adoption *adoption); /* does not close the descriptor */

/* ws_ring.c */
void ws_ring_init(struct ws_ring *ring, size_t bytes);
void ws_ring_push(struct ws_ring *ring, void *message, size_t size, const struct ws_hooks *hooks);
void ws_ring_free(struct ws_ring *ring, const struct ws_hooks *hooks);
/* Copies the messages from `from` on into `out`, as many as make a frame of good size and no more than `max`,
 * none at or behind `end`. */
size_t ws_ring_copy(const struct ws_ring *ring, uint64_t from, uint64_t end, void **out, size_t max);

#endif
