#include "base/compress.h"

#include <lz4.h>
#define ZLIB_CONST
#include <zlib.h>

#define INFLATE_STEP 65536

void compress_lz4(struct str in, struct buf *out)
{
    INVARIANT(in.len <= LZ4_MAX_INPUT_SIZE);
    int bound = LZ4_compressBound((int)in.len);
    char *to = buf_reserve(out, (size_t)bound);
    int len = LZ4_compress_default(in.len ? in.ptr : "", to, (int)in.len, bound);
    INVARIANT(len > 0);
    buf_grew(out, (size_t)len);
}

int decompress_lz4(struct str in, size_t size, struct buf *out, struct err *err)
{
    if (in.len > LZ4_MAX_INPUT_SIZE || size > LZ4_MAX_INPUT_SIZE)
        return err_set(err, ERR_CORRUPT, "an LZ4 block of %zu bytes is larger than LZ4 makes", in.len);
    char *to = buf_reserve(out, size);
    int len = LZ4_decompress_safe(in.len ? in.ptr : "", to, (int)in.len, (int)size);
    if (len < 0 || (size_t)len != size)
        return err_set(err, ERR_CORRUPT, "expected %zu bytes from an LZ4 block, got %d", size, len);
    buf_grew(out, size);
    return 0;
}

/* One inflate() call; Z_OK, Z_STREAM_END or an error of zlib's, limits checked on the way. */
static int inflate_step(z_stream *stream, size_t limit, size_t begun, struct buf *out)
{
    size_t made = out->len - begun;
    size_t room = limit - made < INFLATE_STEP ? limit - made + 1 : INFLATE_STEP; /* +1: to see the excess */
    stream->next_out = (Bytef *)buf_reserve(out, room);
    stream->avail_out = (uInt)room;
    int state = inflate(stream, Z_NO_FLUSH);
    buf_grew(out, room - stream->avail_out);
    return state;
}

static int inflate_all(z_stream *stream, struct str in, size_t limit, struct buf *out, struct err *err)
{
    size_t begun = out->len;
    stream->next_in = (const Bytef *)in.ptr;
    stream->avail_in = (uInt)in.len;
    for (;;) {
        int state = inflate_step(stream, limit, begun, out);
        if (out->len - begun > limit)
            return err_set(err, ERR_LIMIT, "the body inflates to more than %zu bytes", limit);
        if (state == Z_STREAM_END && stream->avail_in == 0)
            return 0;
        if (state == Z_STREAM_END && inflateReset(stream) == Z_OK) /* the next member */
            continue;
        if (state != Z_OK)
            return err_set(err, ERR_INVALID, "the gzip data is broken or cut off after %zu of %zu bytes",
                           in.len - stream->avail_in, in.len);
    }
}

int decompress_gzip(struct str in, size_t max, unsigned ratio, struct buf *out, struct err *err)
{
    if (in.len == 0 || in.len > UINT32_MAX)
        return err_set(err, ERR_INVALID, "%zu bytes are not gzip data", in.len);
    size_t limit = in.len > max / ratio ? max : in.len * ratio;
    size_t begun = out->len;
    z_stream stream = {0};
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        die("zlib does not start");
    int result = inflate_all(&stream, in, limit, out, err);
    inflateEnd(&stream);
    if (result) {
        out->len = begun;
        if (out->ptr)
            out->ptr[begun] = 0;
    }
    return result;
}
