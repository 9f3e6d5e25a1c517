#!/usr/bin/env bash
# A client written with nothing but redis-cli: starts an instance, enters two connections, reads the
# snapshot, falls silent, and a second instance sees what follows.
# Usage: test_redis_cli.sh BUILD_DIR SOURCE_DIR
set -euo pipefail

build=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
state=$dir/state
started=()

fail() {
  echo "FAILED: $*" >&2
  for log in "$dir"/*.log; do
    echo "----- $log" >&2
    tail -n 40 "$log" >&2
  done
  exit 1
}

cli() {
  REDISCLI_AUTH=$(cat "$state/redis.password") redis-cli -s "$state/redis.sock" "$@"
}

# Every client command of this test: an operation of muster and its arguments.
muster() {
  local operation=$1
  shift
  cli FCALL "muster_$operation" 1 '{muster}' "$@"
}

clean_up() {
  local pid
  for pid in "${started[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ ! -S "$state/redis.sock" ] || cli SHUTDOWN NOSAVE >/dev/null 2>&1 || true
  if [ -n "${MUSTER_TEST_KEEP:-}" ]; then
    echo "kept: $dir"
  else
    rm -rf "$dir"
  fi
}
trap clean_up EXIT

# wait_for WHAT COMMAND...: until the command succeeds, at most a minute (three with sanitizers).
wait_for() {
  local what=$1 deadline=$((SECONDS + 180))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "waited in vain for $what"
    sleep 0.1
  done
}

# contains TEXT PART WHAT
contains() {
  case $1 in
    *"$2"*) ;;
    *) fail "$3: no '$2' in: $1" ;;
  esac
}

line_of() {
  grep -n -m 1 -- "$1" "$dir/events.log" | cut -d: -f1
}

"$build/musterd" --set "state_dir=$state" --set redis.mode=managed \
  --set detector.suspect_after=8s --set detector.dead_after=12s 2>"$dir/musterd.log" &
started+=($!)
wait_for 'a coordinator' grep -q 'event=data\.' "$dir/musterd.log"

cli PSUBSCRIBE '{muster}:events:*' >"$dir/events.log" 2>&1 &
started+=($!)
wait_for 'the subscription' grep -q psubscribe "$dir/events.log"

# Before START an instance is unknown, and the error says what to do.
contains "$(muster enter room-1 c1 node-1 k1 2>&1)" 'UNKNOWN_INSTANCE' 'enter before start'

contains "$(muster start node-1 k1)" '"instance":"node-1","incarnation":"k1","state":"up"' start
contains "$(muster start node-2 k2)" '"heartbeat_ms":1000' start

# node-2 is a good client: it heartbeats. node-1 will not.
(while muster heartbeat node-2 k2 >>"$dir/heartbeat.log" 2>&1; do sleep 1; done) &
started+=($!)

contains "$(muster enter room-1 c1 node-1 k1 '{"user":"ann"}' '{"name":"Ann"}')" \
  '"joined":true' 'enter of c1'
contains "$(muster enter room-1 c2 node-1 k1)" '"leader":"c1"' 'enter of c2'
contains "$(muster enter room-1 c3 node-2 k2)" '"count":3' 'enter of c3'
contains "$(muster enter room-1 c3 node-2 k2)" '"joined":false' 'enter of c3 again'

# One HGETALL is a consistent snapshot: a field for each member, and the session's own with a #.
snapshot=$(cli HGETALL '{muster}:session:room-1')
for part in $'#leader\nc1' $'#count\n3' $'#anonymous\n2' '"profile":{"name":"Ann"}' \
  '"connection":"c2","instance":"node-1","incarnation":"k1"' '"connection":"c3"'; do
  contains "$snapshot" "$part" 'the snapshot'
done
[ "$(cli HEXISTS '{muster}:session:room-1' c2)" = 1 ] || fail 'c2 is no member'
[ "$(cli HGET '{muster}:session:room-1:users' ann)" = 1 ] || fail 'ann is no user'

# Silence. First leadership moves, then the instance is dead, and only then its members leave.
wait_for 'the suspicion' grep -q '"event":"instance.suspect","instance":"node-1"' "$dir/events.log"
wait_for 'a new leader' grep -q '"leader":"c3","previous":"c1","reason":"instance-suspect"' \
  "$dir/events.log"
wait_for 'the burial' grep -q '"event":"instance.dead","instance":"node-1"' "$dir/events.log"
for connection in c1 c2; do
  wait_for "$connection to leave" grep -q \
    "\"event\":\"member.left\".*\"connection\":\"$connection\".*\"reason\":\"instance-dead\"" \
    "$dir/events.log"
done
suspect=$(line_of '"event":"instance.suspect"')
changed=$(line_of '"reason":"instance-suspect"')
dead=$(line_of '"event":"instance.dead"')
left=$(line_of '"event":"member.left"')
if [ "$suspect" -ge "$changed" ] || [ "$changed" -ge "$dead" ] || [ "$dead" -ge "$left" ]; then
  fail "wrong order: suspect $suspect, leader $changed, dead $dead, left $left"
fi

# The seq of the session's events grows by 1.
grep -o '"session":"room-1".*"seq":[0-9]*' "$dir/events.log" | sed 's/.*"seq"://' >"$dir/seqs"
previous=
count=0
while read -r seq; do
  [ -z "$previous" ] || [ "$seq" -eq $((previous + 1)) ] || fail "seq $seq after $previous"
  previous=$seq
  count=$((count + 1))
done <"$dir/seqs"
[ "$count" -eq 7 ] || fail "$count events of room-1, wanted 3 joins, 2 leaders and 2 leaves"

snapshot=$(cli HGETALL '{muster}:session:room-1')
contains "$snapshot" $'#leader\nc3' 'the last snapshot'
contains "$snapshot" $'#count\n1' 'the last snapshot'
contains "$(muster heartbeat node-1 k1 2>&1)" 'UNKNOWN_INSTANCE' 'heartbeat of the dead'
contains "$(muster start node-1 k1 2>&1)" 'STALE_INCARNATION' 'start of a buried incarnation'
contains "$(muster stop node-2 k2)" '"stopped":true' stop
wait_for 'the session to end' grep -q '"reason":"instance-stopped".*"closed":true' "$dir/events.log"
"$build/musterctl" --state-dir "$state" fsck >"$dir/fsck.log" || fail 'fsck finds something'
echo "ok"
