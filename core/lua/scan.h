/* Facts about a rule's source text that the Lua parser forgets: keys written twice in one table, the line of
 * a key, the literal field paths its functions read and what they read of a parameter. A tokenizer of
 * Lua 5.4; never executes. */
#ifndef LUNETTE_LUA_SCAN_H
#define LUNETTE_LUA_SCAN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct lua_scan;
/* NULL and err for text that cannot be tokenized. Lives in the arena; borrows text. */
struct lua_scan *lua_scan_new(struct arena *arena, struct str text, struct err *err);
/* First key that one table constructor writes twice: its line and name. False: none. */
bool lua_scan_duplicate(const struct lua_scan *scan, struct str *key, unsigned *first_line,
                        unsigned *second_line);
/* Line of the n-th (0-based) occurrence of a constant table key; 0: not found. */
unsigned lua_scan_key_line(const struct lua_scan *scan, struct str key, unsigned n);
/* Field paths in functions: x["path"], x:is("path|mod", …), event.name; modifiers cut off, each once, in
 * source order. Over-inclusive on purpose. `except`: name of one function field whose body is left out
 * ("filter"), or NULL. Returns how many were written, at most `max`. */
size_t lua_scan_paths(const struct lua_scan *scan, const char *except, struct str *paths, size_t max);
/* Modules that the file names: require "name", require("name"); as often as it does, in source order. */
size_t lua_scan_requires(const struct lua_scan *scan, struct str *names, size_t max);

/* What the function behind a key of the returned table reads of its second parameter p by name, as p.name or
 * p["name"], nested functions included; each name once, with the line of its first read, in the order of the
 * text. The function stands there itself or is a local one of the file. What is not plain (p handed on, a
 * second name for it, a function from elsewhere) is not seen. Returns how many were written, at most `max`.
 */
struct lua_scan_read {
    struct str name;
    unsigned line;
};
size_t lua_scan_reads(const struct lua_scan *scan, const char *field, struct lua_scan_read *reads,
                      size_t max);

/* The table constructors of the text, each a number. Those behind a key or at a position are found where they
 * stand there literally: { … }, name { … } or name({ … }). LUA_SCAN_NONE: not found; it is fine as an
 * argument. */
#define LUA_SCAN_NONE UINT32_MAX
uint32_t lua_scan_returned(const struct lua_scan *scan); /* of the file's `return` */
uint32_t lua_scan_child(const struct lua_scan *scan, uint32_t table, struct str key);
uint32_t lua_scan_item(const struct lua_scan *scan, uint32_t table, size_t index); /* 0-based */
/* The first constructor with exactly these constant keys (at least one). */
uint32_t lua_scan_like(const struct lua_scan *scan, const struct str *keys, size_t count);
unsigned lua_scan_line(const struct lua_scan *scan, uint32_t table); /* 0: not found */
/* Line of a key of that constructor and its place among its keys; false: it has no such key. */
bool lua_scan_key(const struct lua_scan *scan, uint32_t table, struct str key, unsigned *line,
                  unsigned *order);

#endif
