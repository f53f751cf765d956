#include "base/vec.h"

#include <stdint.h>

void *vec_grow(void *items, size_t *cap, size_t need, size_t item_size)
{
    size_t grown = *cap ? *cap : 8;
    while (grown < need) {
        if (grown > SIZE_MAX / 2)
            die("out of memory (%zu items)", need);
        grown *= 2;
    }
    if (grown > SIZE_MAX / item_size)
        die("out of memory (%zu items of %zu bytes)", grown, item_size);
    *cap = grown;
    return mem_realloc(items, grown * item_size);
}
