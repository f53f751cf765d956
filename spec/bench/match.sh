#!/usr/bin/env bash
# What an event costs as the number of rules grows (spec/bench/match.c): the same rules once, ten times and a hundred
# times, with distinct values, against the base set in the same run; and allocations where nothing matches.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
data=()
[ ! -d "$top/../shared/data" ] || data=(--data "$top/../shared/data")
"${BUILD:-$top/build}/spec/bench_match" "${data[@]}" | jq -c '
  select(.times > 1) |
    {name: "\(.rules) rules against \(.rules / .times), \(.data) events, parse and match", value: .whole_ratio,
     unit: "×", bar: (if .times == 10 then "<= 1.5" else "<= 2.5" end)},
    {name: "\(.rules) rules, \(.data) events, match alone", value: .ratio, unit: "×", bar: ""},
    {name: "allocations an event, \(.rules) rules, \(.data) events", value: .allocations, unit: "", bar: "<= 0"}'
