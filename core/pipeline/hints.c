#include "pipeline/hints.h"

#include "base/map.h"

struct hints {
    struct map *map; /* packed key -> int64_t * anchor */
    size_t limit;
};

struct hints *hints_new(size_t limit)
{
    struct hints *hints = mem_zalloc(1, sizeof(*hints));
    hints->map = map_new();
    hints->limit = limit;
    return hints;
}

void hints_free(struct hints *hints)
{
    if (hints == NULL)
        return;
    map_free(hints->map, free);
    free(hints);
}

static void hint_key(const struct firing *firing, struct buf *key)
{
    buf_put_lstr(key, firing->rule_id);
    buf_put_lstr(key, firing->customer);
    buf_put_lstr(key, firing->dedup_key);
    buf_put_u8(key, (uint8_t)(firing->shadow | firing->demo << 1));
}

bool hints_fold(const struct hints *hints, const struct firing *firing)
{
    if (hints == NULL || map_count(hints->map) == 0)
        return false;
    struct buf key = BUF_EMPTY;
    hint_key(firing, &key);
    const int64_t *anchor = map_get(hints->map, buf_str(&key));
    buf_free(&key);
    return anchor && firing->time_ns > *anchor && firing->time_ns < *anchor + firing->dedup_window_ns;
}

void hints_forget(struct hints *hints)
{
    map_free(hints->map, free);
    hints->map = map_new();
}

void hints_learn(struct hints *hints, const struct firing *firing, int64_t anchor_ns)
{
    struct buf key = BUF_EMPTY;
    hint_key(firing, &key);
    int64_t *anchor = map_get(hints->map, buf_str(&key));
    if (anchor) {
        *anchor = anchor_ns;
    } else {
        if (map_count(hints->map) >= hints->limit)
            hints_forget(hints);
        anchor = mem_alloc(sizeof(*anchor));
        *anchor = anchor_ns;
        map_put(hints->map, buf_str(&key), anchor);
    }
    buf_free(&key);
}
