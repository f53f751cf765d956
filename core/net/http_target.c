#include <string.h>

#include "base/text.h"
#include "net/http_chars.h"
#include "net/http_internal.h"

/* The guard has seen to it that every escape is whole. False for a text that no handler should have to think
 * of: not UTF-8 (overlong slashes among it), or with a NUL. */
static bool decode(struct arena *arena, struct str in, bool plus_is_space, struct str *out)
{
    char *text = arena_alloc(arena, in.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            c = (char)((unsigned)http_hex(in.ptr[i + 1]) << 4 | (unsigned)http_hex(in.ptr[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        text[len++] = c;
    }
    text[len] = '\0';
    *out = (struct str){text, len};
    return !memchr(text, '\0', len) && text_is_utf8(*out);
}

static bool is_dots(struct str part)
{
    return (part.len == 1 || part.len == 2) && part.ptr[0] == '.' && part.ptr[part.len - 1] == '.';
}

/* No control characters, and no part that climbs: also not one that was hidden in escapes. */
static bool path_valid(struct str path)
{
    size_t start = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && http_is_control(path.ptr[i]))
            return false;
        if (i < path.len && path.ptr[i] != '/')
            continue;
        if (is_dots((struct str){path.ptr + start, i - start}))
            return false;
        start = i + 1;
    }
    return true;
}

static int decode_query(struct http_request *request, struct str query)
{
    while (query.len) {
        const char *end = memchr(query.ptr, '&', query.len);
        size_t len = end ? (size_t)(end - query.ptr) : query.len;
        const char *equals = len ? memchr(query.ptr, '=', len) : NULL;
        size_t name_len = equals ? (size_t)(equals - query.ptr) : len;
        struct str name = {query.ptr, name_len}, value = {query.ptr + name_len, 0};
        if (equals)
            value = (struct str){equals + 1, len - name_len - 1};
        struct http_pair pair;
        if (len && (!decode(request->arena, name, true, &pair.name) ||
                    !decode(request->arena, value, true, &pair.value)))
            return -1;
        if (len)
            vec_push(&request->query, pair);
        query.ptr += end ? len + 1 : len;
        query.len -= end ? len + 1 : len;
    }
    return 0;
}

struct str http_target_local(struct str target)
{
    if (target.len == 0 || *target.ptr == '/' || *target.ptr == '*')
        return target;
    const char *slashes = memmem(target.ptr, target.len, "//", 2);
    const char *end = target.ptr + target.len, *at = slashes ? slashes + 2 : end;
    while (at < end && *at != '/' && *at != '?')
        at++;
    return (struct str){at, (size_t)(end - at)};
}

int http_target_decode(struct http_request *request, struct str target)
{
    target = http_target_local(target);
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    struct str path = {target.ptr, mark ? (size_t)(mark - target.ptr) : target.len};
    struct str query = {0};
    if (mark)
        query = (struct str){mark + 1, target.len - path.len - 1};
    if (path.len == 0)
        path = STR("/");
    request->encoded_path = path;
    if (!decode(request->arena, path, false, &request->path) || !path_valid(request->path))
        return -1;
    return decode_query(request, query);
}

bool http_params_decode(struct http_request *request)
{
    for (size_t i = 0; i < request->params.count; i++)
        if (!decode(request->arena, request->params.values[i], false, &request->params.values[i]))
            return false;
    return true;
}
