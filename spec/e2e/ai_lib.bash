# shellcheck shell=bash
# What the tests of analyses share: the stand-in model, events that make one threat of each of the six types, and
# waiting for analyses. Sourced after lib.sh.
# shellcheck disable=SC2034 # what the tests read

MODEL='' MODEL_PID=''

# model_start [FLAG...]: starts a stand-in model; sets MODEL (its address) and MODEL_PID
model_start() {
  local out=$WORK/model.${#STARTED[@]}
  python3 "$TOP/spec/e2e/model_server.py" "$@" >"$out" 2>"$out.log" </dev/null &
  MODEL_PID=$!
  STARTED+=("$MODEL_PID")
  wait_for grep -q '^port ' "$out"
  MODEL=http://127.0.0.1:$(sed -n 's/^port //p' "$out")
}

# model_mode MODE [JSON MEMBERS]
model_mode() {
  curl -fsS -m "$PATIENCE" -o /dev/null -H 'Content-Type: application/json' -d "{\"mode\":\"$1\"${2:+,$2}}" "$MODEL/mode"
}
model_requests() { curl -fsS -m "$PATIENCE" "$MODEL/requests"; }
model_forget() { curl -fsS -m "$PATIENCE" -o /dev/null -X DELETE "$MODEL/requests"; }
model_count() { curl -fsS -m "$PATIENCE" "$MODEL/stats" | jq .requests; }
model_in_flight() { curl -fsS -m "$PATIENCE" "$MODEL/stats" | jq .in_flight; }

# with_model [FLAG...]: starts a server that asks the stand-in model
with_model() {
  server_start --ai-url "$MODEL/v1" --ai-model stand-in "$@"
}

# six_threats CUSTOMER [TAG]: events that make one threat of each of the six types; other tags are other people
six_threats() {
  jq -nc --arg customer "$1" --arg tag "${2:-1}" --arg now "${NOW:=$(date +%s)}" '
    ($now | tonumber) as $now
    | def at($ago): ($now - $ago | todate);
    def of($name; $n; $ago; $fields): range($n) as $i
      | {"@timestamp": at($ago * ($n - $i)), "event.id": "\($customer)-\($tag)-\($name)-\($i)",
         "organization.name": $customer} + ($fields | if type == "array" then .[$i % length] else . end);
    of("bot"; 40; 1; {"event.category": "web", "source.ip": "203.0.113.\($tag)", "http.request.method": "POST",
      "user_agent.original": "python-requests/2.31.0", "url.path": "/login"}),
    of("proxy"; 4; 60; [range(4) | {"event.category": "authentication", "event.outcome": "success",
      "user.name": "pia-\($tag)", "source.ip": "198.51.100.\(. + 1)", tags: ["tor"]}]),
    of("device"; 1; 5; {"event.category": "process", "host.name": "ws-\($tag)", "user.name": "dora-\($tag)",
      "process.executable": "C:\\Windows\\System32\\reg.exe",
      "process.command_line": "reg.exe save HKLM\\SAM C:\\Users\\Public\\s.hiv"}),
    of("anomaly"; 12; 9; {"event.category": "authentication", "event.outcome": "failure", "user.name": "ana-\($tag)",
      "source.ip": "192.0.2.\($tag)", "host.name": "sso-01"}),
    of("rate"; 24; 1; {"event.category": "web", "source.ip": "192.0.2.\($tag)", "user.name": "rita-\($tag)",
      "url.path": "/api/orders", "http.response.status_code": 429}),
    of("geo"; 1; 3; {"event.category": "authentication", "event.outcome": "success", "user.name": "gil-\($tag)",
      "source.ip": "203.0.113.\($tag)", "source.geo.location": {lat: 40.71, lon: -74.01},
      "source.geo.country_iso_code": "US", "lunette.previous.source.geo.location": {lat: 51.51, lon: -0.13},
      "lunette.previous.source.geo.country_iso_code": "GB", "lunette.previous.elapsed_seconds": 600})'
}

threats_of() { get "/api/threats?customer=$1&limit=100"; }

# threats_are CUSTOMER COUNT FILTER: so many threats of the customer pass the filter of jq
threats_are() {
  [ "$(threats_of "$1" | jq "[.[] | select($3)] | length")" -eq "$2" ]
}
# And triage has seen the last of their events.
SETTLED='.triaged.event_count == .event_count'
HAS_FINDINGS=".analysis != null and $SETTLED"
MODEL_ANSWERED=".analysis.provider == \"model\" and $SETTLED"
MODEL_WAS_ASKED="$SETTLED and
  (.analysis.provider == \"model\" or .analysis.model != null or .analysis.model_status != null)"

queue_is() { get /api/ai/usage | jq -e ".queue | $1"; }

# outcome FILE: what triage decided about each threat, in an order and with names that do not depend on the run
outcome() {
  jq -S 'def plain: del(.id, .due_at, .status);
    [.[] | {rule: .rule.id, threat_type, title, severity, severity_floor, score, status, verdict, shadow, suppressed,
            entities, event_count, evidence: [.evidence[].context], mitre_tags, intel_matches, false_positive_score,
            review: .requires_human_review, merged_into,
            plan: (.response_plan | plain | .primary_action |= plain | .secondary_actions |= map(plain))}]
    | sort_by(.rule)' "$1"
}
