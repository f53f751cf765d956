#!/usr/bin/env bash
# slow
# A model that is down, busy, mute or too dear, and a process that is killed while it asks: threats stay as triage left
# them, with the agents' own findings; the jobs wait and end once. What each mode does has a server of its own, and
# they run side by side, as a breaker waits for half a minute.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ai_lib.bash"
PATIENCE=$((PATIENCE * 6)) # a model job waits 2, 4, 8, 16 s between its attempts, the breaker 30 s

SERVERS=$WORK/servers
mkdir "$SERVERS"
# keep NAME / use NAME: the server and the model that were started last, under a name
keep() { printf 'PID=%s URL=%s MODEL=%s LOG=%s DATA=%s\n' "$PID" "$URL" "$MODEL" "$LOG" "$DATA" >"$SERVERS/$1"; }
# shellcheck source=/dev/null
use() { . "$SERVERS/$1"; }
# Never within a check, whose processes nobody would end.
begin() { # begin NAME MODE [JSON MEMBERS [FLAG...]]
  local name=$1 mode=$2 members=${3:-}
  shift $(($# < 3 ? $# : 3))
  DATA=$WORK/data.$name
  model_start
  model_mode "$mode" "$members"
  with_model "$@"
  keep "$name"
}
post_six() { six_threats "$1" "${2:-1}" | post_events - >/dev/null; }
one_threat() { # one_threat CUSTOMER TAG: an event that makes one threat
  six_threats "$1" "$2" | jq -c 'select(."process.executable")' | post_events - >/dev/null
}

DATA=$WORK/data.plain
server_start
post_six plain
wait_for threats_are plain 6 "$HAS_FINDINGS"
threats_of plain >"$WORK/plain.json"
server_stop

# All begin at once.
for mode in 500 429 drop hang; do
  begin "$mode" "$mode"
  post_six "$mode"
done
begin hopeless 500
one_threat hopeless 1
begin unfit 401
one_threat unfit 1

stays_as_it_was() { # stays_as_it_was NAME: with the model out of order, all is as without one
  use "$1"
  wait_for threats_are "$1" 6 "$HAS_FINDINGS"
  wait_for queue_is '.retried > 0'
  threats_of "$1" >"$WORK/$1.json"
  expect "what triage decided" "$(outcome "$WORK/$1.json" | jq -c .)" "$(outcome "$WORK/plain.json" | jq -c .)"
  expect "by whom" "$(jq -c '[.[].analysis.provider] | unique' "$WORK/$1.json")" '["rules"]'
  expect "how it ended" "$(jq -c '[.[].analysis.status] | unique' "$WORK/$1.json")" '["complete"]'
}
recovers() { # recovers NAME: once the model answers, each job ends by it
  use "$1"
  model_mode ok
  wait_for threats_are "$1" 6 "$MODEL_ANSWERED"
  expect breaker "$(get /api/ai/usage | jq -r .queue.breaker)" closed
  expect "left" "$(get /api/ai/usage | jq '.queue.model.queued + .queue.model.in_work')" 0
}

# ---- outages ----

for mode in 500 429 drop; do
  check "e2e: while the model is down ($mode) threats stay as triage left them" stays_as_it_was "$mode"
done
breaker_opens() {
  use 500
  wait_for queue_is '.breaker == "open"'
  get /metrics | grep -E '^lunette_.*breaker.* [^0]'
}
check "e2e: the breaker opens after outages in a row" breaker_opens
for mode in 500 429 drop; do
  check "e2e: once the model answers again ($mode) the breaker closes and every job ends by it" recovers "$mode"
done

check "e2e: while the model hangs threats stay as triage left them" stays_as_it_was hang
check "e2e: once it hangs no longer every job ends by it" recovers hang
# ---- Retry-After ----

begin later 429 '"retry_after":2,"times":5'
retry_after_is_honoured() {
  one_threat later 1
  wait_for threats_are later 1 "$MODEL_ANSWERED"
  model_requests | jq -e '[.[] | select(.mode == "429").at] as $refused
    | [.[] | select(.mode == "ok" and .at > ($refused | min)).at] as $taken
    | ($refused | length) == 5 and (($taken | min) - ($refused | min)) >= 2'
  expect "attempts of the job" "$(get /api/ai/usage | jq .queue.retried)" 0
}
check "e2e: 429 with Retry-After: the same request comes again, no earlier than it said" retry_after_is_honoured

# ---- budgets ----

begin budget ok '' --ai-tokens-day 12000
a_budget_holds_the_queue() {
  local asked
  post_six budget 1
  post_six budget 2
  wait_for threats_are budget 12 "$HAS_FINDINGS"
  wait_for queue_is '.over_budget and .model.in_work == 0'
  asked=$(get '/api/threats?customer=budget&limit=100' | jq "[.[] | select($MODEL_ANSWERED)] | length")
  expect "analysed by the model, fewer than all" "$((asked >= 1 && asked < 12))" 1
  expect "waiting" "$(get /api/ai/usage | jq .queue.model.queued)" $((12 - asked))
  expect "the server" "$(status_of GET /health)" 200
  threats_of budget | jq -e '[.[] | select(.requires_human_review and (.review_reason | test("budget")))] | length == 0'
  expect "usage that is counted" "$(get /api/ai/usage | jq '.totals.prompt_tokens > 0')" true
}
check "e2e: a budget holds jobs back, and findings still come" a_budget_holds_the_queue
server_stop
with_model
check "e2e: with a new budget, after a restart, the jobs that waited are done" \
  wait_for threats_are budget 12 "$MODEL_ANSWERED"
server_stop

# ---- kill -9 ----

JOBS_IN_ALL=30
half_way() { [ "$(model_in_flight)" -ge 5 ] && [ "$(answered)" -ge 5 ]; }
answered() { threats_of crash | jq "[.[] | select($MODEL_ANSWERED)] | length"; }
# Each threat has a host of its own, which stands in its prompts.
asked_by_host() {
  model_requests | jq -c '[.[] | select(.body.response_format.json_schema.name == "coordinator").body.messages[1].content
    | capture("host.name \\[untrusted\\] = \"(?<host>ws-[0-9]+)\"").host] | group_by(.) | map({(.[0]): length}) | add // {}'
}
begin crash slow '"delay":0.4' --ai-concurrency 8
for ((n = 1; n <= JOBS_IN_ALL; n++)); do six_threats crash "$n" | jq -c 'select(."process.executable")'; done |
  post_events - >/dev/null
wait_for half_way
threats_of crash >"$WORK/before" # at least these have ended
server_kill KILL
model_forget
model_mode ok
with_model --ai-concurrency 8
jobs_survive() {
  local before
  wait_for threats_are crash "$JOBS_IN_ALL" "$MODEL_ANSWERED"
  wait_for queue_is '.model.queued + .model.in_work + .findings.queued + .findings.in_work == 0'
  asked_by_host >"$WORK/asked.after"
  before=$(jq -c "[.[] | select($MODEL_ANSWERED).evidence[0].context[\"host.name\"]]" "$WORK/before")
  jq -e 'length >= 5' <<<"$before"
  expect "asked again of what had ended" \
    "$(jq --argjson ended "$before" '[.[$ended[]] | select(. != null)] | length' "$WORK/asked.after")" 0
  jq -e 'all(.[]; . == 1)' "$WORK/asked.after"
  # By the audit: once by the rules, once by the model, whatever was begun.
  get /api/audit | jq -c '[.[] | select(.action == "threat.analysis") | {who, target}] | group_by([.who, .target])
    | map({who: .[0].who, times: length}) | group_by(.) | map(.[0] + {threats: length})' >"$WORK/audit"
  expect "analyses by the audit" "$(cat "$WORK/audit")" \
    "[{\"who\":\"model\",\"times\":1,\"threats\":$JOBS_IN_ALL},{\"who\":\"rules\",\"times\":1,\"threats\":$JOBS_IN_ALL}]"
}
check "e2e: kill -9 while a model is asked: every job ends, and once" jobs_survive

gives_up() { # gives_up NAME
  use "$1"
  wait_for threats_are "$1" 1 '.requires_human_review and .analysis.model_status == "failed"'
  threats_of "$1" >"$WORK/$1.json"
  expect "by whom" "$(jq -r '.[0].analysis.provider' "$WORK/$1.json")" rules
  expect "severity" "$(jq -r '.[0].severity' "$WORK/$1.json")" "$(jq -r '.[0].severity_floor' "$WORK/$1.json")"
  expect "left" "$(get /api/ai/usage | jq '.queue.model.queued + .queue.model.in_work')" 0
}
check "e2e: a model that never comes back: after five attempts the findings stay and a person is asked" gives_up hopeless
check "e2e: a model that does not take the key: the same" gives_up unfit

