#!/usr/bin/env bash
# What the triage of a threat costs with all shipped policies (spec/bench/triage.c).
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
"${BUILD:-$top/build}/spec/bench_triage" | jq -c '
  {name: "triage of \(.threat), all shipped policies", value: .mean_us, unit: "µs",
   bar: (if .threat == "a threat that begins" then "<= 100" else "" end)},
  {name: "triage of \(.threat), 99th percentile", value: .p99_us, unit: "µs", bar: ""}'
