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
  ends 3 "$LUNETTE" serve --prot 1
  says '^usage: lunette serve '
  says 'lunette serve --help'
  ends 0 "$LUNETTE" --help
  ends 0 "$LUNETTE" serve --help
  says '^usage: lunette serve '
  says --data
  ends 0 "$LUNETTE" --version
  says '[0-9]\.[0-9]'
}
check "e2e: usage errors end with 3 and say what was meant" usage_is_explained

COMMANDS='check test replay explain send bench backup'
every_command_has_its_own_help() {
  local command
  for command in $COMMANDS; do
    ends 0 "$LUNETTE" "$command" --help
    says "^usage: lunette $command "
    if grep -E "\([a-z, ]*${command}[a-z, ]*\)" "$WORK/out"; then return 1; fi
    ends 0 "$LUNETTE" --help
    says "^  $command "
  done
  ends 0 "$LUNETTE" backup --help
  says --data
  if grep -e --strict -e --url "$WORK/out"; then return 1; fi
  ends 0 "$LUNETTE" check --help
  says --strict
  if grep -e --url "$WORK/out"; then return 1; fi
}
check "e2e: every command has a help of its own" every_command_has_its_own_help

what_a_command_does_not_know_is_refused() {
  local command
  for command in $COMMANDS; do
    ends 3 "$LUNETTE" "$command" --nosuch
    says nosuch
    ends 3 "$LUNETTE" "$command" "$RULES/single.lua" "$RULES/single.lua" "$RULES/single.lua"
    says "usage: lunette $command"
  done
  ends 3 "$LUNETTE" check --url http://127.0.0.1:1 "$RULES"
  says url
  ends 3 "$LUNETTE" send
  says EVENTS
  ends 3 "$LUNETTE" --version now
  ends 3 "$LUNETTE" serve now
}
check "e2e: unknown options and surplus arguments are usage errors" what_a_command_does_not_know_is_refused

what_is_not_there_is_bad_input() {
  local command
  for command in check test; do
    ends 3 "$LUNETTE" "$command" "${with_plugins[@]}" "$WORK/nosuch"
    says nosuch
    ends 3 "$LUNETTE" "$command" --rules "$WORK/nosuch" "${with_plugins[@]}"
  done
  ends 3 "$LUNETTE" check --plugins "$WORK/nosuch" "$RULES"
  ends 3 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/nosuch"
  says nosuch
  ends 3 "$LUNETTE" replay --rules "$WORK/nosuch" "${with_plugins[@]}" /dev/null
  ends 3 "$LUNETTE" send "$WORK/nosuch"
  says nosuch
}
check "e2e: a path that is not there is bad input, not a broken rule" what_is_not_there_is_bad_input

check_finds_what_is_wrong() {
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$RULES"
  mkdir -p "$WORK/bad"
  sed 's/"e2e-single" }/{} }/' "$RULES/single.lua" >"$WORK/bad/single.lua"
  ends 2 "$LUNETTE" check "${with_plugins[@]}" "$WORK/bad"
  says 'single.lua:[0-9]'
}
check "e2e: check ends with 2 and the line of what is broken" check_finds_what_is_wrong

# of a rule with this id that reads that field and asks that list
rule_with() {
  printf 'return rule { id = "%s", title = "T", version = 1, severity = "low", type = "anomaly_detection",
  match = { ["event.action"] = "x", ["%s"] = list "%s" }, dedup = { by = { "user.name" } },
  tests = { { "yes", lists = { %s = { "a" } }, events = at({ 0 }, sample { ["event.action"] = "x", ["%s"] = "a" }),
      expect = { threats = 1 } },
    { "no", events = at({ 0 }, sample { ["event.action"] = "y" }), expect = { threats = 0 } } } }\n' "$1" "$2" "$3" "$3" "$2"
}
a_single_file_finds_its_lists() {
  mkdir -p "$WORK/tree/detections/deep" "$WORK/tree/lists" "$WORK/elsewhere"
  echo a >"$WORK/tree/lists/above.txt"
  echo a >"$WORK/elsewhere/beside.csv"
  rule_with e2e.above user.name above >"$WORK/tree/detections/deep/above.lua"
  rule_with e2e.beside user.name beside >"$WORK/elsewhere/beside.lua"
  rule_with e2e.root user.name above >"$WORK/elsewhere/root.lua"
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$WORK/tree/detections/deep/above.lua"
  says '1 rule,'
  ends 0 "$LUNETTE" test "${with_plugins[@]}" "$WORK/tree/detections/deep/above.lua"
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$WORK/elsewhere/beside.lua"
  ends 0 "$LUNETTE" check --rules "$WORK/tree" "${with_plugins[@]}" "$WORK/elsewhere/root.lua"
  ends 2 "$LUNETTE" check --rules "$WORK/elsewhere" "${with_plugins[@]}" "$WORK/elsewhere/root.lua"
  says 'no such list "above"'
}
check "e2e: check of a single file knows the lists of the usual roots, above it and beside it" a_single_file_finds_its_lists

a_single_file_finds_its_modules() {
  mkdir -p "$WORK/parts/detections" "$WORK/parts/names"
  echo 'return { who = require "names.deep".who }' >"$WORK/parts/names/first.lua"
  echo 'return { who = "user.name" }' >"$WORK/parts/names.deep.lua"
  { echo 'local names = require "names.first"'; rule_with e2e.parts user.name above | sed 's/"user.name" }/names.who }/'; } \
    >"$WORK/parts/detections/parts.lua"
  ends 0 "$LUNETTE" check --rules "$WORK/tree" "${with_plugins[@]}" "$WORK/parts/detections/parts.lua"
  says '1 rule,'
  cp "$WORK/parts/detections/parts.lua" "$WORK/elsewhere/parts.lua"
  ends 0 "$LUNETTE" test --rules "$WORK/tree:$WORK/parts" "${with_plugins[@]}" "$WORK/elsewhere/parts.lua"
  says '^2 passed, 0 failed'
  ends 2 "$LUNETTE" check --rules "$WORK/tree" "${with_plugins[@]}" "$WORK/elsewhere/parts.lua"
  says 'names.first'
}
check "e2e: check of a single file knows the modules it requires, of the usual roots and above it" a_single_file_finds_its_modules

only_what_was_named_is_tested() {
  ends 0 "$LUNETTE" test "${with_plugins[@]}" "$RULES/single.lua"
  expect "tests" "$(grep -c '^ok ' "$WORK/out")" "$(grep -c '^ok .*e2e.single: ' "$WORK/out")"
  ends 0 "$LUNETTE" test "${with_plugins[@]}" "$PLUGINS/sources/ecs.lua"
  expect "tests" "$(grep -c '^ok ' "$WORK/out")" "$(grep -c '^ok .*ecs: ' "$WORK/out")"
}
check "e2e: test PATH runs the tests of what is there and no others" only_what_was_named_is_tested

plugins_are_read_once() {
  local path
  for path in "$PLUGINS" "$PLUGINS/sources"; do
    ends 0 "$LUNETTE" check --rules "$TOP/rules" "${with_plugins[@]}" "$path"
    says '^ok: 0 rules, [0-9]* sources, 0 warnings$'
    expect "lines" "$(wc -l <"$WORK/out")" 1
  done
  ends 0 "$LUNETTE" test --rules "$TOP/rules" "${with_plugins[@]}" "$PLUGINS"
  if grep -v -e '^ok ' -e ' passed, 0 failed$' "$WORK/out"; then return 1; fi
}
check "e2e: check and test of the plugins read them once" plugins_are_read_once

strict_takes_warnings_for_errors() {
  mkdir -p "$WORK/odd"
  rule_with e2e.odd user.nmae odd >"$WORK/odd/odd.lua"
  echo a >"$WORK/odd/odd.txt"
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$WORK/odd"
  says 'ok: 1 rule, .* 1 warning$'
  ends 2 "$LUNETTE" check --strict "${with_plugins[@]}" "$WORK/odd"
  says 'broken: 1 error (--strict'
  says 'odd.lua:[0-9]*: error:'
  if grep -i warning: "$WORK/out"; then return 1; fi
  ends 2 "$LUNETTE" check --strict --json "${with_plugins[@]}" "$WORK/odd"
  jq -e '.ok == false and [.problems[] | select(.level == "error")] != []' "$WORK/out"
}
check "e2e: check --strict calls a warning an error" strict_takes_warnings_for_errors

no_rules_is_said() {
  mkdir -p "$WORK/none"
  ends 0 "$LUNETTE" check "${with_plugins[@]}" "$WORK/none"
  says 'warning: there is no rule'
  says 'ok: 0 rules'
}
check "e2e: check says where there is no rule at all" no_rules_is_said

test_runs_the_rules_tests() {
  ends 0 "$LUNETTE" test "${with_plugins[@]}" "$RULES"
  mkdir -p "$WORK/failing"
  sed 's/threats = 1, title/threats = 2, title/' "$RULES/single.lua" >"$WORK/failing/single.lua"
  ends 1 "$LUNETTE" test "${with_plugins[@]}" "$WORK/failing"
  says 'one fires'
}
check "e2e: test runs the rules' own tests and ends with 1 where one fails" test_runs_the_rules_tests

a_broken_tree_is_reported_to_machines() {
  local status=0
  "$LUNETTE" test --json "${with_plugins[@]}" "$WORK/bad" >"$WORK/report.json" 2>/dev/null || status=$?
  expect "exit code" "$status" 2
  jq -e '.ok == false and .tests == [] and (.problems[0].where | startswith("bad/single.lua:"))' "$WORK/report.json"
  status=0
  "$LUNETTE" test --junit "${with_plugins[@]}" "$WORK/bad" >"$WORK/report.xml" 2>/dev/null || status=$?
  expect "exit code" "$status" 2
  python3 -c 'import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
assert int(suite.get("errors")) == len(suite.findall("testcase/error")) > 0' "$WORK/report.xml"
  ends 0 "$LUNETTE" test --json "${with_plugins[@]}" "$RULES"
  jq -e '.ok and .failed == 0 and .problems == []' "$WORK/out"
}
check "e2e: test tells machines what is broken" a_broken_tree_is_reported_to_machines

replay_tells_what_would_be() {
  for user in ana bob cai; do
    printf '{"event":{"action":"e2e-single"},"user":{"name":"%s"}}\n' "$user"
  done >"$WORK/events.ndjson"
  ends 0 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/events.ndjson"
  says e2e.single
}
check "e2e: replay tells which threats a file of events would be" replay_tells_what_would_be

explain_says_why() {
  head -n 1 "$WORK/events.ndjson" >"$WORK/event.json"
  local explain=(explain --rules "$RULES" "${with_plugins[@]}")
  ends 0 "$LUNETTE" "${explain[@]}" e2e.single "$WORK/event.json"
  says '^e2e.single matches$'
  says '^ *+ event.action  wanted "e2e-single", saw "e2e-single"$'
  echo '{"event":{"action":["one","two"]}}' >"$WORK/event.json"
  ends 0 "$LUNETTE" "${explain[@]}" e2e.single "$WORK/event.json"
  says '^e2e.single does not match$'
  says '^ *- event.action  wanted "e2e-single", saw "one", "two"$'
  ends 0 "$LUNETTE" "${explain[@]}" --json e2e.single "$WORK/event.json"
  jq -e '.match.holds == false and .match.tree.children[0].saw == ["one", "two"]' "$WORK/out"
  echo '{"user":{"name":"ana"}}' >"$WORK/event.json"
  ends 0 "$LUNETTE" "${explain[@]}" e2e.single "$WORK/event.json"
  says 'saw nothing$'
}
check "e2e: explain says why a rule matches or not, for people and for machines" explain_says_why

packed_files_are_read() {
  gzip -c "$WORK/events.ndjson" >"$WORK/events.ndjson.gz"
  ends 0 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/events.ndjson.gz"
  says '3 events, 0 rejected, 3 threats'
  head -c 40 "$WORK/events.ndjson.gz" >"$WORK/torn.gz"
  ends 3 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/torn.gz"
  says torn.gz
  ends 3 "$LUNETTE" send --url http://127.0.0.1:1 "$WORK/torn.gz"
  says torn.gz
}
check "e2e: a .gz file of events is unpacked" packed_files_are_read

one_is_not_many() {
  head -n 1 "$WORK/events.ndjson" >"$WORK/one.ndjson"
  ends 0 "$LUNETTE" replay --rules "$RULES" "${with_plugins[@]}" "$WORK/one.ndjson"
  says '1 event, 0 rejected, 1 threat;'
}
check "e2e: one of a thing is called so" one_is_not_many

# Five lines: a record, nothing, two that are none, a record
partly_bad() {
  sed -n 1p "$WORK/events.ndjson"
  printf '\n{"torn":\n[1]\n'
  sed -n 2p "$WORK/events.ndjson"
}
rejected_records_are_told() {
  partly_bad >"$WORK/partly.ndjson"
  grep -v event "$WORK/partly.ndjson" >"$WORK/bad.ndjson"
  ends 1 "$LUNETTE" "$@" "$WORK/partly.ndjson"
  says '^line 3: '
  says '^line 4: '
  expect "lines told" "$(grep -c '^line ' "$WORK/out")" 2
  says '2 rejected'
  ends 3 "$LUNETTE" "$@" "$WORK/bad.ndjson"
  says '^line 2: '
  says '2 rejected'
  printf '{\n%.0s' {1..30} | cat "$WORK/one.ndjson" - >"$WORK/many.ndjson"
  ends 1 "$LUNETTE" "$@" "$WORK/many.ndjson"
  expect "lines told" "$(grep -c '^line ' "$WORK/out")" 10
}
replay_tells_what_it_rejects() { rejected_records_are_told replay --rules "$RULES" "${with_plugins[@]}"; }
check "e2e: replay says which lines it rejects and why, and ends with 1, or 3 where all were" replay_tells_what_it_rejects

threats_are_not_older_than_their_events() {
  "$LUNETTE" replay --json --rules "$RULES" "${with_plugins[@]}" "$WORK/one.ndjson" >"$WORK/one.json"
  jq -e '.created_at >= .first_seen' "$WORK/one.json"
}
check "e2e: replay creates no threat before its first event" threats_are_not_older_than_their_events

send_delivers() {
  ends 0 "$LUNETTE" send --url "$URL" "$WORK/events.ndjson"
  says '3 accepted'
  expect threats "$(get /api/threats | jq length)" 3
}
server_start
check "e2e: send delivers a file to a server" send_delivers

send_tells_what_is_rejected() { rejected_records_are_told send --url "$URL"; }
check "e2e: send says which lines were rejected and why, and ends with 1, or 3 where all were" send_tells_what_is_rejected

backup_replaces_only_by_force() {
  ends 0 "$LUNETTE" backup --data "$DATA" "$WORK/copy.db"
  echo mine >"$WORK/mine.db"
  ends 3 "$LUNETTE" backup --data "$DATA" "$WORK/mine.db"
  says 'mine.db is there already; --force'
  expect "the file" "$(cat "$WORK/mine.db")" mine
  ends 0 "$LUNETTE" backup --force --data "$DATA" "$WORK/mine.db"
  cmp "$WORK/copy.db" "$WORK/mine.db"
}
check "e2e: backup replaces a file only with --force" backup_replaces_only_by_force

send_unpacks() {
  sed s/ana/dan/ "$WORK/events.ndjson" | gzip >"$WORK/more.ndjson.gz"
  ends 0 "$LUNETTE" send --url "$URL" "$WORK/more.ndjson.gz"
  says '3 sent, 3 accepted, 0 rejected, 1 threat$'
}
check "e2e: send unpacks a .gz file" send_unpacks
server_stop

RULES=$WORK/none DATA=$WORK/data-none
serve_says_where_no_rule_is() {
  warned() { get /api/rules/status | jq -e '.state == "ok" and .rules == 0 and (.problems | length) == 1
    and .problems[0].level == "warning" and (.problems[0].message | contains("no rule"))'; }
  warned
  log_of rules.problem | jq -e -s 'length == 1 and .[0].level == "warn" and (.[0].message | contains("no rule"))'
  expect reload "$(status_of POST /api/rules/reload)" 200
  warned
}
server_start
check "e2e: a server without a rule warns at the start and at each reload" serve_says_where_no_rule_is
server_stop
