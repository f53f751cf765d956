/* What the API changed in the lists, as the store keeps it, read for a load of the rules. Control thread, but
 * for overlays_write_…, which any thread may call. */
#ifndef LUNETTE_PIPELINE_OVERLAYS_H
#define LUNETTE_PIPELINE_OVERLAYS_H

#include "data/store.h"
#include "pipeline/writer.h"
#include "rules/lists.h"

struct overlay_info {
    struct str name, author;
    uint32_t version;
    int64_t updated_ns;
    size_t added, removed; /* how many */
};

struct overlays {
    struct arena *arena;            /* of all texts */
    VEC(struct list_overlay) lists; /* those that change something, by name: for ruleset_load */
    VEC(struct overlay_info) infos; /* all */
};

struct overlays *overlays_new(void);
void overlays_free(struct overlays *overlays); /* NULL is fine */
/* Takes it over, in the place of one of that name. Its texts are copied. ERR_INVALID, ERR_LIMIT: an entry is
 * none, and where. */
int overlays_put(struct overlays *overlays, const struct store_overlay *overlay, struct err *err);
int overlays_read(struct overlays *overlays, struct store_reader *reader, struct err *err);
/* The version of that name, 0: there is none. */
uint32_t overlays_version(const struct overlays *overlays, struct str name);
/* Whether one of that name changes something. */
bool overlays_change(const struct overlays *overlays, struct str name);
/* A JSON array of name, version, updated_at, added, removed (how many). */
void overlays_json(const struct overlays *overlays, struct buf *out);

/* Has the writer store it as the next version, with an audit record, and waits for the commit. The version
 * may be NULL. */
int overlays_store(struct writer *writer, const struct store_overlay *overlay, const char *action,
                   struct str audit_detail, uint32_t *version, struct err *err);

/* Appends the stored form of what a request says: `added`, an array of texts and of {"value":…,
 * "attributes":{…}}, `removed` an array of texts; NULL: empty. ERR_INVALID, ERR_LIMIT name the entry in
 * err->where ("added[3]"). */
struct json;
int overlays_write_added(const struct json *added, struct buf *out, struct err *err);
int overlays_write_removed(const struct json *removed, struct buf *out, struct err *err);

#endif
