#include <stdlib.h>

#include "lua/state.h"

/* After a refusal Lua collects all garbage and asks once more. Only when that is refused too is the memory
 * really used up; and then a script that catches the error must not go on, hence the kill. */
static bool refuse(struct lua_runtime *runtime, bool over, bool is_object)
{
    struct lua_memory *memory = &runtime->memory;

    /* For tests: makes Lua collect here. It does so for objects; the buffers of its library just fail. */
    if (memory->stress && is_object && !over && !memory->refused && ++memory->count % memory->stress == 0) {
        memory->refused = true;
        return true;
    }
    if (over && memory->refused)
        lua_budget_arm(runtime, LUA_KILL_MEMORY);
    memory->refused = over;
    return over;
}

void *lua_memory_resize(void *context, void *ptr, size_t osize, size_t nsize)
{
    struct lua_runtime *runtime = context;
    struct lua_memory *memory = &runtime->memory;
    bool is_object = ptr == NULL && osize != 0; /* osize is its kind then, not a size */
    bool is_string = is_object && osize == LUA_TSTRING;
    size_t old = ptr ? osize : 0;
    void *moved;

    if (nsize == 0) {
        memory->used -= old;
        free(ptr);
        return NULL;
    }
    if (nsize > old && !memory->unlimited) {
        bool over = memory->used + (nsize - old) > memory->limit ||
                    (is_string && nsize > LUA_STRING_MAX + 64);
        if (refuse(runtime, over, is_object))
            return NULL;
    }
    moved = realloc(ptr, nsize);
    if (!moved && nsize > old)
        return NULL;
    memory->used += nsize - old;
    return moved ? moved : ptr; /* shrinking never fails */
}
