#include <stdlib.h>

#include "base/json_build.h"
#include "base/json_tape.h"

struct json_reader {
    struct json_tape *tape;
    struct buf text; /* with what the tape's parser reads behind it */
    struct buf clean;
    size_t size;
};

struct json_reader *json_reader_new(size_t size, unsigned depth)
{
    struct json_reader *reader = mem_zalloc(1, sizeof(*reader));
    reader->tape = json_tape_new(size, depth);
    reader->size = size;
    return reader;
}

void json_reader_free(struct json_reader *reader)
{
    if (!reader)
        return;
    json_tape_free(reader->tape);
    buf_free(&reader->text);
    buf_free(&reader->clean);
    free(reader);
}

/* Callers take keys and texts as C strings. */
static struct str without_nuls(struct json_reader *reader, struct str text)
{
    if (!memchr(text.ptr, '\0', text.len))
        return text;
    buf_clear(&reader->clean);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i])
            buf_putc(&reader->clean, text.ptr[i]);
        else
            buf_puts(&reader->clean, "\xef\xbf\xbd");
    return buf_str(&reader->clean);
}

static struct json *tree_of(struct json_reader *reader, struct json_cursor c, size_t at);

static struct json *object_of(struct json_reader *reader, struct json_cursor c, size_t at)
{
    struct json *object = json_build_object();
    size_t end = json_end(c, at), value;
    for (size_t key = json_enter(c, at); key < end; key = json_skip(c, value)) {
        value = key + 1;
        struct json *made = tree_of(reader, c, value);
        json_build_member(object, without_nuls(reader, json_string(c, key)), made);
    }
    return object;
}

static struct json *array_of(struct json_reader *reader, struct json_cursor c, size_t at)
{
    struct json *array = json_build_array();
    size_t end = json_end(c, at);
    for (size_t item = json_enter(c, at); item < end; item = json_skip(c, item))
        json_build_item(array, tree_of(reader, c, item));
    return array;
}

static struct json *tree_of(struct json_reader *reader, struct json_cursor c, size_t at)
{
    enum json_type type = json_at(c, at);
    switch (type) {
    case JSON_NULL:
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        return json_build_bool(type == JSON_TRUE);
    case JSON_INT:
        return json_build_int(json_int(c, at));
    case JSON_UINT:
        return json_build_double((double)json_uint(c, at));
    case JSON_DOUBLE:
        return json_build_double(json_double(c, at));
    case JSON_STRING:
        return json_build_string(without_nuls(reader, json_string(c, at)));
    case JSON_ARRAY:
        return array_of(reader, c, at);
    case JSON_OBJECT:
        return object_of(reader, c, at);
    }
    return json_build_null();
}

struct json *json_read(struct json_reader *reader, struct str text)
{
    static const char padding[JSON_TAPE_PADDING] = {0};
    struct err err = {0};
    unsigned repairs;
    if (text.len > reader->size)
        return NULL;
    buf_clear(&reader->text);
    buf_reserve(&reader->text, text.len + sizeof(padding));
    buf_put(&reader->text, text);
    buf_add(&reader->text, padding, sizeof(padding));
    text.ptr = reader->text.ptr;
    if (json_tape_parse(reader->tape, text, &repairs, &err) != 0)
        return NULL;
    return tree_of(reader, json_tape_cursor(reader->tape), json_tape_root());
}
