/* The C face of simdjson, for json_tape.c alone. Buffers grow to the longest text seen. One thread at a time.
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

#ifdef __cplusplus
}
#endif

#endif
