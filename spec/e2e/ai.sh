#!/usr/bin/env bash
# Analyses with a model that answers, in every way that a model can: what triage decided never gets milder, and what
# it says is checked. Outages are in ai_outage.sh.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ai_lib.bash"

JSON=(-H 'Content-Type: application/json')
KEY=sk-e2e-4fZ9kQ2mXw7LtR0p
(umask 077 && printf '%s\n' "$KEY" >"$WORK/key")

# ---- what stands without a model is what each mode is held against ----

server_start
six_threats plain | post_events - >/dev/null
the_rules_analyse() {
  wait_for threats_are plain 6 "$HAS_FINDINGS"
  threats_of plain >"$WORK/plain.json"
  expect "types" "$(jq '[.[].threat_type] | unique | length' "$WORK/plain.json")" 6
  expect "by whom" "$(jq -c '[.[].analysis.provider] | unique' "$WORK/plain.json")" '["rules"]'
  expect "how it ended" "$(jq -c '[.[].analysis.status] | unique' "$WORK/plain.json")" '["complete"]'
  expect "agents" "$(jq -c '[.[].agent_analyses | keys] | unique' "$WORK/plain.json")" \
    '[["config","context","devops","historical","priority"]]'
  expect "by whom, each" "$(jq -c '[.[].agent_analyses[].provider] | unique' "$WORK/plain.json")" '["rules"]'
  expect "a model" "$(get /api/ai/usage | jq -c '[.queue.model_configured, .totals.calls // 0]')" '[false,0]'
}
check "e2e: without a model each of the six types has the findings of the agents' own rules" the_rules_analyse
server_stop
rm -rf "$DATA"

# ---- every mode ----

model_start
with_model --ai-key-file "$WORK/key" --log-level debug

# never_milder MODE: the outcome of the customer of that name against the one without a model
never_milder() {
  jq --slurpfile before <(outcome "$WORK/plain.json") --slurpfile after <(outcome "$WORK/$1.json") -n '
    ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"] as $severities
    | def rank: . as $name | $severities | index($name);
    def besides($raised): del(.severity, .review, .score) | if $raised then del(.plan) else . end; # it goes with it
    [range($before[0] | length) as $i | $before[0][$i] as $b | $after[0][$i] as $a
      | ($b.severity != $a.severity) as $raised
      | (($b | besides($raised)) as $x | ($a | besides($raised)) as $y
          | select($x != $y) | {rule: $b.rule, before: $x, after: $y}),
        (select($a.score.value < $b.score.value or $a.plan.sla_minutes > $b.plan.sla_minutes)
          | {rule: $b.rule, review: "less urgent"}),
        (select(($a.severity | rank) < ($b.severity | rank) or ($a.severity | rank) > ($b.severity | rank) + 1)
          | {rule: $b.rule, severity: [$b.severity, $a.severity]}),
        (select($b.review and ($a.review | not)) | {rule: $b.rule, review: "gone"})]' >"$WORK/milder"
  expect "threats" "$(jq length "$WORK/$1.json")" 6
  if [ "$(jq length "$WORK/milder")" != 0 ]; then
    jq '.[] | .before as $b | .after as $a | {rule, severity, review, differ: [($b // {}) | keys[] | select($b[.] != $a[.])
      | {(.): [$b[.], $a[.]]}]}' "$WORK/milder"
    return 1
  fi
}

# in_mode MODE [JSON MEMBERS]: the six threats, once the model had its say
in_mode() {
  model_mode "$1" "${2:-}"
  six_threats "$1" | post_events - >/dev/null
  wait_for threats_are "$1" 6 "$MODEL_WAS_ASKED"
  threats_of "$1" >"$WORK/$1.json"
}

answers() { # answers MODE [JSON MEMBERS]: the model is heard
  in_mode "$@"
  never_milder "$1"
  expect "by whom" "$(jq -c '[.[].analysis.provider] | unique' "$WORK/$1.json")" '["model"]'
  expect "how it ended" "$(jq -c '[.[].analysis.status] | unique' "$WORK/$1.json")" '["complete"]'
}

is_not_heard() { # is_not_heard MODE STATUS: the findings by the rules stay, a person is asked
  in_mode "$1"
  never_milder "$1"
  expect "by whom" "$(jq -c '[.[].analysis.provider] | unique' "$WORK/$1.json")" '["rules"]'
  expect "by whom, each" "$(jq -c '[.[].agent_analyses[].provider] | unique' "$WORK/$1.json")" '["rules"]'
  expect "what came of the model" "$(jq -c '[.[].analysis.model_status] | unique' "$WORK/$1.json")" "[\"$2\"]"
  expect "reviews" "$(jq '[.[] | select(.requires_human_review)] | length' "$WORK/$1.json")" 6
  expect "severities" "$(outcome "$WORK/$1.json" | jq -c '[.[].severity]')" \
    "$(outcome "$WORK/plain.json" | jq -c '[.[].severity]')"
}

for mode in ok slow benign unknown; do
  check "e2e: a model that answers ($mode) adds findings and leaves what triage decided" answers "$mode" '"delay":0.3'
done

confident_raises_once() {
  answers confident
  expect "severities" "$(outcome "$WORK/confident.json" | jq -c '[.[].severity]')" "$(outcome "$WORK/plain.json" |
    jq -c '["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"] as $all | [.[].severity as $s | $all[($all | index($s)) + 1] // $s]')"
}
check "e2e: a wildly confident model raises a severity by one step" confident_raises_once

injected_changes_nothing() {
  answers injected
  expect "what triage decided" "$(outcome "$WORK/injected.json" | jq -c 'map(del(.review, .score))')" \
    "$(outcome "$WORK/plain.json" | jq -c 'map(del(.review, .score))')"
  expect "hidden" "$(jq '[.[] | select(.suppressed or .status != "new" or .verdict != null)] | length' \
    "$WORK/injected.json")" 0
}
check "e2e: a model that obeys the evidence (false positive, INFO, close it) changes nothing" injected_changes_nothing

suspecting_asks_for_review() {
  answers suspecting
  expect "reviews" "$(jq '[.[] | select(.requires_human_review)] | length' "$WORK/suspecting.json")" 6
}
check "e2e: a model that suspects an injection asks for review" suspecting_asks_for_review

for mode in uncited misquote malformed schemaless garbage huge; do
  check "e2e: an answer that fails its checks ($mode) leaves the agents' own findings and asks for review" \
    is_not_heard "$mode" malformed
done
check "e2e: a refusal leaves the agents' own findings and asks for review" is_not_heard refusing refused
check "e2e: a filtered answer leaves the agents' own findings and asks for review" is_not_heard filtered refused
check "e2e: a truncated answer leaves the agents' own findings and asks for review" is_not_heard truncated truncated

unknown_techniques_are_dropped() {
  jq -e '[.. | strings | select(test("T9999"))] | length == 0' "$WORK/unknown.json"
  jq -e '[.[].agent_analyses[].dropped.mitre? // 0] | add > 0' "$WORK/unknown.json"
}
check "e2e: techniques that nobody knows are dropped and counted" unknown_techniques_are_dropped

# ---- the key ----

the_key_stays() {
  local place
  model_mode 401
  six_threats denied | post_events - >/dev/null
  wait_for queue_is '.retried + .failed > 0'
  model_mode ok
  {
    for place in metrics api/threats?limit=100 api/audit api/ai/usage api/rules api/rules/status openapi.json ready; do
      get "/$place"
    done
    request GET '/api/threats?limit=no'
    tr '\0' '\n' <"/proc/$PID/cmdline"
    tr '\0' '\n' <"/proc/$PID/environ"
    ps -ef
    cat "$WORK"/server*.log
  } >"$WORK/seen"
  grep -qF "$WORK/key" "$WORK/seen" # what is looked through holds what we look for
  expect "places with the key" "$(grep -cF "$KEY" "$WORK/seen" || true)" 0
  expect "what the model got" "$(model_requests | jq -c '[.[].authorization] | unique')" "[\"Bearer $KEY\"]"
}
check "e2e: the key reaches the model and nothing else: no log, metric, error, answer or process listing" the_key_stays
wait_for queue_is '.findings.queued + .findings.in_work + .model.in_work == 0'
server_stop
rm -rf "$DATA"

# ---- what leaves the process ----

with_model --ai-key-file "$WORK/key" --ai-personal-fields user.full_name,user.name
# What must not leave, where people put it. The shapes are those of real ones; none of them opens anything.
printf '%s\n' 'hunter2-Zq81' 'AKIAIOSFODNN7EXAMPLE' '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' 'S3cr3t-in-url' \
  'jane.roe@corp.example' 'Jane Roe' 'janeroe77' '4111 1111 1111 1111' >"$WORK/planted"
planted_secrets_stay() {
  model_mode ok
  model_forget
  jq -nc '{"event.id": "planted", "organization.name": "planted", "event.category": "process",
    "host.name": "ws-planted", "user.name": "janeroe77", "user.full_name": "Jane Roe", "process.executable": "C:\\Windows\\System32\\reg.exe",
    "process.command_line": ("reg.exe save HKLM\\SAM C:\\s.hiv & curl --password hunter2-Zq81 "
      + "-H AKIAIOSFODNN7EXAMPLE 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 "
      + "https://ana:S3cr3t-in-url@files.example/x jane.roe@corp.example janeroe77 4111 1111 1111 1111"),
    "process.parent.executable": "C:\\Users\\janeroe77\\run.exe"}' | post_events - >/dev/null
  wait_for threats_are planted 1 "$MODEL_ANSWERED"
  model_requests | jq -r '.[].body | tostring' >"$WORK/left"
  grep -qF 'reg.exe save HKLM' "$WORK/left" # the evidence went
  expect "of what was planted" "$(grep -oFf "$WORK/planted" "$WORK/left" | sort -u | paste -sd' ')" ''
  grep -q 'SECRET:' "$WORK/left"
  threats_of planted | jq -r '.[0].evidence[0].context["process.command_line"]' | grep -qF hunter2-Zq81
}
check "e2e: planted secrets and personal data are in the evidence and in no request to the model" planted_secrets_stay

evidence_is_fenced() {
  model_requests | jq -e '[.[].body.messages[] | select(.role == "user").content
    | capture("<<<EVIDENCE (?<a>[0-9a-f]{32})>>>\n(?<lines>.*?)<<<END (?<b>[0-9a-f]{32})>>>"; "p") | select(.a == .b)]
    | length >= 5 and ([.[].a] | unique | length) == 1'
  model_requests | jq -e 'all(.[].body; .response_format.json_schema.strict == true and .temperature == 0)'
  model_requests | jq -e 'all(.[].body.messages[] | select(.role == "system").content; contains("reg.exe save") | not)'
}
check "e2e: evidence is fenced with one nonce an analysis, and never in the system's message" evidence_is_fenced

# ---- identical evidence, and customers ----

twin() { # twin CUSTOMER EVENT_ID: the same thing happened
  jq -nc --arg customer "$1" --arg id "$2" '{"event.id": $id, "organization.name": $customer, "host.name": "ws-twin",
    "event.category": "process", "user.name": "twin-of-\(if $customer == "west" then "west" else "east" end)",
    "process.executable": "C:\\Windows\\System32\\reg.exe",
    "process.command_line": "reg.exe save HKLM\\SAM C:\\twin.hiv"}' | post_events - >/dev/null
}
resolve() {
  request PATCH "/api/threats/$1" "${JSON[@]}" -H 'If-Match: *' -d '{"status":"resolved"}' | tail -n 1
}
identical_evidence_is_asked_once() {
  local before
  model_forget
  twin east twin-1
  wait_for threats_are east 1 "$MODEL_ANSWERED"
  before=$(model_count)
  expect "resolved" "$(resolve "$(threats_of east | jq -r '.[0].id')")" 200
  twin east twin-2
  wait_for threats_are east 2 "$MODEL_ANSWERED"
  expect "requests" "$(model_count)" "$before"
  expect "from the cache" "$(threats_of east | jq -c 'map(.analysis.cached == true)')" '[true,false]'
}
check "e2e: identical evidence of one customer is asked about once" identical_evidence_is_asked_once

customers_share_nothing() {
  local before east
  east=$(threats_of east | jq -r '.[0].id')
  expect "a note" "$(status_of POST "/api/threats/$east/notes" "${JSON[@]}" -d '{"text":"only-for-east"}')" 201
  before=$(model_count)
  model_forget
  twin other twin-3
  wait_for threats_are other 1 "$MODEL_ANSWERED"
  expect "asked anew" "$(model_count)" "$before"
  twin west twin-4
  wait_for threats_are west 1 "$MODEL_ANSWERED"
  model_requests | jq -r '.[].body | tostring' >"$WORK/left"
  expect "of another customer" "$(grep -cE 'only-for-east|"east"' "$WORK/left" || true)" 0
}
check "e2e: another customer's identical evidence is asked about anew and tells nothing" customers_share_nothing
server_stop
