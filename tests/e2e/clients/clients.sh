# shellcheck shell=bash
# clients.sh - what the tests of real clients at the RESP door share: a Redis of their own, two
# daemons whose doors have ports of their own, and a client program that says when the first one is
# to be restarted and killed. Sourced, never run; expects `set -euo pipefail`.

# shellcheck source=tests/lib/access.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../lib/access.sh"

build=
source=
dir=
secret=0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE
token=app.$secret
declare -A started ports

fail() {
  local log
  printf 'FAILED: %s\n' "$*" >&2
  for log in "$dir"/*.log; do
    printf -- '----- %s\n' "$log" >&2
    grep -v auth.allowed "$log" | tail -n 40 >&2
  done
  exit 1
}

# wait_for WHAT COMMAND... - until it succeeds; three minutes, for sanitizers.
wait_for() {
  local what=$1 deadline=$((SECONDS + 180))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited in vain for $what"
    sleep 0.05
  done
}

end() {
  local pid=${started[$1]:-}
  [[ -n $pid ]] || return 0
  kill "-$2" "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  unset "started[$1]"
}

clean_up() {
  local name
  for name in "${!started[@]}"; do
    end "$name" KILL
  done
  if [[ -n ${MUSTER_TEST_KEEP:-} ]]; then
    printf 'kept: %s\n' "$dir"
  else
    rm -rf "$dir"
  fi
}

# port_of NAME yes|no - of its door with or without TLS, once it has said so.
port_of() {
  sed -n "s/.*event=plugin\.transport_resp\.listening.*address=127\.0\.0\.1:\([0-9]*\) tls=$2.*/\1/p" \
    "$dir/$1.log" | tail -n 1
}

is_ready_or_over() {
  ! kill -0 "${started[$1]}" || { grep -q 'transport_resp\.listening.*tls=yes' "$dir/$1.log" &&
    grep -q 'event=daemon\.ready' "$dir/$1.log"; }
}

# start_daemon NAME [PORT] - any port at first; the same one when it starts again.
start_daemon() {
  local name=$1 port=${2:-0} hash
  hash=$(printf 'saltsalt%s' "$secret" | sha256sum | cut -d' ' -f1)
  : >"$dir/$name.log"
  "$build/musterd" --set "coordinator.id=$name" --set "redis.mode=external" \
    --set "redis.url=$(redis_url muster-daemon)" --set detector.suspect_after=1h \
    --set detector.dead_after=2h --set authorization.default=allow \
    --set "authorization.chain=[auth_rules]" --set "plugins.load=[
      {name: $build/plugins/auth_rules.so, config: {principals: {
        app: {kind: instance, token: \"sha256:73616c7473616c74:$hash\"}}}},
      {name: $build/plugins/transport_resp.so, config: {
        listen: [\"127.0.0.1:$port\"], tls_listen: [\"127.0.0.1:0\"],
        tls: {certificate: $dir/server.pem, key: $dir/server.key}}}]" \
    2>"$dir/$name.log" &
  started[$name]=$!
  wait_for "$name to be ready, or to end" is_ready_or_over "$name"
  kill -0 "${started[$name]}" || fail "$name ended"
  ports[$name]=$(port_of "$name" no)
}

# begin BUILD_DIR SOURCE_DIR - Redis, and two daemons.
begin() {
  build=$1 source=$2
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
  trap clean_up EXIT
  "$source/tests/lib/certificates.sh" "$dir"
  start_redis "$dir" "$source" || fail 'Redis does not start'
  started[redis]=$redis_pid
  start_daemon first
  wait_for 'a coordinator' grep -q 'event=data\.' "$dir/first.log"
  start_daemon second
}

# said WORD - has the client said it?
said() {
  grep -qx "$1" "$dir/client.out"
}

# waits_for WORD - fails when the client ends before it says so.
waits_for() {
  local deadline=$((SECONDS + 180))
  until said "$1"; do
    kill -0 "${started[client]}" 2>/dev/null || said "$1" || fail "the client ended before '$1'"
    ((SECONDS < deadline)) || fail "the client did not come to '$1'"
    sleep 0.05
  done
}

# run_client COMMAND... - with the ports, through a restart of the first daemon and its death.
run_client() {
  : >"$dir/client.out"
  "$@" "${ports[first]}" "${ports[second]}" "$(port_of second yes)" "$dir/ca.pem" "$token" \
    >"$dir/client.out" 2>"$dir/client.log" &
  started[client]=$!
  waits_for restart
  end first TERM
  start_daemon first "${ports[first]}"
  waits_for kill
  end first KILL
  waits_for 'done'
  wait "${started[client]}" || fail "the client failed"
  unset 'started[client]'
  grep -q 'event=instance\.suspected' "$dir"/*.log && fail "an instance was suspected"
  check_access || fail 'Redis refused somebody something'
  echo ok
}
