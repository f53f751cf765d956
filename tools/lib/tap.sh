# shellcheck shell=bash
# What a test suite prints: `ok NAME`, `not ok NAME` or `skip NAME: REASON`, one line a test; lines that begin
# with `# ` explain the line above. tools/test counts these lines and nothing else. Sourced.

ok() { printf 'ok %s\n' "$*"; }
not_ok() { printf 'not ok %s\n' "$*"; }
skip() { printf 'skip %s\n' "$*"; }
# explain < text: at most 40 lines of it below the last result
explain() { head -n 40 | sed 's/^/# /'; }

# check NAME COMMAND...: one test, passed when the command succeeds; its output explains a failure. A function is
# run with `set -e`, so that each of its lines counts; therefore check itself always succeeds (a caller that must
# know asks `$PASSED`), and is never part of a condition.
check() {
  local name=$1 output status
  shift
  set +e
  output=$(
    set -e
    "$@" 2>&1
  )
  status=$?
  set -e
  PASSED=$((status == 0))
  if [ "$PASSED" = 1 ]; then
    ok "$name"
  else
    not_ok "$name"
    explain <<<"$output"
  fi
}
