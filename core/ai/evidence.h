/* The evidence as a model gets it: a block of numbered lines inside a fence, one line a field,
 *
 *     <<<EVIDENCE 5f0c…>>>
 *     E1 time = 2026-01-02T03:04:05.000Z
 *     E1 event.action = "logon-failed"
 *     E1 user.name [untrusted] = "ana"
 *     E2 …
 *     <<<END 5f0c…>>>
 *
 * made from a threat's `evidence[].context`. Values are redacted first, then JSON-escaped, with control,
 * bidirectional and other invisible characters written as \uXXXX, and cut at `value_max` bytes (at a
 * character, with `…(+N bytes)` behind the closing quote). Fields that a stranger can write into are marked.
 * The nonce occurs nowhere inside but in the two fence lines. The block keeps what it sent, so that quotes
 * can be held against it. Immutable once built; one thread at a time. */
#ifndef LUNETTE_AI_EVIDENCE_H
#define LUNETTE_AI_EVIDENCE_H

#include "ai/redact.h"
#include "base/json.h"

#define EVIDENCE_NONCE_HEX 32 /* what evidence_nonce makes, without NUL */

struct evidence_options {  /* 0 and NULL: the default */
    struct str nonce;      /* [0-9A-Za-z]{8,64}, required: evidence_nonce, or fixed in tests */
    struct redact *redact; /* NULL: nothing is taken out (tests only) */
    uint32_t since;        /* only evidence with a number above it: a delta */
    size_t value_max;      /* bytes of one value, before escaping (512) */
    size_t total_max; /* bytes of the block (24 KiB); members share it fairly, what is left out is counted */
};

struct evidence_block;
/* From a threat's full JSON, or any object with `evidence: [{id, time, context}]`; a threat without evidence
 * gives an empty fence. NULL and *err (ERR_INVALID) for a nonce or a threat that is none. */
struct evidence_block *evidence_block_new(const struct json *threat, const struct evidence_options *options,
                                          struct err *err);
void evidence_block_free(struct evidence_block *block);

struct str evidence_block_text(const struct evidence_block *block); /* the fence lines included */
size_t evidence_block_fields(const struct evidence_block *block);   /* lines sent */
size_t evidence_block_left_out(const struct evidence_block *block); /* lines that found no room */
uint32_t evidence_block_last(const struct evidence_block *block);   /* highest number sent; `since` if none */

/* Whether "E1" or "E1.user.name" was sent. */
bool evidence_block_has(const struct evidence_block *block, struct str id);
/* Whether `quote` occurs, byte for byte, in what was sent for that id: in a line as it was printed, or in a
 * value before its escaping. */
bool evidence_block_quotes(const struct evidence_block *block, struct str id, struct str quote);

/* Whether a stranger can choose what stands in that field. Unknown fields: yes. */
bool evidence_is_tainted(struct str path);
/* Appends `value` as on a line: JSON string with quotes, invisible characters escaped, at most `max` bytes of
 * it. For other untrusted text in a prompt (notes, news). */
void evidence_print_value(struct buf *out, struct str value, size_t max);
void evidence_nonce(char out[EVIDENCE_NONCE_HEX + 1]); /* from the kernel */

#endif
