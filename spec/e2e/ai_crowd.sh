#!/usr/bin/env bash
# slow
# As many analyses at once as may be configured: more requests than one worker's client has connections for wait for
# one, and none of them counts as a model that does not answer.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ai_lib.bash"
PATIENCE=$((PATIENCE * 3))
[ "$PRESET" = release ] || {
  skip "e2e: a thousand requests to the model at once: a sanitizer's build begins them too slowly to have so many"
  exit 0
}

THREATS=230 # of five requests each, before the coordinator's
model_start
model_mode slow '"delay":2'
with_model --ai-concurrency 1000 --workers 1
for ((n = 1; n <= THREATS; n++)); do six_threats crowd "$n"; done | jq -c 'select(."process.executable")' >"$WORK/events"
everyone_is_asked() {
  post_events "$WORK/events" >/dev/null
  wait_for queue_is ".done >= $((2 * THREATS))"
  expect "analyses that failed or were tried again" "$(get /api/ai/usage | jq -c '[.queue.failed, .queue.retried]')" '[0,0]'
  expect "requests" "$(model_count)" $((6 * THREATS))
  expect "more at once than one connection's worth" "$(curl -fsS "$MODEL/stats" | jq '.max_in_flight >= 100')" true
}
check "e2e: a thousand requests to the model at once wait for each other, and none fails" everyone_is_asked
server_stop
