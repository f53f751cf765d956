/* What group.c (deciding), group_pressure.c (forgetting) and group_state.c (saving) share of a shard. Inner
 * header; the contract is group.h. */
#ifndef LUNETTE_DATA_GROUP_SHARD_H
#define LUNETTE_DATA_GROUP_SHARD_H

#include "base/vec.h"
#include "data/group.h"
#include "data/group_heap.h"
#include "data/group_table.h"
#include "data/group_window.h"

struct group_rule;

struct group {
    struct group_rule *rule;
    struct window window;
    struct group *older, *newer;             /* all groups of the rule, by touch */
    struct group *dirty_before, *dirty_next; /* changed since the last save, by touch */
    uint64_t hash;                           /* of the key */
    uint64_t touch;
    int64_t seen_ns; /* the rule's newest event when this group was last touched */
    size_t charged;  /* bytes counted in the shard */
    uint32_t place;  /* in the rule's heap, where ranked */
    bool ranked, dirty;
    bool saved; /* a save holds it: dropping it leaves a tombstone, saving it again a difference */
    uint32_t key_len;
    char key[];
};

struct group_rule {
    struct group_spec spec; /* as of the latest call */
    int64_t newest_ns;
    struct group_table groups;
    struct group *oldest, *newest; /* by touch */
    struct group_heap heap;        /* its groups, by who goes first */
    uint32_t place;                /* in the shard's heap, where ranked */
    bool ranked;
    bool saved;     /* a save holds it */
    uint64_t named; /* the save that named it last */
};

struct group_shard {
    uint8_t secret[16];
    size_t budget, bytes, groups;
    struct group_table rules;
    struct group_heap heap; /* its rules, by the group of theirs that goes first */
    struct group *dirty_first, *dirty_last;
    struct buf tombstones; /* records of what was dropped since the last save */
    uint64_t touch, saves, mark;
    size_t swept; /* where the next group_sweep goes on */
    VEC(struct group_candidate) candidates;
    VEC(uint32_t) positions; /* of the candidates in the window of `answered` */
    struct group *answered;
};

static inline struct window_shape group_shape(const struct group_shard *shard, const struct group_rule *rule)
{
    return (struct window_shape){rule->spec.window_ns, rule->spec.distinct, shard->secret};
}
static inline struct str group_key(const struct group *group)
{
    return (struct str){group->key, group->key_len};
}

/* ---- group.c ---- */
struct group_rule *group_rule_find(const struct group_shard *shard, uint64_t state);
/* Made if it is not there. */
struct group_rule *group_rule_get(struct group_shard *shard, const struct group_spec *spec);
struct group *group_find(const struct group_shard *shard, const struct group_rule *rule, struct str key);
struct group *group_add(struct group_shard *shard, struct group_rule *rule, struct str key);
/* The group was changed now: last to be forgotten, first to be saved; ranked and charged anew. */
void group_touched(struct group_shard *shard, struct group *group, uint64_t touch);
/* Takes it out of the lists of the touched and of the changed. */
void group_unlink(struct group_shard *shard, struct group *group);
/* The candidates of the last result are no longer valid. */
void group_forget_answer(struct group_shard *shard);
/* Counts its bytes anew. */
void group_charge(struct group_shard *shard, struct group *group);

/* ---- group_pressure.c ---- */
void group_rank(struct group_shard *shard, struct group *group);
/* Forgets the group; `entombed`: a save must say so. */
void group_drop(struct group_shard *shard, struct group *group, bool entombed);
void group_rule_drop(struct group_shard *shard, struct group_rule *rule);
/* Makes room for one more group of the rule, or for `need` more bytes with `spared` untouched as long as
 * there is another. */
void group_make_place(struct group_shard *shard, struct group_rule *rule, struct group_result *result);
void group_make_room(struct group_shard *shard, struct group *spared, size_t need,
                     struct group_result *result);

/* ---- group_state.c ---- */
/* Notes for the next save that it is gone, if one holds it. */
void group_entomb(struct group_shard *shard, const struct group *group);
void group_entomb_rule(struct group_shard *shard, const struct group_rule *rule);

#endif
