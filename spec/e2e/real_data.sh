#!/usr/bin/env bash
# slow
# Hours of real Windows events go through a running server without an error, and the ledger adds up.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

SHARED=$TOP/../shared/data
if [ ! -d "$SHARED/otrf" ]; then
  skip "e2e: real Windows events: ../shared/data is absent"
  exit 0
fi
server_start
sent=0

# send_file FILE: in pieces of 2,000 lines
send_file() {
  local piece answer
  rm -f "$WORK"/piece.*
  gzip -dc "$1" | split -l 2000 - "$WORK/piece."
  for piece in "$WORK"/piece.*; do
    answer=$(post_events "$piece")
    jq -e '.rejected == 0' <<<"$answer" >/dev/null || {
      printf '%s: %s\n' "$1" "$(head -c 400 <<<"$answer")"
      return 1
    }
    sent=$((sent + $(jq .accepted <<<"$answer")))
  done
}
all_are_taken() {
  local file
  for file in "$SHARED"/otrf/*.ndjson.gz "$SHARED/hospital/windows.ndjson.gz"; do send_file "$file"; done
  printf '%d\n' "$sent" >"$WORK/sent"
}
check "e2e: every event of otrf/ and hospital/windows is taken" all_are_taken

the_books_add_up() {
  get /api/ledger >"$WORK/ledger"
  expect accepted "$(jq .events.accepted "$WORK/ledger")" "$(cat "$WORK/sent")"
  expect "judged" "$(jq .events.judged "$WORK/ledger")" "$(cat "$WORK/sent")"
  expect balanced "$(jq .balanced "$WORK/ledger")" true
  expect "threats, at least one" "$(get '/api/threats?limit=1' | jq length)" 1
}
check "e2e: and the ledger adds up" the_books_add_up
check "e2e: and nothing was logged as an error" expect "error lines" "$(grep -c '"level":"error"' "$LOG" || true)" 0
