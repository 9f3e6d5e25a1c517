#!/usr/bin/env bash
# An unmodified redis-cli at the RESP door, in the ways people use it, and redis-benchmark.
# Usage: test_resp_redis_cli.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
# shellcheck source=tests/e2e/clients/clients.sh
source "$2/tests/e2e/clients/clients.sh"

# cli OPTION... COMMAND... - at the first daemon.
cli() {
  redis-cli -p "${ports[first]}" "$@" 2>&1
}

# contains TEXT PART
contains() {
  [[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

begin "$1" "$2"
for protocol in -2 -3; do
  contains "$(cli $protocol PING)" PONG
  contains "$(cli $protocol COMMAND DOCS)" enter
  contains "$(cli $protocol --user app --pass "$token" --no-auth-warning ACL WHOAMI)" app
  contains "$(cli $protocol --pass "$token" --no-auth-warning ACL WHOAMI)" app
  contains "$(cli $protocol --pass wrong --no-auth-warning PING)" WRONGPASS
done
contains "$(REDISCLI_AUTH=$token cli ACL WHOAMI)" app
contains "$(cli NOSUCH)" 'unknown command'
contains "$(redis-cli -p "$(port_of first yes)" --tls --cacert "$dir/ca.pem" PING)" PONG

# One that stays: commands as they are typed, across a restart of the daemon.
mkfifo "$dir/typed"
redis-cli -p "${ports[first]}" <"$dir/typed" >"$dir/answers.log" 2>&1 &
started[cli]=$!
exec 3>"$dir/typed"
answered() {
  grep -q -- "$1" "$dir/answers.log"
}
echo 'START cli i1' >&3
wait_for 'an answer' answered '"state":"up"'
redis-cli -p "${ports[first]}" SUBSCRIBE session:cli-room >"$dir/events.log" 2>&1 &
started[subscriber]=$!
wait_for 'the subscription' grep -q subscribe "$dir/events.log"
echo 'ENTER cli-room c1 cli i1' >&3
wait_for 'the event' grep -q '"event":"member.joined".*"connection":"c1"' "$dir/events.log"

# 10,000 in a pipeline.
for ((i = 0; i < 10000; i++)); do
  printf 'ISMEMBER cli-room c1\r\n'
done | cli --pipe >"$dir/pipe.log" || fail 'redis-cli --pipe'
grep -q 'errors: 0, replies: 10000' "$dir/pipe.log" || fail "$(cat "$dir/pipe.log")"

# redis-benchmark takes errors for an end.
bench() {
  redis-benchmark -p "${ports[first]}" -q --csv "$@" >"$dir/bench.log" 2>&1 || fail "benchmark $*"
  grep -q '"[0-9.]*","[0-9.]*"' "$dir/bench.log" || fail "benchmark $*: $(cat "$dir/bench.log")"
  ! grep -qi error "$dir/bench.log" || fail "benchmark $*: $(cat "$dir/bench.log")"
}
bench -t ping -n 20000
bench -t ping -n 20000 -P 32
bench -n 5000 -r 1000000 ENTER bench 'c__rand_int__' cli i1
bench -n 20000 -P 16 ISMEMBER bench c1
contains "$(cli LEADER bench)" '"leader":"c'
members=$(cli COUNT bench)
((members > 1000 && members <= 5000)) || fail "$members members after the benchmark"

end first TERM
start_daemon first "${ports[first]}"
# It says once that its connection is gone, and makes a new one for the next command.
beats() {
  echo 'HEARTBEAT cli i1' >&3
  answered '"instance":"cli","state":"up","draining"'
}
wait_for 'the answer after the restart' beats
end first KILL
contains "$(redis-cli -p "${ports[second]}" ISMEMBER cli-room c1)" 1
contains "$(redis-cli -p "${ports[second]}" STOP cli i1)" '"stopped":true'
exec 3>&-
echo ok
