/* WebSocket server (RFC 6455): libwebsockets in a thread of its own, fed by the workers. Generic: it carries
 * text frames of a shared ring and of single clients, and knows nothing of threats. See docs/architecture.md,
 * the hub. */
#ifndef LUNETTE_NET_WS_SERVER_H
#define LUNETTE_NET_WS_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "net/http_server.h"

struct ws_server;
struct ws_client; /* hub thread only; valid until `closed` returns */

struct ws_options {
    size_t clients;  /* 4,096; beyond: 503 */
    size_t frame_in; /* largest incoming message, 64 KiB; beyond: close 1009 */
    size_t ring;     /* bytes of messages kept for slow clients, 4 MiB: some thousand threats */
    size_t frames;   /* bytes that wait for one client alone, 1 MiB; beyond: close 1013 */
    int64_t ping_ns; /* 30 s idle; hang up after twice that */
};
extern const struct ws_options ws_options_default;

/* All on the hub thread. */
struct ws_hooks {
    void *context;
    void *(*opened)(struct ws_client *client, void *user,
                    void *context); /* returns the client's state; `user` of ws_adopt */
    void (*message)(struct ws_client *client, void *state, struct str text, void *context);
    void (*closed)(struct ws_client *client, void *state, void *context);
    /* Turns ring messages [first, first+count) into one frame for this client; false: nothing to send (all
     * filtered). The payload pointers stay valid during the call. */
    bool (*frame)(struct ws_client *client, void *state, void *const *messages, size_t count, struct buf *out,
                  void *context);
    /* The client fell out of the ring: `lost` messages were skipped. Fill a frame that tells it so. Called at
     * most 3 times in a minute per client, then the client is closed (1013). */
    bool (*lagged)(struct ws_client *client, void *state, uint64_t lost, struct buf *out, void *context);
    void (*drop)(void *message, void *context); /* a ring message leaves the ring */
};

struct ws_server *ws_server_start(const struct ws_options *options, const struct ws_hooks *hooks,
                                  struct err *err);
/* Does what is queued, sends close frames (1001) to all and waits for theirs at most limit_ns, then ends the
 * thread and frees everything. No other call may run beside it. Hooks of clients that are open even then are
 * called on the caller's thread. */
void ws_server_stop(struct ws_server *server, int64_t limit_ns);

/* Worker thread: checks the upgrade (RFC 6455 4.2.1), answers 4xx/503 itself, or hands the connection over.
 * `user` belongs to the server from here (drop_user on every failure). */
void ws_server_upgrade(struct ws_server *server, struct http_request *request, void *user,
                       void (*drop_user)(void *));
/* Any thread: one message for all clients. `size`: its bytes, counted against the ring. Never waits; false
 * when the input queue (65,536 messages) is full or the server stops: the caller must then publish a gap of
 * its own. */
bool ws_server_publish(struct ws_server *server, void *message, size_t size);
/* Hub thread: a frame for one client only, before anything later of the ring. */
void ws_client_send(struct ws_client *client, struct str text);
void ws_client_close(struct ws_client *client, int code, const char *reason);
size_t ws_server_clients(const struct ws_server *server); /* any thread */
/* Any thread: runs `call(arg)` on the hub thread. False when the queue is full. */
bool ws_server_call(struct ws_server *server, void (*call)(void *arg), void *arg);
/* The same also when the queue is full, for calls of which there are few: one for each client at most. False
 * when the server stops. */
bool ws_server_call_always(struct ws_server *server, void (*call)(void *arg), void *arg);

#endif
