/* `string` for rules: the stock functions whose cost is that of their text, our own where the stock ones loop
 * longer (rep, patterns) or show addresses (format). */
#include <lualib.h>
#include <stdio.h>

#include "lua/state.h"

static int string_rep(lua_State *L)
{
    struct str text = lua_arg_str(L, 1), separator;
    lua_Integer count = luaL_checkinteger(L, 2);
    size_t each;
    luaL_Buffer out;

    separator.ptr = luaL_optlstring(L, 3, "", &separator.len);
    each = text.len + separator.len;
    if (count <= 0 || each == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((lua_Unsigned)count > LUA_STRING_MAX / each + 1)
        return luaL_error(L, "string.rep: the text grows beyond 1 MiB");
    lua_budget_charge(L, (size_t)count + each * (size_t)count / 64);
    luaL_buffinit(L, &out);
    for (lua_Integer i = 0; i < count; i++) {
        if (i > 0)
            luaL_addlstring(&out, separator.ptr, separator.len);
        luaL_addlstring(&out, text.ptr, text.len);
    }
    luaL_pushresult(&out);
    return 1;
}

/* ---- format ---- */

struct conversion {
    char spec[32]; /* "%-5.2" and room for "ll" and the letter */
    size_t len;
    char letter;
    bool precise; /* has a precision */
};

/* Reads flags, width and precision (two digits each, as in the stock function) after the '%' at *at. */
LUA_RAISES static struct conversion read_conversion(lua_State *L, struct str format, size_t *at)
{
    struct conversion c = {.spec = "%", .len = 1};
    size_t i = *at + 1, digits;

    for (; i < format.len && memchr("-+ #0", format.ptr[i], 5) && c.len < 6; i++)
        c.spec[c.len++] = format.ptr[i];
    for (int part = 0; part < 2; part++) {
        if (part == 1) {
            if (i >= format.len || format.ptr[i] != '.')
                break;
            c.precise = true;
            c.spec[c.len++] = format.ptr[i++];
        }
        for (digits = 0; i < format.len && format.ptr[i] >= '0' && format.ptr[i] <= '9' && digits < 2;
             digits++)
            c.spec[c.len++] = format.ptr[i++];
    }
    if (i >= format.len || !memchr("dioxXcaAeEfgGsq", format.ptr[i], 15)) {
        size_t len = (i < format.len ? i + 1 : format.len) - *at;
        luaL_error(L, "invalid conversion '%s' to 'format'", lua_pushlstring(L, format.ptr + *at, len));
    }
    c.letter = format.ptr[i];
    *at = i + 1;
    return c;
}

LUA_RAISES static void add_number(lua_State *L, luaL_Buffer *out, struct conversion *c, int arg)
{
    char text[512]; /* %99.99f of the largest double: 308 digits before the point, 99 behind it */
    int len;

    if (strchr("dioxX", c->letter)) {
        lua_Integer n = luaL_checkinteger(L, arg);
        memcpy(c->spec + c->len, "ll", 2);
        c->spec[c->len + 2] = c->letter;
        c->spec[c->len + 3] = '\0';
        len = snprintf(text, sizeof text, c->spec, (long long)n);
    } else if (c->letter == 'c') {
        c->spec[c->len] = 'c';
        c->spec[c->len + 1] = '\0';
        len = snprintf(text, sizeof text, c->spec, (int)luaL_checkinteger(L, arg));
    } else {
        c->spec[c->len] = c->letter;
        c->spec[c->len + 1] = '\0';
        len = snprintf(text, sizeof text, c->spec, luaL_checknumber(L, arg));
    }
    luaL_addlstring(out, text, (size_t)len);
}

/* %q: text that Lua reads back as the same value. */
LUA_RAISES static void add_quoted_string(luaL_Buffer *out, struct str s)
{
    luaL_addchar(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        char text[8];

        if (byte == '"' || byte == '\\' || byte == '\n') {
            luaL_addchar(out, '\\');
            luaL_addchar(out, (char)byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            bool digit = i + 1 < s.len && s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '9';
            luaL_addlstring(out, text, (size_t)snprintf(text, sizeof text, digit ? "\\%03d" : "\\%d", byte));
        } else {
            luaL_addchar(out, (char)byte);
        }
    }
    luaL_addchar(out, '"');
}

LUA_RAISES static void add_quoted_number(lua_State *L, luaL_Buffer *out, int arg)
{
    char text[64];
    lua_Number n = lua_tonumber(L, arg);

    if (lua_isinteger(L, arg)) {
        lua_Integer i = lua_tointeger(L, arg);
        snprintf(text, sizeof text, i == LUA_MININTEGER ? "0x%llx" : "%lld", (long long)i);
    } else if (n != n) {
        snprintf(text, sizeof text, "(0/0)");
    } else if (n - n != 0) {
        snprintf(text, sizeof text, n > 0 ? "1e9999" : "-1e9999");
    } else {
        snprintf(text, sizeof text, "%a", n); /* exact, and read back as a float */
    }
    luaL_addstring(out, text);
}

LUA_RAISES static void add_quoted(lua_State *L, luaL_Buffer *out, const struct conversion *c, int arg)
{
    if (c->len > 1)
        luaL_error(L, "specifier '%%q' cannot have modifiers");
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        add_quoted_string(out, lua_arg_str(L, arg));
        break;
    case LUA_TNUMBER:
        add_quoted_number(L, out, arg);
        break;
    case LUA_TNIL:
        luaL_addstring(out, "nil");
        break;
    case LUA_TBOOLEAN:
        luaL_addstring(out, lua_toboolean(L, arg) ? "true" : "false");
        break;
    default:
        luaL_argerror(L, arg, "value has no literal form");
    }
}

LUA_RAISES static void add_string(lua_State *L, luaL_Buffer *out, struct conversion *c, int arg)
{
    char small[128];
    struct str text;

    text.ptr = lua_tolstring(L, arg, &text.len);
    lua_budget_charge(L, text.len / 64);
    if (c->len == 1 || (!c->precise && text.len >= 100)) {
        luaL_addlstring(out, text.ptr, text.len);
        return;
    }
    luaL_argcheck(L, memchr(text.ptr, '\0', text.len) == NULL, arg, "string contains zeros");
    c->spec[c->len] = 's';
    c->spec[c->len + 1] = '\0';
    luaL_addlstring(out, small, (size_t)snprintf(small, sizeof small, c->spec, text.ptr));
}

/* Texts are made before the buffer opens, because making them may run the script. */
LUA_RAISES static void texts_first(lua_State *L, struct str format)
{
    int arg = 1, top = lua_gettop(L);

    for (size_t at = 0; at < format.len;) {
        struct conversion c;

        if (format.ptr[at] != '%' || (at + 1 < format.len && format.ptr[at + 1] == '%')) {
            at += format.ptr[at] == '%' ? 2 : 1;
            continue;
        }
        c = read_conversion(L, format, &at);
        if (++arg > top)
            luaL_argerror(L, arg, "no value");
        if (c.letter == 's') {
            lua_sandbox_text(L, arg);
            lua_replace(L, arg);
        }
    }
}

static int string_format(lua_State *L)
{
    struct str format = lua_arg_str(L, 1);
    int arg = 1;
    luaL_Buffer out;

    lua_budget_charge(L, format.len / 4);
    texts_first(L, format);
    luaL_buffinit(L, &out);
    for (size_t at = 0; at < format.len;) {
        struct conversion c;

        if (format.ptr[at] != '%' || format.ptr[at + 1] == '%') {
            luaL_addchar(&out, format.ptr[at]);
            at += format.ptr[at] == '%' ? 2 : 1;
            continue;
        }
        c = read_conversion(L, format, &at);
        arg++;
        if (c.letter == 's')
            add_string(L, &out, &c, arg);
        else if (c.letter == 'q')
            add_quoted(L, &out, &c, arg);
        else
            add_number(L, &out, &c, arg);
    }
    luaL_pushresult(&out);
    return 1;
}

void lua_open_string(lua_State *L)
{
    static const char *const stock[] = {"byte",  "char", "len",    "lower",    "reverse", "sub",
                                        "upper", "pack", "unpack", "packsize", NULL};
    static const luaL_Reg own[] = {{"rep", string_rep}, {"format", string_format}, {NULL, NULL}};

    lua_newtable(L);
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0);
    for (const char *const *name = stock; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, -3, *name);
    }
    lua_pop(L, 1);
    luaL_setfuncs(L, own, 0);
    luaL_setfuncs(L, lua_pattern_functions, 0);
}
