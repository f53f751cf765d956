#include "data/journal_frame.h"

#include "base/compress.h"

#define SEGMENT_MAGIC "LUNETTEJ"
#define FRAME_MAGIC   "LJF1"
#define VERSION       1
#define PADDING       64 /* promised behind the body */

enum { CODEC_PLAIN, CODEC_LZ4 };

static void put_u16(struct buf *out, uint16_t value)
{
    buf_put_u8(out, (uint8_t)value);
    buf_put_u8(out, (uint8_t)(value >> 8));
}

static uint16_t get_u16(struct str *at)
{
    uint8_t low = 0, high = 0;
    str_get_u8(at, &low);
    str_get_u8(at, &high);
    return (uint16_t)(low | high << 8);
}

static void write_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> 8 * i);
}

static struct str behind(struct str bytes, size_t len)
{
    return (struct str){bytes.ptr + len, bytes.len - len};
}

void journal_segment_header(uint64_t marker, uint64_t first, struct buf *out)
{
    size_t start = out->len;
    buf_puts(out, SEGMENT_MAGIC);
    buf_put_u32(out, VERSION);
    buf_put_u32(out, 0);
    buf_put_u64(out, marker);
    buf_put_u64(out, first);
    write_u32(out->ptr + start + 12, hash_crc32c((struct str){out->ptr + start + 16, 16}, 0));
}

bool journal_segment_check(struct str bytes, uint64_t *marker)
{
    uint32_t version, crc;
    if (bytes.len < JOURNAL_SEGMENT_HEADER || !str_starts(bytes, STR(SEGMENT_MAGIC)))
        return false;
    struct str at = behind(bytes, strlen(SEGMENT_MAGIC));
    str_get_u32(&at, &version);
    str_get_u32(&at, &crc);
    if (version != VERSION || crc != hash_crc32c((struct str){at.ptr, 16}, 0))
        return false;
    return str_get_u64(&at, marker);
}

/* The checksum covers all behind itself. */
static uint32_t frame_crc(struct str frame)
{
    return hash_crc32c(behind(frame, 8), 0);
}

static int check_size(const struct journal_frame *frame, struct err *err)
{
    if (frame->bytes.len > JOURNAL_BODY_MAX)
        return err_set(err, ERR_LIMIT, "expected a batch of at most %u bytes, got %zu", JOURNAL_BODY_MAX,
                       frame->bytes.len);
    if (frame->source.len > JOURNAL_NAME_MAX || frame->customer.len > JOURNAL_NAME_MAX)
        return err_set(err, ERR_LIMIT, "expected names of source and customer of at most %d bytes",
                       JOURNAL_NAME_MAX);
    return 0;
}

static void put_header(const struct journal_frame *frame, uint64_t batch, uint64_t marker, struct buf *out)
{
    buf_puts(out, FRAME_MAGIC);
    buf_put_u32(out, 0);
    buf_put_u64(out, marker);
    buf_put_u64(out, batch);
    buf_put_u32(out, 0);
    buf_put_u32(out, (uint32_t)frame->bytes.len);
    buf_put_u64(out, (uint64_t)frame->accepted_ns);
    buf_add(out, frame->id_base.bytes, sizeof frame->id_base.bytes);
    put_u16(out, (uint16_t)frame->source.len);
    put_u16(out, (uint16_t)frame->customer.len);
    buf_put_u8(out, (uint8_t)frame->format);
    buf_put_u8(out, CODEC_LZ4);
    put_u16(out, 0);
    buf_put(out, frame->source);
    buf_put(out, frame->customer);
}

int journal_encode(const struct journal_frame *frame, uint64_t batch, uint64_t marker, struct buf *out,
                   struct err *err)
{
    if (check_size(frame, err))
        return -1;
    size_t start = out->len;
    put_header(frame, batch, marker, out);
    size_t body = out->len;
    compress_lz4(frame->bytes, out);
    if (out->len - body >= frame->bytes.len) {
        out->len = body;
        buf_put(out, frame->bytes);
        out->ptr[start + 61] = CODEC_PLAIN;
    }
    size_t length = out->len - start - JOURNAL_FRAME_HEADER;
    write_u32(out->ptr + start + 24, (uint32_t)length);
    write_u32(out->ptr + start + 4, frame_crc((struct str){out->ptr + start, out->len - start}));
    return 0;
}

static bool plausible(const struct journal_header *header)
{
    size_t names = (size_t)header->source_len + header->customer_len;
    return header->batch > 0 && header->batch <= INT64_MAX && header->size <= JOURNAL_BODY_MAX &&
           header->source_len <= JOURNAL_NAME_MAX && header->customer_len <= JOURNAL_NAME_MAX &&
           header->length >= names && header->length - names <= header->size &&
           header->format <= JOURNAL_NDJSON && header->codec <= CODEC_LZ4;
}

bool journal_header_read(struct str bytes, struct journal_header *header)
{
    uint64_t accepted;
    if (bytes.len < JOURNAL_FRAME_HEADER || !str_starts(bytes, STR(FRAME_MAGIC)))
        return false;
    struct str at = behind(bytes, strlen(FRAME_MAGIC));
    str_get_u32(&at, &header->crc);
    str_get_u64(&at, &header->marker);
    str_get_u64(&at, &header->batch);
    str_get_u32(&at, &header->length);
    str_get_u32(&at, &header->size);
    str_get_u64(&at, &accepted);
    header->accepted_ns = (int64_t)accepted;
    memcpy(header->id_base.bytes, at.ptr, sizeof header->id_base.bytes);
    at = behind(at, sizeof header->id_base.bytes);
    header->source_len = get_u16(&at);
    header->customer_len = get_u16(&at);
    str_get_u8(&at, &header->format);
    str_get_u8(&at, &header->codec);
    return get_u16(&at) == 0 && plausible(header);
}

bool journal_frame_check(struct str frame, const struct journal_header *header)
{
    return frame.len == (size_t)JOURNAL_FRAME_HEADER + header->length && frame_crc(frame) == header->crc;
}

static int decode_body(struct str packed, const struct journal_header *header, struct buf *body,
                       struct err *err)
{
    buf_clear(body);
    buf_reserve(body, header->size + PADDING);
    if (header->codec == CODEC_LZ4) {
        if (decompress_lz4(packed, header->size, body, err))
            return -1;
    } else if (packed.len == header->size) {
        buf_put(body, packed);
    } else {
        return err_set(err, ERR_CORRUPT, "batch %llu: expected %u bytes, found %zu",
                       (unsigned long long)header->batch, header->size, packed.len);
    }
    memset(buf_reserve(body, PADDING), 0, PADDING);
    return 0;
}

int journal_decode(struct str bytes, const struct journal_header *header, struct buf *body,
                   struct journal_frame *frame, struct err *err)
{
    struct str source = {bytes.ptr + JOURNAL_FRAME_HEADER, header->source_len};
    struct str customer = {source.ptr + source.len, header->customer_len};
    struct str packed = {customer.ptr + customer.len, header->length - source.len - customer.len};
    if (decode_body(packed, header, body, err))
        return -1;
    *frame = (struct journal_frame){.batch = header->batch,
                                    .accepted_ns = header->accepted_ns,
                                    .source = source,
                                    .customer = customer,
                                    .format = (enum journal_format)header->format,
                                    .id_base = header->id_base,
                                    .bytes = buf_str(body)};
    return 0;
}
