#!/usr/bin/env bash
# /ws: the snapshot, what comes after it, resuming from a cursor, row view.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
server_start
single() {
  curl -fsS -H 'Content-Type: application/json' "$URL/api/events" \
    -d "{\"event\":{\"action\":\"e2e-single\"},\"user\":{\"name\":\"$1\"}}" | jq -r '.threats[0]'
}
watch() { "$TOP/tools/watch" --url "$URL" --seconds "$PATIENCE" "$@"; }
lines_in() { [ "$(wc -l <"$1")" -ge "$2" ]; }

first=$(single ana)
watch --types initial_batch,new_threat --count 3 >"$WORK/live" 2>"$WORK/live.err" &
LIVE=$!
STARTED+=("$LIVE")
wait_for lines_in "$WORK/live" 1
second=$(single bob)
third=$(single cai)
live_status=0
wait "$LIVE" || live_status=$?

it_begins_with_a_batch() {
  expect "exit code" "$live_status" 0
  sed -n 1p "$WORK/live" | jq -e --arg id "$first" '.type == "initial_batch" and .data[0].id == $id and .cursor'
}
check "e2e: a client first gets the newest threats" it_begins_with_a_batch

new_threats_follow() {
  expect "threats in order" "$(sed 1d "$WORK/live" | jq -r '.type + " " + .data.id' | xargs)" \
    "new_threat $second new_threat $third"
}
check "e2e: then every new one, in order" new_threats_follow

it_resumes() {
  local cursor
  cursor=$(sed -n 2p "$WORK/live" | jq -r .cursor)
  watch --types new_threat --count 1 --query "resume=$cursor" >"$WORK/resumed"
  jq -e --arg id "$third" '.type == "new_threat" and .data.id == $id' "$WORK/resumed"
}
check "e2e: a client that comes back with its cursor gets what it missed" it_resumes

a_foreign_cursor_is_a_gap() {
  watch --count 1 --query "resume=nosuch.1" | jq -e '.type == "gap"'
}
check "e2e: a cursor of another store is a gap" a_foreign_cursor_is_a_gap

a_row_is_short() {
  watch --count 1 --query "view=row" >"$WORK/row"
  jq -e '.data[0] | has("title") and (has("evidence") | not)' "$WORK/row"
  expect "longest row" "$(jq -c '[.data[] | tostring | length] | max <= 1024' "$WORK/row")" true
}
check "e2e: a row has at most a kilobyte" a_row_is_short

a_change_is_streamed() {
  watch --types threat_updated --count 1 --send '{"type":"ping"}' >"$WORK/updated" &
  local watcher=$! n=0
  watch --types pong --count 1 --send '{"type":"ping"}' >/dev/null
  curl -fsS -X PATCH -H 'Content-Type: application/json' -H 'If-Match: *' -d '{"assignee":"ann"}' \
    "$URL/api/threats/$second" >/dev/null
  # The watcher may have come after the change: then the next one tells.
  until ! kill -0 "$watcher" 2>/dev/null; do
    curl -fsS -X PATCH -H 'Content-Type: application/json' -H 'If-Match: *' -d "{\"assignee\":\"ann $((n += 1))\"}" \
      "$URL/api/threats/$second" >/dev/null
  done
  wait "$watcher"
  jq -e --arg id "$second" '.data.id == $id' "$WORK/updated"
}
check "e2e: a change by a person is streamed" a_change_is_streamed

foreign_pages_are_kept_out() {
  local key=(-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
  expect "another Origin" "$(status_of GET /ws "${key[@]}" -H 'Origin: http://evil.example')" 403
  expect "no upgrade" "$(status_of GET /ws | cut -c1)" 4
}
check "e2e: a page of another origin is not upgraded" foreign_pages_are_kept_out

the_cursor_survives_a_restart() {
  local cursor=$1
  watch --types new_threat --count 1 --query "resume=$cursor" >"$WORK/after"
  jq -e --arg id "$third" '.data.id == $id' "$WORK/after"
}
cursor=$(sed -n 2p "$WORK/live" | jq -r .cursor)
server_stop
server_start
check "e2e: a cursor is good after a restart" the_cursor_survives_a_restart "$cursor"
