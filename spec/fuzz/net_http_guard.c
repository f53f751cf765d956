/* Feeds the strict HTTP reader. The first byte chooses the pieces in which the rest comes; the verdict must
 * be the same as in one piece, and what was accepted must hold what its length and its fields say. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "net/http_guard.h"

struct verdict {
    int status; /* 0 accepted, -1 unfinished, else refused */
    size_t requests;
    uint64_t body_bytes;
};

static void check_head(const struct http_head *head, struct str bytes)
{
    INVARIANT(head->length <= bytes.len && head->method != 0 && !(head->chunked && head->content_length));
    INVARIANT(head->target.len > 0 && head->target.at + head->target.len < head->length);
    for (size_t i = 0; i < head->fields.count; i++) {
        struct str name = http_span_str(bytes.ptr, head->fields.items[i].name);
        struct str value = http_span_str(bytes.ptr, head->fields.items[i].value);
        INVARIANT(name.len > 0 && value.ptr + value.len <= bytes.ptr + head->length);
        for (size_t j = 0; j < value.len; j++)
            INVARIANT(value.ptr[j] != '\r' && value.ptr[j] != '\n' && value.ptr[j] != '\0');
    }
}

/* One request off the front of *bytes; false where there is none more to read. */
static bool read_one(struct http_head *head, struct str *bytes, size_t piece, struct verdict *verdict)
{
    enum http_step step = HTTP_STEP_MORE;
    http_head_reset(head);
    for (size_t known = 0; step == HTTP_STEP_MORE && known < bytes->len;) {
        known = known + piece < bytes->len ? known + piece : bytes->len;
        step = http_head_feed(head, (struct str){bytes->ptr, known}, &http_limits_default);
    }
    verdict->status = step == HTTP_STEP_REFUSED ? head->refusal.status : -1;
    if (step != HTTP_STEP_DONE)
        return false;
    check_head(head, *bytes);
    struct http_body body;
    struct buf data = BUF_EMPTY;
    bytes->ptr += head->length;
    bytes->len -= head->length;
    step = http_body_start(&body, head, &http_limits_default);
    while (step == HTTP_STEP_MORE && bytes->len) {
        struct str part = {bytes->ptr, piece < bytes->len ? piece : bytes->len};
        size_t before = part.len;
        step = http_body_feed(&body, &part, &data);
        bytes->ptr += before - part.len;
        bytes->len -= before - part.len;
    }
    INVARIANT(data.len == body.total && data.len <= http_limits_default.body);
    INVARIANT(step != HTTP_STEP_DONE || head->chunked || data.len == head->content_length);
    verdict->status = step == HTTP_STEP_DONE ? 0 : step == HTTP_STEP_REFUSED ? body.refusal.status : -1;
    verdict->requests += step == HTTP_STEP_DONE;
    verdict->body_bytes += data.len;
    buf_free(&data);
    return step == HTTP_STEP_DONE && bytes->len > 0;
}

static struct verdict read_all(struct str bytes, size_t piece)
{
    struct http_head head = {0};
    struct verdict verdict = {0};
    while (read_one(&head, &bytes, piece, &verdict))
        ;
    http_head_free(&head);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* a copy of its exact size, so that a read behind the end is seen */
    char *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    struct str bytes = {copy, size - 1};
    struct verdict whole = read_all(bytes, size), pieces = read_all(bytes, data[0] % 32 + 1U);
    INVARIANT(whole.status == pieces.status && whole.requests == pieces.requests);
    INVARIANT(whole.status > 0 || whole.body_bytes == pieces.body_bytes);
    free(copy);
    return 0;
}
