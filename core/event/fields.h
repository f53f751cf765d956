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
/* The slot of the path, made if new, and wanted: somebody reads it, so each event takes its value over.
 * Before fields_freeze only. FIELD_NONE and err for an empty, overlong (256 B) or malformed path ("a..b"), or
 * beyond 65,535 slots. */
uint32_t fields_intern(struct fields *fields, struct str path, struct err *err);
/* The same, without wanting it: a path that a source can map, but that nobody may ever read. */
uint32_t fields_name(struct fields *fields, struct str path, struct err *err);
bool fields_wanted(const struct fields *fields, uint32_t slot);
void fields_freeze(struct fields *fields);
/* FIELD_NONE when there is no such slot; once frozen, also when nobody wanted it: event_lookup finds its
 * value. */
uint32_t fields_find(const struct fields *fields, struct str path);
/* Wanted or not. */
uint32_t fields_find_named(const struct fields *fields, struct str path);
size_t fields_count(const struct fields *fields);
struct str fields_path(const struct fields *fields, uint32_t slot);

#endif
