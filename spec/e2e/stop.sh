#!/usr/bin/env bash
# SIGTERM: what was acknowledged stays, the exit code is 0, and a second start goes on.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
server_start
echo "$PORT" >"$WORK/port"
python3 "$TOP/spec/e2e/load.py" "$URL" --batches 400 --size 10 --users 4000 --acked "$WORK/acked" \
  --port-file "$WORK/port" --patience $((PATIENCE * 3)) >"$WORK/load.json" 2>&1 &
LOAD=$!
STARTED+=("$LOAD")
under_load() { [ "$(wc -l <"$WORK/acked")" -ge 40 ]; }
wait_for under_load

# in this shell, whose child the server is
server_kill TERM
check "e2e: SIGTERM under load ends with exit code 0" expect "exit code" "$EXIT_CODE" 0
check "e2e: the log says that it drained and stopped" grep -q '"event":"stop.stopping"' "$LOG"

server_start
echo "$PORT" >"$WORK/port"
status=0
wait "$LOAD" || status=$?
check "e2e: a client that tries again loses nothing" expect "exit code" "$status" 0

nothing_is_lost_or_doubled() {
  expect threats "$(curl -fsS -o /dev/null -D - "$URL/api/threats?limit=1" | tr -d '\r' |
    sed -nE 's/^[Xx]-[Tt]otal-[Cc]ount: //p')" 4000
  expect balanced "$(get /api/ledger | jq .balanced)" true
}
check "e2e: after the restart nothing is lost and nothing is twice" nothing_is_lost_or_doubled

server_kill INT
check "e2e: an idle server ends on SIGINT with 0" expect "exit code" "$EXIT_CODE" 0

# One data folder, one process.
server_start
first=$PID
server_begin
second=$PID
ended() { ! kill -0 "$second" 2>/dev/null; }
wait_for ended
status=0
wait "$second" || status=$?
PID=$first
check "e2e: a second process on the same data folder ends with an error" test "$status" -ne 0
check "e2e: and the first goes on" curl -fsS "$URL/health"
