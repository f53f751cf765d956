#!/usr/bin/env bash
# The API as a client sees it: events in, threats out, changes by people, the books.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
server_start
JSON=(-H 'Content-Type: application/json')
NDJSON=(-H 'Content-Type: application/x-ndjson')
single() { printf '{"event":{"action":"e2e-single"},"user":{"name":"%s"},"source":{"ip":"192.0.2.7"}}\n' "$1"; }
knock() { printf '{"event":{"action":"e2e-knock"},"user":{"name":"%s"}}\n' "$1"; }
post() { curl -sS "${JSON[@]}" "$@" "$URL/api/events"; }

it_says_what_it_is() {
  get / | jq -e '.version and .status and .links'
  get /health | jq -e .status
  get /ready | jq -e '.status == "ready" and .durable == true'
}
check "e2e: /, /health and /ready say what it is and how it is" it_says_what_it_is

an_event_becomes_a_threat() {
  single ana | post -d @- >"$WORK/answer"
  jq -e '.accepted == 1 and .rejected == 0 and (.threats | length) == 1' "$WORK/answer"
  get "/api/threats/$(jq -r '.threats[0]' "$WORK/answer")" >"$WORK/threat"
  jq -e '.title == "Seen: ana" and .severity == "HIGH" and .status == "new" and .rule.id == "e2e.single"
    and .threat_type == "anomaly_detection" and .customer_name == "default" and .event_count == 1' "$WORK/threat"
}
check "e2e: an event becomes a threat, and the answer names it" an_event_becomes_a_threat

three_knocks_are_one_threat() {
  knock bob | post -d @- | jq -e '.threats == []'
  knock bob | post -d @- | jq -e '.threats == []'
  knock bob | post -d @- | jq -e '(.threats | length) == 1'
  knock bob | post -d @- | jq -e '.threats == []'
}
check "e2e: three events of a group are one threat, the fourth folds" three_knocks_are_one_threat

good_items_survive_bad_ones() {
  { single cai; echo '{broken'; single dan; } | curl -sS "${NDJSON[@]}" --data-binary @- "$URL/api/events" \
    >"$WORK/answer"
  jq -e '.accepted == 2 and .rejected == 1 and (.threats | length) == 2' "$WORK/answer"
  jq -e '[.results[] | select(.error)] | length == 1 and .[0].index == 1' "$WORK/answer"
  printf '[%s,%s]' "$(single eva)" "$(single fay)" | post -d @- | jq -e '.accepted == 2'
}
check "e2e: a bad item is reported and costs only itself" good_items_survive_bad_ones

a_repeated_key_adds_nothing() {
  local before
  single gil | post -H 'Idempotency-Key: k1' -d @- | jq -e '.idempotent == true and (.threats | length) == 1'
  before=$(get /api/threats?limit=1 | jq '.[0].seq')
  single gil | post -H 'Idempotency-Key: k1' -d @- | jq -e '.accepted == 1'
  expect "newest threat" "$(get /api/threats?limit=1 | jq '.[0].seq')" "$before"
  expect "its events" "$(get /api/threats?limit=1 | jq '.[0].event_count')" 1
  single gil | post -d @- | jq -e '.idempotent == false'
}
check "e2e: the same batch with the same Idempotency-Key adds nothing" a_repeated_key_adds_nothing

bad_bodies_are_explained() {
  expect "broken" "$(status_of POST /api/events "${JSON[@]}" -d '{broken')" 400
  expect "empty" "$(status_of POST /api/events "${JSON[@]}" -d '')" 400
  expect "a number" "$(status_of POST /api/events "${JSON[@]}" -d '7')" 400
  expect "an unknown source" "$(status_of POST /api/events/nosuch "${JSON[@]}" -d '{}')" 404
  request POST /api/events "${JSON[@]}" -d '{broken' -D "$WORK/head" | head -n -1 | jq -e '.status == 400 and .detail'
  grep -qi '^content-type: application/problem+json' "$WORK/head"
}
check "e2e: a body that is no event is refused with a reason" bad_bodies_are_explained

routes_say_what_they_take() {
  expect "an unknown path" "$(status_of GET /nosuch/api)" 404
  expect "a wrong method" "$(status_of DELETE /api/events)" 405
  curl -sS -X DELETE -D "$WORK/head" -o /dev/null "$URL/api/events"
  grep -qi '^allow: .*POST' "$WORK/head"
  expect "an unknown parameter" "$(status_of GET '/api/threats?colour=red')" 422
  expect "a bad limit" "$(status_of GET '/api/threats?limit=0')" 422
  expect "an unknown threat" "$(status_of GET /api/threats/00000000-0000-7000-8000-000000000000)" 404
}
check "e2e: unknown paths, methods and parameters are told apart" routes_say_what_they_take

the_list_filters_and_pages() {
  get '/api/threats?rule=e2e.grouped' | jq -e 'length == 1 and .[0].rule.id == "e2e.grouped"'
  get '/api/threats?severity=high&type=anomaly_detection&status=new' | jq -e 'length >= 5'
  get '/api/threats?severity=critical' | jq -e 'length == 0'
  get '/api/threats?customer=nobody' | jq -e 'length == 0'
  get '/api/threats?view=row&limit=1' | jq -e '(.[0] | has("id") and has("title")) and (.[0] | has("evidence") | not)
    and (.[0] | has("assignee") and .assignee == null)'
  request GET '/api/threats?severity=none' | head -n 1 | jq -e '.errors[0].reason | test("informational")'
  curl -fsS -D "$WORK/head" "$URL/api/threats?limit=2" >"$WORK/page"
  local next
  next=$(tr -d '\r' <"$WORK/head" | sed -nE 's/^[Ll]ink: <([^>]+)>; *rel="next".*/\1/p')
  get "${next#"$URL"}" >"$WORK/page2"
  jq -s -e '(.[0] | length) == 2 and (.[0][1].seq > .[1][0].seq)' "$WORK/page" "$WORK/page2"
}
check "e2e: the list filters and pages, newest first" the_list_filters_and_pages

a_link_escapes_what_it_must() {
  curl -fsS -D "$WORK/head" "$URL/api/threats?limit=1&rule=e2e.single&since=2000-01-01T00:00:00Z" >/dev/null
  grep -i '^link:' "$WORK/head" | grep -F \
    '</api/threats?limit=1&rule=e2e.single&since=2000-01-01T00%3A00%3A00Z&cursor='
}
check "e2e: the Link header escapes reserved characters and no others" a_link_escapes_what_it_must

people_change_threats() {
  local id etag
  id=$(get '/api/threats?rule=e2e.grouped' | jq -r '.[0].id')
  etag=$(curl -fsS -D - -o /dev/null "$URL/api/threats/$id" | tr -d '\r' | sed -nE 's/^[Ee][Tt]ag: //p')
  patch() { status_of PATCH "/api/threats/$id" "${JSON[@]}" "$@"; }
  expect "without If-Match" "$(patch -d '{"status":"in_progress"}')" 428
  expect "with it" "$(patch -H "If-Match: $etag" -d '{"status":"in_progress","assignee":"ann"}')" 200
  expect "with the old one" "$(patch -H "If-Match: $etag" -d '{"status":"resolved"}')" 412
  expect "an unknown status" "$(patch -H 'If-Match: *' -d '{"status":"gone"}')" 422
  expect "an unknown field" "$(patch -H 'If-Match: *' -d '{"colour":"red"}')" 422
  expect "a note" "$(status_of POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"called Bob"}')" 201
  get "/api/threats/$id" | jq -e '.status == "in_progress" and .assignee == "ann" and (tostring | contains("called Bob"))'
}
check "e2e: people change threats, and never what they have not seen" people_change_threats

# change BODY: of the grouped threat, whoever had it last; prints the answer
change() {
  local id
  id=$(get '/api/threats?rule=e2e.grouped' | jq -r '.[0].id')
  request PATCH "/api/threats/$id" "${JSON[@]}" -H 'If-Match: *' -d "$1" | head -n -1
}
a_wrong_change_names_its_field() {
  local field wrong
  while read -r field wrong; do
    change "$wrong" | jq -e --arg field "$field" '.status == 422 and .errors[0].field == $field and .errors[0].reason' ||
      { echo "$wrong"; return 1; }
  done <<'END'
status {"status":"gone"}
status {"status":7}
status {"status":"new"}
verdict {"verdict":"maybe"}
reason {"verdict":"inconclusive"}
reason {"reason":false}
assignee {"assignee":7}
reopen {"reopen":"yes"}
colour {"colour":"red"}
END
  change '{}' | jq -e '.status == 422'
}
check "e2e: a change that is not right is 422 and names the field" a_wrong_change_names_its_field

nobody_can_be_assigned() {
  expect "somebody" "$(change '{"assignee":"ann"}' | jq -r .assignee)" ann
  expect "nobody" "$(change '{"assignee":null}' | jq -c .assignee)" null
  get '/api/threats?rule=e2e.grouped' | jq -e '.[0].assignee == null'
}
check "e2e: assignee null takes a threat from who has it" nobody_can_be_assigned

a_resolved_threat_is_followed_by_another() {
  local id old
  old=$(single hal | post -d @- | jq -r '.threats[0]')
  expect resolve "$(status_of PATCH "/api/threats/$old" "${JSON[@]}" -H 'If-Match: *' \
    -d '{"status":"resolved","verdict":"true_positive","reason":"seen it"}')" 200
  id=$(single hal | post -d @- | jq -r '.threats[0]')
  get "/api/threats/$id" | jq -e --arg old "$old" '.continues == $old'
}
check "e2e: a firing whose threat is resolved raises another that continues it" \
  a_resolved_threat_is_followed_by_another

the_books_add_up() {
  get /api/ledger >"$WORK/ledger"
  jq -e '.balanced and .events.received == .events.accepted + ([.events.rejected | .. | numbers] | add)' "$WORK/ledger"
  get /api/analytics | jq -e '.total_threats > 0 and .threats_by_severity and .threats_by_type'
}
check "e2e: the ledger adds up, the analytics count" the_books_add_up

rules_are_shown() {
  get /api/rules | jq -e 'tostring | contains("e2e.single") and contains("e2e.grouped")'
  get /api/rules/e2e.single | jq -e '.id == "e2e.single"'
  get /api/rules/status | jq -e '.hash and .generation and .state == "ok"'
  expect reload "$(status_of POST /api/rules/reload)" 200
}
check "e2e: rules are shown and reloaded" rules_are_shown

everything_there_is_to_describe() {
  local id
  single ina | post -d @- | jq -e '.threats | length == 1'
  id=$(get '/api/threats?limit=1' | jq -r '.[0].id')
  expect "a note" "$(status_of POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"of the newest"}')" 201
  expect "a list" "$(status_of PUT /api/lists/e2e_names "${JSON[@]}" -H 'If-Match: "0"' \
    -d '{"added":["ana",{"value":"bob","attributes":{"owner":"ops"}}],"removed":["cai"]}')" 200
  expect "a violation" "$(status_of POST /api/egress-violations "${JSON[@]}" -d '{"destination.ip":"198.51.100.1"}')" 202
  get /api/egress-violations | jq -e 'length == 1 and .[0].kind == "egress"'
}
check "e2e: notes, lists and egress violations are taken" everything_there_is_to_describe
check "e2e: /openapi.json and docs/http-api.md say what the server does" \
  python3 "$TOP/spec/e2e/openapi.py" "$URL" "$TOP"

there_is_a_page() {
  curl -fsS -D "$WORK/head" "$URL/docs" >"$WORK/page.html"
  grep -i '^content-type: text/html' "$WORK/head"
  grep -i "^content-security-policy: default-src 'none'" "$WORK/head"
  grep 'PATCH /api/threats/{id}' "$WORK/page.html"
}
check "e2e: /docs is a page that may load nothing" there_is_a_page

metrics_are_prometheus() {
  get /metrics >"$WORK/metrics"
  grep -q '^# TYPE lunette_.* counter$' "$WORK/metrics"
  grep -qE '^lunette_http_requests_total\{.*\} [0-9]' "$WORK/metrics"
  if grep -vE '^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEinfNa]+)$' "$WORK/metrics"; then return 1; fi
}
check "e2e: /metrics is Prometheus text" metrics_are_prometheus

requests_are_counted_by_route() {
  count_of() { get /metrics | awk -v series="lunette_http_requests_total{$1}" 'index($0, series) == 1 { n = $NF } END { print n + 0 }'; }
  grows() { # METHOD LABELS CURL-ARGUMENT...
    local before
    before=$(count_of "$2")
    curl -sS -o /dev/null -X "$1" "${@:3}"
    expect "requests of {$2}" "$(count_of "$2")" $((before + 1))
  }
  labels() { printf 'method="%s",route="%s",status="%s"' "$@"; }
  grows GET "$(labels GET /api/rules 200)" "$URL/api/rules"
  grows GET "$(labels GET '/api/rules/{id}' 404)" "$URL/api/rules/nosuch"
  grows GET "$(labels GET unmatched 404)" "$URL/nosuch"
  grows DELETE "$(labels DELETE unmatched 405)" "$URL/api/events"
  grows GET "$(labels none refused 400)" "$URL/health" -H 'Host:'
  if get /metrics | grep -F '=""'; then return 1; fi
}
check "e2e: requests are counted by method, route and status, and no label is empty" requests_are_counted_by_route

state_is_held() {
  get /metrics | awk 'index($1, "lunette_group_state_bytes{worker=") == 1 { n += $2 } END { exit n <= 0 }'
}
check "e2e: /metrics has the memory of groups" wait_for state_is_held

metrics_are_documented() {
  diff <(sed -nE 's/^# HELP (lunette_[a-z_]+) .*/\1/p' "$WORK/metrics" | sort) \
    <(grep -oE '\blunette_[a-z_]+' "$TOP/docs/operations.md" | sort -u)
}
check "e2e: docs/operations.md names every metric, and no other" metrics_are_documented

logs_hold_no_values() {
  jq -e -c 'has("time") and has("level") and has("event")' "$LOG" | sort -u
  if grep -E 'ana|192\.0\.2\.7' "$LOG"; then return 1; fi
}
check "e2e: every log line is JSON and none holds a value of an event" logs_hold_no_values
server_stop

# Rules and sources of its own: a callback that always fails, a source of which one event needs its Lua.
mkdir -p "$WORK/odd/rules" "$WORK/odd/plugins"
cat >"$WORK/odd/rules/failing.lua" <<'END'
return rule {
  id = "e2e.failing", title = "A title", version = 1, severity = "low", type = "anomaly_detection",
  match = { ["event.action"] = "fails" },
  dedup = { by = { "user.name" } },
  title_of = function(event) return event["user.name"] and error("on purpose") or "nobody" end,
  tests = {
    { "one", events = at({ 0 }, sample { ["event.action"] = "fails" }), expect = { threats = 1 } },
    { "none", events = at({ 0 }, sample { ["event.action"] = "works" }), expect = { threats = 0 } },
  },
}
END
cat >"$WORK/odd/plugins/fixed.lua" <<'END'
return source {
  id = "e2e_fixed",
  accepts = { ["vendor|exists"] = true },
  fields = { ["event.action"] = "vendor", ["source.ip"] = { "from", as = "ip" } },
  when = { ["vendor"] = "odd" },
  fix = function(event) event["event.action"] = "even" end,
  tests = { { "as it is", raw = { vendor = "x" }, expect = { ["event.action"] = "x" } } },
}
END
RULES=$WORK/odd/rules PLUGINS=$WORK/odd/plugins DATA=$WORK/odd/data
server_start
metric() { get /metrics | awk -v series="$1" '$1 == series { n = $2 } END { print n + 0 }'; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }

sources_are_counted() {
  printf '{"vendor":"odd"}\n{"vendor":"x","from":"nowhere"}\n{"vendor":"y"}\n{"event":{"action":"z"}}\n' >"$WORK/vendor"
  post_events "$WORK/vendor" | jq -e '.accepted == 4 and .unrecognised == 1
    and [.results[].source] == ["e2e_fixed", "e2e_fixed", "e2e_fixed", null]'
  expect "events of the source" "$(metric 'lunette_source_events_total{source="e2e_fixed"}')" 3
  expect "of them fixed" "$(metric 'lunette_source_fixed_total{source="e2e_fixed"}')" 1
  expect "of no source" "$(metric 'lunette_source_events_total{source="(none)"}')" 1
  expect "not converted" "$(metric 'lunette_event_quality_total{mark="not_converted"}')" 1
  expect "without a time" "$(metric 'lunette_event_quality_total{mark="time_missing"}')" 4
}
check "e2e: /metrics counts events by source, by what was fixed, and by mark of quality" sources_are_counted

rejects_are_counted_by_reason() {
  printf '{broken\n{"a":1}\n{"m":"%s"}\n' "$(head -c 262144 /dev/zero | tr '\0' x)" >"$WORK/mixed"
  post_events "$WORK/mixed" | jq -e '.rejected == 2'
  wait_for metric_is 'lunette_events_rejected_total{reason="invalid"}' 1
  wait_for metric_is 'lunette_events_rejected_total{reason="too_large"}' 1
  expect journal "$(metric 'lunette_events_rejected_total{reason="journal"}')" 0
}
check "e2e: /metrics counts rejected events by reason" rejects_are_counted_by_reason

a_suspended_callback_is_seen() {
  expect "before" "$(metric lunette_suspended_callbacks)" 0
  for user in ana bob cai; do printf '{"event":{"action":"fails"},"user":{"name":"%s"}}\n' "$user"; done >"$WORK/fails"
  post_events "$WORK/fails" | jq -e '(.threats | length) == 3'
  wait_for metric_is lunette_suspended_callbacks 1
}
check "e2e: /metrics counts callbacks that are suspended" a_suspended_callback_is_seen
