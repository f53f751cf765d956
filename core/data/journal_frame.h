/* The bytes of the journal. A segment: a header with its marker, then frames. Little endian.
 *
 *   segment  "LUNETTEJ"  version u32  crc u32 (of what follows)  marker u64  first batch u64
 *   frame    "LJF1"  crc u32 (of what follows, to the frame's end)  marker u64  batch u64  length u32
 *            size u32  accepted i64  id base 16  source length u16  customer length u16  format u8  codec u8
 *            zero u16, then `length` bytes: source, customer, body
 *
 * The marker is random for each segment and in each of its frames. Behind damage a reader looks for the next
 * frame; a sender can write what looks like a frame into a body, but not with a marker it does not know. */
#ifndef LUNETTE_DATA_JOURNAL_FRAME_H
#define LUNETTE_DATA_JOURNAL_FRAME_H

#include "data/journal.h"

#define JOURNAL_SEGMENT_HEADER 32
#define JOURNAL_FRAME_HEADER   64
#define JOURNAL_BODY_MAX       (UINT32_C(96) << 20) /* bytes of one batch, not compressed */
#define JOURNAL_NAME_MAX       4096                 /* bytes of source, of customer */

struct journal_header {
    uint32_t crc;
    uint64_t marker, batch;
    uint32_t length, size; /* bytes behind the header; bytes of the body when not compressed */
    int64_t accepted_ns;
    struct id128 id_base;
    uint16_t source_len, customer_len;
    uint8_t format, codec;
};

void journal_segment_header(uint64_t marker, uint64_t first, struct buf *out);
/* False where these are not the first bytes of a segment. */
bool journal_segment_check(struct str bytes, uint64_t *marker);

/* Appends the frame with this number. ERR_LIMIT where it is larger than a frame may be; then nothing is
 * added. */
int journal_encode(const struct journal_frame *frame, uint64_t batch, uint64_t marker, struct buf *out,
                   struct err *err);
/* Reads a header from the front of `bytes`; false where that is none, or cannot be. */
bool journal_header_read(struct str bytes, struct journal_header *header);
/* Whether the whole frame is as it was written. */
bool journal_frame_check(struct str frame, const struct journal_header *header);
/* Gives the frame; strings borrow from `bytes` and, where compressed, from `body` (cleared first). */
int journal_decode(struct str bytes, const struct journal_header *header, struct buf *body,
                   struct journal_frame *frame, struct err *err);

#endif
