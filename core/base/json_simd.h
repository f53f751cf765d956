/* The C face of simdjson, for json_tape.c and json_scan.c alone. Buffers grow to the longest text seen. One
 * thread at a time.
 */
#ifndef LUNETTE_BASE_JSON_SIMD_H
#define LUNETTE_BASE_JSON_SIMD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_simd;

enum json_simd_result { JSON_SIMD_OK, JSON_SIMD_DEEP, JSON_SIMD_REFUSED };

/* NULL when there is no memory. `size`: longest text; `depth`: as json_tape_new. */
struct json_simd *json_simd_new(size_t size, unsigned depth);
void json_simd_free(struct json_simd *simd);
enum json_simd_result json_simd_parse(struct json_simd *simd, const char *text, size_t len);
const uint64_t *json_simd_words(const struct json_simd *simd);
const uint8_t *json_simd_strings(const struct json_simd *simd);

/* The first pass alone: where in the text its brackets, commas, colons and the first bytes of its values
 * stand, in order, at least one; behind the last stands the first once more. The text is UTF-8, its strings
 * end and hold no control characters; nothing else is known. NULL: refused. Until the next call. */
const uint32_t *json_simd_marks(struct json_simd *simd, const char *text, size_t len, size_t *count);
/* The string that begins at `text`, behind its quote, without its escapes. Returns where it ends in `out`,
 * which has room for it and JSON_SIMD_SPILL more; NULL when an escape is wrong. Only after json_simd_marks.
 */
#define JSON_SIMD_SPILL 64
char *json_simd_unescape(const struct json_simd *simd, const char *text, char *out);
/* A number as JSON writes it, to the nearest double. -1: beyond what a double can hold. */
int json_simd_double(const char *text, size_t len, double *d);

#ifdef __cplusplus
}
#endif

#endif
