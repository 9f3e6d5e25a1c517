# shellcheck shell=bash
# lib.sh - what the scripts share. Sourced, never run; expects `set -euo pipefail`.

MUSTER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
  say "$@"
  exit 1
}

# usage_error TEXT - exit status 2 is for wrong arguments, everywhere in muster.
usage_error() {
  say "$1 (see ${0##*/} --help)"
  exit 2
}

# The comment block at the head of the calling script is its --help.
print_help() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

# preset_dir PRESET - where a preset of CMakePresets.json builds.
preset_dir() {
  case $1 in
  release) printf '%s\n' "$MUSTER_ROOT/build" ;;
  debug | sanitizers) printf '%s\n' "$MUSTER_ROOT/build/$1" ;;
  *) usage_error "unknown preset '$1', allowed: release debug sanitizers" ;;
  esac
}

# build PRESET - configures and builds, loudly only when something is wrong or there is much to do.
build() {
  local preset=$1 dir
  dir=$(preset_dir "$preset")
  mkdir -p "$dir"
  (
    cd "$MUSTER_ROOT" || exit
    if ! cmake --preset "$preset" >"$dir/configure.log" 2>&1; then
      cat "$dir/configure.log" >&2
      die "configuring failed"
    fi
    cmake --build --preset "$preset"
  )
}

# is_running PID - a zombie does not count.
is_running() {
  local state
  state=$(awk '{ sub(/^.*\) /, ""); print $1 }' "/proc/$1/stat" 2>/dev/null) || return 1
  [[ -n $state && $state != Z && $state != X ]]
}

# end_process PID [SECONDS] - SIGTERM, and SIGKILL when that did not help in time.
end_process() {
  local pid=$1 deadline=$((SECONDS + ${2:-10}))
  kill -TERM "$pid" 2>/dev/null || return 0
  while is_running "$pid"; do
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      break
    fi
    sleep 0.05
  done
  wait "$pid" 2>/dev/null || true
}
