#!/usr/bin/env bash
# test_plugin_examples BUILD_DIR SOURCE_DIR - the examples build outside the tree, from their installed
# sources and with nothing but what is installed, and do what they say: hours are kept, also with an
# answer that comes from a thread; the door of lines is not open to others and goes with the daemon.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
sources=$(find "$prefix" -type d -path '*/examples/plugins')
plugins=$(pkg-config --variable=plugindir muster)

for example in authorizer_hours transport_line; do
  {
    cmake -S "$sources/$example" -B "$dir/$example" -DCMAKE_C_FLAGS='-Wall -Wextra -Werror' &&
      cmake --build "$dir/$example" && cmake --install "$dir/$example"
  } >"$dir/$example.log" 2>&1 || fail "building $example outside the tree"
  [[ -f $plugins/$example.so ]] || fail "$example is not where the daemon looks"
done

ask() {
  musterctl --state-dir "$state" call --via pubsub --instance node-1 "$@" 2>&1 || true
}

# contains TEXT PART
contains() {
  [[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

# A day more, so that midnight may pass meanwhile.
date +%F >"$dir/days"
date -d tomorrow +%F >>"$dir/days"
hours() {
  printf '{name: authorizer_hours, config: {sessions: office-, %s}}' "$1"
}
with() {
  plugin_daemon authorization.default=allow 'authorization.chain=[authorizer_hours]' \
    "plugins.load=[{name: transport_pubsub}, {name: transport_line, config: {path: $dir/line}}, $1]"
  contains "$(ask START node-1 k1)" '"instance":"node-1"'
}

with "$(hours 'opens: "0:00", closes: "24:00"')"
[[ $(stat -c %a "$dir/line") == 600 ]] || fail "others may connect to the door of lines"
contains "$(ask ENTER office-1 c1 node-1 k1)" '"joined":true'
plugin_stop
[[ ! -e $dir/line ]] || fail "the door of lines left its socket behind"

with "$(hours 'opens: "8:00", closes: "8:00"')"
contains "$(ask ENTER office-1 c1 node-1 k1)" 'closed at this time of day'
contains "$(ask ENTER lounge c1 node-1 k1)" '"joined":true'
contains "$(ask LEAVE office-1 c1 node-1 k1)" '"left":'
plugin_stop

with "$(hours "opens: \"0:00\", closes: \"24:00\", closed_days: $dir/days")"
contains "$(ask ENTER office-1 c1 node-1 k1)" 'closed today'
plugin_stop

with "$(hours "opens: \"0:00\", closes: \"24:00\", closed_days: $dir/none")"
contains "$(ask ENTER office-1 c1 node-1 k1)" 'it is not known whether today is open'
plugin_stop

# A socket that a killed daemon left behind does not stop the next one.
with "$(hours 'opens: "0:00", closes: "24:00"')"
kill -KILL "$daemon"
wait "$daemon" || true
[[ -S $dir/line ]] || fail "there is no socket to be left behind"
with "$(hours 'opens: "0:00", closes: "24:00"')"
plugin_stop
wrong=$(musterd --check --set "plugins.load=[$(hours 'opens: noon, closes: "24:00"')]" 2>&1) &&
  fail "noon is a time of day"
contains "$wrong" "opens: 'noon' is no time of day"
plugin_end
