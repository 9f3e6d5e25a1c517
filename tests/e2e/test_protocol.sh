#!/usr/bin/env bash
# test_protocol BUILD_DIR SOURCE_DIR - docs/PROTOCOL.md is true: every example of it is run, in the
# order of the document, against a real daemon and its Redis.
#
# `console` blocks: what follows "$ " is run, what stands below must be its output. `json events`
# blocks: the next events that are published, and there may be no others anywhere. A line that begins
# with four spaces goes on with the one before. <ms> <n> <id> <any> stand for what differs each time.
# `<!-- test: silence I -->`: from here on the instance I sends no heartbeats; all others that the
# document started do, as good clients would. `<!-- test: stop coordinator -->` and `start`: the daemon.
set -euo pipefail
export LC_ALL=C

build=$1
# shellcheck source=tests/lib/access.sh
source "$2/tests/lib/access.sh"
document=${3:-$2/docs/PROTOCOL.md}
dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
started=()
daemon=
mkdir "$dir/beating"

fail() {
  echo "FAILED: $*" >&2
  tail -n 30 "$dir/musterd.log" >&2
  exit 1
}

plain_cli() {
  command redis-cli -s "$dir/redis.sock" "$@"
}

# What the document calls, as a trusted backend; but orders, and what is the coordinator's. Remembers who
# is to be kept alive.
redis-cli() {
  local user=muster-backend
  case "${1:-} ${2:-}" in
    'FCALL muster_start') echo "$6" >"$dir/beating/$5" ;;
    'FCALL muster_stop') rm -f "$dir/beating/$5" ;;
    'FCALL muster_suspect' | 'FCALL muster_order') user=muster-daemon ;;
  esac
  redis_cli_as "$user" "$@"
}

clean_up() {
  local pid
  for pid in $daemon "${started[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap clean_up EXIT

wait_for() {
  local what=$1 deadline=$((SECONDS + 120))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "waited in vain for $what"
    sleep 0.1
  done
}

# matches TEXT PATTERN: the whole text, with the wildcards.
matches() {
  local pattern
  pattern=$(sed -e 's/[][\\.*^$+?(){}|]/\\&/g' -e 's/<ms>/[0-9]{13}/g' -e 's/<n>/[0-9]+/g' \
    -e 's/<id>/[A-Za-z0-9._~@|+=-]+/g' -e 's/<any>/.*/g' <<<"$2")
  [[ $1 =~ ^$pattern$ ]]
}

# The document as steps, one a line: kind, line of the document, text.
steps() {
  awk '
    function flush() { if (kind != "") print kind "\t" at "\t" text; kind = "" }
    function begin(what, first) { flush(); kind = what; at = NR; text = first }
    /^```/ { flush(); block = block == "" ? substr($0, 4) : ""; next }
    /^<!-- test: / { begin($3, $4); flush() }
    block != "console" && block != "json events" { next }
    block == "console" && /^\$ / { begin("run", substr($0, 3)); next }
    kind == "run" && text ~ /\\$/ { sub(/^ +/, ""); text = substr(text, 1, length(text) - 1) $0; next }
    /^    / { sub(/^ +/, ""); text = text $0; next }
    { begin(block == "console" ? "out" : "event", $0) }
  ' "$document"
}

# A daemon that coordinates.
start_daemon() {
  : >"$dir/musterd.log" # here, so that nobody reads of the daemon before
  "$build/musterd" --set "state_dir=$dir/state" --set redis.mode=external \
    --set "redis.url=$(redis_url muster-daemon)" --set detector.suspect_after=12s \
    --set detector.dead_after=16s 2>"$dir/musterd.log" &
  daemon=$!
  wait_for 'a coordinator' grep -q 'event=data\.' "$dir/musterd.log"
}

start_redis "$dir" "$2" || fail 'Redis does not start'
started+=("$redis_pid")
start_daemon
plain_cli PSUBSCRIBE '{muster}:events:*' >"$dir/feed" 2>&1 &
started+=($!)
wait_for 'the subscription' grep -q psubscribe "$dir/feed"
(while sleep 1; do
  for file in "$dir"/beating/*; do
    [ ! -f "$file" ] || redis_cli_as muster-backend FCALL muster_heartbeat 1 '{muster}' "${file##*/}" \
      "$(cat "$file" 2>/dev/null)" >/dev/null 2>&1 || true
  done
done) &
started+=($!)

published() { grep '^{"event":' "$dir/feed" || true; }
has_event() { [ "$(published | wc -l)" -ge "$1" ]; }

steps >"$dir/steps"
runs=0
events=0
: >"$dir/out"
line_of_run=0
check_rest() {
  local rest
  rest=$(tail -n "+$((shown + 1))" "$dir/out")
  [ -z "$rest" ] || fail "line $line_of_run: the document does not show: $rest"
}
shown=0
while IFS=$'\t' read -r kind at text <&3; do
  case $kind in
    run)
      check_rest
      line_of_run=$at
      shown=0
      runs=$((runs + 1))
      eval "$text" >"$dir/raw" 2>&1 </dev/null || true
      # redis-cli puts an empty line behind an error.
      sed -e '${/^$/d}' "$dir/raw" >"$dir/out"
      ;;
    out)
      shown=$((shown + 1))
      actual=$(sed -n "${shown}p" "$dir/out")
      matches "$actual" "$text" || fail "line $at: not
$text
but
$actual"
      ;;
    event)
      events=$((events + 1))
      wait_for "the event of line $at: $text" has_event "$events"
      actual=$(published | sed -n "${events}p")
      matches "$actual" "$text" || fail "line $at: the next event is not
$text
but
$actual"
      ;;
    silence) rm "$dir/beating/$text" ;;
    stop)
      kill "$daemon"
      wait "$daemon" || fail "the daemon ended with $?"
      ;;
    start) start_daemon ;;
    *) fail "line $at: what is $kind?" ;;
  esac
done 3<"$dir/steps"
check_rest
[ "$(published | wc -l)" -eq "$events" ] ||
  fail "the document does not show: $(published | tail -n "+$((events + 1))")"
[ $runs -ge 40 ] || fail "only $runs commands were found in the document"
"$build/musterctl" --url "$(redis_url muster-daemon)" fsck >"$dir/fsck.log" ||
  fail "fsck: $(cat "$dir/fsck.log")"
check_access || fail 'Redis refused somebody something'
echo "ok: $runs commands, $events events"
