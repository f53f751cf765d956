/* Tokens of Lua 5.4 source text. Texts borrow from the source or live in the arena. */
#ifndef LUNETTE_LUA_SCAN_LEX_H
#define LUNETTE_LUA_SCAN_LEX_H

#include "base/arena.h"
#include "base/vec.h"

enum lua_token_type { LUA_TOKEN_NAME, LUA_TOKEN_STRING, LUA_TOKEN_NUMBER, LUA_TOKEN_SYMBOL };

struct lua_token {
    enum lua_token_type type;
    unsigned line;   /* 1, 2, …: where it begins */
    struct str text; /* names, symbols and numbers as written; strings decoded */
};
struct lua_tokens {
    VEC(struct lua_token) list;
};

/* Appends all tokens. -1 and err (with the line in err.where as "line N") for text that is not Lua's. */
int lua_tokenize(struct arena *arena, struct str text, struct lua_tokens *tokens, struct err *err);

#endif
