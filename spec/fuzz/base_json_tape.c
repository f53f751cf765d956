/* Any bytes as JSON: the tape must be refused with a reason or be walkable to its end, and what the splitters
 * give must lie inside the text. */
#include <stdlib.h>

#include "base/json_tape.h"
#include "base/text.h"

/* Prints the scalars' text lengths, so that every string is touched; returns the index behind the value. */
static size_t walk(struct json_cursor c, size_t at, size_t *bytes)
{
    enum json_type type = json_at(c, at);
    if (type == JSON_STRING) {
        struct str s = json_string(c, at);
        INVARIANT(text_is_utf8(s));
        *bytes += s.len;
    }
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return json_skip(c, at);
    size_t i = json_enter(c, at);
    while (i < json_end(c, at)) {
        if (type == JSON_OBJECT) {
            INVARIANT(json_at(c, i) == JSON_STRING);
            i = walk(c, i, bytes);
        }
        i = walk(c, i, bytes);
    }
    INVARIANT(i == json_end(c, at) && json_skip(c, at) == i + 1);
    return i + 1;
}

static void split(struct str text)
{
    struct err err = {0};
    struct str item;
    int more;
    size_t at = 0;
    while ((more = json_array_next(text, &at, &item, &err)) == 1)
        INVARIANT(item.len > 0 && item.ptr >= text.ptr && item.ptr + item.len <= text.ptr + text.len);
    INVARIANT(more == 0 || err.code == ERR_INVALID);
    for (at = 0; json_lines_next(text, &at, &item);)
        INVARIANT(item.len > 0 && item.ptr >= text.ptr && item.ptr + item.len <= text.ptr + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_tape *tape;
    if (!tape)
        tape = json_tape_new(1 << 18, 32);
    split((struct str){(const char *)data, size});
    char *text = mem_zalloc(1, size + JSON_TAPE_PADDING);
    if (size)
        memcpy(text, data, size);
    struct err err = {0};
    size_t bytes = 0;
    if (json_tape_parse(tape, (struct str){text, size}, NULL, &err) == 0)
        walk(json_tape_cursor(tape), json_tape_root(), &bytes);
    else
        INVARIANT(err.code != ERR_NONE && err.message[0]);
    INVARIANT(bytes <= 3 * size);
    free(text);
    return 0;
}
