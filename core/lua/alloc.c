#include <stdlib.h>
#include <string.h>

#include "lua/state.h"

/* Sanitizers know the heap's blocks, not ours: for them each object of Lua is a block of the heap. */
#ifdef __has_feature
#define HAS(feature) __has_feature(feature)
#else
#define HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS(address_sanitizer) ||               \
    HAS(thread_sanitizer) || HAS(memory_sanitizer)
#define POOLED false
#else
#define POOLED true
#endif

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

static bool is_pooled(size_t size)
{
    return POOLED && size - 1 < POOL_BLOCK_MAX; /* 0 is not */
}

static void *take(struct lua_memory *memory, size_t size)
{
    return is_pooled(size) ? pool_take(&memory->pool, size) : malloc(size);
}

static void drop(struct lua_memory *memory, void *ptr, size_t size)
{
    if (is_pooled(size))
        pool_give(&memory->pool, ptr);
    else
        free(ptr);
}

/* NULL only for a size that is not pooled. */
static void *move(struct lua_memory *memory, void *ptr, size_t old, size_t size)
{
    void *moved;

    if (!is_pooled(old) && !is_pooled(size))
        return realloc(ptr, size);
    if (is_pooled(old) && is_pooled(size) && pool_same(old, size))
        return ptr;
    moved = take(memory, size);
    if (moved) {
        memcpy(moved, ptr, old < size ? old : size);
        drop(memory, ptr, old);
    }
    return moved;
}

/* What counts is what Lua asked for, so that a limit means the same everywhere. Slabs with a few blocks left
 * in each can hold more than that: the second condition bounds them. No other use of the pool gets there. */
static bool is_over(const struct lua_runtime *runtime, size_t more)
{
    const struct lua_memory *memory = &runtime->memory;

    return memory->used + more > memory->limit || memory->pool.held > 2 * runtime->options.memory_state;
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
        drop(memory, ptr, old);
        return NULL;
    }
    if (nsize > old && !memory->unlimited) {
        bool over = is_over(runtime, nsize - old) || (is_string && nsize > LUA_STRING_MAX + 64);

        if (refuse(runtime, over, is_object))
            return NULL;
    }
    moved = ptr ? move(memory, ptr, old, nsize) : take(memory, nsize);
    if (!moved && nsize > old)
        return NULL;
    memory->used += nsize - old;
    return moved ? moved : ptr; /* shrinking never fails */
}
