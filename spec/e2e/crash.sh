#!/usr/bin/env bash
# slow
# kill -9 under load: what was acknowledged is there after the restart, half-full windows too, and nothing is
# counted twice. CRASHES=100 does it a hundred times.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
CRASHES=${CRASHES:-$([ "$PRESET" = release ] && echo 6 || echo 3)}
USERS=$((CRASHES * 500)) # each gets three events, in three batches far apart
BATCHES=$((USERS * 3 / 10))
port_file=$WORK/port

acked() { wc -l <"$WORK/acked"; }
acked_beyond() { [ "$(acked)" -ge "$1" ] || ! kill -0 "$LOAD" 2>/dev/null; }

server_start
echo "$PORT" >"$port_file"
python3 "$TOP/spec/e2e/load.py" "$URL" --batches "$BATCHES" --size 10 --users "$USERS" --action e2e-knock \
  --port-file "$port_file" --acked "$WORK/acked" --patience $((PATIENCE * CRASHES)) >"$WORK/load.json" 2>&1 &
LOAD=$!
STARTED+=("$LOAD")

for ((n = 1; n <= CRASHES; n++)); do
  wait_for acked_beyond $((BATCHES * n / (CRASHES + 1)))
  server_kill KILL
  server_start
  echo "$PORT" >"$port_file"
done
LOAD_STATUS=0
wait "$LOAD" || LOAD_STATUS=$?
check "e2e: the load went on through $CRASHES crashes" expect "exit code" "$LOAD_STATUS" 0
# After one more crash nothing is in memory that is not on disk.
server_kill KILL
server_start

every_user_has_one_threat_of_three() {
  local cursor='' page total
  : >"$WORK/threats"
  while :; do
    page=$(curl -fsS -D "$WORK/head" "$URL/api/threats?rule=e2e.grouped&limit=100$cursor")
    jq -c '.[] | [.title, .event_count, .entities]' <<<"$page" >>"$WORK/threats"
    cursor=$(sed -nE 's/^[Ll]ink: .*[?&]cursor=([^&>]+).*rel="next".*/\&cursor=\1/p' "$WORK/head" | tr -d '\r')
    [ -n "$cursor" ] || break
  done
  total=$(wc -l <"$WORK/threats")
  expect "threats" "$total" "$USERS"
  expect "different users" "$(jq -c '.[2]' "$WORK/threats" | sort -u | wc -l)" "$USERS"
  expect "event counts" "$(jq -c '.[1]' "$WORK/threats" | sort | uniq -c | xargs)" "$USERS 3"
}
check "e2e: after the crashes every user has one threat, of three events" every_user_has_one_threat_of_three

ledger_adds_up() {
  get /api/ledger >"$WORK/ledger"
  expect "balanced" "$(jq .balanced "$WORK/ledger")" true
  expect "judged and accepted" "$(jq '.events.accepted - .events.judged - .events.pending' "$WORK/ledger")" 0
  jq -c . "$WORK/ledger"
}
check "e2e: after the crashes the ledger adds up" ledger_adds_up
