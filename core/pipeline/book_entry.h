/* One threat in the book: the threat itself, the ids it holds, and how a firing changes it. Inner header of
 * book.c. Same owner as the book. */
#ifndef LUNETTE_PIPELINE_BOOK_ENTRY_H
#define LUNETTE_PIPELINE_BOOK_ENTRY_H

#include "pipeline/book.h"

#define ENTRY_LIST_MAX 64 /* entities, techniques */

enum entry_state { ENTRY_CLEAN, ENTRY_FOLDED, ENTRY_URGENT };

struct book_family;

struct book_entry {
    struct threat *threat; /* owned */
    struct book_family *family;
    VEC(struct id128) ids; /* members, in order of joining */
    size_t stored;         /* how many of them the source has */
    uint32_t *index;       /* open addressing: place in ids + 1; 0: free; NULL while there are few */
    size_t index_cap;
    size_t lean; /* bytes of the threat's arena when it was last rebuilt */
    enum entry_state state;
    size_t place; /* in the book's list of its state */
    bool is_new;
    int64_t since_ns;
};

/* Takes the threat; the ids it holds follow with entry_remember. */
struct book_entry *entry_new(struct threat *threat);
void entry_free(struct book_entry *entry);
/* `secret`: 16 bytes, one for all entries; the ids are hashes of what a sender chose. */
uint64_t entry_hash(const struct id128 *id, const uint8_t *secret);
bool entry_holds(const struct book_entry *entry, const struct id128 *id, uint64_t hash);
/* Adds a member; beyond THREAT_MEMBERS_MAX it is not remembered and the threat says so. */
void entry_remember(struct book_entry *entry, const struct id128 *id, const uint8_t *secret);
/* The threat that begins with the firing, as yet without an id: what triage looks at before the book has
 * decided. The caller frees it. */
struct threat *entry_preview(const struct firing *firing, int64_t now_ns);
/* What the firing makes of a threat that begins with it, or that it joins; `as_anchor`: it becomes the
 * anchor. The threat may be another object afterwards. */
void entry_begin(struct book_entry *entry, const struct firing *firing, int64_t now_ns,
                 const uint8_t *secret);
void entry_join(struct book_entry *entry, const struct firing *firing, bool as_anchor, const uint8_t *secret);

#endif
