/* A live HTTP server on a thread of its own, and a client that sends bytes exactly as it is told. Header
 * only; each test program uses a part of it. */
#ifndef LUNETTE_SPEC_NET_TRIAL_H
#define LUNETTE_SPEC_NET_TRIAL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "loop/thread.h"
#include "net/http_server.h"

#define TRIAL_UNUSED __attribute__((unused))

struct trial {
    struct http_limits limits;
    const struct http_route *routes;
    size_t route_count;
    struct http_hooks hooks;
    int listening, port;
    struct loop *loop;
    struct http_server *server; /* its thread only */
    struct mailbox *box;        /* to that thread */
    struct thread *thread;
};

struct trial_call {
    struct mail mail; /* first */
    void (*call)(void *arg);
    void *arg;
    atomic_bool done;
};

TRIAL_UNUSED static void trial_main(void *arg)
{
    struct trial *trial = arg;
    trial->server = http_server_new(trial->loop, &trial->limits, trial->routes, trial->route_count,
                                    &trial->hooks);
    assert_int_equal(http_server_accept(trial->server, trial->listening, NULL), 0);
    mailbox_attach(trial->box, trial->loop);
    loop_run(trial->loop);
    mailbox_detach(trial->box);
    http_server_free(trial->server);
}

TRIAL_UNUSED static void trial_start(struct trial *trial)
{
    struct err err = {0};
    if (http_listen("127.0.0.1:0", &trial->listening, &trial->port, &err))
        fail_msg("%s", err_text(&err));
    trial->loop = loop_new();
    trial->box = mailbox_new(64, trial);
    trial->thread = thread_start("http", trial_main, trial, NULL);
}

TRIAL_UNUSED static void trial_stop(struct trial *trial)
{
    loop_stop(trial->loop);
    thread_join(trial->thread);
    mailbox_free(trial->box);
    loop_free(trial->loop);
    close(trial->listening);
}

TRIAL_UNUSED static void trial_deliver(struct mail *mail, void *receiver)
{
    (void)receiver;
    struct trial_call *call = (struct trial_call *)mail;
    call->call(call->arg);
    atomic_store(&call->done, true);
}

/* Runs `call` on the server's thread and waits for it. */
TRIAL_UNUSED static void trial_on_server(struct trial *trial, void (*call)(void *arg), void *arg)
{
    struct trial_call message = {.mail.deliver = trial_deliver, .call = call, .arg = arg};
    assert_true(mailbox_post(trial->box, &message.mail));
    while (!atomic_load(&message.done))
        usleep(200);
}

TRIAL_UNUSED static int client_connect(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Stops early where the server has closed. */
TRIAL_UNUSED static void client_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        len -= (size_t)sent;
    }
}

TRIAL_UNUSED static void client_puts(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* One more piece; 0 at the end or after a reset, -1 where nothing came in time. */
TRIAL_UNUSED static ssize_t client_read(int fd, struct buf *in, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) <= 0)
        return -1;
    ssize_t got = recv(fd, buf_reserve(in, 65536), 65536, 0);
    if (got <= 0)
        return 0;
    buf_grew(in, (size_t)got);
    return got;
}

struct trial_answer {
    int status;       /* 0: none */
    bool closed;      /* the server closed before or after it */
    struct buf bytes; /* everything that came; fields and body point into it */
    struct str head, body;
    size_t length; /* of this answer */
};

TRIAL_UNUSED static void answer_free(struct trial_answer *answer)
{
    buf_free(&answer->bytes);
}

/* The value of a field; empty where it is absent. */
TRIAL_UNUSED static const char *answer_field(const struct trial_answer *answer, const char *name)
{
    static char value[512];
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = memmem(answer->head.ptr, answer->head.len, wanted, strlen(wanted));
    value[0] = '\0';
    if (at) {
        at += strlen(wanted);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    }
    return value;
}

/* False where the answer is not whole yet. */
TRIAL_UNUSED static bool answer_parse(struct trial_answer *answer, bool bodyless)
{
    char *end = answer->bytes.len ? memmem(answer->bytes.ptr, answer->bytes.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    answer->head = (struct str){answer->bytes.ptr, (size_t)(end - answer->bytes.ptr) + 2};
    assert_int_equal(sscanf(answer->bytes.ptr, "HTTP/1.1 %d ", &answer->status), 1);
    size_t len = bodyless ? 0 : strtoul(answer_field(answer, "Content-Length"), NULL, 10);
    size_t start = answer->head.len + 2;
    if (answer->bytes.len < start + len)
        return false;
    answer->body = (struct str){answer->bytes.ptr + start, len};
    answer->length = start + len;
    return true;
}

/* Reads one answer. What comes behind it stays in bytes (see answer_next). */
TRIAL_UNUSED static struct trial_answer client_answer(int fd, bool bodyless, int timeout_ms)
{
    struct trial_answer answer = {0};
    while (!answer_parse(&answer, bodyless)) {
        ssize_t got = client_read(fd, &answer.bytes, timeout_ms);
        answer.closed = got == 0;
        if (got <= 0)
            return answer;
    }
    return answer;
}

/* Moves on to the answer behind this one. */
TRIAL_UNUSED static void answer_next(struct trial_answer *answer, int fd)
{
    memmove(answer->bytes.ptr, answer->bytes.ptr + answer->length, answer->bytes.len - answer->length);
    answer->bytes.len -= answer->length;
    answer->status = 0;
    while (!answer_parse(answer, false)) {
        ssize_t got = client_read(fd, &answer->bytes, 10000);
        answer->closed = got == 0;
        if (got <= 0)
            return;
    }
}

/* True where the server closes, and sends nothing more. */
TRIAL_UNUSED static bool client_sees_close(int fd, int timeout_ms)
{
    struct buf rest = BUF_EMPTY;
    ssize_t got = client_read(fd, &rest, timeout_ms);
    buf_free(&rest);
    return got == 0;
}

/* One connection, one request, one answer. */
TRIAL_UNUSED static struct trial_answer client_ask(int port, const char *request)
{
    int fd = client_connect(port);
    client_puts(fd, request);
    struct trial_answer answer = client_answer(fd, strncmp(request, "HEAD", 4) == 0, 10000);
    close(fd);
    return answer;
}

#define assert_body(answer, text) assert_true(str_is((answer).body, text))

#endif
