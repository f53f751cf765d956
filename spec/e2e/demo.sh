#!/usr/bin/env bash
# Demo mode: what it makes up goes through the pipeline like any event; without --demo it is off.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

server_start --demo
JSON=(-H 'Content-Type: application/json')
trigger() { request POST /api/threats/trigger "${JSON[@]}" -d "$1"; }

# triggers BODY: the answer is a threat, or, where that takes longer, the ids of its events
triggers() {
  local answer
  answer=$(trigger "$1")
  expect "status for $1" "$(tail -n 1 <<<"$answer")" 200
  head -n -1 <<<"$answer" | jq -e 'tostring | length > 2'
}
every_type_makes_a_threat() {
  local type
  for type in bot_traffic proxy_network device_compromise anomaly_detection rate_limit_breach geo_anomaly; do
    triggers "{\"threat_type\":\"$type\"}"
    expect "threats of $type, at least one" "$(get "/api/threats?type=$type&limit=1" | jq length)" 1
  done
}
check "e2e: each of the six types can be triggered and is found by a rule" every_type_makes_a_threat

every_scenario_makes_a_threat() {
  local scenario
  for scenario in crypto_surge bot_attack geo_impossible critical_threat; do
    triggers "{\"scenario\":\"$scenario\"}"
  done
  get '/api/threats?severity=critical' | jq -e 'length > 0'
}
check "e2e: each scenario can be triggered" every_scenario_makes_a_threat

unknown_names_are_refused() {
  expect "an unknown type" "$(trigger '{"threat_type":"nosuch"}' | tail -n 1)" 400
  expect "an unknown scenario" "$(trigger '{"scenario":"nosuch"}' | tail -n 1)" 400
  expect "nothing" "$(trigger '{}' | tail -n 1)" 400
}
check "e2e: unknown names are refused" unknown_names_are_refused

demo_data_can_be_forgotten() {
  expect reset "$(status_of POST /api/demo/reset "${JSON[@]}" -d '{}')" 200
  get /api/ledger | jq -e .balanced
}
check "e2e: demo data can be forgotten, and the ledger still adds up" demo_data_can_be_forgotten
server_stop

server_start
it_is_off() {
  expect trigger "$(trigger '{"threat_type":"bot_traffic"}' | tail -n 1)" 403
  expect reset "$(status_of POST /api/demo/reset "${JSON[@]}" -d '{}')" 403
}
check "e2e: without --demo neither works" it_is_off
