# shellcheck shell=bash
# Set-up that tools/run, tools/test and the others share: Debian packages and the build. Sourced.
# PRESET (release, debug, asan, tsan) and BUILD (a folder) choose what is built and where.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PRESET=${PRESET:-release}
case $PRESET in
release) BUILD=${BUILD:-$TOP/build} ;;
*) BUILD=${BUILD:-$TOP/build/$PRESET} ;;
esac
JOBS=${JOBS:-$(nproc)}
export TOP PRESET BUILD JOBS

# The tree may belong to another user, as one that is mounted into a container does; git then wants to be told.
GIT_CONFIG_COUNT=$((${GIT_CONFIG_COUNT:-0} + 1))
export GIT_CONFIG_COUNT
export "GIT_CONFIG_KEY_$((GIT_CONFIG_COUNT - 1))=safe.directory" "GIT_CONFIG_VALUE_$((GIT_CONFIG_COUNT - 1))=$TOP"

say() { printf '%s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

# packages_of SECTION...: the names below these headings of tools/packages
packages_of() {
  awk -v want=" $* " '
    /^# \[/ { name = $2; gsub(/[][]/, "", name); on = index(want, " " name " ") }
    /^[^#]/ && NF && on { print $1 }' "$TOP/tools/packages"
}

# packages_get NAME...: installs them without starting what is a service: nothing of ours may listen on the machine's
# ports. A policy that the machine has already stays.
packages_get() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_root env DEBIAN_FRONTEND=noninteractive sh -c '
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap "rm -f $policy" EXIT
      trap "exit 130" INT TERM
      printf "#!/bin/sh\nexit 101\n" >"$policy"
      chmod 755 "$policy"
    fi
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null' sh "$@"
}

# packages_install SECTION...: installs what is missing, says nothing when nothing is
packages_install() {
  local names missing
  mapfile -t names < <(packages_of "$@")
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian machine: these packages, or what they hold, are expected: ${names[*]}"
    return 0
  fi
  mapfile -t missing < <(comm -23 <(printf '%s\n' "${names[@]}" | sort) <(
    # shellcheck disable=SC2016 # dpkg-query's own variables
    dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${names[@]}" 2>/dev/null |
      awk '$2 == "installed" { print $1 }' | sort -u))
  [ "${#missing[@]}" -gt 0 ] || return 0
  can_be_root || {
    say "Debian packages are missing, and there is no sudo here. As root: apt-get install -y ${missing[*]}"
    return 1
  }
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get update -qq
  packages_get "${missing[@]}"
}

# build_moved: $BUILD was made under another path, as in a copy of the project; what cmake keeps there names that one
build_moved() {
  local cache=$BUILD/CMakeCache.txt
  [ -f "$cache" ] && ! [ "$(sed -n 's/^CMAKE_CACHEFILE_DIR:INTERNAL=//p' "$cache")" -ef "$BUILD" ]
}

# build_configure: makes or refreshes $BUILD; build_ready does so only where there is none
build_configure() {
  local launcher=() fresh=() log=$BUILD/configure.log
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  mkdir -p "$BUILD"
  if build_moved; then fresh=(--fresh); fi
  (cd "$TOP" && cmake --preset "$PRESET" -B "$BUILD" "${fresh[@]}" "${launcher[@]}" >"$log" 2>&1) || {
    cat "$log" >&2
    return 1
  }
}

build_ready() {
  if [ ! -f "$BUILD/build.ninja" ] || build_moved; then build_configure; fi
}

# build_targets TARGET...: builds (`all`: everything); prints only what fails
build_targets() {
  local log=$BUILD/build.log
  mkdir -p "$BUILD"
  ninja -C "$BUILD" -j "$JOBS" "$@" >"$log" 2>&1 || {
    grep -v '^\[[0-9]*/[0-9]*\] ' "$log" | head -n 200 >&2
    return 1
  }
}
