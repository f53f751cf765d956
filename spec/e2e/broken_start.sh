#!/usr/bin/env bash
# A start on rules that are broken: the last good ones run, if there are any; SIGHUP reads the rules again.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$WORK/rules
mkdir "$RULES"
echo 'return rule { id = "e2e.single", match = {} }' >"$RULES/single.lua"
server_begin
first=$PID
ended() { ! kill -0 "$first" 2>/dev/null; }
wait_for ended
status=0
wait "$first" || status=$?
check "e2e: a first start on broken rules ends with 2" expect "exit code" "$status" 2
check "e2e: and says which file is broken" grep -q 'single.lua' "$LOG"

cp "$TOP"/spec/e2e/rules/*.lua "$RULES"
server_start
server_stop
echo 'return rule {' >"$RULES/single.lua"
server_start --reload-quiet 1m # so that SIGHUP comes before what the watch of the folder would do
single() { curl -fsS -H 'Content-Type: application/json' "$URL/api/events" -d '{"event.action":"e2e-single","user.name":"'"$1"'"}'; }
the_last_good_rules_run() {
  get /ready | jq -e '.status == "degraded" and .components.rules == "last_good"'
  single ana | jq -e '.threats | length == 1'
  get /api/rules/status | jq -e '.state == "degraded" and (.problems | tostring | contains("single.lua"))'
}
check "e2e: a later start on broken rules runs the last good ones and says so" the_last_good_rules_run

is_well() { get /ready | jq -e '.status == "ready"'; }
sighup_reads_the_rules_again() {
  cp "$TOP/spec/e2e/rules/single.lua" "$RULES/single.lua"
  kill -HUP "$PID"
  wait_for is_well
  single bob | jq -e '.threats | length == 1'
}
check "e2e: with the rules mended, SIGHUP makes it well" sighup_reads_the_rules_again
