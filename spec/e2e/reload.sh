#!/usr/bin/env bash
# slow
# The swap that a kubelet does to a mounted ConfigMap, under load: a good tree goes live, a broken one does not, and
# every event is counted exactly once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$WORK/rules
SWAPS=4
BATCHES=600 SIZE=10
mkdir -p "$RULES"

# swap NAME: makes the folder ..NAME live as the kubelet does: the new folder complete, then one rename of ..data
swap() {
  local old
  old=$(readlink "$RULES/..data" || true)
  ln -s "..$1" "$RULES/..data_tmp"
  mv -T "$RULES/..data_tmp" "$RULES/..data"
  [ -z "$old" ] || rm -rf "${RULES:?}/$old"
}

# tree NAME TITLE: a folder with the two rules, of which one says TITLE
tree() {
  mkdir "$RULES/..$1"
  cp "$TOP/spec/e2e/rules/grouped.lua" "$RULES/..$1/"
  sed "s/Seen: /$2: /g" "$TOP/spec/e2e/rules/single.lua" >"$RULES/..$1/single.lua"
}

tree 0 Zero
swap 0
ln -s ..data/single.lua "$RULES/single.lua"
ln -s ..data/grouped.lua "$RULES/grouped.lua"
server_start

rules_hash() { get /api/rules/status | jq -r .hash; }
hash_is_not() { [ "$(rules_hash)" != "$1" ]; }
status_has_error() { get /api/rules/status | jq -e '.state == "failed"'; }

python3 "$TOP/spec/e2e/load.py" "$URL" --batches "$BATCHES" --size "$SIZE" --users $((BATCHES * SIZE)) \
  --patience $((PATIENCE * 6)) >"$WORK/load.json" 2>"$WORK/load.err" &
LOAD=$!
STARTED+=("$LOAD")

good_trees_go_live() {
  local n before
  for ((n = 1; n <= SWAPS; n++)); do
    before=$(rules_hash)
    tree "$n" "Title $n"
    swap "$n"
    wait_for hash_is_not "$before"
  done
}
check "e2e: a ConfigMap's swap makes a good tree live" good_trees_go_live

a_broken_tree_stays_out() {
  local before
  before=$(rules_hash)
  tree broken Broken
  echo 'return rule { id = "e2e.single", match = {} }' >"$RULES/..broken/single.lua"
  swap broken
  wait_for status_has_error
  expect "the hash of what runs" "$(rules_hash)" "$before"
  get /api/rules/status | jq -e '.problems | tostring | contains("single.lua")'
}
check "e2e: a broken tree stays out, and the status says where it is broken" a_broken_tree_stays_out

a_tree_whose_tests_fail_stays_out() {
  local before
  before=$(rules_hash)
  tree failing Failing
  sed -i 's/threats = 1, title/threats = 2, title/' "$RULES/..failing/single.lua"
  swap failing
  wait_for test_is_named
  expect "the hash of what runs" "$(rules_hash)" "$before"
}
test_is_named() { get /api/rules/status | jq -e '.problems | tostring | contains("one fires")'; }
check "e2e: a tree whose tests fail stays out" a_tree_whose_tests_fail_stays_out

it_recovers() {
  local before
  before=$(rules_hash)
  tree last Last
  swap last
  wait_for hash_is_not "$before"
  wait_for no_errors
}
no_errors() { get /api/rules/status | jq -e '.state == "ok" and (.problems | length) == 0'; }
check "e2e: the next good tree goes live" it_recovers

status=0
wait "$LOAD" || status=$?
check "e2e: no request failed meanwhile" expect "refused" "$status $(jq -c .refused "$WORK/load.json")" "0 {}"

every_event_is_counted_once() {
  get /api/ledger >"$WORK/ledger"
  expect accepted "$(jq .events.accepted "$WORK/ledger")" $((BATCHES * SIZE))
  expect "accepted and not judged" "$(jq '.events.accepted - .events.judged' "$WORK/ledger")" 0
  expect "pairs of the rule" \
    "$(jq -c '.rules[] | select(.id == "e2e.single") | [.matched, .raised, .folded]' "$WORK/ledger")" \
    "[$((BATCHES * SIZE)),$((BATCHES * SIZE)),0]"
  expect balanced "$(jq .balanced "$WORK/ledger")" true
  expect threats "$(curl -fsS -o /dev/null -D - "$URL/api/threats?limit=1" | tr -d '\r' |
    sed -nE 's/^[Xx]-[Tt]otal-[Cc]ount: //p')" $((BATCHES * SIZE))
}
check "e2e: every event is counted exactly once" every_event_is_counted_once
