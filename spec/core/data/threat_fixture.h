/* Threats for tests: one with every field set, and many small ones that differ by their number. */
#ifndef LUNETTE_SPEC_THREAT_FIXTURE_H
#define LUNETTE_SPEC_THREAT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "data/threat.h"

#define T0   (INT64_C(1767322800) * NS_PER_S) /* 2026-01-02T03:00:00Z */
#define HOUR (3600 * NS_PER_S)

static inline void threat_add_entity(struct threat *threat, const char *entity)
{
    vec_push(&threat->entities, threat_keep(threat, str_from(entity)));
}

static inline void threat_add_technique(struct threat *threat, const char *technique)
{
    vec_push(&threat->mitre, threat_keep(threat, str_from(technique)));
}

static inline void threat_add_evidence(struct threat *threat, uint32_t number, const char *context)
{
    struct evidence evidence = {
        .number = number, .time_ns = T0 + number, .context = threat_keep(threat, str_from(context))};
    memset(evidence.event.bytes, (int)number, sizeof evidence.event.bytes);
    vec_push(&threat->evidence, evidence);
}

/* A plain threat of rule "r<n % 5>", type "t<n % 3>", customer "c<n % 2>". */
static inline struct threat *threat_number(uint64_t n)
{
    struct threat *threat = threat_new();
    snprintf(threat->id, sizeof threat->id, "01900000-0000-7000-8000-%012llx", (unsigned long long)n);
    threat->created_ns = threat->updated_ns = T0 + (int64_t)n * NS_PER_S;
    threat->rule_id = (struct str){arena_printf(threat->arena, "r%d", (int)(n % 5)), 2};
    threat->rule_title = STR("A rule");
    threat->rule_version = 1;
    threat->type = (struct str){arena_printf(threat->arena, "t%d", (int)(n % 3)), 2};
    threat->customer = (struct str){arena_printf(threat->arena, "c%d", (int)(n % 2)), 2};
    threat->title = str_from(arena_printf(threat->arena, "Threat number %llu", (unsigned long long)n));
    threat->dedup_key = str_from(arena_printf(threat->arena, "key-%llu", (unsigned long long)n));
    threat->severity = threat->floor = (enum severity)(n % SEVERITY_COUNT);
    threat->event_count = 1;
    threat->first_seen_ns = threat->last_seen_ns = threat->anchor_ns = threat->created_ns - NS_PER_S;
    threat->processing_ms = 2;
    return threat;
}

/* Every field says something. */
static inline struct threat *threat_complete(void)
{
    struct threat *threat = threat_number(1);
    threat->seq = 7;
    threat->last_seq = 12;
    threat->updated_ns = T0 + HOUR;
    threat->version = 3;
    threat->rule_id = STR("identity.mfa_fatigue");
    threat->rule_title = STR("Repeated MFA prompts to one user");
    threat->rule_version = 4;
    threat->customer = STR("Größe & Söhne \"GmbH\"");
    threat->type = STR("anomaly_detection");
    threat->title = STR("MFA fatigue: ana");
    threat->dedup_key = STR("ana");
    threat->severity = SEVERITY_HIGH;
    threat->floor = SEVERITY_MEDIUM;
    threat->status = STATUS_ESCALATED;
    threat->verdict = VERDICT_TRUE_POSITIVE;
    threat->verdict_reason = STR("called her");
    threat->assignee = STR("bo");
    threat->summary = STR("Five prompts\nin five minutes");
    threat->runbook = STR("Call the user.");
    threat->shadow = threat->suppressed = threat->demo = threat->members_truncated = threat->review = true;
    threat->event_count = 12345;
    threat->first_seen_ns = T0 - 300 * NS_PER_S;
    threat->last_seen_ns = T0 + 60 * NS_PER_S;
    threat->anchor_ns = T0 - 5;
    memset(threat->anchor_id.bytes, 0xab, sizeof threat->anchor_id.bytes);
    threat->evidence_next = 3;
    threat->review_reason = STR("severity_of failed");
    threat->processing_ms = 1.25;
    snprintf(threat->continues, sizeof threat->continues, "01900000-0000-7000-8000-00000000c0de");
    snprintf(threat->merged_into, sizeof threat->merged_into, "01900000-0000-7000-8000-00000000beef");
    snprintf(threat->trace_id, sizeof threat->trace_id, "0123456789abcdef0123456789abcdef");
    threat_add_entity(threat, "user.name:ana");
    threat_add_entity(threat, "source.ip:203.0.113.9");
    threat_add_technique(threat, "T1621");
    threat_add_technique(threat, "T1110.003");
    threat_add_evidence(threat, 1, "{\"user.name\":\"ana\",\"source.ip\":[\"203.0.113.9\",\"::1\"]}");
    threat_add_evidence(threat, 2, "{}");
    return threat;
}

/* The document, parsed; fails the test where it is no JSON. */
static inline struct json *json_of(const struct buf *buf)
{
    static const struct json_limits limits = {64 << 20, 64, false};
    struct err err = {0};
    struct json *json = json_parse(buf_str(buf), &limits, &err);
    if (!json)
        fail_msg("%s in: %.*s", err_text(&err), (int)(buf->len < 500 ? buf->len : 500), buf->ptr);
    return json;
}

static inline void member_is(const struct json *object, const char *key, const char *text)
{
    struct str value = {0};
    if (!json_get_str(object, key, &value) || !str_is(value, text))
        fail_msg("%s: expected \"%s\", found \"%.*s\"", key, text, STR_ARG(value));
}

static inline void member_is_int(const struct json *object, const char *key, int64_t number)
{
    int64_t value = -1;
    if (!json_get_int(object, key, &value) || value != number)
        fail_msg("%s: expected %lld, found %lld", key, (long long)number, (long long)value);
}

#endif
