#!/usr/bin/env bash
# Changes, news and egress violations are kept besides going through the rules: whoever is answered finds them, also
# after kill -9, and what is sent again is there once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# kept KIND: what the store has of this kind, as JSON, oldest first. For change and news agents are the only readers.
kept() {
  python3 - "$DATA/lunette.db" "$1" <<'PYTHON'
import json, sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
rows = db.execute("SELECT customer, entity, at, body FROM observations WHERE kind = ? ORDER BY at, id", (sys.argv[2],))
print(json.dumps([{"customer": c, "entity": e, "at": at, "body": json.loads(b)} for c, e, at, b in rows]))
PYTHON
}
kept_is() { # KIND JQ-CONDITION
  local list
  list=$(kept "$1")
  jq -e "$2" >/dev/null <<<"$list" || {
    printf '%s is not true of %s\n' "$2" "$list"
    return 1
  }
}
post() { # SOURCE BODY [CURL ARGUMENT...]: prints the status
  local source=$1 body=$2
  shift 2
  status_of POST "/api/events/$source" -H 'Content-Type: application/x-ndjson' "$@" --data-binary "$body"
}

server_start
NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)

a_change_is_kept() {
  expect "status" "$(post change '{"kind":"deploy","service":"api","host":"web-01","status":"Succeeded","time":"'"$NOW"'"}')" 202
  kept_is change 'length == 1 and .[0].entity == "host.name:web-01" and .[0].customer == "default"'
  kept_is change '.[0].body == {"change.kind": "deployment", "change.status": "succeeded", "service.name": "api", "host.name": "web-01"}'
}
check "e2e: a deployment that was answered is in the store" a_change_is_kept

news_are_kept() {
  expect "status" "$(post news '{"title":"Patch now","cve":"CVE-2026-1"}
{"news":{"title":"Quiet week"},"organization":{"name":"acme"}}')" 202
  kept_is news 'map([.customer, .body["news.title"], .body["vulnerability.id"]]) | sort == [["acme", "Quiet week", null], ["default", "Patch now", "CVE-2026-1"]]'
}
check "e2e: news are kept with their customer" news_are_kept

a_violation_is_kept_and_judged() {
  expect "status" "$(status_of POST /api/egress-violations -H 'Content-Type: application/json' \
    --data '{"source_ip":"10.0.0.5","host":"ws-05","domain":"files.example","policy":"no-uploads","bytes":77,"action":"blocked"}')" 202
  get '/api/egress-violations?limit=10' | jq -e 'length == 1 and .[0].kind == "egress" and .[0].entity == "host.name:ws-05" and
    .[0].body == {"source.ip": "10.0.0.5", "host.name": "ws-05", "destination.domain": "files.example",
      "network.bytes": 77, "event.action": "blocked", "rule.name": "no-uploads"}'
  wait_for eval 'get /api/ledger | jq -e ".balanced and .events.judged == 4 and .events.pending == 0"'
}
check "e2e: an egress violation is kept, listed, and an event like any other" a_violation_is_kept_and_judged

other_events_are_not_kept() {
  printf '{"kind":"deploy","service":"api"}\n' | post_events - >/dev/null
  kept_is change 'length == 1'
}
check "e2e: the same record as a plain event is not kept" other_events_are_not_kept

a_long_message_is_cut() {
  local long
  long=$(head -c 9000 /dev/zero | tr '\0' x)
  expect "status" "$(post change '{"kind":"config","service":"long","message":"'"$long"'"}')" 202
  kept_is change 'map(select(.body["service.name"] == "long").body) | .[0] | (.message | length) > 900 and (.message | length) <= 1024 and
    .["observation.truncated"] == ["message"]'
}
check "e2e: a long message is cut, and the body says so" a_long_message_is_cut

send_twenty() {
  local n
  for n in $(seq 20); do
    expect "status" "$(post change '{"kind":"deploy","id":"'"$n"'","service":"again"}' -H "Idempotency-Key: change-$n")" 202
  done
}
check "e2e: twenty changes are answered" send_twenty
server_kill KILL # here, not in a check: the server is a child of this shell
server_start

kept_and_sent_again() {
  kept_is change '[.[] | select(.body["service.name"] == "again").body["change.id"] | tonumber] | sort == [range(1; 21)]'
  send_twenty
  kept_is change '[.[] | select(.body["service.name"] == "again")] | length == 20'
  wait_for eval 'get /api/ledger | jq -e ".balanced and .events.accepted == 46 and .events.judged == 46"'
}
check "e2e: after kill -9 every change that was answered is there, and once when it is sent again" kept_and_sent_again
