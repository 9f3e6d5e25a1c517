#!/usr/bin/env bash
# test_man BUILD_DIR SOURCE_DIR - the man pages render without a complaint, and tell every option of
# --help and every key of the configuration.
set -euo pipefail
build=$1
pages=$build/docs/man
text=$(mktemp)
trap 'rm -f "$text"' EXIT
failures=0

fail() {
  printf 'FAIL: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# render PAGE - as plain text, without hyphens of the page's own and line breaks in words.
render() {
  local said
  said=$(MANWIDTH=120 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$pages/$1.gz" 2>&1 >"$text") || fail "man $1"
  [[ -z $said ]] || fail "$1: $said"
}

for program in musterd.8 musterctl.1 muster-sim.1; do
  render "$program"
  options=$("$build/${program%.*}" --help | grep -oE -- '--[a-z][a-z-]+' | sort -u)
  [[ -n $options ]] || fail "${program%.*} --help names no option"
  for option in $options; do
    grep -qF -- "$option" "$text" || fail "$program does not tell of $option"
  done
done

render muster.yaml.5
keys=$("$build/docs/man/muster-man-keys" | grep -oE '^\*[^*]+\*' | tr -d '*\134')
(($(wc -l <<<"$keys") > 40)) || fail "only these keys: $keys"
for key in $keys; do
  grep -qE -- "^ +$key \(" "$text" || fail "muster.yaml.5 does not tell of $key"
done
# The table of keys is that of the configuration: each last part is in what is printed.
printed=$("$build/musterd" --config "$2/etc/muster.yaml" --print-config)
for key in $keys; do
  grep -qE -- "^ *${key##*.}:" <<<"$printed" || fail "--print-config has no $key"
done

((failures == 0)) || exit 1
printf 'ok\n'
