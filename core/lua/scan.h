/* Facts about a rule's source text that the Lua parser forgets: keys written twice in one table, the line of
 * a key, and the literal field paths its functions read. A tokenizer of Lua 5.4; never executes. */
#ifndef LUNETTE_LUA_SCAN_H
#define LUNETTE_LUA_SCAN_H

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
/* Field paths in callbacks: x["path"], x:is("path|mod", …); modifiers cut off, each once. Over-inclusive on
 * purpose. `except`: name of one function field whose body is left out ("filter"), or NULL. */
size_t lua_scan_paths(const struct lua_scan *scan, const char *except, struct str *paths, size_t max);

#endif
