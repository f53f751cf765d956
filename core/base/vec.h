/* A typed growing array: `struct { VEC(struct rule) rules; }`, vec_push(&x.rules, rule). The holder frees it.
 */
#ifndef LUNETTE_BASE_VEC_H
#define LUNETTE_BASE_VEC_H

#include <stdlib.h>

#include "base/err.h"

#define VEC(type)                                                                                            \
    struct {                                                                                                 \
        type *items;                                                                                         \
        size_t count, cap;                                                                                   \
    }

#define vec_reserve(vec, extra)                                                                              \
    ((vec)->count + (extra) > (vec)->cap                                                                     \
         ? ((vec)->items = vec_grow((vec)->items, &(vec)->cap, (vec)->count + (extra),                       \
                                    sizeof(*(vec)->items)),                                                  \
            0)                                                                                               \
         : 0)
#define vec_push(vec, value) (vec_reserve(vec, 1), (void)((vec)->items[(vec)->count++] = (value)))
#define vec_free(vec)        (free((vec)->items), (vec)->items = NULL, (vec)->count = (vec)->cap = 0)

/* At least `need` items, doubling. */
void *vec_grow(void *items, size_t *cap, size_t need, size_t item_size);

#endif
