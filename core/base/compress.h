/* LZ4 for journal frames, gzip for request bodies. Any thread. */
#ifndef LUNETTE_BASE_COMPRESS_H
#define LUNETTE_BASE_COMPRESS_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the compressed form. */
void compress_lz4(struct str in, struct buf *out);
/* Appends exactly `size` bytes, else ERR_CORRUPT. */
int decompress_lz4(struct str in, size_t size, struct buf *out, struct err *err);
/* Inflates gzip (all members). ERR_LIMIT above `max` bytes or `ratio` times the input, ERR_INVALID for
 * anything torn. */
int decompress_gzip(struct str in, size_t max, unsigned ratio, struct buf *out, struct err *err);

#endif
