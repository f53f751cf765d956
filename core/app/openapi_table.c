#include "app/openapi.h"

#define JSON "application/json:"

static const struct api_param list_params[] = {
    {"limit", "integer", "How many, 1 to 100; to 1,000 with view=row. Default 20.", false},
    {"offset", "integer", "How many to leave out, to 10,000; further with cursor.", false},
    {"cursor", "string", "From the Link header of the page before.", false},
    {"as_of", "integer", "Only threats whose seq is at most this one; values are current.", false},
    {"view", "full|row", "row: at most 1 KB each. Default full.", false},
    {"sort", "newest|oldest", "By seq, the number of the creation. Default newest.", false},
    {"severity", "string", "critical, high, medium, low or info; several separated by commas.", false},
    {"status", "string", "new, in_progress, escalated or resolved; several separated by commas.", false},
    {"verdict", "string",
     "true_positive, benign_true_positive, false_positive, inconclusive or none; several separated by "
     "commas.",
     false},
    {"type", "string", "The threat_type.", false},
    {"customer", "string", "The customer_name. A token that is bound to one can name no other.", false},
    {"rule", "string", "The id of the rule.", false},
    {"assignee", "string", "Who has it.", false},
    {"entity", "string", "A whole entity in any case, as in user.name:ana.", false},
    {"since", "time", "Created at or after.", false},
    {"until", "time", "Created before.", false},
    {"q", "string", "A part, in any case, of title, summary, rule or entities; at most 256 bytes.", false},
    {"review", "boolean", "Whether it asks for a person.", false},
    {"shadow", "boolean", "true: also those of shadow rules.", false},
    {"suppressed", "boolean", "true: also those that an exception suppresses.", false},
    {0},
};

static const struct api_param analytics_params[] = {
    {"since", "time", "Only what was created at or after.", false},
    {"bucket", "string", "Width of the series, at least 1h. Default 1h.", false},
    {0},
};

static const struct api_param stream_params[] = {
    {"view", "full|row", "How threats are sent. Default full.", false},
    {"resume", "string", "A cursor: what was missed since comes first, instead of initial_batch.", false},
    {0},
};

static const struct api_param sending_params[] = {
    {"Idempotency-Key", "string", "Makes the same body sent again add nothing; at most 256 bytes.", false},
    {"Content-Encoding", "gzip", "Where the body is packed.", false},
    {0},
};

static const struct api_param changing_params[] = {
    {"If-Match", "string", "The ETag that was read, or *.", true},
    {0},
};

#define EVENTS      JSON "Events application/x-ndjson:string"
#define TAKES(list) .params = list

const struct api_operation api_operations[] = {
    {HTTP_GET, "/", "What this is; the dashboard where Accept names text/html.", .answers = "200:Service"},
    {HTTP_GET, "/health", "The process answers; it looks at nothing outside itself.",
     .answers = "200:Health"},
    {HTTP_GET, "/ready",
     "Whether requests should come here. degraded: it works, and components says what does not. 503 only "
     "while "
     "starting, while draining and with the journal full.",
     .answers = "200:Ready 503:Ready"},
    {HTTP_GET, "/metrics", "Prometheus text.", .answers = "200:text/plain"},
    {HTTP_GET, "/openapi.json", "This description.", .answers = "200:object"},
    {HTTP_GET, "/docs", "This description as a page.", .answers = "200:text/html"},
    {HTTP_GET, "/ws", "The WebSocket: threats as they change.", TAKES(stream_params),
     .answers = "101 403 422 426"},
    {HTTP_POST, "/api/events", "Takes events: one, an array, or NDJSON. Their source is recognised.",
     TAKES(sending_params), EVENTS, "202:Receipt 400 413 415 429 503"},
    {HTTP_POST, "/api/events/{source}", "Takes events of the source that is named.", TAKES(sending_params),
     EVENTS, "202:Receipt 400 404 413 415 429 503"},
    {HTTP_POST, "/api/threats/ingest/wazuh", "Takes a Wazuh alert, raw or in {\"all_fields\": …}.",
     TAKES(sending_params), EVENTS, "202:Receipt 413 415 422 429 503"},
    {HTTP_GET, "/api/threats",
     "Threats by the number of their creation. Link has the next page; X-Total-Count is exact to 10,000.",
     TAKES(list_params), .answers = "200:Threat[] 403 422"},
    {HTTP_POST, "/api/threats/trigger",
     "Demo mode: makes events, sends them through the pipeline and waits up to 2 s for a threat.",
     .body = JSON "Trigger", .answers = "200:Triggered 202:Triggered 400 403 503"},
    {HTTP_GET, "/api/threats/{id}", "One threat; ETag is its version.", .answers = "200:Threat 404"},
    {HTTP_PATCH, "/api/threats/{id}", "Changes status, assignee or verdict.", TAKES(changing_params),
     JSON "ThreatChange", "200:Threat 404 412 422 428"},
    {HTTP_POST, "/api/threats/{id}/notes", "Adds a note.", .body = JSON "NewNote",
     .answers = "201:SavedNote 404 422"},
    {HTTP_POST, "/api/demo/reset", "Demo mode: forgets what the demo made.", .answers = "200:Forgotten 403"},
    {HTTP_GET, "/api/analytics", "Counts by type, severity, rule, entity; a series.", TAKES(analytics_params),
     .answers = "200:Analytics 422"},
    {HTTP_GET, "/api/ledger",
     "The books: what became of every event and of every pair of event and rule, and whether they balance.",
     .answers = "200:Ledger"},
    {HTTP_GET, "/api/audit", "Who changed what: the latest hundred.", .answers = "200:AuditEntry[]"},
    {HTTP_GET, "/api/rules", "The loaded rules.", .answers = "200:Rule[]"},
    {HTTP_GET, "/api/rules/status", "What runs, and what the last try to load said.",
     .answers = "200:RulesStatus"},
    {HTTP_POST, "/api/rules/reload",
     "Reads the roots again now; 422: they do not load, the running set stays.",
     .answers = "200:RulesStatus 422:RulesStatus 503"},
    {HTTP_GET, "/api/rules/{id}", "One rule with its source text.", .answers = "200:Rule 404"},
    {HTTP_POST, "/api/session", "A cookie for a browser, from a token.", .body = JSON "Login",
     .answers = "200:Session 400 401"},
    {HTTP_DELETE, "/api/session", "Takes the cookie away.", .answers = "200:object"},
    {HTTP_GET, "/assets/{path*}", "Files of the dashboard.", .answers = "200:any 404"},
    {HTTP_GET, "/favicon.ico", "The dashboard's icon.", .answers = "200:any 404"},
};
const size_t api_operation_count = sizeof(api_operations) / sizeof(api_operations[0]);

#define COUNTS                                                                                               \
    "matched:integer filtered:integer unkeyed:integer late:integer repeated:integer waiting:integer "        \
    "refused:integer raised:integer folded:integer suppressed:integer"
#define SEVERITIES "CRITICAL|HIGH|MEDIUM|LOW|INFO"
#define STATUSES   "new|in_progress|escalated|resolved"
#define VERDICTS   "true_positive|benign_true_positive|false_positive|inconclusive"

/* What view=row leaves out of a threat is optional, and so is what only it has. */
const struct api_schema api_schemas[] = {
    {"Problem", "title:string status:integer detail:string errors?:FieldError[] trace_id:string"},
    {"FieldError", "field:string reason:string"},
    {"Service", "service:string version:string status:ready|draining time:time links:object"},
    {"Health", "status:ok version:string"},
    {"Ready", "status:ready|degraded|starting|draining|full durable:boolean components:object"},
    {"Events", "{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"array\",\"maxItems\":10000,\"items\":{\"type\":"
               "\"object\"}"
               "}]}"},
    {"Receipt",
     "accepted:integer rejected:integer idempotent:boolean results:ReceiptItem[] threats:string[]"},
    {"ReceiptItem", "index:integer status:integer id?:string idempotent?:boolean error?:string"},
    {"Threat", "id:string seq:integer last_seq:integer created_at:time updated_at:time version:integer "
               "rule?:ThreatRule rule_id?:string threat_type:string customer_name:string severity:" SEVERITIES
               " severity_floor?:" SEVERITIES " score?:Score status:" STATUSES " verdict:" VERDICTS
               "? verdict_reason?:string? assignee:string? title:string summary?:string runbook?:string? "
               "dedup_key?:string entities?:string[] event_count:integer members_truncated?:boolean "
               "first_seen:time last_seen:time evidence?:Evidence[] mitre_tags?:string[] "
               "investigation_timeline?:Timeline notes?:Note[] requires_human_review:boolean "
               "review_reason?:string? total_processing_time_ms?:number continues?:string? "
               "merged_into?:string? trace_id?:string? shadow:boolean suppressed:boolean demo:boolean "
               "intel_matches?:any[] false_positive_score?:object? response_plan?:object? "
               "agent_analyses?:object analysis?:object? manipulation?:object? mitre?:any[]"},
    {"ThreatRule", "id:string version:integer title:string"},
    {"Score", "value:integer parts:object[]"},
    {"Evidence", "id:string time:time event_id:string context:object"},
    {"Timeline", "events:Moment[]"},
    {"Moment", "time:time kind:first_seen|event|created|last_seen|note|change id?:string title?:string "
               "by?:string text?:string detail?:object"},
    {"Note", "id:integer time:time author:string text:string signature:string?"},
    {"SavedNote", "id:integer threat_id:string author:string text:string signature:string"},
    {"NewNote", "text:string"},
    {"ThreatChange",
     "status?:" STATUSES " assignee?:string? verdict?:" VERDICTS " reason?:string reopen?:boolean"},
    {"Trigger", "threat_type?:string scenario?:crypto_surge|bot_attack|geo_impossible|critical_threat"},
    {"Triggered", "threats:string[] events:string[]"},
    {"Forgotten", "forgotten:integer"},
    {"Analytics",
     "total_threats:integer customers_affected:integer average_processing_time_ms:number "
     "threats_requiring_review:integer shadow_threats:integer suppressed_threats:integer "
     "threats_by_type:object threats_by_severity:object threats_by_status:object threats_by_verdict:object "
     "bucket_seconds:integer series:object[] top_rules:object[] top_customers:object[] "
     "top_entities:object[] attack_matrix:object[]"},
    {"Ledger", "events:LedgerEvents pairs:PairCounts shadow:PairCounts rules:LedgerRule[] balanced:boolean"},
    {"LedgerEvents", "received:integer accepted:integer judged:integer pending:integer rejected:object"},
    {"PairCounts", COUNTS},
    {"LedgerRule", "id:string shadow:boolean " COUNTS},
    {"AuditEntry", "id:integer time:time who:string action:string target:string detail:object"},
    {"Rule", "id:string title:string version:integer severity:" SEVERITIES
             " type:string mode:on|shadow|off file:string mitre:string[] group:RuleGroup? "
             "dedup_seconds:number statistics?:PairCounts always_evaluated:boolean tests:integer "
             "false_positives?:string[] runbook?:string source?:string"},
    {"RuleGroup", "by:string[] window_seconds:number late_seconds:number count:integer distinct?:string"},
    {"RulesStatus", "state:ok|failed|degraded generation:integer hash:string tried_hash:string rules:integer "
                    "sources:integer tried_at:time problems:RuleProblem[] workers?:object[]"},
    {"RuleProblem", "level:error|warning|note where:string message:string"},
    {"Login", "token:string"},
    {"Session", "name:string role:reader|sender|analyst|admin customer:string expires_at:time"},
};
const size_t api_schema_count = sizeof(api_schemas) / sizeof(api_schemas[0]);

const struct api_operation *api_operation_of(const struct http_route *route)
{
    for (size_t i = 0; i < api_operation_count; i++)
        if (api_operations[i].method == route->method &&
            strcmp(api_operations[i].pattern, route->pattern) == 0)
            return &api_operations[i];
    return NULL;
}
