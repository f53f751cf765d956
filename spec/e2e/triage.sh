#!/usr/bin/env bash
# People and the plan: verdicts that count, actions approved and rejected, lists changed through the API, and what all
# of them do with ids, versions and bodies that are not right.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$WORK/rules PLUGINS=$TOP/plugins:$WORK/plugins
mkdir -p "$RULES/lists" "$WORK/plugins"
cp "$TOP"/spec/e2e/rules/single.lua "$RULES"
echo ana >"$RULES/lists/friends.txt"
echo 192.0.2.0/24 >"$RULES/lists/nets.txt"
cat >"$RULES/listed.lua" <<'END'
local seen = function(user) return sample { ["event.action"] = "e2e-listed", ["user.name"] = user, ["trace.id"] = "1" } end
return rule {
  id = "e2e.listed", title = "Not a friend", version = 1, severity = "low", type = "anomaly_detection",
  match = { ["event.action"] = "e2e-listed", none { ["user.name"] = list "friends" },
            none { ["source.ip|cidr"] = list "nets" } },
  dedup = { by = { "user.name", "trace.id" }, window = "1s" }, context = { "user.name" },
  tests = {
    { "a stranger fires", lists = { friends = { "bob" } }, events = at({ 0 }, seen "eve"), expect = { threats = 1 } },
    { "a friend does not", lists = { friends = { "bob" } }, events = at({ 0 }, seen "bob"), expect = { threats = 0 } },
  },
}
END
cat >"$RULES/false_positive.lua" <<'END'
local function decide(_, context)
  local times = (context.verdicts and context.verdicts.rule and context.verdicts.rule.false_positive) or 0
  local weight, indicators = math.min(times, 4) * 0.125, {}
  if times > 0 then indicators[1] = { name = "verdicts", weight = weight, reason = "judged so before" } end
  return { base = 0.5, score = 0.5 + weight, confidence = 0.5, indicators = indicators,
           recommendation = "needs_review", explanation = "by the verdicts alone" }
end
return policy {
  name = "false_positive", decide = decide,
  tests = { { "one verdict counts", threat = {}, context = { verdicts = { rule = { false_positive = 1 } } },
              expect = { score = 0.625 } } },
}
END
cat >"$RULES/response.lua" <<'END'
local function decide(threat)
  local actions = {}
  for _, entity in ipairs(threat.entities or {}) do
    actions[#actions + 1] = { type = "e2e_block", target = entity, parameters = { minutes = 30 }, reason = "seen" }
  end
  return { urgency = "high", sla_minutes = 30, escalation_path = { "soc" }, actions = actions }
end
return policy {
  name = "response", decide = decide,
  tests = { { "every entity is a target", threat = { entities = { "user.name:ana" } },
              expect = { actions = { { target = "user.name:ana" } } } } },
}
END
cat >"$WORK/plugins/e2e_block.lua" <<'END'
return action {
  id = "e2e_block", title = "Block it", target = { "source.ip", "user.name" },
  dry_run = function(action) return { summary = "would block " .. action.target } end,
  tests = { { "it names the target", action = { target = "x" }, threat = {}, expect = { summary = "would block x" } } },
}
END
server_start
JSON=(-H 'Content-Type: application/json')
ANY=(-H 'If-Match: *')
# raise ACTION USER: posts an event, prints the threat's id, if there is one
raise() {
  curl -sS -m "$PATIENCE" "${JSON[@]}" "$URL/api/events" \
    -d '{"event.action":"'"$1"'","user.name":"'"$2"'","source.ip":"198.51.100.9","trace.id":"'"$(date +%s%N)"'"}' | jq -r '.threats[0] // empty'
}
etag_of() { curl -fsS -m "$PATIENCE" -D - -o "$WORK/body" "$URL$1" | tr -d '\r' | sed -nE 's/^[Ee][Tt]ag: //p'; }
# settled ID: raised and analysed, so that nothing but people changes its version from here on
is_analysed() { get "/api/threats/$1" | jq -e '.analysis.status == "complete"'; }
settled() {
  local id
  id=$(raise "$1" "$2")
  wait_for is_analysed "$id"
  echo "$id"
}
patch() { # patch ID BODY: the status
  status_of PATCH "/api/threats/$1" "${JSON[@]}" "${ANY[@]}" -d "$2"
}

# ---- verdicts ----

COUNT=0
the_next_threat_scores() {
  local id
  COUNT=$((COUNT + 1))
  id=$(raise e2e-single "scored$COUNT.$BASHPID.$1")
  get "/api/threats/$id" | jq -e --argjson score "$1" '.false_positive_score.score == $score'
}
card() { get /api/rules/e2e.single | jq -c '.scorecard | [.verdicts.true_positive, .verdicts.false_positive, .precision]'; }
verdicts_count() {
  local id
  id=$(settled e2e-single bob)
  get "/api/threats/$id" | jq -e '.false_positive_score.score == 0.5'
  expect "without a reason" "$(patch "$id" '{"verdict":"false_positive"}')" 422
  expect "a verdict" "$(patch "$id" '{"verdict":"false_positive","reason":"a test"}')" 200
  expect "the card" "$(card)" '[0,1,0]'
  wait_for the_next_threat_scores 0.625
  expect "the same again" "$(patch "$id" '{"verdict":"false_positive","reason":"still"}')" 200
  expect "the card, unchanged" "$(card)" '[0,1,0]'
  expect "another" "$(patch "$id" '{"verdict":"true_positive","reason":"it was real"}')" 200
  expect "the card, moved" "$(card)" '[1,0,1]'
  wait_for the_next_threat_scores 0.5
  get /api/rules | jq -e 'any(.id == "e2e.single" and .scorecard.median_minutes_to_verdict >= 0)'
  expect "of a rule without" "$(get /api/rules/e2e.listed | jq .scorecard)" null
}
check "e2e: a verdict moves the score of the next threat and the rule's scorecard, once" verdicts_count

# ---- what belongs to a threat ----

parts_have_paths() {
  local id
  id=$(settled e2e-single parts)
  expect note "$(status_of POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"called them"}')" 201
  get "/api/threats/$id/notes" | jq -e 'length == 1 and .[0].audited == true and .[0].signed and .[0].text == "called them"'
  get "/api/threats/$id/evidence" | jq -e '.[0].id == "E1" and .[0].context["user.name"] == "parts"'
  get "/api/threats/$id/timeline" | jq -e '[.events[].kind] | index("note") and index("created")'
  get "/api/threats/$id/similar?limit=2" | jq -e 'length == 2 and all(.rule_id == "e2e.single" and .similarity > 0.4)'
  get "/api/threats/$id" | jq -e '.version >= 3'
}
check "e2e: evidence, timeline, notes and similar threats have paths of their own" parts_have_paths

is_newer() { get "/api/threats/$1" | jq -e '.version > '"$2"; }
analyze_runs_again() {
  local id before
  id=$(settled e2e-single again)
  before=$(get "/api/threats/$id" | jq .version)
  request POST "/api/threats/$id/analyze" | head -n -1 | jq -e '.status == "queued" and .model == false'
  wait_for is_newer "$id" "$before"
  get /api/audit | jq -e --arg id "$id" 'any(.action == "threat.analyze" and .target == $id)'
  expect "fields" "$(status_of POST "/api/threats/$id/analyze" "${JSON[@]}" -d '{"fast":true}')" 422
}
check "e2e: analyze has the agents look again" analyze_runs_again

# ---- actions ----

action() { # action ID N: the id of the plan's Nth action
  get "/api/threats/$1" | jq -r '[.response_plan.primary_action] + .response_plan.secondary_actions | .['"$2"'].id'
}
it_says_what_it_would_do() {
  get "/api/threats/$1" | jq -e '.response_plan.primary_action.dry_run.summary | startswith("would block ")'
}
actions_are_approved() {
  local id path tag
  id=$(settled e2e-single carl)
  path=/api/threats/$id/actions/$(action "$id" 0)/approve
  tag=$(etag_of "/api/threats/$id")
  expect "without If-Match" "$(status_of POST "$path")" 428
  expect "somebody changes the threat" "$(patch "$id" '{"assignee":"ann"}')" 200
  expect "a stale If-Match" "$(status_of POST "$path" -H "If-Match: $tag")" 412
  expect "no ETag at all" "$(status_of POST "$path" -H 'If-Match: "x"')" 412
  get "/api/threats/$id" | jq -e '.response_plan.primary_action.status == "planned"'
  tag=$(etag_of "/api/threats/$id")
  request POST "$path" -H "If-Match: $tag" "${JSON[@]}" -d '{"reason":"enough is enough"}' | head -n -1 >"$WORK/action"
  jq -e '.status == "approved" and .type == "e2e_block" and .parameters.minutes == 30 and .decided_by == "local"
    and .decision_reason == "enough is enough"' "$WORK/action"
  wait_for it_says_what_it_would_do "$id"
  expect "a second decision" "$(status_of POST "$path" "${ANY[@]}")" 409
  expect "the other way" "$(status_of POST "${path%approve}reject")" 409
  get /api/audit | jq -e --arg id "$id" --arg target "$(jq -r .target "$WORK/action")" \
    'any(.action == "action.approve" and .target == $id and .detail.type == "e2e_block" and .detail.target == $target)'
}
check "e2e: an action is approved once, by who saw the threat as it is, and run dry" actions_are_approved

# dated ID TAG: what was read before the version went on is refused, changes nothing, and goes through once read again
dated() {
  local tag
  expect "of an older version" "$(status_of PATCH "/api/threats/$1" "${JSON[@]}" -H "If-Match: $2" -d '{"assignee":"ben"}')" 412
  get "/api/threats/$1" | jq -e '.assignee == null'
  tag=$(etag_of "/api/threats/$1")
  expect "read again" "$(status_of PATCH "/api/threats/$1" "${JSON[@]}" -H "If-Match: $tag" -d '{"assignee":"ben"}')" 200
  get "/api/threats/$1" | jq -e '.assignee == "ben"'
}
what_ends_meanwhile_is_a_change() {
  local id before
  id=$(settled e2e-single gina)
  before=$(get "/api/threats/$id" | jq .version)
  expect "approved" "$(status_of POST "/api/threats/$id/actions/$(action "$id" 0)/approve" "${ANY[@]}")" 200
  wait_for it_says_what_it_would_do "$id"
  expect "approval and dry run" "$(get "/api/threats/$id" | jq .version)" $((before + 2))
  dated "$id" "\"$((before + 1))\"" # as it was approved
  id=$(settled e2e-single hugo)
  before=$(get "/api/threats/$id" | jq .version)
  expect analyze "$(status_of POST "/api/threats/$id/analyze")" 202
  wait_for is_newer "$id" "$before"
  dated "$id" "\"$before\""
}
check "e2e: a dry run or an analysis that ends after a read makes it an old version, and reading again helps" \
  what_ends_meanwhile_is_a_change

is_planned_anew() {
  get "/api/threats/$1" | jq -e '.response_plan.secondary_actions | any(.parameters.minutes == 99)'
}
what_was_approved_stays() {
  local id action
  id=$(settled e2e-single dora)
  action=$(action "$id" 0)
  expect "approved" "$(status_of POST "/api/threats/$id/actions/$action/approve" "${ANY[@]}")" 200
  wait_for it_says_what_it_would_do "$id"
  cp "$RULES/response.lua" "$WORK/response.lua"
  sed -i 's/minutes = 30/minutes = 99/' "$RULES/response.lua"
  expect reload "$(status_of POST /api/rules/reload)" 200
  expect note "$(status_of POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"look again"}')" 201
  wait_for is_planned_anew "$id"
  get "/api/threats/$id" | jq -e --arg id "$action" '[.response_plan.primary_action] + .response_plan.secondary_actions
    | any(.id == $id and .status == "approved" and .parameters.minutes == 30)'
  mv "$WORK/response.lua" "$RULES/response.lua"
  expect "reload back" "$(status_of POST /api/rules/reload)" 200
}
check "e2e: what was approved stays as it was, whatever the plan becomes" what_was_approved_stays

what_nobody_read_is_not_approved() {
  local id old new path verb
  id=$(settled e2e-single lena)
  old=$(action "$id" 0) path=/api/threats/$id/actions
  cp "$RULES/response.lua" "$WORK/response.lua"
  sed -i 's/minutes = 30/minutes = 99/' "$RULES/response.lua"
  expect reload "$(status_of POST /api/rules/reload)" 200
  status_of POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"look again"}' >/dev/null
  wait_for is_planned_anew "$id"
  new=$(action "$id" 0)
  [ "$old" != "$new" ]
  for verb in approve reject; do
    expect "$verb what it was" "$(status_of POST "$path/$old/$verb" "${ANY[@]}")" 404
  done
  get "/api/threats/$id" | jq -e '[.response_plan.primary_action] + .response_plan.secondary_actions | all(.status == "planned")'
  request POST "$path/$new/approve" "${ANY[@]}" | head -n -1 | jq -e '.status == "approved" and .parameters.minutes == 99'
  mv "$WORK/response.lua" "$RULES/response.lua"
  expect "reload back" "$(status_of POST /api/rules/reload)" 200
}
check "e2e: an action whose parameters changed is another: the old id decides nothing" what_nobody_read_is_not_approved

actions_are_rejected() {
  local id path
  id=$(settled e2e-single emil)
  path=/api/threats/$id/actions/$(action "$id" 1)/reject
  expect "a stale If-Match" "$(status_of POST "$path" -H 'If-Match: "99"')" 412
  expect "rejected" "$(status_of POST "$path" "${JSON[@]}" -d '{"reason":"too much"}')" 200
  expect "again" "$(status_of POST "$path")" 409
  get "/api/threats/$id" | jq -e '.response_plan.secondary_actions[0] | .status == "rejected" and (has("dry_run") | not)'
  get /api/audit | jq -e --arg id "$id" 'any(.action == "action.reject" and .target == $id and .detail.reason == "too much")'
}
check "e2e: an action is rejected, and nothing runs" actions_are_rejected

unknown() { status_of "$@" | sed 's/400/404/'; } # what no path can hold ends before it is looked for
hostile_decisions_change_nothing() {
  local id path wrong
  decided() { get "/api/threats/$id" | jq -c '[.version, .status, .verdict, .notes, .response_plan]'; }
  id=$(settled e2e-single fred)
  path=/api/threats/$id/actions/$(action "$id" 0)/approve
  decided >"$WORK/before"
  for wrong in nosuch "$(printf 'a%.0s' {1..300})" '%00' "%22%7D" '..%2F..' "'%20OR%201=1"; do
    expect "action $wrong" "$(unknown POST "/api/threats/$id/actions/$wrong/approve" "${ANY[@]}")" 404
  done
  for wrong in x 00000000-0000-7000-8000-000000000000 "%00${id#?}" "${id}x" '%2e%2e'; do
    expect "threat $wrong" "$(unknown POST "/api/threats/$wrong/actions/x/approve" "${ANY[@]}")" 404
    expect "analyze $wrong" "$(unknown POST "/api/threats/$wrong/analyze")" 404
    expect "evidence of $wrong" "$(unknown GET "/api/threats/$wrong/evidence")" 404
    expect "similar to $wrong" "$(unknown GET "/api/threats/$wrong/similar")" 404
    expect "notes of $wrong" "$(unknown GET "/api/threats/$wrong/notes")" 404
  done
  for wrong in '{"reason":7}' '{"reason":"x","type":"other"}' '{"parameters":{}}' \
    '{"reason":"'"$(printf 'x%.0s' {1..2049})"'"}'; do
    expect "${wrong:0:40}" "$(status_of POST "$path" "${ANY[@]}" "${JSON[@]}" -d "$wrong")" 422
  done
  for wrong in '[]' '7' '{' '{"reason":"a","reason":"b"}' '{"reason":"\u0000"}' "$(printf '[%.0s' {1..100})"; do
    expect "$wrong" "$(status_of POST "$path" "${ANY[@]}" "${JSON[@]}" -d "$wrong" | sed 's/413/400/')" 400
  done
  expect "text" "$(status_of POST "$path" "${ANY[@]}" -H 'Content-Type: text/plain' -d '{}')" 415
  decided | diff "$WORK/before" -
}
check "e2e: ids, bodies and versions that are not right decide nothing" hostile_decisions_change_nothing

# ---- time ----

sqlite() { # sqlite QUERY: its first value, empty where there is none
  python3 -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as db: print(*(db.execute(sys.argv[2]).fetchone() or [])[:1])' "$DATA/lunette.db" "$1"
}
timer_of() { sqlite "select timers.at from timers join threats using (seq) where threats.id = '$1'"; }
has_no_timer() { [ -z "$(timer_of "$1")" ]; }
REOPENED=$(settled e2e-single ivan) JUDGED=$(settled e2e-single jana) TIMER=$(timer_of "$REOPENED")
for id in "$REOPENED" "$JUDGED"; do patch "$id" '{"status":"resolved"}' >"$WORK/patched"; done
server_stop
sqlite "update timers set at = 1 where seq in (select seq from threats where id in ('$REOPENED', '$JUDGED'))" >"$WORK/updated"
server_start
a_reopened_threat_escalates() {
  for id in "$REOPENED" "$JUDGED"; do
    wait_for has_no_timer "$id"
    get "/api/threats/$id" | jq -e '.status == "resolved"'
  done
  expect reopen "$(patch "$REOPENED" '{"status":"in_progress","reopen":true}')" 200
  expect "its timer, as it was" "$(timer_of "$REOPENED")" "$TIMER"
  expect "reopen and judge" "$(patch "$JUDGED" '{"status":"in_progress","reopen":true,"verdict":"true_positive","reason":"r"}')" 200
  expect "the timer of a judged one" "$(timer_of "$JUDGED")" ''
}
check "e2e: a threat whose time came while it was resolved escalates once it is reopened" a_reopened_threat_escalates

# ---- lists ----

put_list() { # put_list NAME VERSION BODY: the answer and the status
  request PUT "/api/lists/$1" "${JSON[@]}" -H "If-Match: $2" -d "$3"
}
listed() { raise e2e-listed "$1" | grep -c . || true; }
lists_change_what_rules_do() {
  expect "a stranger" "$(listed eve)" 1
  expect "a friend of the file" "$(listed ana)" 0
  get /api/lists | jq -e 'any(.name == "friends" and .entries == 1 and .overlay == null and (.file | endswith("friends.txt")))'
  expect "the first version" "$(etag_of /api/lists/friends)" '"0"'
  expect "without If-Match" "$(status_of PUT /api/lists/friends "${JSON[@]}" -d '{"added":["eve"]}')" 428
  put_list friends '"0"' '{"added":["Eve",{"value":"bo","attributes":{"team":"red"}}],"removed":["ana"]}' >"$WORK/put"
  expect "status" "$(tail -n 1 "$WORK/put")" 200
  head -n -1 "$WORK/put" | jq -e '.version == 1 and .generation > 1'
  expect "generation in service" "$(get /api/rules/status | jq .generation)" "$(head -n -1 "$WORK/put" | jq .generation)"
  expect "now a friend" "$(listed eve)" 0
  expect "no friend any more" "$(listed ana)" 1
  expect "the version" "$(etag_of /api/lists/friends)" '"1"'
  jq -e '.total == 2 and .overlay.author == "local" and .overlay.removed == ["ana"]
    and any(.entries[]; .value == "bo" and .attributes.team == "red" and .overlay)' "$WORK/body"
  get '/api/lists/friends?limit=1&offset=1' | jq -e '.total == 2 and (.entries | length) == 1 and .entries[0].value == "bo"'
  get /api/rules/status | jq -e '.overlays == [.overlays[] | select(.name == "friends" and .version == 1 and .added == 2)]'
  get /api/audit | jq -e 'any(.action == "list.put" and .target == "friends" and .detail == {"added": 2, "removed": 1})'
  expect "a stale version" "$(put_list friends '"0"' '{}' | tail -n 1)" 412
}
check "e2e: a list changed through the API changes what rules do, at once" lists_change_what_rules_do

a_new_list_has_a_name() {
  expect "a new one" "$(put_list e2e_new '"0"' '{"added":["x"]}' | tail -n 1)" 200
  get /api/lists/e2e_new | jq -e '.file == null and .total == 1'
  expect "taken back" "$(put_list e2e_new '"1"' '{}' | tail -n 1)" 200
  get /api/lists/e2e_new | jq -e '.total == 0 and .overlay.version == 2'
  get /api/lists | jq -e 'all(.name != "e2e_new")'
}
check "e2e: a list that no file has is made and taken back" a_new_list_has_a_name

a_list_that_breaks_the_rules_is_refused() {
  local generation
  generation=$(get /api/rules/status | jq .generation)
  put_list nets '"0"' '{"added":["no network"]}' >"$WORK/put"
  expect "status" "$(tail -n 1 "$WORK/put")" 422
  head -n -1 "$WORK/put" | jq -e '.status == 422 and .detail and (.problems | any(.level == "error"))'
  expect "the version" "$(etag_of /api/lists/nets)" '"0"'
  expect "the generation" "$(get /api/rules/status | jq .generation)" "$generation"
  get /api/rules/status | jq -e '.state == "ok"'
  get /ready | jq -e '.status == "ready"'
  expect "a good one" "$(put_list nets '"0"' '{"added":["198.51.100.0/24"]}' | tail -n 1)" 200
  expect "from there" "$(listed zoe)" 0
  expect "undone" "$(put_list nets '"1"' '{}' | tail -n 1)" 200
  expect "not from there" "$(listed zoe)" 1
}
check "e2e: a list with which the rules do not load is refused, and nothing has changed" \
  a_list_that_breaks_the_rules_is_refused

delete_list() { status_of DELETE "/api/lists/$1" -H "If-Match: $2"; }
an_overlay_is_taken_back() {
  local tag
  expect "of no list" "$(delete_list e2e_nosuch '*')" 404
  expect "of one that is empty" "$(delete_list nets '*')" 404
  expect "a change" "$(put_list nets '*' '{"added":["198.51.100.0/24"]}' | tail -n 1)" 200
  expect "from there" "$(listed zoe)" 0
  tag=$(etag_of /api/lists/nets)
  expect "without If-Match" "$(status_of DELETE /api/lists/nets)" 428
  expect "a stale version" "$(delete_list nets '"99"')" 412
  expect "still from there" "$(listed zoe)" 0
  request DELETE /api/lists/nets -H "If-Match: $tag" >"$WORK/put"
  expect "taken back" "$(tail -n 1 "$WORK/put")" 200
  head -n -1 "$WORK/put" | jq -e '.name == "nets" and .version > 1 and .generation > 1'
  expect "not from there" "$(listed zoe)" 1
  get /api/lists/nets | jq -e '.total == 1 and .overlay.added == [] and .overlay.removed == []'
  expect "what was read before" "$(put_list nets "$tag" '{}' | tail -n 1)" 412
  expect "a second time" "$(delete_list nets '*')" 404
  get /api/audit | jq -e '[.[] | select(.action == "list.delete" and .target == "nets" and .who == "local")] | length == 1'
}
check "e2e: an overlay is taken back, once, and the file's list holds again" an_overlay_is_taken_back

hostile_lists_change_nothing() {
  local wrong status
  get /api/lists/friends >"$WORK/before"
  put() { put_list friends '*' "$1" | tail -n 1; }
  while read -r wrong; do
    expect "${wrong:0:60}" "$(put "$wrong")" 422
  done <<'END'
{"added":"eve"}
{"added":{"eve":{}}}
{"added":[7]}
{"added":[null]}
{"added":[""]}
{"added":["a\u0007b"]}
{"added":[{"value":"x","attributes":[]}]}
{"added":[{"value":"x","colour":"red"}]}
{"added":[{"attributes":{}}]}
{"removed":[{"value":"x"}]}
{"removed":["a\nb"]}
{"entries":[]}
{"added":[],"version":3}
END
  expect "not UTF-8" "$(put_list friends '*' "$(printf '{"added":["\xff"]}')" | tail -n 1)" 400
  for wrong in '[]' '{' '"x"'; do expect "$wrong" "$(put "$wrong")" 400; done
  jq -nc '{added: ["x" * 4097]}' >"$WORK/wrong.json"
  expect "a long entry" "$(put "@$WORK/wrong.json")" 422
  jq -nc '{added: [range(100001) | tostring]}' >"$WORK/wrong.json"
  expect "too many" "$(put "@$WORK/wrong.json")" 413
  for wrong in '..%2F..%2Fetc%2Fpasswd' 'Friends%20' "$(printf 'a%.0s' {1..129})" '%00' '%0A'; do
    status=$(unknown PUT "/api/lists/$wrong" "${JSON[@]}" "${ANY[@]}" -d '{"added":["x"]}')
    [ "$status" = 404 ] || expect "list $wrong" "$status" 422
    expect "read $wrong" "$(unknown GET "/api/lists/$wrong")" 404
  done
  expect "text" "$(status_of PUT /api/lists/friends -H 'Content-Type: text/plain' "${ANY[@]}" -d '{}')" 415
  expect "limit" "$(status_of GET '/api/lists/friends?limit=0')" 422
  expect "offset" "$(status_of GET '/api/lists/friends?offset=-1')" 422
  get /api/lists/friends | diff "$WORK/before" -
}
check "e2e: names, entries and bodies that are no list change none" hostile_lists_change_nothing

lists_survive() {
  expect "still a friend" "$(listed eve)" 0
  expect "still none" "$(listed ana)" 1
  expect "the version" "$(etag_of /api/lists/friends)" '"1"'
  get /api/rules/status | jq -e '.overlays | any(.name == "friends" and .version == 1)'
}
a_reload_keeps_overlays() {
  expect reload "$(status_of POST /api/rules/reload)" 200
  lists_survive
}
check "e2e: a reload keeps what the API changed" a_reload_keeps_overlays
server_stop
server_start
check "e2e: so does a restart" lists_survive
server_kill KILL
server_start
check "e2e: and a crash" lists_survive
server_stop
echo 'return rule {' >"$RULES/broken.lua"
server_start
a_broken_tree_does_not_lose_them() {
  get /ready | jq -e '.status == "degraded"'
  lists_survive
  rm "$RULES/broken.lua"
  expect reload "$(status_of POST /api/rules/reload)" 200
  lists_survive
}
check "e2e: the last good rules run with them, too" a_broken_tree_does_not_lose_them

# ---- egress violations ----

violations_are_remembered() {
  expect "taken" "$(status_of POST /api/egress-violations "${JSON[@]}" \
    -d '{"destination.ip":"203.0.113.80","user.name":"ana"}')" 202
  get /api/egress-violations | jq -e 'length == 1 and .[0].kind == "egress" and (.[0].body | tostring | contains("203.0.113.80"))'
  get '/api/egress-violations?since=2200-01-01T00:00:00Z' | jq -e 'length == 0'
  expect "since" "$(status_of GET '/api/egress-violations?since=yesterday')" 422
  expect "limit" "$(status_of GET '/api/egress-violations?limit=101')" 422
  expect "broken" "$(status_of POST /api/egress-violations "${JSON[@]}" -d '{')" 400
}
check "e2e: egress violations go in as events and come out again" violations_are_remembered

# ---- usage, and the start ----

usage_is_shown() {
  get /api/ai/usage | jq -e '.totals.calls == 0 and .queue.model_configured == false and .queue.findings.queued >= 0'
  get '/api/ai/usage?since=2026-01-01&until=2026-12-31' | jq -e '.rows == []'
  expect "no day" "$(status_of GET '/api/ai/usage?since=2026-02-30')" 422
  expect "text" "$(status_of GET '/api/ai/usage?until=today')" 422
  get /ready | jq -e '.status == "ready" and .components.ai == "off"'
  get /metrics >"$WORK/metrics"
  grep -x 'lunette_ai_breaker_open 0' "$WORK/metrics"
  grep '^lunette_analysis_queue{stage="findings"} ' "$WORK/metrics"
}
check "e2e: without a model nothing is used, and /ready says off" usage_is_shown
server_stop

refuses() { # refuses WORD FLAG...: to start, with exit code 3 and that word
  local word=$1 status=0
  shift
  "$LUNETTE" serve --listen 127.0.0.1:0 --rules "$RULES" --plugins "$PLUGINS" "$@" >"$WORK/refused" 2>&1 || status=$?
  expect "exit code of $*" "$status" 3
  grep -F -- "$word" "$WORK/refused"
}
bad_settings_are_named() {
  refuses --ai-model --ai-url http://127.0.0.1:9/v1
  refuses http --ai-url ftp://127.0.0.1/ --ai-model m
  refuses "$WORK/nokey" --ai-url http://127.0.0.1:9/v1 --ai-model m --ai-key-file "$WORK/nokey"
  refuses --ai-money-day --ai-money-day lots
  refuses ai-concurrency --ai-concurrency 1001
  refuses --ai-personal-fields --ai-personal-fields 'user..name'
  refuses 'not built yet' --actions live
}
check "e2e: settings of models that are not right end the start, and are named" bad_settings_are_named

server_start --ai-url http://127.0.0.1:9/v1 --ai-model m
ready_never_asks_the_model() {
  get /ready | jq -e '.status == "ready" and .components.ai == "ok"'
  get /api/ai/usage | jq -e '.queue.model_configured == true'
}
check "e2e: /ready does not ask whether the model is there" ready_never_asks_the_model
server_stop
