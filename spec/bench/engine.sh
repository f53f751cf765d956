#!/usr/bin/env bash
# The engine on one core, from bytes to verdict with the source map: shipped rules, 20,000 vendor events of 1 KB, and
# the real ones of ../shared/data where that is there.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
events=$(mktemp)
trap 'rm -f "$events"' EXIT
cd "$top"

# measure NAME: `lunette bench` of $events
measure() {
  "${BUILD:-build}/lunette" bench --json "$events" | jq -c --arg name "$1" '
    {name: "engine, one core, \($name)", value: .events_per_second, unit: "events/s", bar: ">= 400000"},
    {name: "the same against parsing alone, \($name)", value: .ratio_to_parse, unit: "×", bar: "<= 3"}'
}

python3 spec/bench/events.py 20000 >"$events"
measure "made Sysmon events of 1 KB"
if [ -f ../shared/data/hospital/windows.ndjson.gz ]; then
  gzip -dc ../shared/data/hospital/windows.ndjson.gz >"$events"
  measure "hospital/windows, 1.1 KB"
fi
