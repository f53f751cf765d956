#include "app/openapi.h"

#define JSON "application/json:"

static const struct api_param list_params[] = {
    {"limit", "integer", "How many, 1 to 100; to 1,000 with view=row. Default 20.", false},
    {"offset", "integer", "How many to leave out, to 10,000; further with cursor.", false},
    {"cursor", "string", "From the Link header of the page before.", false},
    {"as_of", "integer", "Only threats whose seq is at most this one; values are current.", false},
    {"view", "full|row", "row: at most 1 KB each. Default full.", false},
    {"sort", "newest|oldest", "By seq, the number of the creation. Default newest.", false},
    {"severity", "string", "critical, high, medium, low or informational; several separated by commas.",
     false},
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

static const struct api_param rejecting_params[] = {
    {"If-Match", "string", "The ETag that was read, or *; absent: whatever the threat has become.", false},
    {0},
};

static const struct api_param similar_params[] = {
    {"limit", "integer", "How many, 1 to 20. Default 5.", false},
    {0},
};

static const struct api_param notes_params[] = {
    {"limit", "integer", "How many, 1 to 200. Default 50.", false},
    {0},
};

static const struct api_param usage_params[] = {
    {"since", "string", "First day, as in 2026-11-23, or a time of it.", false},
    {"until", "string", "Last day, itself included.", false},
    {0},
};

static const struct api_param list_page_params[] = {
    {"limit", "integer", "How many entries, 1 to 1,000. Default 100.", false},
    {"offset", "integer", "How many to leave out.", false},
    {0},
};

static const struct api_param egress_params[] = {
    {"since", "time", "Observed at or after.", false},
    {"limit", "integer", "How many, 1 to 100. Default 100.", false},
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
     "Demo mode: makes events, sends them through the pipeline and waits up to 2 s for a threat. "
     "adversarial_scenario: stores notes of analysts, too, waits up to 5 s for what triage says of them, and "
     "answers with all fields.",
     .body = JSON "Trigger", .answers = "200:Triggered 202:Triggered 400 403 503"},
    {HTTP_GET, "/api/threats/{id}", "One threat; ETag is its version.", .answers = "200:Threat 404"},
    {HTTP_PATCH, "/api/threats/{id}", "Changes status, assignee or verdict.", TAKES(changing_params),
     JSON "ThreatChange", "200:Threat 404 412 422 428"},
    {HTTP_POST, "/api/threats/{id}/notes", "Adds a note.", .body = JSON "NewNote",
     .answers = "201:SavedNote 404 422"},
    {HTTP_GET, "/api/threats/{id}/evidence", "The evidence, as in the threat.",
     .answers = "200:Evidence[] 404"},
    {HTTP_GET, "/api/threats/{id}/timeline", "The investigation_timeline, as in the threat.",
     .answers = "200:Timeline 404"},
    {HTTP_GET, "/api/threats/{id}/similar",
     "Threats of the same customer that are like it, and how they ended; most similar first.",
     TAKES(similar_params), .answers = "200:Similar[] 404 422"},
    {HTTP_GET, "/api/threats/{id}/notes",
     "Its notes, newest first. audited: an audit record backs the note; null: too old to say.",
     TAKES(notes_params), .answers = "200:CheckedNote[] 404 422"},
    {HTTP_POST, "/api/threats/{id}/analyze", "Has the agents analyse it anew.",
     .answers = "202:Queued 404 422"},
    {HTTP_POST, "/api/threats/{id}/actions/{action_id}/approve",
     "Approves an action of the plan: type, target and parameters stay as they are, and a dry run says what "
     "it would do. The body may be left out.",
     TAKES(changing_params), JSON "Decision", "200:Action 404 409 412 422 428"},
    {HTTP_POST, "/api/threats/{id}/actions/{action_id}/reject",
     "Rejects an action of the plan. The body may be left out.", TAKES(rejecting_params), JSON "Decision",
     "200:Action 404 409 412 422"},
    {HTTP_POST, "/api/egress-violations", "Takes violations of egress rules, as events of the source egress.",
     TAKES(sending_params), EVENTS, "202:Receipt 400 413 415 429 503"},
    {HTTP_GET, "/api/egress-violations", "Egress violations that are remembered, newest first.",
     TAKES(egress_params), .answers = "200:Observation[] 422"},
    {HTTP_GET, "/api/lists", "The lists of the rules, and what was changed in them through the API.",
     .answers = "200:ListSummary[]"},
    {HTTP_GET, "/api/lists/{name}",
     "A list's entries as they are in service; ETag is the version of its overlay, 0 where there is none.",
     TAKES(list_page_params), .answers = "200:List 404 422"},
    {HTTP_PUT, "/api/lists/{name}",
     "Replaces the list's overlay: what the API adds to the file's entries and takes from them. 422 where "
     "the "
     "rules do not load with it; then nothing has changed.",
     TAKES(changing_params), JSON "Overlay", "200:ListChanged 412 413 415 422 428 503"},
    {HTTP_DELETE, "/api/lists/{name}",
     "Takes the list's overlay back: the file's entries hold again. 422 where the rules do not load without "
     "it; "
     "then nothing has changed.",
     TAKES(changing_params), .answers = "200:ListChanged 404 412 422 428 503"},
    {HTTP_GET, "/api/ai/usage",
     "Tokens and money by day, agent, model and rule; and how the queue of analyses stands, for tokens that "
     "see all customers.",
     TAKES(usage_params), .answers = "200:Usage 422"},
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
    {"Problem", "title:string status:integer detail:string errors?:FieldError[] problems?:RuleProblem[] "
                "trace_id?:string"},
    {"FieldError", "field:string reason:string"},
    {"Service", "service:string version:string status:ready|draining time:time links:object"},
    {"Health", "status:ok version:string"},
    {"Ready", "status:ready|degraded|starting|draining|full durable:boolean components:object"},
    {"Events", "{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"array\",\"maxItems\":10000,\"items\":{\"type\":"
               "\"object\"}"
               "}]}"},
    {"Receipt", "accepted:integer rejected:integer unrecognised:integer idempotent:boolean "
                "results:ReceiptItem[] threats:string[]"},
    {"ReceiptItem",
     "index:integer status:integer id?:string source?:string? idempotent?:boolean error?:string"},
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
               "agent_analyses?:object analysis?:Analysis? manipulation?:object? mitre?:any[] "
               "triaged?:object severity_raised?:object"},
    {"Analysis",
     "provider?:rules|model status?:string verdict?:string? confidence?:number summary?:string? "
     "injection_suspected?:boolean? injection?:object event_count?:integer evidence_until?:integer "
     "completed_at?:time cached?:boolean model?:string model_status?:string model_error?:string "
     "pseudonyms_stay?:boolean dropped?:object newer?:object claims?:object[] recommendations?:string[] "
     "missing_evidence?:string[] mitre?:any[] severity_suggestion?:string? contradictions?:object[]"},
    {"ThreatRule", "id:string version:integer title:string"},
    {"Score", "value:integer parts:object[]"},
    {"Evidence", "id:string time:time event_id:string context:object"},
    {"Timeline", "events:Moment[]"},
    {"Moment", "time:time kind:first_seen|event|created|last_seen|note|change id?:string title?:string "
               "by?:string text?:string detail?:object"},
    {"Note", "id:integer time:time author:string text:string signature:string?"},
    {"SavedNote", "id:integer threat_id:string author:string text:string signature:string"},
    {"NewNote", "text:string"},
    {"CheckedNote", "id:integer threat_id:string author:string text:string time:time signed:boolean "
                    "audited:boolean?"},
    {"Similar", "id:string title:string rule_id:string threat_type:string severity:" SEVERITIES
                " status:" STATUSES " verdict:" VERDICTS
                "? verdict_reason:string? created_at:time similarity:number shared_entities:string[] "
                "notes:object[]"},
    {"Queued", "threat_id:string status:queued model:boolean"},
    {"Decision", "reason?:string"},
    {"Action", "id:string type:string target:string status:planned|approved|rejected parameters?:object "
               "reason?:string requires_approval?:boolean decided_by?:string decided_at?:time "
               "decision_reason?:string dry_run?:object"},
    {"Observation", "kind:string customer_name:string entity:string time:time event_id:string body:object"},
    {"ListSummary", "name:string file:string? entries:integer overlay:OverlayInfo?"},
    {"OverlayInfo", "version:integer author:string updated_at:time added:integer removed:integer"},
    {"List", "name:string file:string? total:integer entries:ListEntry[] overlay:OverlayText?"},
    {"ListEntry", "value:any attributes?:object overlay?:boolean"},
    {"OverlayText", "version:integer author:string updated_at:time added:any[] removed:string[]"},
    {"Overlay", "added?:any[] removed?:string[]"},
    {"ListChanged", "name:string version:integer generation:integer hash:string problems:RuleProblem[]"},
    {"Usage", "totals:object by_day:object[] by_agent:object[] by_model:object[] by_rule:object[] "
              "rows:object[] rows_truncated:boolean queue?:AnalysisQueue"},
    {"AnalysisQueue",
     "findings:object model:object eta_seconds:number? model_configured:boolean "
     "breaker:closed|open|half_open last_error:string? over_budget:boolean done:integer failed:integer "
     "cached:integer retried:integer"},
    {"Scorecard", "threats:integer verdicts:object precision:number? median_minutes_to_verdict:number?"},
    {"ThreatChange",
     "status?:" STATUSES " assignee?:string? verdict?:" VERDICTS " reason?:string reopen?:boolean"},
    {"Trigger", "threat_type?:string scenario?:crypto_surge|bot_attack|geo_impossible|critical_threat "
                "adversarial_scenario?:note_poisoning_baseline|note_poisoning_catch|note_poisoning_bypass "
                "seed?:integer"},
    {"Triggered", "threats:string[] events:string[] adversarial_scenario?:string seed?:integer "
                  "customer_name?:string history?:string[] notes?:object[] outcomes?:DrillOutcome[] "
                  "expected?:nothing|found|may_be_missed settled?:boolean found?:boolean "
                  "found_in_history?:boolean milder?:boolean"},
    {"DrillOutcome", "threat_id:string title:string history:boolean before:DrillStanding after:DrillStanding "
                     "review_reason:string findings:object[] milder:string[]"},
    {"DrillStanding", "severity:string sla_minutes?:integer actions:string[] requires_human_review:boolean "
                      "recommendation:string"},
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
             "dedup_seconds:number statistics?:PairCounts scorecard:Scorecard? always_evaluated:boolean "
             "tests:integer "
             "false_positives?:string[] runbook?:string source?:string"},
    {"RuleGroup", "by:string[] window_seconds:number late_seconds:number count:integer distinct?:string"},
    {"RulesStatus",
     "state:ok|failed|degraded generation:integer hash:string tried_hash:string rules:integer "
     "sources:integer tried_at:time overlays:object[] problems:RuleProblem[] workers?:object[]"},
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
