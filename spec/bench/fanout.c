/* Fan-out over WebSocket: a thousand dashboards on one server, listened to by one thread, while another
 * thread posts events that are a threat each. spec/bench/fanout.py starts the server, with the rules of
 * spec/e2e/rules, and `bench_fanout PORT PID`, which prints figures as JSON lines.
 *
 * One at a time: 20 threats a second, each timed from its POST to its frame at every client.
 *
 * In bulk: THREATS of them, never more than WINDOW ahead of what the clients have.
 *
 * Beyond the ring: the same number as fast as they go in, so that clients fall out of the ring; what they
 * then miss they must have been told of. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/vec.h"

#define CLIENTS    1000
#define THREATS    4096
#define OPENING    32  /* clients that wait for their first threats at once */
#define WINDOW     256 /* threats posted that not all clients have; their changes must fit the ring */
#define BATCH      64
#define SINGLES    200
#define SINGLES_NS (50 * NS_PER_MS)
#define QUIET_NS   (3 * NS_PER_S) /* nothing came for so long: nothing will */

/* ---- what is told of at the end ---- */

static struct {
    uint16_t port;
    struct client *clients; /* CLIENTS */
    size_t ready;
    int poll;
    int64_t singles_ns;                /* the first phase: when its first threat was due */
    int64_t first_ns[SINGLES];         /* when the first client had each; 0: none yet */
    VEC(double) from_post, from_first; /* ms, each threat at each client */
    uint64_t messages, frames;         /* changes, and frames with any */
    uint64_t holes, excused, repeated; /* changes missing without and after a gap; come again */
    uint64_t gaps, closed, closed_silently;
    int64_t last_ns;              /* when a change last came */
    _Atomic uint64_t posted;      /* threats */
    _Atomic uint64_t slowest;     /* threats that all open clients have seen begin */
    uint64_t newest;              /* the highest cursor that anybody was told */
    atomic_bool is_posted;        /* the poster has finished its phase */
    void (*post)(int fd, size_t); /* the phase */
} bench;

struct client {
    int fd; /* -1: closed */
    bool upgraded, ready, excused;
    uint64_t told, threats; /* cursor; threats that it saw begin */
    struct buf in;
    size_t at; /* of `in`, taken so far */
};

static void figure(const char *name, double value, const char *unit, const char *bar)
{
    printf("{\"name\":\"%s\",\"value\":%.10g,\"unit\":\"%s\",\"bar\":\"%s\"}\n", name, value, unit, bar);
    fflush(stdout);
}

/* ---- the hub thread's time ---- */

static bool is_hub(const char *task)
{
    char path[320], name[32] = "";
    snprintf(path, sizeof(path), "%s/comm", task);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool read = fgets(name, sizeof(name), file) != NULL;
    fclose(file);
    return read && strcmp(name, "hub\n") == 0;
}

static void find_hub(const char *pid, char out[320])
{
    char folder[64];
    snprintf(folder, sizeof(folder), "/proc/%s/task", pid);
    DIR *dir = opendir(folder);
    out[0] = '\0';
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(out, 320, "%s/%s", folder, entry->d_name);
        if (is_hub(out))
            break;
        out[0] = '\0';
    }
    if (!out[0])
        die("process %s has no thread named hub", pid);
    closedir(dir);
}

static double hub_seconds(const char *task)
{
    char path[340];
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "%s/schedstat", task);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%llu", &ns) != 1)
        die("%s: cannot be read", path);
    fclose(file);
    return (double)ns / 1e9;
}

/* ---- messages ---- */

static bool starts(struct str text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

static const char *find(struct str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what));
}

static double ms_between(int64_t from, int64_t to)
{
    return (double)(to - from) / (double)NS_PER_MS;
}

/* A threat of the first phase says in its title when it was due. */
static void time_it(struct str message, int64_t now)
{
    const char *title = find(message, "\"Seen: t");
    if (!title)
        return;
    int64_t due = strtoll(title + 8, NULL, 10);
    int64_t *first = &bench.first_ns[(due - bench.singles_ns) / SINGLES_NS];
    *first = *first ? *first : now;
    vec_push(&bench.from_post, ms_between(due, now));
    vec_push(&bench.from_first, ms_between(*first, now));
}

/* Changes are numbered without a hole. */
static void take_change(struct client *c, uint64_t seq, int64_t now)
{
    bench.messages++;
    bench.last_ns = now;
    if (seq <= c->told) {
        bench.repeated++;
        return;
    }
    *(c->excused ? &bench.excused : &bench.holes) += seq - c->told - 1;
    c->told = seq;
    c->excused = false;
    if (seq > bench.newest)
        bench.newest = seq;
}

/* One message; the bytes it takes. Each ends with its cursor; what has none ("stats") ends with its data. */
static size_t take_message(struct client *c, struct str text, int64_t now)
{
    const char *cursor = find(text, "\"cursor\":\""), *dot = cursor ? strchr(cursor + 10, '.') : NULL;
    if (starts(text, "{\"type\":\"stats\"") || starts(text, "{\"type\":\"rules_reloaded\"")) {
        const char *end = find(text, "}}");
        return end ? (size_t)(end + 2 - text.ptr) : text.len;
    }
    if (!dot)
        die("a message without a cursor: %.*s", (int)(text.len < 300 ? text.len : 300), text.ptr);
    char *end;
    uint64_t seq = strtoull(dot + 1, &end, 10);
    bool begins = starts(text, "{\"type\":\"new_threat\"");
    if (begins || starts(text, "{\"type\":\"threat_updated\"")) { /* triage and analysis go on after it */
        take_change(c, seq, now);
        c->threats += begins;
        if (begins)
            time_it((struct str){text.ptr, (size_t)(end - text.ptr)}, now);
    } else if (starts(text, "{\"type\":\"gap\"")) {
        bench.gaps++;
        c->excused = true;
        c->threats = atomic_load(&bench.posted); /* nobody waits for what it will not be sent */
    } else if (starts(text, "{\"type\":\"initial_batch\"")) {
        c->told = seq;
        bench.ready += !c->ready;
        c->ready = true;
    } else if (!starts(text, "{\"type\":\"ping\"")) {
        die("an unexpected message: %.*s", (int)(text.len < 300 ? text.len : 300), text.ptr);
    }
    return (size_t)(end + 2 - text.ptr); /* "} */
}

static void take_text(struct client *c, struct str text, int64_t now)
{
    uint64_t before = bench.messages;
    for (size_t at = text.len && text.ptr[0] == '['; at < text.len;)
        at += take_message(c, (struct str){text.ptr + at, text.len - at}, now) + 1; /* , or ] */
    bench.frames += bench.messages != before;
}

/* ---- frames ---- */

static void close_client(struct client *c, bool silently)
{
    close(c->fd);
    c->fd = -1;
    bench.closed++;
    bench.closed_silently += silently;
}

static void pong(const struct client *c, struct str data)
{
    unsigned char frame[6 + 125] = {0x8a, (unsigned char)(0x80 | data.len)};
    memcpy(frame + 6, data.ptr, data.len); /* the mask is zero */
    if (send(c->fd, frame, 6 + data.len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        die("pong: %s", strerror(errno));
}

/* The head's bytes, 0 where it is not there yet. */
static size_t frame_head(const unsigned char *p, size_t have, uint64_t *len)
{
    if (have < 2)
        return 0;
    *len = p[1] & 0x7f;
    size_t more = *len == 126 ? 2 : *len == 127 ? 8 : 0;
    if (have < 2 + more)
        return 0;
    for (size_t i = 0; i < more; i++)
        *len = (i ? *len << 8 : 0) | p[2 + i];
    return 2 + more;
}

/* False at the end of what is there. */
static bool take_frame(struct client *c, int64_t now)
{
    const unsigned char *p = (const unsigned char *)c->in.ptr + c->at;
    size_t have = c->in.len - c->at;
    uint64_t len;
    size_t head = frame_head(p, have, &len);
    if (head == 0 || have - head < len)
        return false;
    struct str data = {(const char *)p + head, (size_t)len};
    c->at += head + (size_t)len;
    if (p[0] == 0x81)
        take_text(c, data, now);
    else if (p[0] == 0x89)
        pong(c, data);
    else if (p[0] == 0x88)
        close_client(c, len < 2 || memcmp(data.ptr, "\x03\xf5", 2) != 0); /* 1013, too slow */
    else if (p[0] != 0x8a)
        die("an unexpected frame %02x", p[0]);
    return c->fd >= 0;
}

static bool take_upgrade(struct client *c)
{
    const char *end = find(buf_str(&c->in), "\r\n\r\n");
    if (!end)
        return false;
    if (!starts(buf_str(&c->in), "HTTP/1.1 101 "))
        die("no upgrade: %.*s", (int)(end - c->in.ptr), c->in.ptr);
    c->at = (size_t)(end + 4 - c->in.ptr);
    c->upgraded = true;
    return true;
}

static void take_bytes(struct client *c)
{
    ssize_t got = recv(c->fd, buf_reserve(&c->in, 65536), 65536, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_client(c, true);
        return;
    }
    buf_grew(&c->in, (size_t)got);
    if (!c->upgraded && !take_upgrade(c))
        return;
    int64_t now = clock_monotonic();
    while (take_frame(c, now))
        ;
    c->in.len -= c->at;
    memmove(c->in.ptr, c->in.ptr + c->at, c->in.len);
    c->at = 0;
}

/* ---- listening ---- */

static int dial(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(bench.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void open_client(struct client *c)
{
    static const char request[] = "GET /ws?view=row HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = dial();
    if (send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
        die("send: %s", strerror(errno));
    epoll_ctl(bench.poll, EPOLL_CTL_ADD, c->fd, &event);
}

static void note_slowest(void)
{
    uint64_t slowest = UINT64_MAX;
    for (size_t i = 0; i < CLIENTS; i++)
        if (bench.clients[i].fd >= 0 && bench.clients[i].threats < slowest)
            slowest = bench.clients[i].threats;
    atomic_store(&bench.slowest, slowest == UINT64_MAX ? bench.posted : slowest); /* all closed: none waits */
}

static void listen_once(void)
{
    struct epoll_event events[256];
    int count = epoll_wait(bench.poll, events, 256, 100);
    for (int i = 0; i < count; i++)
        if (((struct client *)events[i].data.ptr)->fd >= 0)
            take_bytes(events[i].data.ptr);
}

static void open_all(void)
{
    bench.clients = mem_zalloc(CLIENTS, sizeof(*bench.clients));
    bench.poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t opened = 0; bench.ready < CLIENTS; listen_once())
        while (opened < CLIENTS && opened - bench.ready < OPENING)
            open_client(&bench.clients[opened++]);
    note_slowest();
}

/* ---- posting ---- */

static void exchange(int fd, struct str body)
{
    struct buf request = BUF_EMPTY;
    char answer[65536];
    size_t have = 0;
    buf_printf(&request,
               "POST /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
               "Content-Length: %zu\r\n\r\n",
               body.len);
    buf_put(&request, body);
    if (send(fd, request.ptr, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        die("post: %s", strerror(errno));
    buf_free(&request);
    const char *end = NULL;
    for (size_t need = 0; !end || have < need;) {
        ssize_t got = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
        if (got <= 0)
            die("post: the server ended the connection");
        have += (size_t)got;
        answer[have] = '\0';
        end = strstr(answer, "\r\n\r\n");
        const char *length = end ? strcasestr(answer, "content-length:") : NULL;
        need = length ? (size_t)(end + 4 - answer) + strtoul(length + 15, NULL, 10) : sizeof(answer);
    }
    if (strncmp(answer, "HTTP/1.1 202 ", 13) != 0)
        die("post: %.300s", answer);
}

static void add_event(struct buf *body, char kind, uint64_t number)
{
    buf_printf(body, "{\"event\":{\"action\":\"e2e-single\"},\"user\":{\"name\":\"%c%llu\"}}\n", kind,
               (unsigned long long)number);
}

static void post_batch(int fd, size_t count)
{
    struct buf body = BUF_EMPTY;
    uint64_t from = atomic_load(&bench.posted);
    for (size_t i = 0; i < count; i++)
        add_event(&body, 'b', from + i);
    exchange(fd, buf_str(&body));
    atomic_store(&bench.posted, from + count);
    buf_free(&body);
}

static void post_singles(int fd, size_t count)
{
    int64_t due = bench.singles_ns;
    for (size_t i = 0; i < count; i++, due += SINGLES_NS) {
        struct buf body = BUF_EMPTY;
        struct timespec until = {due / NS_PER_S, due % NS_PER_S};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        add_event(&body, 't', (uint64_t)due);
        exchange(fd, buf_str(&body));
        atomic_fetch_add(&bench.posted, 1);
        buf_free(&body);
    }
}

static void post_in_window(int fd, size_t count)
{
    for (size_t i = 0; i < count; i += BATCH) {
        while (atomic_load(&bench.posted) + BATCH > atomic_load(&bench.slowest) + WINDOW)
            usleep(200); /* until the slowest client has come on */
        post_batch(fd, BATCH);
    }
}

static void post_flood(int fd, size_t count)
{
    for (size_t i = 0; i < count; i += BATCH)
        post_batch(fd, BATCH);
}

static void *post_main(void *arg)
{
    int fd = dial();
    bench.post(fd, *(size_t *)arg);
    close(fd);
    atomic_store(&bench.is_posted, true);
    return NULL;
}

/* What a client never got at the end. */
static void note_end(const struct client *c)
{
    if (c->fd >= 0 && bench.newest > c->told)
        *(c->excused ? &bench.excused : &bench.holes) += bench.newest - c->told;
}

/* Until nothing comes any more: what follows from a threat has come too then. */
static void run_phase(void (*post)(int fd, size_t count), size_t count)
{
    pthread_t poster;
    bench.post = post;
    bench.messages = bench.frames = bench.holes = bench.excused = bench.gaps = 0;
    atomic_store(&bench.is_posted, false);
    if (pthread_create(&poster, NULL, post_main, &count) != 0)
        die("no thread");
    while (!atomic_load(&bench.is_posted) || clock_monotonic() - bench.last_ns < QUIET_NS) {
        listen_once();
        note_slowest();
    }
    pthread_join(poster, NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        note_end(&bench.clients[i]);
}

/* ---- the three phases ---- */

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(double *values, size_t count, size_t percent)
{
    if (count == 0)
        die("no threat came");
    qsort(values, count, sizeof(*values), by_value);
    return values[count * percent / 100];
}

static void one_at_a_time(void)
{
    bench.singles_ns = clock_monotonic();
    run_phase(post_singles, SINGLES);
    figure("one threat to 1,000 clients, from the first that has it to each, p99",
           quantile(bench.from_first.items, bench.from_first.count, 99), "ms", "<= 30");
    figure("one threat, POST (two syncs of the disk) to its frame at each of 1,000 clients, median",
           quantile(bench.from_post.items, bench.from_post.count, 50), "ms", "");
    figure("one threat, POST (two syncs of the disk) to its frame at each of 1,000 clients, p99",
           quantile(bench.from_post.items, bench.from_post.count, 99), "ms", "");
}

static void in_bulk(const char *hub)
{
    double cpu = hub_seconds(hub);
    int64_t begin = clock_monotonic();
    run_phase(post_in_window, THREATS);
    cpu = hub_seconds(hub) - cpu;
    double wall = (double)(bench.last_ns - begin) / (double)NS_PER_S;
    figure("fan-out to 1,000 clients, rows, one second of the hub's core",
           round((double)bench.messages / cpu), "messages", ">= 300000");
    figure("fan-out to 1,000 clients, rows, a second of the clock", round((double)bench.messages / wall),
           "messages", ">= 300000");
    figure("messages a frame", (double)bench.messages / (double)bench.frames, "", "");
    figure("messages that a client missed or was told to have missed",
           (double)(bench.holes + bench.excused + bench.closed), "", "<= 0");
}

static void beyond_the_ring(void)
{
    run_phase(post_flood, THREATS);
    figure("flood: messages skipped, the client told by a gap or a close 1013", (double)(bench.excused), "",
           "");
    figure("flood: messages missed without either, or sent twice",
           (double)(bench.holes + bench.repeated + bench.closed_silently), "", "<= 0");
}

int main(int argc, char **argv)
{
    char hub[320];
    struct rlimit files;
    if (argc < 3)
        die("bench_fanout PORT PID");
    bench.port = (uint16_t)strtoul(argv[1], NULL, 10);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    find_hub(argv[2], hub);
    open_all();
    one_at_a_time();
    in_bulk(hub);
    beyond_the_ring();
    return 0;
}
