/* The interned field names of one generation of rules: a path ("source.ip") is a small number, its slot.
 * Built by the loader, then frozen and immutable, so any thread may read it; it lives as long as its ruleset.
 */
#ifndef LUNETTE_EVENT_FIELDS_H
#define LUNETTE_EVENT_FIELDS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define FIELD_NONE     UINT32_MAX
#define FIELD_PATH_MAX 256 /* bytes */

/* Slots that every table has, in this order. */
enum field_base {
    FIELD_EVENT_ID,        /* event.id */
    FIELD_TIMESTAMP,       /* @timestamp */
    FIELD_ORGANIZATION_ID, /* organization.id */
    FIELD_ORGANIZATION_NAME,
    FIELD_EVENT_QUALITY, /* event.quality: the marks, as a list of words */
    FIELD_MESSAGE,
    FIELD_BASE_COUNT
};

struct fields;

struct fields *fields_new(void); /* holds the base slots */
void fields_free(struct fields *fields);
/* The slot of the path, made if new. Before fields_freeze only. FIELD_NONE and err for an empty, overlong
 * (256 B) or malformed path ("a..b"), or beyond 65,535 slots. */
uint32_t fields_intern(struct fields *fields, struct str path, struct err *err);
void fields_freeze(struct fields *fields);
uint32_t fields_find(const struct fields *fields, struct str path); /* FIELD_NONE when not interned */
size_t fields_count(const struct fields *fields);
struct str fields_path(const struct fields *fields, uint32_t slot);

#endif
