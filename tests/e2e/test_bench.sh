#!/usr/bin/env bash
# test_bench BUILD_DIR SOURCE_DIR - muster-bench prints what other programs read, and what it counts
# without a clock stays within its bounds: commands inside a call, bytes a connection.
set -euo pipefail

bench=$1/muster-bench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export TMPDIR=$dir/scratch
mkdir "$TMPDIR"
cd "$dir"
failures=0

fail() {
  printf 'FAILED: %s\n' "$1"
  failures=$((failures + 1))
}

# run EXIT_CODE ARGUMENTS...
run() {
  local expected=$1 code=0
  shift
  timeout 120 "$bench" "$@" >out 2>err </dev/null || code=$?
  if [[ $code != "$expected" ]]; then
    fail "muster-bench $*: exit $code instead of $expected"
    cat out err
  fi
}

# count PATTERN: lines of out that match.
count() {
  grep -cE -- "$1" out || true
}

run 0 --list
[[ $(count '^(calls|memory|enter|growth|leave|failover|reap|takeover|detection|rebuild) ') == 10 ]] ||
  fail 'not ten scenarios'
run 2 nonsense
grep -q "no scenario 'nonsense'" err || fail 'an unknown scenario is not named'
run 2 calls --runs 0
run 2 --nonsense

run 0 calls memory --quick --json --runs 1
grep -q 'memory: ENTER (1 of 1)' err || fail 'no progress on stderr'
[[ $(head -n 1 out) == '{' && $(tail -n 1 out) == '}' ]] || fail 'not one JSON object'
for key in machine cores kernel redis quick scenarios; do
  [[ $(count "^ +\"$key\": ") == 1 ]] || fail "not one key $key"
done
rows=$(count '^   "name": "(calls|memory)",$')
[[ $rows == 10 ]] || fail "$rows rows instead of 10"
for key in what target measured measured_min measured_max unit runs baseline ratio met; do
  [[ $(count "^   \"$key\": ") == "$rows" ]] || fail "not every row has $key"
done
[[ $(count '^   "(measured|baseline|ratio)": [0-9]') == $((rows + 2)) ]] || fail 'a figure is missing'
# A function that needs more commands than before, or a connection that needs more memory: when it
# is meant, the bound in bench/ changes with it.
if [[ $(count '^   "met": true') != "$rows" ]]; then
  fail 'a bound is exceeded'
  cat out
fi

run 0 calls --quick
grep -q 'target <= [0-9]* commands: met' out || fail 'the table does not judge'
[[ -z $(ls -A "$TMPDIR") ]] || fail 'something was left behind'

[[ $failures == 0 ]] && echo 'muster-bench: fine'
exit $((failures > 0))
