#include "pipeline/book_entry.h"

#include <stdlib.h>

#include "base/hash.h"
#include "pipeline/triage.h"

#define INDEX_FROM 16 /* members from which an index is kept */
#define INDEX_LOAD 2  /* slots per member, at least */

/* A threat that grows for hours replaces its evidence again and again, and an arena frees nothing: beyond
 * twice what it held when it was lean, plus this, it is packed and unpacked. */
#define SLACK_BYTES (64 << 10)

struct book_entry *entry_new(struct threat *threat)
{
    struct book_entry *entry = mem_zalloc(1, sizeof(*entry));
    entry->threat = threat;
    entry->lean = arena_size(threat->arena);
    return entry;
}

void entry_free(struct book_entry *entry)
{
    threat_free(entry->threat);
    vec_free(&entry->ids);
    free(entry->index);
    free(entry);
}

/* ---- members ---- */

uint64_t entry_hash(const struct id128 *id, const uint8_t *secret)
{
    return hash_keyed((struct str){(const char *)id->bytes, sizeof(id->bytes)}, secret);
}

static void index_add(struct book_entry *entry, uint32_t member, const uint8_t *secret)
{
    size_t i = entry_hash(&entry->ids.items[member], secret) & (entry->index_cap - 1);
    while (entry->index[i])
        i = (i + 1) & (entry->index_cap - 1);
    entry->index[i] = member + 1;
}

static void index_grow(struct book_entry *entry, const uint8_t *secret)
{
    free(entry->index);
    entry->index_cap = entry->index_cap ? entry->index_cap * 2 : (size_t)INDEX_FROM * 2 * INDEX_LOAD;
    entry->index = mem_zalloc(entry->index_cap, sizeof(*entry->index));
    for (uint32_t i = 0; i < entry->ids.count; i++)
        index_add(entry, i, secret);
}

/* Beyond the last remembered id only what is shown as evidence can be recognised. */
static bool is_shown(const struct threat *threat, const struct id128 *id)
{
    for (size_t i = 0; i < threat->evidence.count; i++) {
        if (id128_compare(&threat->evidence.items[i].event, id) == 0)
            return true;
    }
    return id128_compare(&threat->anchor_id, id) == 0;
}

bool entry_holds(const struct book_entry *entry, const struct id128 *id, uint64_t hash)
{
    if (entry->threat->members_truncated && is_shown(entry->threat, id))
        return true;
    if (!entry->index) {
        for (size_t i = 0; i < entry->ids.count; i++) {
            if (id128_compare(&entry->ids.items[i], id) == 0)
                return true;
        }
        return false;
    }
    size_t i = hash & (entry->index_cap - 1);
    for (; entry->index[i]; i = (i + 1) & (entry->index_cap - 1)) {
        if (id128_compare(&entry->ids.items[entry->index[i] - 1], id) == 0)
            return true;
    }
    return false;
}

void entry_remember(struct book_entry *entry, const struct id128 *id, const uint8_t *secret)
{
    if (entry->ids.count >= THREAT_MEMBERS_MAX) {
        entry->threat->members_truncated = true;
        return;
    }
    vec_push(&entry->ids, *id);
    if (entry->ids.count * INDEX_LOAD > entry->index_cap && entry->ids.count > INDEX_FROM)
        index_grow(entry, secret);
    else if (entry->index)
        index_add(entry, (uint32_t)entry->ids.count - 1, secret);
}

/* ---- evidence ---- */

static int by_time(const void *a, const void *b)
{
    const struct evidence *left = *(struct evidence *const *)a, *right = *(struct evidence *const *)b;
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
    return id128_compare(&left->event, &right->event);
}

/* The item that the new one drives out of a full list, which holds the first ten and the last ten; NULL when
 * the new one lies between them. */
static struct evidence *driven_out(struct threat *threat, struct evidence *added)
{
    struct evidence *order[2 * THREAT_EVIDENCE_EDGE];
    for (size_t i = 0; i < 2 * THREAT_EVIDENCE_EDGE; i++)
        order[i] = &threat->evidence.items[i];
    qsort(order, 2 * THREAT_EVIDENCE_EDGE, sizeof(order[0]), by_time);
    struct evidence *last_of_first = order[THREAT_EVIDENCE_EDGE - 1];
    struct evidence *first_of_last = order[THREAT_EVIDENCE_EDGE];
    if (by_time(&added, &last_of_first) < 0)
        return last_of_first;
    return by_time(&added, &first_of_last) > 0 ? first_of_last : NULL;
}

static void show(struct threat *threat, const struct firing *firing)
{
    struct evidence added = {.time_ns = firing->time_ns, .event = firing->event};
    if (threat->evidence.count == 2 * THREAT_EVIDENCE_EDGE) {
        struct evidence *out = driven_out(threat, &added);
        if (!out)
            return;
        struct evidence *end = threat->evidence.items + threat->evidence.count--;
        memmove(out, out + 1, (size_t)(end - (out + 1)) * sizeof(*out));
    }
    added.number = threat->evidence_next++;
    added.context = threat_keep(threat, firing->context);
    vec_push(&threat->evidence, added);
}

/* ---- the rest of a threat ---- */

static bool contains(const struct str *items, size_t count, struct str item)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(items[i], item))
            return true;
    }
    return false;
}

static void add_lists(struct threat *threat, const struct firing *firing)
{
    for (size_t i = 0; i < firing->entity_count && threat->entities.count < ENTRY_LIST_MAX; i++) {
        if (!contains(threat->entities.items, threat->entities.count, firing->entities[i]))
            vec_push(&threat->entities, threat_keep(threat, firing->entities[i]));
    }
    for (size_t i = 0; i < firing->mitre_count && threat->mitre.count < ENTRY_LIST_MAX; i++) {
        if (!contains(threat->mitre.items, threat->mitre.count, firing->mitre[i]))
            vec_push(&threat->mitre, threat_keep(threat, firing->mitre[i]));
    }
}

static void set_anchor(struct threat *threat, const struct firing *firing)
{
    threat->anchor_ns = firing->time_ns;
    threat->anchor_id = firing->event;
    if (!str_equal(threat->title, firing->title))
        threat->title = threat_keep(threat, firing->title);
}

static void add_review(struct threat *threat, struct str reason)
{
    if (!reason.len || threat->review)
        return;
    threat->review = true;
    threat->review_reason = threat_keep(threat, reason);
}

static void raise_severity(struct threat *threat, enum severity severity)
{
    if (severity > threat->floor)
        threat->floor = severity;
    if (severity > threat->severity)
        threat->severity = severity;
}

static void begin_threat(struct threat *t, const struct firing *firing, int64_t now_ns)
{
    t->created_ns = t->updated_ns = now_ns;
    t->rule_id = threat_keep(t, firing->rule_id);
    t->rule_title = threat_keep(t, firing->rule_title);
    t->rule_version = firing->rule_version;
    t->customer = threat_keep(t, firing->customer);
    t->type = threat_keep(t, firing->type);
    t->dedup_key = threat_keep(t, firing->dedup_key);
    t->runbook = threat_keep(t, firing->runbook);
    t->severity = t->floor = firing->severity;
    t->shadow = firing->shadow;
    t->suppressed = firing->suppressed;
    t->demo = firing->demo;
    t->event_count = firing->base_count ? firing->base_count : 1;
    t->first_seen_ns = t->last_seen_ns = firing->time_ns;
    if (now_ns > firing->accepted_ns)
        t->processing_ms = (double)(now_ns - firing->accepted_ns) / (double)NS_PER_MS;
    if (firing->trace_id)
        memcpy(t->trace_id, firing->trace_id, strnlen(firing->trace_id, sizeof(t->trace_id) - 1));
    set_anchor(t, firing);
    add_lists(t, firing);
    add_review(t, firing->review_reason);
    show(t, firing);
}

struct threat *entry_preview(const struct firing *firing, int64_t now_ns)
{
    struct threat *threat = threat_new();
    begin_threat(threat, firing, now_ns);
    return threat;
}

void entry_begin(struct book_entry *entry, const struct firing *firing, int64_t now_ns, const uint8_t *secret)
{
    id_uuid7(now_ns, entry->threat->id);
    begin_threat(entry->threat, firing, now_ns);
    if (firing->triage)
        triage_apply(entry->threat, firing->triage);
    entry_remember(entry, &firing->event, secret);
    entry->lean = arena_size(entry->threat->arena);
}

static void rebuild_if_fat(struct book_entry *entry)
{
    if (arena_size(entry->threat->arena) <= 2 * entry->lean + SLACK_BYTES)
        return;
    struct buf packed = BUF_EMPTY;
    threat_pack(entry->threat, &packed);
    struct threat *lean = threat_unpack(buf_str(&packed), NULL);
    buf_free(&packed);
    INVARIANT(lean);
    threat_free(entry->threat);
    entry->threat = lean;
    entry->lean = arena_size(lean->arena);
}

void entry_join(struct book_entry *entry, const struct firing *firing, bool as_anchor, const uint8_t *secret)
{
    struct threat *t = entry->threat;
    t->event_count++;
    if (firing->time_ns < t->first_seen_ns)
        t->first_seen_ns = firing->time_ns;
    if (firing->time_ns > t->last_seen_ns)
        t->last_seen_ns = firing->time_ns;
    if (!firing->suppressed)
        t->suppressed = false;
    raise_severity(t, firing->severity);
    if (as_anchor)
        set_anchor(t, firing);
    add_lists(t, firing);
    add_review(t, firing->review_reason);
    show(t, firing);
    entry_remember(entry, &firing->event, secret);
    rebuild_if_fat(entry);
}
