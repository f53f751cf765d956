/* A subset of JSON Schema, enough for answers of models: type (one, or a list), required, properties,
 * additionalProperties (a boolean), items (one schema), enum, minimum, maximum, minLength, maxLength
 * (characters), minItems, maxItems; title and description say nothing. Pure; any thread. */
#ifndef LUNETTE_AI_SCHEMA_H
#define LUNETTE_AI_SCHEMA_H

#include "base/json.h"

#define SCHEMA_DEPTH_MAX 16

/* Whether `schema` is one of ours: any other keyword, or one with a wrong value, is ERR_INVALID, with
 * err->where as a path into it (`properties.claims.items`). Call it when a schema is loaded. */
int schema_check(const struct json *schema, struct err *err);
/* Holds a value against a schema that schema_check accepted. -1: ERR_INVALID, err->where is a path into the
 * value
 * (`claims[3].text`; "" the top), the message says what was expected and names the kind of what came, not the
 * value. */
int schema_validate(const struct json *schema, const struct json *value, struct err *err);

#endif
