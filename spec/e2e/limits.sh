#!/usr/bin/env bash
# Limits of what comes in, on both sides of each; and requests that would smuggle or stall.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RULES=$TOP/spec/e2e/rules
server_start
JSON=(-H 'Content-Type: application/json')
NDJSON=(-H 'Content-Type: application/x-ndjson')
event() { printf '{"event":{"action":"%s"},"user":{"name":"ana"}}\n' "$1"; }
# of SIZE bytes: an event, by a string that fills it up
sized_event() { printf '{"message":"%s"}' "$(head -c "$(($1 - 14))" /dev/zero | tr '\0' x)"; }
post() { status_of POST /api/events "$@"; }
first_error() { request POST /api/events "$@" | head -n -1 | jq -r '.results[0].error // .errors[0].detail // .detail'; }

a_body_ends_at_8_mib() {
  python3 -c 'import sys
line = b"{\"message\":\"" + b"x" * 1000 + b"\"}\n"
n = (8 << 20) // len(line)
sys.stdout.buffer.write(line * n + b" " * ((8 << 20) - n * len(line)))' >"$WORK/body"
  expect "8 MiB" "$(post "${NDJSON[@]}" --data-binary "@$WORK/body")" 202
  printf ' ' >>"$WORK/body"
  expect "one byte more" "$(post "${NDJSON[@]}" -H 'Expect:' --data-binary "@$WORK/body")" 413
}
check "e2e: a body may have 8 MiB" a_body_ends_at_8_mib

a_batch_ends_at_10000() {
  yes "$(event other)" | head -n 10000 >"$WORK/batch" || true
  expect "10,000" "$(post "${NDJSON[@]}" --data-binary "@$WORK/batch")" 202
  event other >>"$WORK/batch"
  expect "10,001" "$(post "${NDJSON[@]}" --data-binary "@$WORK/batch")" 413
}
check "e2e: a batch may have 10,000 events" a_batch_ends_at_10000

an_event_ends_at_256_kib() {
  sized_event 262144 >"$WORK/event"
  expect "256 KiB" "$(post "${JSON[@]}" --data-binary "@$WORK/event")" 202
  sized_event 262145 >"$WORK/event"
  expect "one byte more" "$(post "${JSON[@]}" --data-binary "@$WORK/event")" 413
}
check "e2e: an event may have 256 KiB" an_event_ends_at_256_kib

a_large_event_costs_only_itself() {
  { event other; sized_event 262145; echo; event other; } >"$WORK/mixed"
  request POST /api/events "${NDJSON[@]}" --data-binary "@$WORK/mixed" | head -n -1 >"$WORK/answer"
  expect "accepted and rejected" "$(jq -c '[.accepted, .rejected]' "$WORK/answer")" "[2,1]"
  expect "which" "$(jq -c '[.results[] | select(.error) | .index]' "$WORK/answer")" "[1]"
}
check "e2e: an event that is too large costs only itself" a_large_event_costs_only_itself

nested() { printf '{"a":%.0s' $(seq "$1"); printf 1; printf '}%.0s' $(seq "$1"); }
depth_ends_at_32() {
  expect "32" "$(nested 32 | post "${JSON[@]}" --data-binary @-)" 202
  expect "33" "$(nested 33 | post "${JSON[@]}" --data-binary @-)" 413
}
check "e2e: an event may nest 32 deep" depth_ends_at_32

# of so many fields, the last two of which a rule looks at
fields() {
  printf '{"f0":0'
  printf ',"f%d":1' $(seq $(($1 - 3)))
  printf ',"event.action":"e2e-single","user.name":"fields-%d"}' "$1"
}
threats_of() { fields "$1" | request POST /api/events "${JSON[@]}" --data-binary @- | head -n -1 | jq -c '.threats | length'; }
fields_end_at_1024() {
  expect "threats of 1,024 fields" "$(threats_of 1024)" 1
  expect "1,026 fields are taken" "$(fields 1026 | post "${JSON[@]}" --data-binary @-)" 202
  expect "threats of 1,027 fields" "$(threats_of 1027)" 0
}
check "e2e: an event is read up to 1,024 fields, and not refused for more" fields_end_at_1024

inflated_bodies_are_bounded() {
  event other | gzip >"$WORK/small.gz"
  expect "gzip" "$(post "${NDJSON[@]}" -H 'Content-Encoding: gzip' --data-binary "@$WORK/small.gz")" 202
  head -c 70000000 /dev/zero | tr '\0' ' ' | gzip >"$WORK/bomb.gz"
  expect "a bomb" "$(post "${NDJSON[@]}" -H 'Content-Encoding: gzip' --data-binary "@$WORK/bomb.gz")" 413
  expect "not gzip" "$(event x | post "${NDJSON[@]}" -H 'Content-Encoding: gzip' --data-binary @-)" 400
  expect "another encoding" "$(event x | post "${NDJSON[@]}" -H 'Content-Encoding: br' --data-binary @-)" 415
}
check "e2e: what gzip unfolds is bounded" inflated_bodies_are_bounded

headers_are_bounded() {
  expect "a long target" "$(status_of GET "/api/threats?q=$(head -c 9000 /dev/zero | tr '\0' x)")" 414
  expect "a large header" "$(status_of GET /health -H "X-Large: $(head -c 33000 /dev/zero | tr '\0' x)")" 431
  local many=() i
  for i in $(seq 101); do many+=(-H "X-H$i: 1"); done
  expect "101 headers" "$(status_of GET /health "${many[@]}")" 431
}
check "e2e: the request line and the headers are bounded" headers_are_bounded

raw() { python3 "$TOP/spec/e2e/raw.py" "$PORT" "$@" | xargs; }
HEAD='POST /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'
SECOND='GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
nothing_is_smuggled() {
  expect "xchunked" "$(printf '%bTransfer-Encoding: xchunked\r\n\r\n%b' "$HEAD" "$SECOND" | raw)" "501 closed"
  expect "two lengths" \
    "$(printf '%bContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}%b' "$HEAD" "$SECOND" | raw)" "400 closed"
  expect "length and chunks" \
    "$(printf '%bContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%b' "$HEAD" "$SECOND" | raw)" \
    "400 closed"
  expect "+2" "$(printf '%bContent-Length: +2\r\n\r\n{}%b' "$HEAD" "$SECOND" | raw)" "400 closed"
  expect "bare LF" "$(printf 'GET /health HTTP/1.1\nHost: 127.0.0.1\n\n' | raw)" "400 closed"
  expect "no Host" "$(printf 'GET /health HTTP/1.1\r\n\r\n' | raw)" "400 closed"
  expect "two in a row" "$(printf '%b%b' "$SECOND" "$SECOND" | raw)" "200 200 open"
}
check "e2e: a request cannot hide another one" nothing_is_smuggled

probe=$TOP/../shared/data/torture/http-http11probe.ndjson.gz
if [ -f "$probe" ]; then
  check "e2e: what RFC 9112 wants refused is refused with 400 and a closed connection" \
    python3 "$TOP/spec/e2e/raw.py" "$PORT" --probe "$probe"
else
  skip "e2e: what RFC 9112 wants refused: ../shared/data is absent"
fi

if [ "${QUICK:-0}" = 0 ]; then
  headers_have_a_deadline() {
    local begin=$SECONDS
    expect "what comes of it" "$(printf 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %0400d' 0 | raw --drip)" \
      "408 closed"
    [ $((SECONDS - begin)) -ge 9 ]
  }
  check "e2e: headers that drip are cut off after ten seconds" headers_have_a_deadline
fi
check "e2e: after all that it is ready" get /ready
