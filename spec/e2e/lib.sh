# shellcheck shell=bash
# What every end-to-end test shares: a server of its own on a port of its own with a data folder of its own,
# requests, and waiting for conditions. Sourced by spec/e2e/*.sh, which print results as tools/lib/tap.sh says.
# Everything started here is stopped when the test ends, by its process id.

. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib/setup.sh"
. "$TOP/tools/lib/tap.sh"

LUNETTE=${LUNETTE:-$BUILD/lunette}
PATIENCE=${PATIENCE:-$([ "$PRESET" = release ] && echo 20 || echo 90)} # seconds until a condition has failed
WORK=$(mktemp -d)                                                      # gone at the end
DATA=$WORK/data RULES=$TOP/rules PLUGINS=$TOP/plugins
LOG=$WORK/server.log # of the last start
PID='' PORT='' URL=''
STARTED=() # process ids to end
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1} TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

# What a sanitizer said of any server is a failure of its own, whatever the tests saw.
sanitizers_are_silent() {
  local said
  said=$(grep -hE -A 30 'Sanitizer|runtime error:' "$WORK"/*.log) || return 0
  not_ok "e2e: $(basename "$0" .sh): a sanitizer complained"
  explain <<<"$said"
}

cleanup() {
  local pid
  for pid in "${STARTED[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  sanitizers_are_silent
  rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# wait_for COMMAND...: polls until the command succeeds; fails after $PATIENCE seconds
wait_for() {
  local deadline=$((SECONDS + PATIENCE))
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "gave up waiting for: $*"
      return 1
    fi
    sleep 0.02 # between two looks at the condition
  done
}

# log_of EVENT: the log lines of that name
log_of() {
  grep -F "\"event\":\"$1\"" "$LOG"
}

port_is_known() {
  PORT=$(log_of serve.listening | tail -n 1 | jq -r .port) && [ -n "$PORT" ]
}

is_running() {
  kill -0 "$PID" 2>/dev/null
}

is_ready_or_gone() {
  ! is_running || { port_is_known && curl -fs -m 2 -o "$WORK/ready.json" "http://127.0.0.1:$PORT/ready"; }
}

# server_begin [FLAG...]: starts a server without waiting. A second start uses the same data folder.
server_begin() {
  LOG=$WORK/server.${#STARTED[@]}.log
  "$LUNETTE" serve --listen "127.0.0.1:${LISTEN_PORT:-0}" --data "$DATA" --rules "$RULES" --plugins "$PLUGINS" \
    "$@" >"$WORK/server.out" 2>>"$LOG" </dev/null &
  PID=$!
  STARTED+=("$PID")
}

# server_start [FLAG...]: starts a server and waits until it is ready; sets PID, PORT and URL
server_start() {
  server_begin "$@"
  wait_for is_ready_or_gone
  if ! is_running; then
    say "the server did not start:"
    tail -n 20 "$LOG" >&2
    return 1
  fi
  port_is_known
  URL=http://127.0.0.1:$PORT
}

# server_kill SIGNAL: sends it and waits for the end; the exit code is in EXIT_CODE
server_kill() {
  EXIT_CODE=0
  kill "-$1" "$PID"
  wait "$PID" 2>/dev/null || EXIT_CODE=$?
}

server_stop() {
  server_kill TERM
  [ "$EXIT_CODE" -eq 0 ]
}

# request METHOD PATH [CURL ARGUMENT...]: prints the body, then the status on a last line
request() {
  local method=$1 path=$2
  shift 2
  curl -sS -m "$PATIENCE" -X "$method" -w '\n%{http_code}\n' "$@" "$URL$path"
}

status_of() {
  request "$@" | tail -n 1
}

get() {
  curl -fsS -m "$PATIENCE" "$URL$1"
}

# post_events FILE|- [PATH]: posts NDJSON, prints the answer
post_events() {
  curl -sS -m "$PATIENCE" -H 'Content-Type: application/x-ndjson' --data-binary "@$1" "$URL${2:-/api/events}"
}

# expect WHAT GOT WANTED: fails and says so where the two differ
expect() {
  [ "$2" = "$3" ] && return 0
  printf '%s: expected %s, got %s\n' "$1" "$3" "$2"
  return 1
}
