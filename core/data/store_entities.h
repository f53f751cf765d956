/* The index of entities (store_entities.c), as the store's own files use it. The writer's, but for
 * entities_fold. */
#ifndef LUNETTE_DATA_STORE_ENTITIES_H
#define LUNETTE_DATA_STORE_ENTITIES_H

#include "data/store_sqlite.h"

struct entity_name {
    struct str folded; /* what is compared */
    struct str name;   /* as it was written */
};

/* The entities of a threat, each once; at most STORE_ENTITIES_MAX into `names`. Folded ones in the arena. */
size_t entities_fold(const struct threat *threat, struct arena *arena, struct entity_name *names);

int entities_add(struct store *store, const struct threat *threat, struct err *err);
int entities_change(struct store *store, const struct threat *old, const struct threat *threat,
                    struct err *err);
int entities_forget(struct store *store, const struct threat *threat, struct err *err);
/* Part of the commit: moves the tail into the index once it is long. */
int entities_flush(struct store *store, struct err *err);

#endif
