#!/usr/bin/env bash
# Who may what: tokens, roles, customers, sessions; and the rules of loopback without a token file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
hash_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
cat >"$WORK/tokens" <<END
# name role customer sha256:HEX
rita reader * sha256:$(hash_of token-reader)
sam sender acme sha256:$(hash_of token-sender)
ann analyst * sha256:$(hash_of token-analyst)
adam admin * sha256:$(hash_of token-admin)
abel admin acme sha256:$(hash_of token-acme-admin)
olga admin other sha256:$(hash_of token-other-admin)
beth reader acme sha256:$(hash_of token-acme)
carl reader other sha256:$(hash_of token-other)
END
server_start --token-file "$WORK/tokens"

as() { # as ROLE METHOD PATH [CURL ARGUMENT...]: the status
  local role=$1 method=$2 path=$3
  shift 3
  status_of "$method" "$path" -H "Authorization: Bearer token-$role" "$@"
}
read_as() { curl -fsS -m "$PATIENCE" -H "Authorization: Bearer token-$1" "$URL$2"; }
JSON=(-H 'Content-Type: application/json')
EVENT='{"event":{"action":"e2e-single"},"user":{"name":"ana"}}'

nobody_gets_nothing() {
  expect "no token" "$(status_of GET /api/threats)" 401
  expect "a wrong token" "$(as nobody GET /api/threats)" 401
  expect "no token, post" "$(status_of POST /api/events "${JSON[@]}" -d "$EVENT")" 401
  expect health "$(status_of GET /health)" 200
  expect ready "$(status_of GET /ready)" 200
}
check "e2e: without a token only /health and /ready answer" nobody_gets_nothing

a_sender_only_sends() {
  expect post "$(as sender POST /api/events "${JSON[@]}" -d "$EVENT")" 202
  expect list "$(as sender GET /api/threats)" 403
}
check "e2e: a sender posts events and reads nothing" a_sender_only_sends

a_reader_only_reads() {
  expect list "$(as reader GET /api/threats)" 200
  expect post "$(as reader POST /api/events "${JSON[@]}" -d "$EVENT")" 403
  expect reload "$(as reader POST /api/rules/reload)" 403
}
check "e2e: a reader reads and changes nothing" a_reader_only_reads

an_analyst_works() {
  local id
  id=$(curl -fsS -H 'Authorization: Bearer token-analyst' "$URL/api/threats?limit=1" | jq -r '.[0].id')
  expect note "$(as analyst POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"seen"}')" 201
  expect patch "$(as analyst PATCH "/api/threats/$id" "${JSON[@]}" -H 'If-Match: *' -d '{"assignee":"ann"}')" 200
  expect reload "$(as analyst POST /api/rules/reload)" 403
  expect "reload by acme's admin" "$(as acme-admin POST /api/rules/reload)" 403
  expect "reload by admin" "$(as admin POST /api/rules/reload)" 200
}
check "e2e: an analyst works on threats, an admin reloads" an_analyst_works

roles_decide_what_they_may() {
  local id role path plan
  id=$(read_as analyst '/api/threats?limit=1' | jq -r '.[0].id')
  plan=/api/threats/$id/actions/$(read_as analyst "/api/threats/$id" | jq -r .response_plan.primary_action.id)
  for role in reader sender acme; do
    for path in "/api/threats/$id/analyze" "$plan/approve" "$plan/reject"; do
      expect "$path by $role" "$(as "$role" POST "$path" -H 'If-Match: *')" 403
    done
    expect "a list by $role" "$(as "$role" PUT /api/lists/x "${JSON[@]}" -H 'If-Match: *' -d '{}')" 403
  done
  expect "an overlay taken back by an analyst" "$(as analyst DELETE /api/lists/x -H 'If-Match: *')" 403
  expect "and by acme's admin" "$(as acme-admin DELETE /api/lists/x -H 'If-Match: *')" 403
  expect "a list by an analyst" "$(as analyst PUT /api/lists/x "${JSON[@]}" -H 'If-Match: *' -d '{}')" 403
  expect "a list by acme's admin" "$(as acme-admin PUT /api/lists/x "${JSON[@]}" -H 'If-Match: *' -d '{}')" 403
  expect "a list by an admin" "$(as admin PUT /api/lists/x "${JSON[@]}" -H 'If-Match: *' -d '{}')" 200
  expect "analyze by an analyst" "$(as analyst POST "/api/threats/$id/analyze")" 202
  expect "approve by an analyst" "$(as analyst POST "$plan/approve" -H 'If-Match: *')" 200
  for path in evidence timeline similar notes; do
    expect "$path by a reader" "$(as reader GET "/api/threats/$id/$path")" 200
    expect "$path by a sender" "$(as sender GET "/api/threats/$id/$path")" 403
    expect "$path by another customer" "$(as other GET "/api/threats/$id/$path")" 404
  done
  expect "a violation by a reader" "$(as reader POST /api/egress-violations "${JSON[@]}" -d '{"destination.ip":"192.0.2.1"}')" 403
  expect "a violation by a sender" "$(as sender POST /api/egress-violations "${JSON[@]}" -d '{"destination.ip":"192.0.2.1"}')" 202
  expect "violations that acme sees" "$(read_as acme /api/egress-violations | jq length)" 1
  expect "violations that another customer sees" "$(read_as other /api/egress-violations | jq length)" 0
  read_as admin /api/audit | jq -e 'any(.who == "ann" and .action == "action.approve") and any(.who == "adam" and .action == "list.put")'
}
check "e2e: readers look, analysts decide, an admin of all changes lists" roles_decide_what_they_may

an_admin_of_another_customer_decides_nothing() {
  local id
  id=$(read_as acme '/api/threats?limit=1' | jq -r '.[0].id')
  expect analyze "$(as other-admin POST "/api/threats/$id/analyze")" 404
  expect approve "$(as other-admin POST "/api/threats/$id/actions/x/approve" -H 'If-Match: *')" 404
  expect note "$(as other-admin POST "/api/threats/$id/notes" "${JSON[@]}" -d '{"text":"x"}')" 404
}
check "e2e: another customer's threats cannot be decided about" an_admin_of_another_customer_decides_nothing

customers_are_apart() {
  list() { curl -fsS -H "Authorization: Bearer token-$1" "$URL/api/threats" | jq -r '[.[].customer_name] | unique | join(",")'; }
  expect "what acme sees" "$(list acme)" acme
  expect "what another customer sees" "$(list other)" ""
  local id
  id=$(curl -fsS -H 'Authorization: Bearer token-acme' "$URL/api/threats?limit=1" | jq -r '.[0].id')
  expect "another customer's threat" "$(as other GET "/api/threats/$id")" 404
}
check "e2e: a token bound to a customer sees that customer's threats only" customers_are_apart

counts_of_all_are_for_nobody_bound() {
  local path
  for path in /api/ledger /metrics /api/lists /api/lists/x; do
    expect "$path by acme" "$(as acme GET "$path")" 403
    expect "$path by a reader of all" "$(as reader GET "$path")" 200
  done
  expect "the audit by acme's admin" "$(as acme-admin GET /api/audit)" 403
  expect "the audit by an admin" "$(as admin GET /api/audit)" 200
  expect "statistics that a reader sees" "$(read_as reader /api/rules | jq 'all(has("statistics"))')" true
  expect "statistics that acme sees" "$(read_as acme /api/rules | jq 'any(has("statistics"))')" false
  expect "the card that a reader sees" "$(read_as reader /api/rules/e2e.single | jq '.scorecard.threats > 0')" true
  expect "the card that acme sees" "$(read_as acme /api/rules/e2e.single | jq '.scorecard.threats > 0')" true
  expect "the card that another customer sees" "$(read_as other /api/rules/e2e.single | jq .scorecard)" null
  expect "the queue that a reader sees" "$(read_as reader /api/ai/usage | jq 'has("queue")')" true
  expect "the queue that acme sees" "$(read_as acme /api/ai/usage | jq 'has("queue")')" false
  expect "of one rule" "$(read_as acme /api/rules/e2e.single | jq 'has("statistics")')" false
  expect "what /ready counts" "$(get /ready | jq '[.. | numbers] | length')" 0
}
check "e2e: a token bound to a customer gets no counts of all customers" counts_of_all_are_for_nobody_bound

analytics_are_of_one_customer() {
  expect "what acme sees" "$(read_as acme /api/analytics | jq -c '[.total_threats > 0, .customers_affected]')" "[true,1]"
  read_as other /api/analytics >"$WORK/analytics"
  expect "what another customer sees" "$(jq .total_threats "$WORK/analytics")" 0
  if grep -E 'acme|ana|e2e' "$WORK/analytics"; then return 1; fi
  expect "its count" "$(curl -fsSi -H 'Authorization: Bearer token-other' "$URL/api/threats" |
    tr -d '\r' | sed -nE 's/^x-total-count: //Ip')" 0
}
check "e2e: analytics and lists count what the token may see" analytics_are_of_one_customer

no_other_customer_can_be_named() {
  expect "its own" "$(as acme GET '/api/threats?customer=acme')" 200
  expect "another's" "$(as acme GET '/api/threats?customer=other')" 403
  "$TOP/tools/watch" --url "$URL" --seconds "$PATIENCE" --token token-acme --types error --count 1 \
    --send '{"type":"subscribe","filter":{"customer":"other"}}' | jq -e '.detail | contains("customer")'
}
check "e2e: a token bound to a customer can name no other" no_other_customer_can_be_named

the_stream_keeps_counts_apart() {
  "$TOP/tools/watch" --url "$URL" --seconds "$PATIENCE" --token token-acme >"$WORK/bound" &
  STARTED+=("$!")
  wait_for grep -q initial_batch "$WORK/bound"
  "$TOP/tools/watch" --url "$URL" --seconds "$PATIENCE" --token token-reader --types stats --count 2 >/dev/null
  as admin POST /api/rules/reload
  wait_for grep -q rules_reloaded "$WORK/bound"
  if grep stats "$WORK/bound"; then return 1; fi
}
check "e2e: the stream of a bound token has no counts of all customers" the_stream_keeps_counts_apart

the_file_is_read_again() {
  sed -i '/^carl/d' "$WORK/tokens"
  wait_for carl_is_out
}
carl_is_out() { [ "$(as other GET /api/threats)" = 401 ]; }
check "e2e: a token that leaves the file stops working" the_file_is_read_again

a_session_is_a_cookie() {
  curl -fsS -c "$WORK/jar" "${JSON[@]}" -d '{"token":"token-reader"}' "$URL/api/session" >/dev/null
  grep -q HttpOnly "$WORK/jar"
  expect "with the cookie" "$(status_of GET /api/threats -b "$WORK/jar")" 200
  expect "a changed cookie" "$(sed 's/.\{8\}$/AAAAAAAA/' "$WORK/jar" >"$WORK/jar2"
    status_of GET /api/threats -b "$WORK/jar2")" 401
}
check "e2e: a token buys a browser a cookie, which cannot be changed" a_session_is_a_cookie
server_stop

# The demo, for all and for one customer.
RULES=$TOP/rules
server_start --token-file "$WORK/tokens" --demo
demo_threats() { read_as acme '/api/threats?limit=100' | jq 'map(select(.demo)) | length'; }
has_demo_threats() { [ "$(demo_threats)" -gt 0 ]; }
resets_are_for_all_customers() {
  expect "trigger by acme's admin" "$(as acme-admin POST /api/threats/trigger "${JSON[@]}" -d '{"scenario":"bot_attack"}')" 200
  wait_for has_demo_threats
  local made
  made=$(demo_threats)
  expect "reset by another customer's admin" "$(as other-admin POST /api/demo/reset)" 403
  expect "reset by acme's admin" "$(as acme-admin POST /api/demo/reset)" 403
  expect "what is left" "$(demo_threats)" "$made"
  expect "reset by an admin" "$(as admin POST /api/demo/reset)" 200
  expect "what is left then" "$(demo_threats)" 0
}
check "e2e: nobody who is bound to a customer resets the demo of all" resets_are_for_all_customers

demo_cannot_be_claimed() {
  local role status
  for role in sender admin; do
    status=$(as "$role" POST /api/events/demo "${JSON[@]}" -d "$EVENT")
    expect "the source demo by $role" "$status" 404
  done
  expect "what is demo data" "$(demo_threats)" 0
}
check "e2e: nobody can send events as the demo's" demo_cannot_be_claimed
server_stop
RULES=$TOP/spec/e2e/rules

# Without a token file: everyone on this machine is admin, but no web page is.
server_start
JSON_EVENT=("${JSON[@]}" -d "$EVENT")
loopback_is_guarded() {
  expect "as it is" "$(status_of POST /api/events "${JSON_EVENT[@]}")" 202
  expect "another Host" "$(status_of POST /api/events "${JSON_EVENT[@]}" -H 'Host: evil.example')" 403
  expect "another Origin" "$(status_of POST /api/events "${JSON_EVENT[@]}" -H 'Origin: http://evil.example')" 403
  expect "the same Origin" "$(status_of POST /api/events "${JSON_EVENT[@]}" -H "Origin: $URL")" 202
  expect "text/plain" "$(status_of POST /api/events -H 'Content-Type: text/plain' -d "$EVENT")" 415
}
check "e2e: without tokens a web page cannot post from a browser on this machine" loopback_is_guarded
server_stop

status=0
"$LUNETTE" serve --listen 0.0.0.0:0 --data "$DATA" --rules "$RULES" --plugins "$PLUGINS" >"$WORK/open.log" 2>&1 ||
  status=$?
check "e2e: without tokens it refuses to listen for others" expect "exit code" "$status" 3
