#include "base/hash.h"
#include "match/scratch.h"

static void wake_all(struct match_scratch *s, uint32_t predicate)
{
    if (s->woken[predicate] == s->epoch)
        return;
    s->woken[predicate] = s->epoch;
    const struct index *index = &s->matcher->index;
    for (uint32_t i = index->posting_start[predicate]; i < index->posting_start[predicate + 1]; i++)
        scratch_wake(s, index->postings[i]);
}

/* A hit of a literal that proves its predicate spares the judge; a miss proves nothing, as the slot may not
 * have been probed for this class. */
static void take_hit(struct match_scratch *s, uint32_t target, bool proven)
{
    uint32_t predicate = target >> 1;
    if (proven && (target & 1))
        s->memo[predicate] = s->epoch << 2 | VERDICT_YES;
    wake_all(s, predicate);
}

static bool gram_hit(void *context, uint32_t target, bool proven)
{
    take_hit(context, target, proven);
    return false;
}

static bool holds_key(enum key_kind kind, const struct key_literal *literal, struct str text)
{
    struct str wanted = {literal->ptr, literal->len};
    if (kind == KEY_HEAD)
        return str_starts(text, wanted);
    return kind == KEY_TAIL ? str_ends(text, wanted) : str_equal(text, wanted);
}

static void look_up(struct match_scratch *s, enum key_kind kind, uint64_t hash, struct str text)
{
    const struct index *index = &s->matcher->index;
    uint64_t bits = bloom_bits(hash);
    if ((index->bloom[hash >> index->bloom_shift] & bits) != bits)
        return;
    uint32_t at = (uint32_t)(hash >> index->key_shift);
    for (; index->keys[at].count; at = (at + 1) & index->key_mask) {
        const struct key_bucket *bucket = &index->keys[at];
        if (bucket->hash != hash)
            continue;
        for (uint32_t i = bucket->first; i < bucket->first + bucket->count; i++)
            if (holds_key(kind, &index->literals[i], text))
                take_hit(s, index->literals[i].target, true);
        return;
    }
}

static void probe_exact(struct match_scratch *s, uint32_t slot, struct str text)
{
    if (text.len < s->matcher->index.slots[slot].exact_max)
        look_up(s, KEY_EXACT, hash_fast(text, key_seed(KEY_EXACT, slot, 0)), text);
}

static void probe_anchors(struct match_scratch *s, uint32_t slot, const struct subject *subject,
                          struct str text)
{
    const struct slot_index *at = &s->matcher->index.slots[slot];
    for (unsigned bits = at->heads; bits; bits &= bits - 1) {
        unsigned width = (unsigned)__builtin_ctz(bits);
        if (text.len < index_widths[width])
            break;
        struct str key = {text.ptr, index_widths[width]};
        look_up(s, KEY_HEAD, hash_fast(key, key_seed(KEY_HEAD, slot, width)), text);
    }
    for (unsigned bits = subject->cut ? 0 : at->tails; bits; bits &= bits - 1) {
        unsigned width = (unsigned)__builtin_ctz(bits);
        if (text.len < index_widths[width])
            break;
        struct str key = {text.ptr + text.len - index_widths[width], index_widths[width]};
        look_up(s, KEY_TAIL, hash_fast(key, key_seed(KEY_TAIL, slot, width)), text);
    }
}

static void probe_four(struct match_scratch *s, uint32_t slot, uint32_t address, unsigned detail)
{
    unsigned bits = detail & 255;
    if (bits < 32)
        address &= ~(UINT32_MAX >> bits);
    struct str key = {(const char *)&address, sizeof(address)};
    look_up(s, KEY_NETWORK, hash_fast(key, key_seed(KEY_NETWORK, slot, detail)), key);
}

static void probe_sixteen(struct match_scratch *s, uint32_t slot, __uint128_t address, unsigned bits)
{
    if (bits < 128)
        address &= ~(~(__uint128_t)0 >> bits);
    struct str key = {(const char *)&address, sizeof(address)};
    look_up(s, KEY_NETWORK, hash_fast(key, key_seed(KEY_NETWORK, slot, bits)), key);
}

static void probe_networks(struct match_scratch *s, uint32_t slot, const struct subject *subject)
{
    const struct slot_index *at = &s->matcher->index.slots[slot];
    struct ip ip;
    if (at->prefix_count == 0 || subject->value->type != VALUE_STRING || !ip_parse(subject->text, &ip))
        return;
    for (uint32_t i = 0; i < at->prefix_count; i++) {
        unsigned detail = s->matcher->index.lists[at->prefixes + i];
        if (detail >= 256 && ip.v4)
            probe_four(s, slot, ip.four, detail);
        else if (detail < 256 && ip.v6)
            probe_sixteen(s, slot, ip.sixteen, detail);
    }
}

static void probe_text(struct match_scratch *s, uint32_t slot, struct subject *subject)
{
    const struct slot_index *at = &s->matcher->index.slots[slot];
    if (!at->exact_max && !at->heads && !at->tails && !at->grams)
        return;
    struct str text = subject_folded(subject, &s->judge);
    if (at->exact_max && !subject->cut) {
        probe_exact(s, slot, text);
        struct str number = subject_number(subject);
        if (number.ptr)
            probe_exact(s, slot, number);
    }
    probe_anchors(s, slot, subject, text);
    if (at->grams) {
        struct gram_scan scan = {gram_hit, s, s->visits + at->visits, s->epoch, 0};
        grams_scan(at->grams, &scan, text);
    }
}

static void probe_slot(struct match_scratch *s, uint32_t slot)
{
    const struct index *index = &s->matcher->index;
    const struct slot_index *at = &index->slots[slot];
    for (struct subject *subject = scratch_first(s, slot); subject; subject = subject->next) {
        if (subject->value->type == VALUE_NULL)
            continue;
        probe_text(s, slot, subject);
        probe_networks(s, slot, subject);
    }
    for (uint32_t i = 0; i < at->direct_count; i++)
        if (scratch_judge(s, index->lists[at->direct + i]) != VERDICT_NO)
            wake_all(s, index->lists[at->direct + i]);
    for (uint32_t i = 0; i < at->present_count; i++)
        wake_all(s, index->lists[at->present + i]);
}

void index_probe(const struct matcher *matcher, struct match_scratch *s)
{
    uint64_t class = class_bit(s->class);
    for (size_t i = 0; i < s->touched_count; i++)
        if (matcher->index.slots[s->touched[i]].classes & class)
            probe_slot(s, s->touched[i]);
    for (uint32_t i = 0; i < matcher->class_always_count[s->class]; i++)
        scratch_wake(s, matcher->class_always[s->class][i]);
}
