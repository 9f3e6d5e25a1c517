#!/usr/bin/env bash
# test_plugin_docs BUILD_DIR SOURCE_DIR - the first chapter of docs/PLUGINS.md, as it stands there:
# every `sh` block is run, in order, in one shell and an empty folder, against an installed muster; what
# it prints must be the `text` block behind it (`…` stands for anything in a line), or nothing.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
mkdir "$dir/empty" "$dir/blocks"
state=$dir/empty/state
unset PKG_CONFIG_PATH
export PREFIX=$prefix

# 01.sh 01.text 02.sh ...: the blocks of the chapter.
awk -v out="$dir/blocks" '
  /^## / { chapter++ }
  /^```sh$/ && chapter == 1 { file = sprintf("%s/%02d.sh", out, ++number); printf "" >file; next }
  /^```text$/ && chapter == 1 { file = sprintf("%s/%02d.text", out, number); printf "" >file; next }
  /^```/ { file = ""; next }
  file != "" { print >file }' "$2/docs/PLUGINS.md"
count=$(find "$dir/blocks" -name '*.sh' | wc -l)
((count >= 8)) || fail "only $count blocks were found"

# Like a person at a terminal: a command that fails does not end the shell.
cd "$dir/empty"
set +eu
for block in "$dir"/blocks/*.sh; do
  number=$(basename "$block" .sh)
  # shellcheck source=/dev/null
  source "$block" >"$dir/$number.log" 2>&1
  expected=$dir/blocks/$number.text
  [[ -e $expected ]] || : >"$expected"
  mapfile -t wanted <"$expected"
  mapfile -t found <"$dir/$number.log"
  ((${#wanted[@]} == ${#found[@]})) ||
    fail "block $number prints ${#found[@]} lines, the document says ${#wanted[@]}: $(cat "$block")"
  for i in "${!wanted[@]}"; do
    pattern=$(sed -e 's/[][\\*?]/\\&/g' -e 's/…/*/g' <<<"${wanted[i]}")
    # shellcheck disable=SC2053 # a pattern
    [[ ${found[i]} == $pattern ]] || fail "block $number prints '${found[i]}', the document says '${wanted[i]}'"
  done
done
set -eu
daemon=
plugin_end
