/* Making a document value by value: the library's names and those of the tape exclude each other in one file.
 * What is made belongs to the array or object that it is put into. Private to core/base. */
#ifndef LUNETTE_BASE_JSON_BUILD_H
#define LUNETTE_BASE_JSON_BUILD_H

#include "base/json.h"

struct json *json_build_null(void);
struct json *json_build_bool(bool value);
struct json *json_build_int(int64_t value);
struct json *json_build_double(double value);    /* finite */
struct json *json_build_string(struct str text); /* UTF-8 without NUL characters; copied, as are keys */
struct json *json_build_array(void);
struct json *json_build_object(void);
void json_build_item(struct json *array, struct json *value);
void json_build_member(struct json *object, struct str key, struct json *value);

#endif
