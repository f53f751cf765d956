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
#define SEND_BYTES   (6u << 20)

struct sender {
    struct http_client *client;
    char url[1024], token[513];
    struct cli_lines lines; /* of the batch under way */
    uint64_t sent, accepted, rejected, unrecognised, threats;
    unsigned told; /* reasons, of CLI_REASONS_MAX */
};

/* Why the record at this place of the batch was rejected. */
static void tell(struct sender *s, int64_t index, struct str why)
{
    if (s->told >= CLI_REASONS_MAX || index < 0 || (uint64_t)index >= s->lines.numbers.count)
        return;
    s->told++;
    fprintf(stderr, "line %llu: %.*s\n", (unsigned long long)s->lines.numbers.items[index], STR_ARG(why));
}

static void tell_rejected(struct sender *s, const struct json *results)
{
    struct str why;
    int64_t index;
    for (size_t i = 0; i < json_count(results); i++) {
        const struct json *result = json_item(results, i);
        if (json_get_str(result, "error", &why) && json_get_int(result, "index", &index))
            tell(s, index, why);
    }
}

static uint64_t count_of(const struct json *receipt, const char *key)
{
    int64_t n = 0;
    json_get_int(receipt, key, &n);
    return (uint64_t)n;
}

static struct json *answer_of(struct str text)
{
    struct json_limits limits = {.size = 8u << 20, .depth = 32};
    struct err err = {0};
    return json_parse(text, &limits, &err);
}

static void count_receipt(struct sender *s, struct str text)
{
    struct json *json = answer_of(text);
    if (json == NULL)
        return;
    s->accepted += count_of(json, "accepted");
    s->rejected += count_of(json, "rejected");
    s->unrecognised += count_of(json, "unrecognised");
    s->threats += json_count(json_get(json, "threats"));
    tell_rejected(s, json_get(json, "results"));
    json_free(json);
}

/* The server refused all of the batch, and says why of the first record: "item 0: …". */
static void refused(struct sender *s, int status, struct str text)
{
    struct json *json = answer_of(text);
    struct str detail = {text.ptr, text.len < 300 ? text.len : 300}, why;
    size_t count = s->lines.numbers.count;
    s->rejected += count;
    json_get_str(json, "detail", &detail);
    fprintf(stderr, "lines %llu to %llu: the server answered %d: %.*s\n",
            (unsigned long long)s->lines.numbers.items[0],
            (unsigned long long)s->lines.numbers.items[count - 1], status, STR_ARG(detail));
    if (json_get_str(json_item(json_get(json, "errors"), 0), "reason", &why)) {
        const char *colon = str_starts(why, STR("item ")) ? memchr(why.ptr, ':', why.len) : NULL;
        size_t skip = colon ? (size_t)(colon - why.ptr) + 2 : 0;
        if (skip < why.len)
            tell(s, colon ? strtoll(why.ptr + 5, NULL, 10) : 0, (struct str){why.ptr + skip, why.len - skip});
    }
    json_free(json);
}

/* 0 when the batch was taken or refused for good; -1 when the server cannot be used. */
static int send_batch(struct sender *s, struct err *err)
{
    struct buf out = BUF_EMPTY;
    int status = 0, rc = 0;
    struct http_post post = {s->url, "application/x-ndjson", s->token, buf_str(&s->lines.text)};
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
    return rc;
}

static int send_file(struct sender *s, FILE *file, int64_t batch, struct err *err)
{
    int rc = 0;
    while (rc == 0 && cli_lines_next(&s->lines, file, (size_t)batch, SEND_BYTES)) {
        s->sent += s->lines.numbers.count;
        rc = send_batch(s, err);
    }
    cli_lines_free(&s->lines);
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
    if (s.unrecognised)
        fprintf(stderr, "%llu of no source that the server knows: taken as they are\n",
                (unsigned long long)s.unrecognised);
    printf("%llu sent, %llu accepted, %llu rejected, %llu threat%s\n", (unsigned long long)s.sent,
           (unsigned long long)s.accepted, (unsigned long long)s.rejected, (unsigned long long)s.threats,
           cli_plural(s.threats));
    return rc == 0 ? cli_records_code(s.accepted, s.rejected) : EXIT_USAGE;
}
