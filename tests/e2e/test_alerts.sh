#!/usr/bin/env bash
# test_alerts BUILD_DIR SOURCE_DIR - promtool accepts the alerts; each of them fires in a test of its
# own and none in a cluster that is well; each says what follows, and leads to a section that is there.
set -euo pipefail
etc=$2/etc/prometheus
tests=$2/tests/e2e/metrics/alerts.test.yml
page=$2/docs/OPERATIONS.md
dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
trap 'rm -rf "$dir"' EXIT

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

promtool check rules "$etc"/*.rules.yml >"$dir/check" 2>&1 || fail "$(cat "$dir/check")"
cp "$etc/muster.rules.yml" "$tests" "$dir"
(cd "$dir" && promtool test rules alerts.test.yml) >"$dir/result" 2>&1 || fail "$(cat "$dir/result")"

alerts=$(sed -n 's/^ *- alert: //p' "$etc/muster.rules.yml")
(($(wc -l <<<"$alerts") > 20)) || fail "there are no alerts"
[[ $(sort <<<"$alerts") == $(sed -n 's/^  - name: \(Muster.*\)$/\1/p' "$tests" | sort) ]] ||
  fail "not each alert has a test"
for word in summary consequence runbook; do
  [[ $(grep -c "^          $word:" "$etc/muster.rules.yml") == $(wc -l <<<"$alerts") ]] ||
    fail "an alert has no $word"
done
while read -r alert; do
  grep -q "^### $alert\$" "$page" || fail "$page says nothing of $alert"
  grep -q "runbook: docs/OPERATIONS.md#${alert,,}\$" "$etc/muster.rules.yml" || fail "$alert leads nowhere"
done <<<"$alerts"
[[ $(grep -c '^### Muster' "$page") == $(wc -l <<<"$alerts") ]] || fail "$page tells of an alert that is none"
printf 'ok\n'
