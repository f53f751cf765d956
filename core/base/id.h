/* Identifiers: UUIDv7 for threats (RFC 9562), random ids for traces and requests. Any thread. */
#ifndef LUNETTE_BASE_ID_H
#define LUNETTE_BASE_ID_H

#include <stdint.h>

#include "base/str.h"

#define UUID_TEXT 37 /* bytes, with NUL */

/* Time-ordered by `now_ns`; text in lower case. */
void id_uuid7(int64_t now_ns, char out[UUID_TEXT]);
bool id_is_uuid(struct str text);
void id_random(void *out, size_t len);                 /* from the kernel; aborts if it has none */
void id_hex(const void *bytes, size_t len, char *out); /* 2*len + NUL */
bool id_unhex(struct str hex, void *out, size_t len);  /* exactly len bytes */

#endif
