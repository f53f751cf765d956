#!/usr/bin/env bash
# A hundred kill -9 under load (spec/e2e/crash.sh): how many of its checks fail.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
crashes=${CRASHES:-100}
results=$(CRASHES=$crashes "$top/spec/e2e/crash.sh")
grep -v '^ok' <<<"$results" >&2 || true
failed=$(grep -c '^not ok' <<<"$results" || true)
jq -nc --argjson failed "$failed" --argjson of "$(grep -cE '^(ok|not ok)' <<<"$results")" --arg n "$crashes" \
  '{name: "checks that fail after \($n) kill -9 under load: threats, half-full windows, ledger",
    value: $failed, unit: "of \($of)", bar: "<= 0"}'
