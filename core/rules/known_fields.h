/* Which field names are known: those of the Elastic Common Schema, a few of the platform's own, and all that
 * a source names. For "no such field; did you mean …". Loader thread only. */
#ifndef LUNETTE_RULES_KNOWN_FIELDS_H
#define LUNETTE_RULES_KNOWN_FIELDS_H

#include "base/str.h"

struct known_fields;

struct known_fields *known_fields_new(void); /* holds the schema */
void known_fields_free(struct known_fields *known);
void known_fields_add(struct known_fields *known, struct str path);
bool known_fields_has(const struct known_fields *known, struct str path);
/* The nearest known name, or NULL. Borrowed. */
const char *known_fields_nearest(const struct known_fields *known, struct str path);

#endif
