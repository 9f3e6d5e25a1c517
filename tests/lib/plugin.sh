# shellcheck shell=bash
# plugin.sh - what the tests of plugins from outside share: muster installed to a prefix of its own,
# found as a user would find it, and a daemon with a Redis of its own. Sourced, never run; expects
# `set -euo pipefail`.

dir=
prefix=
state=
daemon=

# fail TEXT... - says it with all logs, and ends.
fail() {
  local log
  printf 'FAILED: %s\n' "$*" >&2
  for log in "$dir"/*.log; do
    [[ -e $log ]] || continue
    printf -- '----- %s\n' "$log" >&2
    tail -n 40 "$log" >&2
  done
  exit 1
}

plugin_clean_up() {
  if [[ -n $daemon ]]; then
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  if [[ -S $state/redis.sock ]]; then
    REDISCLI_AUTH=$(cat "$state/redis.password") redis-cli -s "$state/redis.sock" \
      SHUTDOWN NOSAVE >/dev/null 2>&1 || true
  fi
  if [[ -n ${MUSTER_TEST_KEEP:-} ]]; then
    printf 'kept: %s\n' "$dir"
  else
    rm -rf "$dir"
  fi
}

# plugin_begin BUILD_DIR - makes $dir, installs to $prefix, puts it into PATH and PKG_CONFIG_PATH.
plugin_begin() {
  # What everybody may write is not loaded: the caller's umask must not decide.
  umask 022
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
  prefix=$dir/prefix
  state=$dir/state
  trap plugin_clean_up EXIT
  cmake --install "$1" --prefix "$prefix" >"$dir/install.log" 2>&1 || fail "cmake --install"
  local pc
  pc=$(find "$prefix" -name muster.pc)
  [[ -n $pc ]] || fail "no muster.pc was installed"
  export PKG_CONFIG_PATH=${pc%/*}
  export PATH=$prefix/bin:$prefix/sbin:$PATH
}

# plugin_wait WHAT COMMAND... - until the command succeeds; three minutes, for sanitizers.
plugin_wait() {
  local what=$1 deadline=$((SECONDS + 180))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited in vain for $what"
    [[ -z $daemon ]] || kill -0 "$daemon" 2>/dev/null || fail "the daemon is gone; waited for $what"
    sleep 0.05
  done
}

# plugin_daemon SETTING... - a daemon with a managed Redis, and waits until it coordinates. Instances
# that never speak are left alone.
plugin_daemon() {
  local setting arguments=(--set detector.suspect_after=1h --set detector.dead_after=2h)
  for setting in "$@"; do
    arguments+=(--set "$setting")
  done
  : >"$dir/musterd.log" # here, so that nobody reads of the daemon before
  musterd --set "state_dir=$state" --set redis.mode=managed "${arguments[@]}" \
    2>"$dir/musterd.log" &
  daemon=$!
  plugin_wait 'a coordinator' grep -q 'event=data\.' "$dir/musterd.log"
}

# plugin_stop - demands a clean end.
plugin_stop() {
  local status=0
  kill -TERM "$daemon"
  wait "$daemon" || status=$?
  daemon=
  ((status == 0)) || fail "the daemon ended with $status"
}

plugin_end() {
  printf 'ok\n'
}
