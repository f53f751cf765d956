/* A peer on loopback that answers each request as a callback tells: a thread that accepts, one a connection.
 * Header only; each test program uses a part of it. */
#ifndef LUNETTE_SPEC_NET_RAW_PEER_H
#define LUNETTE_SPEC_NET_RAW_PEER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define PEER_UNUSED      __attribute__((unused))
#define PEER_CONNECTIONS 512

struct peer_request {
    struct str head, body; /* the head with its empty line */
    unsigned number;       /* of all, from 1 */
    int fd;
};

struct peer {
    /* Writes an answer; false closes the connection. On a connection's thread. */
    bool (*answer)(const struct peer_request *request, void *arg);
    void *arg;
    int listening, port;
    pthread_t acceptor, threads[PEER_CONNECTIONS];
    int fds[PEER_CONNECTIONS];
    atomic_uint connections, requests;
};

struct peer_connection {
    struct peer *peer;
    int fd;
};

PEER_UNUSED static void peer_send(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes = (struct str){bytes.ptr + sent, bytes.len - (size_t)sent};
    }
}

PEER_UNUSED static void peer_reply(int fd, const char *status, const char *headers, struct str body)
{
    struct buf out = BUF_EMPTY;
    buf_printf(&out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, body.len, headers);
    buf_put(&out, body);
    peer_send(fd, buf_str(&out));
    buf_free(&out);
}

static bool peer_fill(int fd, struct buf *in)
{
    char *room = buf_reserve(in, 65536);
    ssize_t got = recv(fd, room, 65536, 0);
    if (got > 0)
        buf_grew(in, (size_t)got);
    return got > 0;
}

static size_t peer_body_length(struct str head)
{
    const char *at = strcasestr(head.ptr, "content-length:");
    return at && at < head.ptr + head.len ? strtoul(at + 15, NULL, 10) : 0;
}

static bool peer_next(struct peer *peer, int fd, struct buf *in)
{
    const char *end;
    while (!in->len || !(end = memmem(in->ptr, in->len, "\r\n\r\n", 4)))
        if (!peer_fill(fd, in))
            return false;
    size_t head = (size_t)(end + 4 - in->ptr), body = peer_body_length((struct str){in->ptr, head});
    while (in->len < head + body)
        if (!peer_fill(fd, in))
            return false;
    struct peer_request request = {.head = {in->ptr, head},
                                   .body = {in->ptr + head, body},
                                   .number = atomic_fetch_add(&peer->requests, 1) + 1,
                                   .fd = fd};
    bool stays = peer->answer(&request, peer->arg);
    buf_clear(in);
    return stays;
}

static void *peer_connection_main(void *arg)
{
    struct peer_connection connection = *(struct peer_connection *)arg;
    struct buf in = BUF_EMPTY;
    free(arg);
    while (peer_next(connection.peer, connection.fd, &in))
        continue;
    shutdown(connection.fd, SHUT_RDWR); /* closed by peer_stop, so that no number is used twice */
    buf_free(&in);
    return NULL;
}

static void *peer_main(void *arg)
{
    struct peer *peer = arg;
    for (;;) {
        int fd = accept(peer->listening, NULL, NULL);
        if (fd < 0)
            return NULL;
        unsigned slot = atomic_load(&peer->connections);
        if (slot == PEER_CONNECTIONS)
            abort();
        struct peer_connection *connection = malloc(sizeof *connection);
        *connection = (struct peer_connection){peer, fd};
        peer->fds[slot] = fd;
        pthread_create(&peer->threads[slot], NULL, peer_connection_main, connection);
        atomic_store(&peer->connections, slot + 1);
    }
}

PEER_UNUSED static void peer_start(struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    peer->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer->listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(peer->listening, 512) != 0 ||
        getsockname(peer->listening, (struct sockaddr *)&address, &len) != 0)
        abort();
    peer->port = ntohs(address.sin_port);
    pthread_create(&peer->acceptor, NULL, peer_main, peer);
}

PEER_UNUSED static void peer_stop(struct peer *peer)
{
    shutdown(peer->listening, SHUT_RDWR);
    pthread_join(peer->acceptor, NULL);
    close(peer->listening);
    for (unsigned i = 0; i < atomic_load(&peer->connections); i++) {
        shutdown(peer->fds[i], SHUT_RDWR);
        pthread_join(peer->threads[i], NULL);
        close(peer->fds[i]);
    }
}

#endif
