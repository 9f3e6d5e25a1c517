#!/usr/bin/env bash
# test_demo BUILD_DIR SOURCE_DIR - the demo, smaller and faster: leaders move away from a killed
# instance, members leave only once it is dead, every check is clean, and Ctrl-C leaves nothing.
set -euo pipefail
build=$1
source=$2
scratch=$(mktemp -d)
demo=
cleanup() {
  if [[ -n $demo ]]; then
    kill -TERM "$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap cleanup EXIT
mkdir "$scratch/tmp"
out=$scratch/out

fail() {
  printf 'FAIL: %s\n' "$*" >&2
  cat "$out" >&2
  exit 1
}

# Job control, so that the demo gets SIGINT as it does on a terminal.
set -m
TMPDIR=$scratch/tmp "$source/scripts/demo" --build-dir "$build" --instances 3 --connections 60 \
  --sessions 12 --kill-every 8s --return-after 5s --set detector.heartbeat=500ms \
  --set detector.suspect_after=1500ms --set detector.dead_after=3s \
  >"$out" 2>&1 </dev/null &
demo=$!
set +m

# What must be seen; which instance is killed, and whether it leads anything, is chance.
seen() {
  grep -qE 'node-[0-9] killed with -9' "$out" &&
    grep -qE 'moved from node-[0-9] to node-.*\(instance-suspect\)' "$out" &&
    grep -qE 'left.*instance-dead' "$out" &&
    grep -qE 'node-[0-9] is back with a new incarnation' "$out" &&
    (($(grep -c 'fsck: clean' "$out") >= 2))
}
deadline=$((SECONDS + 240))
until seen; do
  kill -0 "$demo" 2>/dev/null || fail "the demo ended by itself"
  ((SECONDS < deadline)) || fail "not everything was seen in time"
  sleep 0.2
done

line_of() {
  grep -nE "$1" "$out" | head -n 1 | cut -d: -f1
}
(($(line_of 'instance\.suspect') < $(line_of 'instance\.dead'))) || fail "dead before suspect"
(($(line_of 'instance\.dead') < $(line_of 'left.*instance-dead'))) ||
  fail "members left before the instance was dead"

kill -INT -- "-$demo"
status=0
wait "$demo" || status=$?
demo=
((status == 0)) || fail "exit status $status"
tail -n 5 "$out" | grep -q ': clean$' || fail "no closing line"
[[ -z $(ls -A "$scratch/tmp") ]] || fail "files were left: $(ls -A "$scratch/tmp")"
for file in /proc/[0-9]*/cmdline; do
  if tr '\0' ' ' 2>/dev/null <"$file" | grep -qF "$scratch/tmp"; then
    fail "a process was left: $(tr '\0' ' ' <"$file")"
  fi
done
printf 'ok\n'
