#!/usr/bin/env bash
# Wazuh alerts, raw and wrapped, through the shipped source and rules; and what Wazuh sends again is not counted twice.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

server_start
JSON=(-H 'Content-Type: application/json')
NOW=$(date -u +%s)
# alert N: the N-th failed sign-in, a second after the one before
alert() {
  local time
  time=$(date -u -d "@$((NOW - 60 + $1))" +%Y-%m-%dT%H:%M:%S.000+0000)
  printf '{"timestamp":"%s","id":"%d.%d","manager":{"name":"siem"},"agent":{"id":"003","name":"web-01"},' "$time" "$NOW" "$1"
  printf '"rule":{"level":5,"id":"5710","description":"sshd: invalid user","groups":["sshd","authentication_failed"]},'
  printf '"data":{"srcip":"203.0.113.9","srcuser":"oracle"},"location":"/var/log/auth.log"}\n'
}
ingest() { request POST /api/threats/ingest/wazuh "${JSON[@]}" --data-binary @-; }
events_of() { get '/api/threats?rule=identity.brute_force' | jq -c '[.[] | .event_count]'; }

ten_failures_are_one_threat() {
  local n
  for n in $(seq 9); do expect "alert $n" "$(alert "$n" | ingest | tail -n 1)" 202; done
  expect "threats of nine" "$(events_of)" "[]"
  expect "the tenth, wrapped" "$(printf '{"all_fields":%s}' "$(alert 10)" | ingest | tail -n 1)" 202
  get '/api/threats?rule=identity.brute_force' | jq -e 'length == 1 and .[0].title == "10 failed sign-ins of oracle from 203.0.113.9"'
}
check "e2e: ten failed sign-ins that Wazuh reports are one threat, wrapped or not" ten_failures_are_one_threat

sent_again_adds_nothing() {
  local before n
  before=$(events_of)
  for n in $(seq 9); do alert "$n" | ingest >/dev/null; done
  expect "events of the threat" "$(events_of)" "$before"
  get /api/ledger | jq -e '.balanced and ([.rules[] | select(.id == "identity.brute_force") | .repeated] == [9])'
}
check "e2e: what Wazuh sends again adds nothing" sent_again_adds_nothing

what_is_no_alert_is_refused() {
  expect "broken" "$(printf '{' | ingest | tail -n 1)" 422
  expect "a list" "$(printf '[]' | ingest | tail -n 1)" 422
}
check "e2e: what is no alert is 422" what_is_no_alert_is_refused
