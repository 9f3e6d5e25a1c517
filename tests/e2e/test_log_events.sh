#!/bin/bash
# test_log_events BUILD_DIR SOURCE_DIR - the table of docs/OPERATIONS.md, "Logs", names every event that
# the sources log with its levels, and none that they do not.
set -euo pipefail
dir=$(mktemp -d /tmp/mt-XXXXXX)
trap 'rm -rf "$dir"' EXIT
/usr/bin/python3 "$2/tests/lib/log_events.py" "$2" >"$dir/code"
awk -F' *[|] *' '/^## /{logs = $0 == "## Logs"}
    logs && $2 ~ /^`/ {gsub(/`/, "", $2); gsub(/ /, ",", $3); print $2, $3}' \
    "$2/docs/OPERATIONS.md" | sort >"$dir/manual"
sort -o "$dir/code" "$dir/code"
[[ $(wc -l <"$dir/code") -gt 50 ]] || { echo 'hardly any events were found in the sources' && exit 1; }
diff "$dir/code" "$dir/manual" >"$dir/diff" || {
    echo 'docs/OPERATIONS.md ("Logs") and the sources do not agree; <: sources only, >: manual only'
    grep '^[<>]' "$dir/diff"
    exit 1
}
echo ok
