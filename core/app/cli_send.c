/* lunette send: events from a file to a server, in batches, until the server has taken them. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/http_client.h"

#define SEND_TIMEOUT (60 * NS_PER_S)
#define BUSY_TRIES   120
#define BUSY_WAIT_US 500000

struct sender {
    struct http_client *client;
    char url[1024], token[513];
    uint64_t sent, accepted, rejected, threats;
    uint64_t held; /* lines of the batch under way */
};

static void count_receipt(struct sender *s, struct str text)
{
    struct err err = {0};
    struct json_limits limits = {.size = 8u << 20, .depth = 32};
    struct json *json = json_parse(text, &limits, &err);
    int64_t n;
    if (json && json_get_int(json, "accepted", &n))
        s->accepted += (uint64_t)n;
    if (json && json_get_int(json, "rejected", &n))
        s->rejected += (uint64_t)n;
    if (json)
        s->threats += json_count(json_get(json, "threats"));
    json_free(json);
}

static void refused(struct sender *s, int status, struct str answer)
{
    s->rejected += s->held;
    fprintf(stderr, "lines %llu to %llu: the server answered %d: %.*s\n",
            (unsigned long long)(s->sent - s->held + 1), (unsigned long long)s->sent, status,
            (int)(answer.len < 300 ? answer.len : 300), answer.ptr ? answer.ptr : "");
}

/* 0 when the batch was taken or refused for good; -1 when the server cannot be used. */
static int send_batch(struct sender *s, struct buf *lines, struct err *err)
{
    struct buf out = BUF_EMPTY;
    int status = 0, rc = 0;
    struct http_post post = {s->url, "application/x-ndjson", s->token, buf_str(lines)};
    for (int tries = 0; tries < BUSY_TRIES; tries++) {
        buf_clear(&out);
        rc = http_client_post(s->client, &post, &status, &out, err);
        if (rc != 0 || (status != 429 && status != 503))
            break;
        usleep(BUSY_WAIT_US); /* the server asked us to come again */
    }
    if (rc == 0 && status == 202)
        count_receipt(s, buf_str(&out));
    else if (rc == 0 && (status == 400 || status == 413 || status == 422))
        refused(s, status, buf_str(&out)); /* nothing of this batch is an event; the next may be */
    else if (rc == 0)
        rc = err_set(err, ERR_IO, "the server answered %d: %.300s", status, out.len ? out.ptr : "");
    buf_free(&out);
    buf_clear(lines);
    s->held = 0;
    return rc;
}

static int send_file(struct sender *s, FILE *file, int64_t batch, struct err *err)
{
    struct buf lines = BUF_EMPTY;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = getline(&line, &cap, file)) > 0) {
        if (strspn(line, " \t\r\n") == (size_t)n)
            continue;
        buf_add(&lines, line, (size_t)n);
        s->sent++;
        if (++s->held == (uint64_t)batch || lines.len > (6u << 20))
            rc = send_batch(s, &lines, err);
    }
    if (rc == 0 && lines.len)
        rc = send_batch(s, &lines, err);
    buf_free(&lines);
    free(line);
    return rc;
}

static int read_token(const char *path, char *token, size_t size, struct err *err)
{
    struct buf text = BUF_EMPTY;
    if (path[0] == '\0')
        return 0;
    int rc = cli_read(path, 4096, &text, err);
    if (rc == 0)
        snprintf(token, size, "%.*s", (int)strcspn(text.ptr, "\r\n"), text.ptr);
    buf_free(&text);
    return rc;
}

int cli_send(struct cli *cli)
{
    struct sender s = {0};
    struct cli_input input;
    struct err err = {0};
    snprintf(s.url, sizeof(s.url), "%s/api/events%s%s", cli->url, cli->source[0] ? "/" : "", cli->source);
    int rc = cli_input_open(&input, cli->args[0], &err);
    if (rc == 0)
        rc = read_token(cli->token_file, s.token, sizeof(s.token), &err);
    s.client = http_client_new(SEND_TIMEOUT);
    if (rc == 0)
        rc = send_file(&s, input.file, cli->batch, &err);
    cli_input_close(&input);
    http_client_free(s.client);
    if (rc != 0)
        fprintf(stderr, "lunette send: %s\n", err_text(&err));
    printf("%llu sent, %llu accepted, %llu rejected, %llu threat%s\n", (unsigned long long)s.sent,
           (unsigned long long)s.accepted, (unsigned long long)s.rejected, (unsigned long long)s.threats,
           cli_plural(s.threats));
    return rc == 0 ? EXIT_OK : EXIT_USAGE;
}
