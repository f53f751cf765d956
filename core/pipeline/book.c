#include "pipeline/book.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/map.h"
#include "data/group_table.h"
#include "pipeline/book_entry.h"

#define FAMILY_THREATS 64        /* newest threats of one family kept in memory, as the store gives them */
#define MEMBERS_MAX    (4 << 20) /* ids kept of all families, before clean ones leave: about 100 MB */

/* The threats of one (rule, customer, dedup key); shadow and demo threats are families of their own, so that
 * a demo reset or a trial run takes nothing real with it. */
struct book_family {
    uint64_t hash;
    VEC(struct book_entry *) entries; /* by anchor */
    size_t dirty, members;
    struct book_family *colder, *warmer; /* clean families, by use */
    size_t key_len;
    char key[];
};

/* Dirty entries in the order in which they became so; NULL where one was cleaned. */
struct book_list {
    VEC(struct book_entry *) entries;
    size_t live;
};

struct book {
    struct book_source source;
    const struct clock *clock;
    uint8_t secret[16];
    size_t limit, members;
    struct group_table families, ids;
    struct book_family *coldest, *warmest;
    struct book_list urgent, folded;
    struct buf key;
    struct map *watched; /* id -> struct buf, the threat packed; NULL: nobody watches */
};

struct book *book_new(const struct book_source *source, size_t families, const struct clock *clock)
{
    struct book *book = mem_zalloc(1, sizeof(*book));
    if (source)
        book->source = *source;
    book->clock = clock;
    book->limit = families;
    id_random(book->secret, sizeof(book->secret));
    return book;
}

/* ---- families in memory ---- */

static void link_warmest(struct book *book, struct book_family *family)
{
    family->colder = book->warmest;
    family->warmer = NULL;
    *(book->warmest ? &book->warmest->warmer : &book->coldest) = family;
    book->warmest = family;
}

static void unlink_family(struct book *book, struct book_family *family)
{
    *(family->colder ? &family->colder->warmer : &book->coldest) = family->warmer;
    *(family->warmer ? &family->warmer->colder : &book->warmest) = family->colder;
}

static void use(struct book *book, struct book_family *family)
{
    if (family->dirty)
        return;
    unlink_family(book, family);
    link_warmest(book, family);
}

static uint64_t hash_of_id(const struct book *book, struct str id)
{
    return hash_keyed(id, book->secret);
}

static void drop_entry(struct book *book, struct book_entry *entry)
{
    book->members -= entry->ids.count;
    group_table_remove(&book->ids, hash_of_id(book, str_from(entry->threat->id)), entry);
    entry_free(entry);
}

/* The family is clean. */
static void drop_family(struct book *book, struct book_family *family)
{
    unlink_family(book, family);
    group_table_remove(&book->families, family->hash, family);
    for (size_t i = 0; i < family->entries.count; i++)
        drop_entry(book, family->entries.items[i]);
    vec_free(&family->entries);
    free(family);
}

static void shed_families(struct book *book, const struct book_family *spared)
{
    while ((book->families.count > book->limit || book->members > MEMBERS_MAX) && book->coldest &&
           book->coldest != spared)
        drop_family(book, book->coldest);
}

static int compare_anchor(const struct threat *threat, int64_t time_ns, const struct id128 *id)
{
    if (threat->anchor_ns != time_ns)
        return threat->anchor_ns < time_ns ? -1 : 1;
    return id128_compare(&threat->anchor_id, id);
}

/* Puts an entry that is in the family's array, or new to it, where its anchor belongs. */
static void sort_in(struct book_family *family, struct book_entry *entry)
{
    struct book_entry **items = family->entries.items;
    size_t at = 0;
    while (items[at] != entry)
        at++;
    const struct threat *t = entry->threat;
    for (; at > 0 && compare_anchor(items[at - 1]->threat, t->anchor_ns, &t->anchor_id) > 0; at--)
        items[at] = items[at - 1];
    items[at] = entry;
}

static struct book_entry *add_entry(struct book *book, struct book_family *family, struct book_entry *entry)
{
    entry->family = family;
    book->members += entry->ids.count;
    group_table_add(&book->ids, hash_of_id(book, str_from(entry->threat->id)), entry);
    vec_push(&family->entries, entry);
    sort_in(family, entry);
    return entry;
}

/* A family that fires for months keeps its newest threats, as the store would give them. */
static void shed_threats(struct book *book, struct book_family *family)
{
    size_t over = family->entries.count > FAMILY_THREATS ? family->entries.count - FAMILY_THREATS : 0,
           kept = 0;
    for (size_t i = 0; i < family->entries.count; i++) {
        struct book_entry *entry = family->entries.items[i];
        if (over && entry->state == ENTRY_CLEAN) {
            drop_entry(book, entry);
            over--;
        } else {
            family->entries.items[kept++] = entry;
        }
    }
    family->entries.count = kept;
}

/* ---- families from the source ---- */

/* NULL on failure; the threat stays the caller's then. */
static struct book_entry *load_entry(struct book *book, struct threat *threat, struct err *err)
{
    struct book_entry *entry = entry_new(threat);
    if (!book->source.members)
        return entry;
    struct id128 *ids = mem_alloc(THREAT_MEMBERS_MAX * sizeof(*ids));
    size_t count = 0;
    int rc = book->source.members(book->source.context, threat->id, ids, THREAT_MEMBERS_MAX, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        entry_remember(entry, &ids[i], book->secret);
    entry->stored = entry->ids.count;
    free(ids);
    if (rc == 0)
        return entry;
    entry->threat = NULL;
    entry_free(entry);
    return NULL;
}

struct family_name {
    struct str rule_id, customer, dedup_key;
    bool shadow, demo;
};

/* Fills the family with what the source has of it. On failure the entries that were made stay in it: the
 * caller drops it whole. */
static int load_entries(struct book *book, struct book_family *family, const struct family_name *name,
                        struct err *err)
{
    struct threat *threats[FAMILY_THREATS];
    size_t count = 0;
    if (!book->source.family)
        return 0;
    if (book->source.family(book->source.context, name->rule_id, name->customer, name->dedup_key, threats,
                            FAMILY_THREATS, &count, err) != 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        struct book_entry *entry = NULL;
        if (rc == 0 && threats[i]->shadow == name->shadow && threats[i]->demo == name->demo) {
            entry = load_entry(book, threats[i], err);
            rc = entry ? 0 : -1;
        }
        if (entry)
            add_entry(book, family, entry);
        else
            threat_free(threats[i]);
    }
    return rc;
}

static bool same_family(const void *item, const void *key)
{
    const struct book_family *family = item;
    return str_equal((struct str){family->key, family->key_len}, *(const struct str *)key);
}

static struct str family_key(struct book *book, const struct family_name *name)
{
    buf_clear(&book->key);
    buf_put_lstr(&book->key, name->rule_id);
    buf_put_lstr(&book->key, name->customer);
    buf_put_lstr(&book->key, name->dedup_key);
    buf_put_u8(&book->key, (uint8_t)(name->shadow | name->demo << 1));
    return buf_str(&book->key);
}

static struct book_family *get_family(struct book *book, const struct family_name *name, struct err *err)
{
    struct str key = family_key(book, name);
    uint64_t hash = hash_keyed(key, book->secret);
    struct book_family *family = group_table_find(&book->families, hash, same_family, &key);
    if (family) {
        use(book, family);
        return family;
    }
    family = mem_zalloc(1, sizeof(*family) + key.len);
    family->hash = hash;
    family->key_len = key.len;
    memcpy(family->key, key.ptr, key.len);
    group_table_add(&book->families, hash, family);
    link_warmest(book, family);
    if (load_entries(book, family, name, err) != 0) {
        drop_family(book, family);
        return NULL;
    }
    shed_families(book, family);
    return family;
}

/* ---- what is dirty ---- */

static void close_holes(struct book_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->entries.count; i++) {
        struct book_entry *entry = list->entries.items[i];
        if (!entry)
            continue;
        entry->place = kept;
        list->entries.items[kept++] = entry;
    }
    list->entries.count = kept;
}

static void list_add(struct book_list *list, struct book_entry *entry)
{
    if (list->entries.count > 2 * list->live + 64)
        close_holes(list);
    entry->place = list->entries.count;
    vec_push(&list->entries, entry);
    list->live++;
}

static void list_remove(struct book_list *list, struct book_entry *entry)
{
    list->entries.items[entry->place] = NULL;
    if (--list->live == 0)
        list->entries.count = 0;
}

static struct book_list *list_of(struct book *book, enum entry_state state)
{
    return state == ENTRY_URGENT ? &book->urgent : &book->folded;
}

static void soil(struct book *book, struct book_entry *entry, enum entry_state state)
{
    if (entry->state >= state)
        return;
    if (entry->state == ENTRY_CLEAN) {
        entry->since_ns = clock_monotonic();
        if (entry->family->dirty++ == 0)
            unlink_family(book, entry->family);
    } else {
        list_remove(&book->folded, entry);
    }
    entry->state = state;
    list_add(list_of(book, state), entry);
}

bool book_next_change(struct book *book, size_t *at, bool urgent_only, struct book_change *change)
{
    size_t urgent = book->urgent.entries.count, all = urgent + (urgent_only ? 0 : book->folded.entries.count);
    while (*at < all) {
        size_t i = (*at)++;
        struct book_entry *entry = i < urgent ? book->urgent.entries.items[i]
                                              : book->folded.entries.items[i - urgent];
        if (!entry)
            continue;
        *change = (struct book_change){
            .threat = entry->threat,
            .is_new = entry->is_new,
            .urgent = i < urgent,
            .since_ns = entry->since_ns,
            .members = entry->ids.count ? &entry->ids.items[entry->stored] : NULL,
            .member_count = entry->ids.count - entry->stored,
        };
        return true;
    }
    return false;
}

static bool same_id(const void *item, const void *key)
{
    const struct book_entry *entry = item;
    return str_equal(str_from(entry->threat->id), *(const struct str *)key);
}

static struct book_entry *entry_with(const struct book *book, struct str id)
{
    return group_table_find(&book->ids, hash_of_id(book, id), same_id, &id);
}

static struct book_entry *entry_of(const struct book *book, const struct threat *threat)
{
    struct book_entry *entry = entry_with(book, str_from(threat->id));
    INVARIANT(entry && entry->threat == threat);
    return entry;
}

void book_touch(struct book *book, struct threat *threat)
{
    threat->updated_ns = clock_now(book->clock);
    soil(book, entry_of(book, threat), ENTRY_URGENT);
}

void book_clean(struct book *book, struct threat *threat)
{
    struct book_entry *entry = entry_of(book, threat);
    if (entry->state == ENTRY_CLEAN)
        return;
    list_remove(list_of(book, entry->state), entry);
    entry->state = ENTRY_CLEAN;
    entry->is_new = false;
    entry->stored = entry->ids.count;
    if (--entry->family->dirty == 0) {
        link_warmest(book, entry->family);
        shed_families(book, NULL);
    }
}

size_t book_changes(const struct book *book, bool urgent_only)
{
    return book->urgent.live + (urgent_only ? 0 : book->folded.live);
}

/* ---- raising ---- */

/* Where a firing belongs among the threats of its family. */
struct homes {
    struct book_entry *holder; /* has the event already */
    struct book_entry *open;   /* the first open one whose window it lies in */
    struct book_entry *closed; /* the last resolved one whose window it lies in, or that it would begin */
    struct book_entry *later;  /* the nearest open one that would have begun with it */
};

static void look_at(struct homes *homes, struct book_entry *entry, const struct firing *firing)
{
    const struct threat *t = entry->threat;
    bool before = compare_anchor(t, firing->time_ns, &firing->event) <= 0;
    int64_t begin = before ? t->anchor_ns : firing->time_ns, end;
    if (__builtin_add_overflow(begin, firing->dedup_window_ns, &end))
        end = INT64_MAX;
    if ((before ? firing->time_ns : t->anchor_ns) >= end)
        return;
    if (t->status == STATUS_RESOLVED) {
        if (before || !homes->closed)
            homes->closed = entry;
    } else if (before) {
        homes->open = homes->open ? homes->open : entry;
    } else {
        homes->later = homes->later ? homes->later : entry;
    }
}

static struct homes find_homes(const struct book *book, const struct book_family *family,
                               const struct firing *firing)
{
    struct homes homes = {0};
    uint64_t hash = entry_hash(&firing->event, book->secret);
    for (size_t i = 0; i < family->entries.count; i++) {
        struct book_entry *entry = family->entries.items[i];
        if (entry_holds(entry, &firing->event, hash)) {
            homes.holder = entry;
            return homes;
        }
        look_at(&homes, entry, firing);
    }
    /* What was resolved is not opened again by moving a neighbour into it, unless that one continues it. */
    if (homes.closed && homes.later && strcmp(homes.later->threat->continues, homes.closed->threat->id) != 0)
        homes.later = NULL;
    return homes;
}

static struct book_entry *begin(struct book *book, struct book_family *family, const struct firing *firing,
                                const struct book_entry *continued)
{
    struct book_entry *entry = entry_new(threat_new());
    entry_begin(entry, firing, clock_now(book->clock), book->secret);
    if (continued)
        memcpy(entry->threat->continues, continued->threat->id, sizeof(entry->threat->continues));
    entry->is_new = true;
    add_entry(book, family, entry);
    soil(book, entry, ENTRY_URGENT);
    return entry;
}

static void join(struct book *book, struct book_entry *entry, const struct firing *firing, bool as_anchor)
{
    bool was_suppressed = entry->threat->suppressed;
    size_t members = entry->ids.count;
    entry_join(entry, firing, as_anchor, book->secret);
    entry->threat->updated_ns = clock_now(book->clock);
    book->members += entry->ids.count - members;
    if (as_anchor)
        sort_in(entry->family, entry);
    bool waits = !as_anchor && was_suppressed == entry->threat->suppressed;
    soil(book, entry, waits ? ENTRY_FOLDED : ENTRY_URGENT);
}

int book_raise(struct book *book, const struct firing *firing, struct raise_result *result, struct err *err)
{
    struct family_name name = {firing->rule_id, firing->customer, firing->dedup_key, firing->shadow,
                               firing->demo};
    struct book_family *family = get_family(book, &name, err);
    if (!family)
        return -1;
    struct homes homes = find_homes(book, family, firing);
    struct book_entry *entry = homes.holder ? homes.holder : homes.open ? homes.open : homes.later;
    bool was_suppressed = entry && entry->threat->suppressed;
    *result = (struct raise_result){.outcome = RAISE_NEW};
    if (!entry) {
        entry = begin(book, family, firing, homes.closed);
        shed_threats(book, family);
    } else if (homes.holder) {
        result->outcome = RAISE_HELD;
    } else {
        result->outcome = homes.open ? RAISE_FOLD : RAISE_REANCHOR;
        join(book, entry, firing, !homes.open);
    }
    shed_families(book, family);
    result->threat = entry->threat;
    result->is_anchor = id128_compare(&entry->threat->anchor_id, &firing->event) == 0;
    result->visible_again = was_suppressed && !entry->threat->suppressed;
    return 0;
}

/* ---- single threats ---- */

static struct threat *find(struct book *book, struct str id, struct err *err)
{
    struct book_entry *entry = entry_with(book, id);
    if (entry) {
        use(book, entry->family);
        return entry->threat;
    }
    struct threat *threat = NULL;
    if (book->source.threat)
        threat = book->source.threat(book->source.context, id, err);
    else
        err_set(err, ERR_NOT_FOUND, "no threat %.*s", STR_ARG(id));
    if (!threat)
        return NULL;
    struct family_name name = {threat->rule_id, threat->customer, threat->dedup_key, threat->shadow,
                               threat->demo};
    struct book_family *family = get_family(book, &name, err);
    entry = family ? entry_with(book, id) : NULL;
    if (!entry && family) { /* older than what a family is loaded with */
        entry = load_entry(book, threat, err);
        if (entry)
            return add_entry(book, family, entry)->threat;
    }
    threat_free(threat);
    return entry ? entry->threat : NULL;
}

struct threat *book_find(struct book *book, struct str id, struct err *err)
{
    struct threat *threat = find(book, id, err);
    if (threat && book->watched && !map_get(book->watched, id)) {
        struct buf *packed = mem_zalloc(1, sizeof(*packed));
        threat_pack(threat, packed);
        map_put(book->watched, id, packed);
    }
    return threat;
}

void book_watch(struct book *book)
{
    INVARIANT(book->watched == NULL);
    book->watched = map_new();
}

static void free_packed(void *value)
{
    buf_free(value);
    free(value);
}

void book_settle(struct book *book, bool undo)
{
    struct map *watched = book->watched;
    struct str id;
    void *packed;
    size_t at = 0;
    book->watched = NULL;
    while (undo && map_next(watched, &at, &id, &packed)) {
        struct book_entry *entry = entry_with(book, id);
        if (!entry)
            continue; /* it left memory: the store has it as it was */
        threat_free(entry->threat);
        entry->threat = threat_unpack(buf_str(packed), NULL);
        INVARIANT(entry->threat);
    }
    map_free(watched, free_packed);
}

static void drop_all(struct book *book)
{
    while (book->coldest)
        drop_family(book, book->coldest);
}

void book_forget(struct book *book)
{
    INVARIANT(book_changes(book, false) == 0);
    drop_all(book);
}

static void clean_list(struct book *book, struct book_list *list)
{
    for (size_t i = 0; list->live; i++) {
        if (list->entries.items[i])
            book_clean(book, list->entries.items[i]->threat);
    }
    vec_free(&list->entries);
}

void book_free(struct book *book)
{
    if (!book)
        return;
    clean_list(book, &book->urgent);
    clean_list(book, &book->folded);
    drop_all(book);
    group_table_free(&book->families);
    group_table_free(&book->ids);
    buf_free(&book->key);
    free(book);
}
