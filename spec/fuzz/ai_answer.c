/* Any bytes as a threat, as a model's answer, as a server's body and as text to be redacted: nothing may read
 * or write outside, what is left must be JSON, and no line may begin in the block that we did not begin.
 * Input: threat, a NUL, answer. */
#include <stdint.h>
#include <stdlib.h>

#include "ai/answer.h"
#include "ai/chat_message.h"
#include "ai/schema.h"

#define NONCE "abcdefgh"

static bool every_technique(struct str id, void *arg)
{
    (void)arg;
    return id.len % 2 == 0;
}

static void check_is_json(struct str text)
{
    struct err err;
    struct json_limits limits = {.size = 16 << 20, .depth = 64, .duplicates = true};
    struct json *json = json_parse(text, &limits, &err);
    INVARIANT(json);
    json_free(json);
}

static void check_block(struct str text)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        INVARIANT(text.ptr[i] != '\n' || text.ptr[i + 1] == 'E' || text.ptr[i + 1] == '(' ||
                  text.ptr[i + 1] == '<');
}

static struct evidence_block *block_of(struct str text, struct redact *redact)
{
    struct err err;
    struct json *threat = json_parse(text, NULL, &err),
                *other = threat ? NULL : json_parse(STR("{}"), NULL, &err);
    struct evidence_options options = {.nonce = STR(NONCE), .redact = redact, .total_max = 4096};
    struct evidence_block *block = threat ? evidence_block_new(threat, &options, &err) : NULL;
    if (!block)
        block = evidence_block_new(other ? other : json_get(threat, "none"), &options, &err);
    json_free(threat);
    json_free(other);
    return block;
}

static void try_answer(struct str text, const struct evidence_block *block, const struct json *schema)
{
    struct answer_options options = {.evidence = block, .schema = schema, .known_technique = every_technique};
    struct answer answer;
    struct err err;
    if (answer_check(text, &options, &answer, &err) == 0) {
        INVARIANT(answer.claims <= ANSWER_CLAIMS_MAX && answer.confidence >= 0 && answer.confidence <= 1);
        check_is_json(buf_str(&answer.json));
        answer_release(&answer);
    }
}

static void try_body(struct str text)
{
    struct chat_answer answer;
    chat_answer_parse(text, &answer);
    INVARIANT((answer.status == AI_ANSWERED) == (answer.content.len > 0));
    chat_answer_release(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = size ? memchr(data, 0, size) : NULL;
    size_t first_len = split ? (size_t)(split - data) : size;
    struct str first = {mem_dup(data, first_len), first_len};
    struct str second = {split ? mem_dup(split + 1, size - first_len - 1) : mem_dup("", 0),
                         split ? size - first_len - 1 : 0};
    const char *const personal[] = {"user.name", "user.*"};
    struct redact *redact = redact_new(
        &(struct redact_options){.personal_fields = personal, .personal_count = 2});
    struct buf out = BUF_EMPTY, back = BUF_EMPTY;
    struct err err;
    struct evidence_block *block = block_of(first, redact);
    struct json *schema = json_parse(first, NULL, &err);

    redact_text(redact, second, &out);
    redact_restore(redact, buf_str(&out), &back);
    if (block) {
        check_block(evidence_block_text(block));
        try_answer(second, block, NULL);
        if (schema && schema_check(schema, &err) == 0)
            try_answer(second, block, schema);
    }
    try_body(second);
    evidence_block_free(block);
    json_free(schema);
    redact_free(redact);
    buf_free(&out);
    buf_free(&back);
    free((void *)first.ptr);
    free((void *)second.ptr);
    return 0;
}
