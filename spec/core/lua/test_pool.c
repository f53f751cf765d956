/* The small blocks of a Lua state; also the pool alone, because builds with a sanitizer go without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>

#include "lua/state.h"

#define BLOCKS 20000
#define SIZES  (POOL_BLOCK_MAX / 16)
/* What a pool may keep with no block in use. */
#define IDLE_MAX ((POOL_SPARE + SIZES) * POOL_SLAB)

struct block {
    unsigned char *at;
    size_t size;
};

static struct block blocks[BLOCKS];

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static unsigned char mark(size_t i)
{
    return (unsigned char)(i * 31 + 7);
}

static void take(struct pool *pool, size_t i, size_t size)
{
    blocks[i] = (struct block){pool_take(pool, size), size};
    assert_int_equal((uintptr_t)blocks[i].at % 16, 0);
    memset(blocks[i].at, mark(i), size);
}

static void give(struct pool *pool, size_t i)
{
    for (size_t k = 0; k < blocks[i].size; k++)
        if (blocks[i].at[k] != mark(i))
            fail_msg("block %zu of %zu bytes: another one wrote to byte %zu", i, blocks[i].size, k);
    pool_give(pool, blocks[i].at);
    blocks[i].at = NULL;
}

static void blocks_do_not_touch_each_other(void **state)
{
    struct pool pool = {0};
    uint32_t seed = 1;

    (void)state;
    for (int step = 0; step < 20 * BLOCKS; step++) {
        size_t i = next(&seed) % BLOCKS;

        if (blocks[i].at)
            give(&pool, i);
        else
            take(&pool, i, 1 + next(&seed) % POOL_BLOCK_MAX);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].at)
            give(&pool, i);
    assert_in_range(pool.held, 1, IDLE_MAX);
    pool_close(&pool);
    assert_int_equal(pool.held, 0);
}

static void a_block_that_came_back_is_the_next_one(void **state)
{
    struct pool pool = {0};
    void *first = pool_take(&pool, 17), *second = pool_take(&pool, 32);

    (void)state;
    assert_int_equal((char *)second - (char *)first, 32);
    pool_give(&pool, first);
    assert_ptr_equal(pool_take(&pool, 24), first);
    pool_give(&pool, second);
    pool_give(&pool, first);
    assert_int_equal(pool.held, POOL_SLAB);
    pool_close(&pool);
}

static void a_peak_of_each_size_leaves_little(void **state)
{
    struct pool pool = {0};

    (void)state;
    for (size_t size = 16; size <= POOL_BLOCK_MAX; size += 16) {
        for (size_t i = 0; i < BLOCKS; i++)
            take(&pool, i, size);
        assert_in_range(pool.held, BLOCKS * size, BLOCKS * size * 21 / 20 + IDLE_MAX);
        for (size_t i = 0; i < BLOCKS; i++)
            give(&pool, size % 32 ? i : BLOCKS - 1 - i);
        assert_in_range(pool.held, 1, IDLE_MAX);
    }
    pool_close(&pool);
}

static void slabs_with_holes_are_filled_before_new_ones(void **state)
{
    struct pool pool = {0};
    size_t held;

    (void)state;
    for (size_t i = 0; i < BLOCKS; i++)
        take(&pool, i, 48);
    held = pool.held;
    for (size_t i = 0; i < BLOCKS; i += 3)
        give(&pool, i);
    for (size_t i = 0; i < BLOCKS; i += 3)
        take(&pool, i, 40);
    assert_int_equal(pool.held, held);
    for (size_t i = 0; i < BLOCKS; i++)
        give(&pool, i);
    pool_close(&pool);
}

static void sizes_are_the_same_when_their_blocks_are(void **state)
{
    (void)state;
    assert_true(pool_same(1, 16) && pool_same(17, 32) && pool_same(241, 256));
    assert_false(pool_same(16, 17) || pool_same(32, 33) || pool_same(256, 240));
}

/* Keeps a few strings of each size from among many, which hold a slab each. */
static const char scatter[] =
    "return { run = function()\n"
    "  local kept = {}\n"
    "  for len = 50, 220, 16 do\n"
    "    local many = {}\n"
    "    for i = 1, 700000 // (len + 32) do many[i] = ('x'):rep(len - 5) .. (10000 + i) end\n"
    "    for i = 1, #many, 50 do kept[#kept + 1] = many[i] end\n"
    "  end\n"
    "end }";

static void slabs_with_little_in_them_are_bounded_too(void **state)
{
    struct lua_options options = {.memory_state = 2 << 20};
    struct lua_runtime *runtime = lua_runtime_new(&options, NULL);
    struct lua_source source = {STR("rules/x.lua"), STR(scatter)};
    struct lua_call call = {.returns = LUA_RETURNS_NOTHING, .budget_ns = 10 * NS_PER_S};
    struct lua_result result;
    const struct pool *pool = &runtime->memory.pool;

    (void)state;
    call.function = lua_find(runtime, lua_load_file(runtime, &source, NULL, NULL, NULL), "run");
    lua_run(runtime, &call, &result);
    if (pool->held == 0) { /* a sanitizer's build: only what is in use counts */
        assert_int_equal(result.status, LUA_DONE);
    } else {
        assert_int_equal(result.status, LUA_NO_MEMORY);
        assert_in_range(pool->held, 0, 2 * options.memory_state + POOL_SLAB);
    }
    for (int i = 0; i < 1000; i++)
        lua_runtime_idle(runtime);
    assert_in_range(pool->held, 0, lua_runtime_bytes(runtime) * 2 + IDLE_MAX);
    lua_runtime_free(runtime);
}

/* Of a file only the functions that were found stay. */
static void a_file_may_be_let_go(void **state)
{
    struct lua_options options = {.role = LUA_DETECTION};
    struct lua_source source = {STR("rules/x.lua"),
                                STR("local many = {} for i = 1, 20000 do many[i] = { i } end\n"
                                    "return { run = function() return true end, tests = many }")};
    struct lua_runtime *runtime = lua_runtime_new(&options, NULL);
    struct lua_call call = {.returns = LUA_RETURNS_BOOL, .budget_ns = 50 * NS_PER_MS};
    struct lua_result result;
    int file = lua_load_file(runtime, &source, NULL, NULL, NULL);
    size_t bytes = lua_runtime_bytes(runtime);

    (void)state;
    call.function = lua_find(runtime, file, "run");
    lua_forget_file(runtime, file);
    for (int i = 0; i < 1000 && lua_runtime_bytes(runtime) > bytes / 2; i++)
        lua_runtime_idle(runtime);
    assert_true(lua_runtime_bytes(runtime) <= bytes / 2);
    lua_run(runtime, &call, &result);
    assert_int_equal(result.status, LUA_DONE);
    assert_true(result.truth);
    lua_runtime_free(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_do_not_touch_each_other),
        cmocka_unit_test(a_block_that_came_back_is_the_next_one),
        cmocka_unit_test(a_peak_of_each_size_leaves_little),
        cmocka_unit_test(slabs_with_holes_are_filled_before_new_ones),
        cmocka_unit_test(slabs_with_little_in_them_are_bounded_too),
        cmocka_unit_test(sizes_are_the_same_when_their_blocks_are),
        cmocka_unit_test(a_file_may_be_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
