/* Any bytes as source text: the scan must refuse them with a line, or answer every question about them. */
#include <stdlib.h>

#include "lua/scan.h"

static void ask_about(const struct lua_scan *scan, uint32_t table)
{
    struct str key = {"id", 2};
    unsigned line, order;

    for (size_t i = 0; i < 4; i++) {
        uint32_t inner = lua_scan_item(scan, table, i);
        INVARIANT(inner == LUA_SCAN_NONE || lua_scan_line(scan, inner) > 0);
    }
    if (lua_scan_key(scan, table, key, &line, &order))
        INVARIANT(line > 0 && lua_scan_key_line(scan, key, 0) > 0);
    lua_scan_child(scan, table, key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str text = {(const char *)data, size}, paths[8], key;
    struct err err = {0};
    struct lua_scan *scan = lua_scan_new(arena, text, &err);
    unsigned first, second;

    if (!scan) {
        INVARIANT(err.message[0] && err.where[0]);
    } else {
        for (uint32_t table = 0; lua_scan_line(scan, table) > 0; table++)
            ask_about(scan, table);
        ask_about(scan, lua_scan_returned(scan));
        if (lua_scan_duplicate(scan, &key, &first, &second)) {
            INVARIANT(first > 0 && first <= second && lua_scan_key_line(scan, key, 1) > 0);
            INVARIANT(lua_scan_like(scan, &key, 1) == LUA_SCAN_NONE ||
                      lua_scan_line(scan, lua_scan_like(scan, &key, 1)) > 0);
        }
        INVARIANT(lua_scan_paths(scan, "filter", paths, 8) <= 8);
    }
    arena_free(arena);
    return 0;
}
