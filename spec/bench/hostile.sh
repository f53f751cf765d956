#!/usr/bin/env bash
# Rules that loop, grab memory, or have a pattern or string.rep work for ever (spec/bench/hostile.c): when they are
# stopped, and whether the events of the other worker are in time.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${BUILD:-$top/build}/spec/bench_hostile" "$folder"
