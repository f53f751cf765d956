#include "pipeline/overlays.h"

#include <pthread.h>

#include "base/json.h"

/* What the store takes, and room for what brackets and quotes add. */
static const struct json_limits stored = {16 << 20, 32, false};

struct overlays *overlays_new(void)
{
    struct overlays *o = mem_zalloc(1, sizeof(*o));
    o->arena = arena_new(0);
    return o;
}

void overlays_free(struct overlays *o)
{
    if (o == NULL)
        return;
    vec_free(&o->lists);
    vec_free(&o->infos);
    arena_free(o->arena);
    free(o);
}

/* ---- one entry ---- */

/* `text` holds the attributes as long as the entry is looked at. */
static int entry_of(const struct json *item, struct overlay_entry *entry, struct buf *text, struct err *err)
{
    const struct json *attributes = json_get(item, "attributes");
    size_t members = 1 + (attributes != NULL);
    *entry = (struct overlay_entry){.attributes = STR("")};
    if (json_as_str(item, &entry->value))
        return list_entry_check(entry, err);
    if (!json_get_str(item, "value", &entry->value) || json_count(item) != members ||
        (attributes && json_kind(attributes) != JSON_KIND_OBJECT))
        return err_set(err, ERR_INVALID,
                       "expected a text, or {\"value\": a text, \"attributes\": an object}, got %s",
                       json_kind_name(json_kind(item)));
    if (json_count(attributes)) {
        buf_clear(text);
        json_print(attributes, text);
        entry->attributes = buf_str(text);
    }
    return list_entry_check(entry, err);
}

static int check_array(const struct json *array, const char *name, struct err *err)
{
    if (array == NULL || json_kind(array) == JSON_KIND_ARRAY)
        return 0;
    err_set(err, ERR_INVALID, "expected an array, got %s", json_kind_name(json_kind(array)));
    return err_at(err, "%s", name);
}

int overlays_write_added(const struct json *added, struct buf *out, struct err *err)
{
    struct buf text = BUF_EMPTY;
    struct overlay_entry entry;
    int rc = check_array(added, "added", err);
    buf_putc(out, '[');
    for (size_t i = 0; rc == 0 && i < json_count(added); i++) {
        if (entry_of(json_item(added, i), &entry, &text, err) != 0) {
            rc = err_at(err, "added[%zu]", i);
            continue;
        }
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "value", entry.value);
        if (entry.attributes.len) {
            buf_json_key(out, "attributes");
            buf_put(out, entry.attributes);
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    buf_free(&text);
    return rc;
}

int overlays_write_removed(const struct json *removed, struct buf *out, struct err *err)
{
    int rc = check_array(removed, "removed", err);
    buf_putc(out, '[');
    for (size_t i = 0; rc == 0 && i < json_count(removed); i++) {
        struct overlay_entry entry = {.attributes = STR("")};
        if (!json_as_str(json_item(removed, i), &entry.value))
            rc = err_set(err, ERR_INVALID, "expected a text, got %s",
                         json_kind_name(json_kind(json_item(removed, i))));
        else
            rc = list_entry_check(&entry, err);
        if (rc != 0)
            return err_at(err, "removed[%zu]", i);
        buf_puts(out, i ? "," : "");
        buf_json_string(out, entry.value);
    }
    buf_putc(out, ']');
    return rc;
}

/* ---- all of them ---- */

static int read_added(struct overlays *o, const struct json *json, struct list_overlay *list, struct err *err)
{
    struct buf text = BUF_EMPTY;
    struct overlay_entry *entries = arena_alloc(o->arena, (json_count(json) + 1) * sizeof(*entries));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_count(json); i++) {
        rc = entry_of(json_item(json, i), &entries[i], &text, err);
        if (rc == 0)
            entries[i] = (struct overlay_entry){arena_dup(o->arena, entries[i].value),
                                                arena_dup(o->arena, entries[i].attributes)};
    }
    buf_free(&text);
    list->added = entries;
    list->added_count = json_count(json);
    return rc;
}

static int read_removed(struct overlays *o, const struct json *json, struct list_overlay *list,
                        struct err *err)
{
    struct str *removed = arena_alloc(o->arena, (json_count(json) + 1) * sizeof(*removed));
    for (size_t i = 0; i < json_count(json); i++) {
        if (!json_as_str(json_item(json, i), &removed[i]))
            return err_set(err, ERR_INVALID, "expected a text");
        removed[i] = arena_dup(o->arena, removed[i]);
    }
    list->removed = removed;
    list->removed_count = json_count(json);
    return 0;
}

static int read_list(struct overlays *o, const struct store_overlay *from, struct list_overlay *list,
                     struct err *err)
{
    struct json *added = json_parse(from->added, &stored, err);
    struct json *removed = added ? json_parse(from->removed, &stored, err) : NULL;
    list->name = arena_dup(o->arena, from->name);
    int rc = removed && read_added(o, added, list, err) == 0 ? read_removed(o, removed, list, err) : -1;
    json_free(added);
    json_free(removed);
    return rc == 0 ? 0 : err_at(err, "the overlay of %.*s", STR_ARG(from->name));
}

static void forget(struct overlays *o, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->lists.count; i++)
        if (!str_equal(o->lists.items[i].name, name))
            o->lists.items[kept++] = o->lists.items[i];
    o->lists.count = kept;
}

static struct overlay_info *find(const struct overlays *o, struct str name)
{
    for (size_t i = 0; i < o->infos.count; i++)
        if (str_equal(o->infos.items[i].name, name))
            return &o->infos.items[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return str_compare(((const struct list_overlay *)a)->name, ((const struct list_overlay *)b)->name);
}

int overlays_put(struct overlays *o, const struct store_overlay *overlay, struct err *err)
{
    struct list_overlay list = {0};
    if (read_list(o, overlay, &list, err) != 0)
        return -1;
    struct overlay_info info = {.name = list.name,
                                .author = arena_dup(o->arena, overlay->author),
                                .version = overlay->version,
                                .updated_ns = overlay->updated_ns,
                                .added = list.added_count,
                                .removed = list.removed_count};
    struct overlay_info *old = find(o, overlay->name);
    if (old)
        *old = info;
    else
        vec_push(&o->infos, info);
    forget(o, overlay->name);
    if (list.added_count || list.removed_count) /* an empty one makes no list of its own */
        vec_push(&o->lists, list);
    if (o->lists.count > 1) /* the ruleset's hash depends on the order */
        qsort(o->lists.items, o->lists.count, sizeof(*o->lists.items), by_name);
    return 0;
}

struct reading {
    struct overlays *overlays;
    struct err *err;
    bool failed;
};

static int visit(const struct store_overlay *overlay, void *arg)
{
    struct reading *reading = arg;
    reading->failed = overlays_put(reading->overlays, overlay, reading->err) != 0;
    return reading->failed ? -1 : 0;
}

int overlays_read(struct overlays *o, struct store_reader *reader, struct err *err)
{
    struct reading reading = {o, err, false};
    return store_read_overlays(reader, visit, &reading, err) != 0 || reading.failed ? -1 : 0;
}

uint32_t overlays_version(const struct overlays *o, struct str name)
{
    const struct overlay_info *entry = find(o, name);
    return entry ? entry->version : 0;
}

bool overlays_change(const struct overlays *o, struct str name)
{
    const struct overlay_info *entry = find(o, name);
    return entry && entry->added + entry->removed > 0;
}

void overlays_json(const struct overlays *o, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < o->infos.count; i++) {
        const struct overlay_info *entry = &o->infos.items[i];
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "name", entry->name);
        buf_json_kuint(out, "version", entry->version);
        buf_json_ktime(out, "updated_at", entry->updated_ns);
        buf_json_kuint(out, "added", entry->added);
        buf_json_kuint(out, "removed", entry->removed);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* ---- storing ---- */

struct overlay_task {
    struct writer_task task;
    const struct store_overlay *overlay;
    const char *action;
    struct str detail;
    uint32_t version;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static int task_run(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct overlay_task *t = (struct overlay_task *)task; /* task is its first member */
    if (store_put_overlay(writer_store(writer), t->overlay, &t->version, err) != 0)
        return -1;
    return store_audit(writer_store(writer), clock_now(writer_clock(writer)), t->overlay->author,
                       str_from(t->action), t->overlay->name, t->detail, err);
}

static void task_done(struct writer_task *task)
{
    struct overlay_task *t = (struct overlay_task *)task;
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* The writer never waits for the control thread, so this ends. */
int overlays_store(struct writer *writer, const struct store_overlay *overlay, const char *action,
                   struct str detail, uint32_t *version, struct err *err)
{
    struct overlay_task t = {.task = {.run = task_run, .done = task_done},
                             .overlay = overlay,
                             .action = action,
                             .detail = detail,
                             .lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER};
    if (!writer_ask(writer, &t.task))
        return err_set(err, ERR_BUSY, "the store cannot take more now");
    pthread_mutex_lock(&t.lock);
    while (!t.done)
        pthread_cond_wait(&t.changed, &t.lock);
    pthread_mutex_unlock(&t.lock);
    pthread_mutex_destroy(&t.lock);
    pthread_cond_destroy(&t.changed);
    if (t.task.err.code != ERR_NONE) {
        *err = t.task.err;
        return -1;
    }
    if (version)
        *version = t.version;
    return 0;
}
