/* The stored form of a threat. Little endian, one version byte in front: a new field means a new version, and
 * threat_unpack goes on reading the old ones. */
#include "data/threat.h"

#include <stdlib.h>

#define PACK_VERSION 1

enum pack_flag {
    PACK_SHADOW = 1 << 0,
    PACK_SUPPRESSED = 1 << 1,
    PACK_DEMO = 1 << 2,
    PACK_TRUNCATED = 1 << 3,
    PACK_REVIEW = 1 << 4,
};

static void put_id(struct buf *out, const struct id128 *id)
{
    buf_add(out, id->bytes, sizeof id->bytes);
}

static void put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    buf_put_u64(out, bits);
}

static uint8_t pack_flags(const struct threat *threat)
{
    return (uint8_t)((threat->shadow ? PACK_SHADOW : 0) | (threat->suppressed ? PACK_SUPPRESSED : 0) |
                     (threat->demo ? PACK_DEMO : 0) | (threat->members_truncated ? PACK_TRUNCATED : 0) |
                     (threat->review ? PACK_REVIEW : 0));
}

static void pack_numbers(const struct threat *threat, struct buf *out)
{
    buf_put_u64(out, threat->seq);
    buf_put_u64(out, threat->last_seq);
    buf_put_u64(out, (uint64_t)threat->created_ns);
    buf_put_u64(out, (uint64_t)threat->updated_ns);
    buf_put_u32(out, threat->version);
    buf_put_u32(out, threat->rule_version);
    buf_put_u8(out, (uint8_t)threat->severity);
    buf_put_u8(out, (uint8_t)threat->floor);
    buf_put_u8(out, (uint8_t)threat->status);
    buf_put_u8(out, (uint8_t)threat->verdict);
    buf_put_u8(out, pack_flags(threat));
    buf_put_u64(out, threat->event_count);
    buf_put_u64(out, (uint64_t)threat->first_seen_ns);
    buf_put_u64(out, (uint64_t)threat->last_seen_ns);
    buf_put_u64(out, (uint64_t)threat->anchor_ns);
    put_id(out, &threat->anchor_id);
    buf_put_u32(out, threat->evidence_next);
    put_double(out, threat->processing_ms);
}

static void pack_strings(const struct threat *threat, struct buf *out)
{
    const struct str strings[] = {
        str_from(threat->id),
        threat->rule_id,
        threat->rule_title,
        threat->customer,
        threat->type,
        threat->title,
        threat->dedup_key,
        threat->verdict_reason,
        threat->assignee,
        threat->summary,
        threat->runbook,
        threat->review_reason,
        str_from(threat->continues),
        str_from(threat->merged_into),
        str_from(threat->trace_id),
        threat->extra,
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        buf_put_lstr(out, strings[i]);
}

static void pack_lists(const struct threat *threat, struct buf *out)
{
    buf_put_u32(out, (uint32_t)threat->mitre.count);
    for (size_t i = 0; i < threat->mitre.count; i++)
        buf_put_lstr(out, threat->mitre.items[i]);
    buf_put_u32(out, (uint32_t)threat->entities.count);
    for (size_t i = 0; i < threat->entities.count; i++)
        buf_put_lstr(out, threat->entities.items[i]);
    buf_put_u32(out, (uint32_t)threat->evidence.count);
    for (size_t i = 0; i < threat->evidence.count; i++) {
        const struct evidence *evidence = &threat->evidence.items[i];
        buf_put_u32(out, evidence->number);
        buf_put_u64(out, (uint64_t)evidence->time_ns);
        put_id(out, &evidence->event);
        buf_put_lstr(out, evidence->context);
    }
}

void threat_pack(const struct threat *threat, struct buf *out)
{
    buf_put_u8(out, PACK_VERSION);
    pack_numbers(threat, out);
    pack_strings(threat, out);
    pack_lists(threat, out);
}

static bool get_i64(struct str *at, int64_t *value)
{
    uint64_t bits;
    if (!str_get_u64(at, &bits))
        return false;
    memcpy(value, &bits, sizeof bits);
    return true;
}

static bool get_double(struct str *at, double *value)
{
    uint64_t bits;
    if (!str_get_u64(at, &bits))
        return false;
    memcpy(value, &bits, sizeof bits);
    return true;
}

static bool get_id(struct str *at, struct id128 *id)
{
    if (at->len < sizeof id->bytes)
        return false;
    memcpy(id->bytes, at->ptr, sizeof id->bytes);
    *at = (struct str){at->ptr + sizeof id->bytes, at->len - sizeof id->bytes};
    return true;
}

static bool get_text(struct str *at, char *out, size_t size)
{
    struct str text;
    if (!str_get_lstr(at, &text) || text.len >= size)
        return false;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool unpack_marks(struct threat *threat, struct str *at)
{
    uint8_t severity, floor, status, verdict, flags;
    if (!str_get_u8(at, &severity) || !str_get_u8(at, &floor) || !str_get_u8(at, &status) ||
        !str_get_u8(at, &verdict) || !str_get_u8(at, &flags))
        return false;
    if (severity >= SEVERITY_COUNT || floor >= SEVERITY_COUNT || status > STATUS_RESOLVED ||
        verdict > VERDICT_INCONCLUSIVE)
        return false;
    threat->severity = (enum severity)severity;
    threat->floor = (enum severity)floor;
    threat->status = (enum threat_status)status;
    threat->verdict = (enum threat_verdict)verdict;
    threat->shadow = flags & PACK_SHADOW;
    threat->suppressed = flags & PACK_SUPPRESSED;
    threat->demo = flags & PACK_DEMO;
    threat->members_truncated = flags & PACK_TRUNCATED;
    threat->review = flags & PACK_REVIEW;
    return true;
}

static bool unpack_numbers(struct threat *threat, struct str *at)
{
    return str_get_u64(at, &threat->seq) && str_get_u64(at, &threat->last_seq) &&
           get_i64(at, &threat->created_ns) && get_i64(at, &threat->updated_ns) &&
           str_get_u32(at, &threat->version) && str_get_u32(at, &threat->rule_version) &&
           unpack_marks(threat, at) && str_get_u64(at, &threat->event_count) &&
           get_i64(at, &threat->first_seen_ns) && get_i64(at, &threat->last_seen_ns) &&
           get_i64(at, &threat->anchor_ns) && get_id(at, &threat->anchor_id) &&
           str_get_u32(at, &threat->evidence_next) && get_double(at, &threat->processing_ms);
}

/* The strings point into the arena's copy of the packed bytes: one copy for all of them. */
static bool unpack_strings(struct threat *threat, struct str *at)
{
    return get_text(at, threat->id, sizeof threat->id) && str_get_lstr(at, &threat->rule_id) &&
           str_get_lstr(at, &threat->rule_title) && str_get_lstr(at, &threat->customer) &&
           str_get_lstr(at, &threat->type) && str_get_lstr(at, &threat->title) &&
           str_get_lstr(at, &threat->dedup_key) && str_get_lstr(at, &threat->verdict_reason) &&
           str_get_lstr(at, &threat->assignee) && str_get_lstr(at, &threat->summary) &&
           str_get_lstr(at, &threat->runbook) && str_get_lstr(at, &threat->review_reason) &&
           get_text(at, threat->continues, sizeof threat->continues) &&
           get_text(at, threat->merged_into, sizeof threat->merged_into) &&
           get_text(at, threat->trace_id, sizeof threat->trace_id) && str_get_lstr(at, &threat->extra);
}

static bool unpack_lists(struct threat *threat, struct str *at)
{
    uint32_t count;
    struct str text;
    if (!str_get_u32(at, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!str_get_lstr(at, &text))
            return false;
        vec_push(&threat->mitre, text);
    }
    if (!str_get_u32(at, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!str_get_lstr(at, &text))
            return false;
        vec_push(&threat->entities, text);
    }
    return true;
}

static bool unpack_evidence(struct threat *threat, struct str *at)
{
    uint32_t count;
    if (!str_get_u32(at, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct evidence evidence;
        if (!str_get_u32(at, &evidence.number) || !get_i64(at, &evidence.time_ns) ||
            !get_id(at, &evidence.event) || !str_get_lstr(at, &evidence.context))
            return false;
        vec_push(&threat->evidence, evidence);
    }
    return true;
}

struct threat *threat_unpack(struct str packed, struct err *err)
{
    struct threat *threat = threat_new();
    struct str at = arena_dup(threat->arena, packed);
    uint8_t version = 0;
    if (!str_get_u8(&at, &version) || version != PACK_VERSION) {
        err_set(err, ERR_CORRUPT, "expected a stored threat of format %d, found format %u in %zu bytes",
                PACK_VERSION, version, packed.len);
        goto bad;
    }
    if (!unpack_numbers(threat, &at) || !unpack_strings(threat, &at) || !unpack_lists(threat, &at) ||
        !unpack_evidence(threat, &at) || at.len != 0) {
        err_set(err, ERR_CORRUPT, "a stored threat of %zu bytes is not as it was written", packed.len);
        goto bad;
    }
    return threat;
bad:
    threat_free(threat);
    return NULL;
}
