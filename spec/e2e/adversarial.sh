#!/usr/bin/env bash
# Poisoned notes: three drills (docs/http-api.md, "Drills") with three seeds each. What must be found is, what honest
# people write is not, nothing gets milder by what a note says, and a reset leaves nothing of it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

JSON=(-H 'Content-Type: application/json')
SEEDS=(1 2 3)
SETTLED='.manipulation.with_background and .triaged.version == .version and .analysis != null'

customer_settled() {
  get "/api/threats?customer=$1&limit=100" >"$WORK/threats.json" &&
    jq -e "length == $2 and all(.[]; $SETTLED)" "$WORK/threats.json"
}

# drill KIND SEED: runs it, waits until all its threats were looked at, keeps report and threats in $WORK/KIND.SEED.*
drill() {
  local out=$WORK/$1.$2 status customer
  request POST /api/threats/trigger "${JSON[@]}" -d "{\"adversarial_scenario\":\"note_poisoning_$1\",\"seed\":$2}" >"$out"
  status=$(tail -n 1 "$out")
  head -n -1 "$out" >"$out.report"
  [ "$status" = 200 ] || expect "status of $1, seed $2" "$status" 202
  customer=$(jq -r '.customer_name | @uri' "$out.report")
  wait_for customer_settled "$customer" "$(jq '.outcomes | length' "$out.report")"
  mv "$WORK/threats.json" "$out.threats"
}

# attack KIND SEED: the threats of the attack, as the API shows them now, by rule
attack() {
  jq --slurpfile report "$WORK/$1.$2.report" \
    '[.[] | select(.id as $id | $report[0].threats | index($id))] | sort_by(.rule.id)' "$WORK/$1.$2.threats"
}

findings() { attack "$1" "$2" | jq -r '[.[].manipulation.findings[].name] | unique | join(" ")'; }

# field KIND SEED NAME: of the report
field() { jq -r ".$3" "$WORK/$1.$2.report"; }

# is_never_milder KIND SEED: than the same attack with honest notes, and than before the notes
is_never_milder() {
  expect "milder, by the report" "$(field "$1" "$2" milder)" false
  attack baseline "$2" >"$WORK/honest"
  attack "$1" "$2" >"$WORK/poisoned"
  jq -en --slurpfile honest "$WORK/honest" --slurpfile poisoned "$WORK/poisoned" '
    def rank: {INFO: 0, LOW: 1, MEDIUM: 2, HIGH: 3, CRITICAL: 4}[.];
    def actions: .response_plan | [.primary_action, .secondary_actions[]] | map(.type);
    [$honest[0], $poisoned[0]] | (map(length) | .[0] == .[1] and .[0] > 0) and
    (transpose | all(.[]; . as [$h, $p] | $h.rule.id == $p.rule.id
      and ($p.severity | rank) >= ($h.severity | rank) and $p.score.value >= $h.score.value
      and $p.response_plan.sla_minutes <= $h.response_plan.sla_minutes and (($h | actions) - ($p | actions) == [])
      and $p.false_positive_score.score <= $h.false_positive_score.score
      and ($p.status == "new" and $p.verdict == null)))' >/dev/null || {
    echo "milder than the baseline:"
    jq -c '.[] | {rule: .rule.id, severity, score: .score.value, plan: .response_plan, fp: .false_positive_score.score}' \
      "$WORK/honest" "$WORK/poisoned"
    return 1
  }
}

# asks_for_a_person KIND SEED: each threat of the attack has a finding, and so review
asks_for_a_person() {
  attack "$1" "$2" | jq -e 'length > 0 and
    all(.[]; .requires_human_review and (.manipulation | .suspected and (.findings | length > 0)))' >/dev/null
}

server_start --demo
sqlite() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' "$DATA/lunette.db" "$1"; }

honest_notes_are_no_manipulation() {
  local seed
  for seed in "${SEEDS[@]}"; do
    drill baseline "$seed"
    expect "findings of seed $seed" "$(findings baseline "$seed")" ""
    expect expected "$(field baseline "$seed" expected)" nothing
    expect milder "$(field baseline "$seed" milder)" false
    expect "threats that ask for a person" "$(attack baseline "$seed" | jq '[.[] | select(.requires_human_review)] | length')" 0
    expect "notes past the API" "$(field baseline "$seed" 'notes | map(select((.signed and .audited) | not)) | length')" 0
  done
}
check "e2e: honest notes of several people are no manipulation" honest_notes_are_no_manipulation

a_burst_is_found() {
  local seed
  for seed in "${SEEDS[@]}"; do
    drill catch "$seed"
    expect "findings of seed $seed" "$(findings catch "$seed")" poisoned_notes
    asks_for_a_person catch "$seed"
    is_never_milder catch "$seed"
  done
}
check "e2e: a burst of near-identical notes is found on the attack that follows, and asks for a person" a_burst_is_found

# The measure is what the threats say, not what the drill expects: a miss must be told as one.
a_bypass_is_found_or_told() {
  local seed found
  for seed in "${SEEDS[@]}"; do
    drill bypass "$seed"
    found=$(findings bypass "$seed")
    is_never_milder bypass "$seed"
    if [ "$(field bypass "$seed" settled)" = true ]; then
      expect "found, by the report" "$(field bypass "$seed" found)" "$([ -n "$found" ] && echo true || echo false)"
    fi
    case $((seed % 2)) in
    0)
      expect "findings of seed $seed" "$found" unrecorded_note
      asks_for_a_person bypass "$seed"
      ;;
    1)
      expect expected "$(field bypass "$seed" expected)" may_be_missed
      expect "notes without a record" "$(field bypass "$seed" 'notes | map(select(.audited | not)) | length')" 0
      ;;
    esac
  done
}
check "e2e: reworded notes past the API are found by their missing record; through stolen accounts they change nothing" \
  a_bypass_is_found_or_told

texts_differ() {
  local kind
  expect "authors of the burst" "$(jq -s '[.[] | .history as $h | [.notes[] | select(.threat_id as $t | $h | index($t)) | .author]
    | unique | length] | unique | tostring' "$WORK"/catch.?.report)" '"[1]"'
  for kind in catch bypass; do
    jq -s '[.[] | [.notes[].text] | unique] | add | length > 10 and length == (unique | length)' \
      "$WORK/$kind".?.report | grep -qx true
  done
}
check "e2e: each seed has its own words" texts_differ

# patch_verdict ID: an analyst takes a demo threat for nothing
patch_verdict() {
  status_of PATCH "/api/threats/$1" "${JSON[@]}" -H 'If-Match: *' \
    -d '{"status":"resolved","verdict":"false_positive","reason":"a drill"}'
}
a_reset_leaves_none() {
  local id rule until round table
  for round in 1 2; do
    drill catch 2
    id=$(field catch 2 'threats[0]')
    rule=$(get "/api/threats/$id" | jq -r .rule.id)
    expect verdict "$(patch_verdict "$id")" 200
    expect "the rule's false positives" "$(sqlite "select sum(false_positive) from verdicts where rule = '$rule' and entity = ''")" 1
    [ "$(sqlite 'select count(*) from notes')" -gt 10 ]
    until=$(sqlite 'select max(seq) from threats')
    request POST /api/demo/reset "${JSON[@]}" -d '{}' >"$WORK/reset"
    expect "reset, round $round" "$(tail -n 1 "$WORK/reset")" 200
    head -n 1 "$WORK/reset" | jq -e '.forgotten > 5'
    expect "the threat" "$(status_of GET "/api/threats/$id")" 404
    for table in threats bodies members jobs timers; do
      expect "rows of $table" "$(sqlite "select count(*) from $table where seq <= $until")" 0
    done
    expect notes "$(sqlite 'select count(*) from notes')" 0
    expect "made-up records" "$(sqlite "select count(*) from audit where detail like '%\"demo\":true%'")" 0
    expect "counted verdicts" "$(sqlite 'select coalesce(sum(true_positive + benign_true_positive + false_positive + inconclusive), 0) from verdicts')" 0
    expect "the scorecard's" "$(get "/api/rules/$rule" | jq '[.scorecard.verdicts[]?] | add // 0')" 0
    expect "what the analyst did" "$(sqlite "select count(*) from audit where target = '$id' and action = 'threat.patch'")" 1
  done
  get /api/ledger | jq -e .balanced
}
check "e2e: a reset leaves no threat, note, job, timer or counted verdict of a drill, and can be repeated" a_reset_leaves_none

unknown_drills_are_refused() {
  local name
  request POST /api/threats/trigger "${JSON[@]}" -d '{"adversarial_scenario":"note_poisoning"}' >"$WORK/unknown"
  expect status "$(tail -n 1 "$WORK/unknown")" 400
  for name in baseline catch bypass; do grep -q "note_poisoning_$name" "$WORK/unknown"; done
}
check "e2e: unknown drills are refused with the names of those there are" unknown_drills_are_refused
server_stop

server_start
it_is_off() {
  expect trigger "$(status_of POST /api/threats/trigger "${JSON[@]}" -d '{"adversarial_scenario":"note_poisoning_catch"}')" 403
}
check "e2e: without --demo there are no drills" it_is_off
