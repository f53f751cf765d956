#!/usr/bin/env bash
# The command line: what it prints and how it ends. 0 ok, 1 an expectation failed, 2 the rules are broken, 3 usage.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
# ends CODE COMMAND...: the command ends with that code; its output goes to $WORK/out
ends() {
  local wanted=$1 status=0
  shift
  "$@" >"$WORK/out" 2>&1 || status=$?
  [ "$status" = "$wanted" ] || cat "$WORK/out"
  expect "exit code of lunette ${2:-}" "$status" "$wanted"
}
says() { grep -q -- "$1" "$WORK/out" || { cat "$WORK/out"; return 1; }; }
with_plugins=(--plugins "$PLUGINS")

usage_is_explained() {
  ends 3 "$LUNETTE"
  says serve
  ends 3 "$LUNETTE" serv
  says serve
  ends 3 "$LUNETTE" serve --lisen 127.0.0.1:0
  says listen
  ends 0 "$LUNETTE" --help
  ends 0 "$LUNETTE" serve --help
  says --data
  ends 0 "$LUNETTE" --version
  says '[0-9]\.[0-9]'
}
check "e2e: usage errors end with 3 and say what was meant" usage_is_explained

check_finds_what_is_wrong() {
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$RULES"
  mkdir -p "$WORK/bad"
  sed 's/"e2e-single" }/{} }/' "$RULES/single.lua" >"$WORK/bad/single.lua"
  ends 2 "$LUNETTE" check "${with_plugins[@]}" "$WORK/bad"
  says 'single.lua:[0-9]'
}
check "e2e: check ends with 2 and the line of what is broken" check_finds_what_is_wrong

test_runs_the_rules_tests() {
  ends 0 "$LUNETTE" test "${with_plugins[@]}" "$RULES"
  mkdir -p "$WORK/failing"
  sed 's/threats = 1, title/threats = 2, title/' "$RULES/single.lua" >"$WORK/failing/single.lua"
  ends 1 "$LUNETTE" test "${with_plugins[@]}" "$WORK/failing"
  says 'one fires'
}
check "e2e: test runs the rules' own tests and ends with 1 where one fails" test_runs_the_rules_tests

replay_tells_what_would_be() {
  for user in ana bob cai; do
    printf '{"event":{"action":"e2e-single"},"user":{"name":"%s"}}\n' "$user"
  done >"$WORK/events.ndjson"
  ends 0 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/events.ndjson"
  says e2e.single
}
check "e2e: replay tells which threats a file of events would be" replay_tells_what_would_be

send_delivers() {
  ends 0 "$LUNETTE" send --url "$URL" "$WORK/events.ndjson"
  says '3 accepted'
  expect threats "$(get /api/threats | jq length)" 3
}
server_start
check "e2e: send delivers a file to a server" send_delivers
server_stop
