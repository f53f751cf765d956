#!/usr/bin/env bash
# Rules that loop, grab memory, or have a pattern or string.rep work for ever (spec/bench/hostile.c): when they are
# stopped, and whether the events of the other worker are in time.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
memory=/dev/shm # the journal's disk has waits of its own, which no rule causes
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
folder=$(mktemp -d -p "$memory")
trap 'rm -rf "$folder"' EXIT
"${BUILD:-$top/build}/spec/bench_hostile" "$folder"
