#!/usr/bin/env bash
# test_top BUILD_DIR SOURCE_DIR - `musterctl top` and `musterctl watch` as people see them, in terminals of
# 80 and of 200 columns (tmux): every line fits, what must be there is there, a new size is taken up,
# and the terminal is left as it was, however top ends. Then what a pipe gets, and `musterctl metrics`.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
export TMUX_TMPDIR=$dir TERM=xterm-256color LC_ALL=C.UTF-8
unset TMUX COLUMNS NO_COLOR
sim=
clean_up() {
  tmux kill-server 2>/dev/null || true
  [[ -z $sim ]] || kill "$sim" 2>/dev/null || true
  plugin_clean_up
}
trap clean_up EXIT

# open NAME COLUMNS LINES - a shell in a terminal of its own.
open() {
  tmux -f /dev/null new-session -d -s "$1" -x "$2" -y "$3" \
    "env PS1='ready> ' PATH='$PATH' bash --norc --noprofile -i"
  tmux set-option -t "$1" window-size manual >/dev/null
  plugin_wait "a shell in $1" shows "$1" '^ready>'
}

# type_in NAME KEYS...
type_in() {
  tmux send-keys -t "$1" "${@:2}"
}

screen() {
  tmux capture-pane -p -t "$1"
}

# shows NAME PATTERN
shows() {
  screen "$1" | grep -Eq -- "$2"
}

# sees NAME PATTERN - waits for it.
sees() {
  plugin_wait "'$2' in $1, which has: $(screen "$1")" shows "$@"
}

# fits NAME COLUMNS - no line is longer, and no rest of one hangs over: each begins as lines do.
fits() {
  local longest
  longest=$(screen "$1" | awk '{ if (length > most) most = length } END { print most + 0 }')
  ((longest > 0 && longest <= $2)) || fail "a line of $longest columns in $1"
}

# refused CODE TEXT - what the last command ended with, which is in $code and $dir/err.
refused() {
  [[ $code == "$1" ]] || fail "exit $code instead of $1: $(cat "$dir/err")"
  grep -q -- "$2" "$dir/err" || fail "no '$2' in: $(cat "$dir/err")"
}

# is_plain NAME - neither on the alternate screen nor without a cursor.
is_plain() {
  [[ $(tmux display-message -p -t "$1" '#{alternate_on} #{cursor_flag}') == '0 1' ]]
}

door=unix://$dir/door
load="plugins.load=[{name: transport_pubsub}, {name: transport_resp, config: {listen: [\"$door\"]}}]"
plugin_daemon "$load" authorization.default=allow detector.heartbeat=200ms
muster-sim cluster --door "$door" --instances 3 --connections 20 --sessions 9 --churn 20 --heartbeat-ms 200 \
  --seed 1 >"$dir/sim.log" 2>&1 &
sim=$!

# ---- top, and a terminal that grows ----
open top 80 24
type_in top "stty -g >'$dir/before'; musterctl --door $door top --interval 300ms" Enter
sees top '^node-[123] .* up '
sees top '^requests +[0-9.]+ms +[0-9.]+m?s'
fits top 80
shows top '^musterctl top  muster, door unix:' || fail "no title: $(screen top)"
shows top '^coordinator +[A-Za-z0-9]' || fail "no coordinator: $(screen top)"
sees top 'brake +released +daemons +1 +instances up +3$'
sees top '^requests +[1-9][0-9.]* +enter +[0-9.]+ +leave +[0-9.]+$'
shows top '^INSTANCE +STATE +HEARTBEAT +CONNECTIONS +LEADS$' || fail "the table: $(screen top)"
[[ $(tmux display-message -p -t top '#{alternate_on} #{cursor_flag}') == '1 0' ]] ||
  fail "not on the alternate screen, or with a cursor"
tmux resize-window -t top -x 200 -y 45
sees top '^INSTANCE .* RUNNING +INCARNATION$'
sees top 'brake +released +daemons +1 +instances up +3 +suspect +0 +draining +0 +connections +[0-9]+ +sessions'
fits top 200
tmux resize-window -t top -x 80 -y 17
sees top '^\.\.\. and [0-9] more$'
fits top 80
# Suspended: the shell has its terminal; then it goes on.
type_in top C-z
sees top '^ready>'
is_plain top || fail "Ctrl-Z: $(screen top)"
type_in top fg Enter
sees top '^musterctl top'
type_in top q
sees top '^ready> ?$'
type_in top "stty -g >'$dir/after'" Enter
plugin_wait 'what the terminal is like' test -s "$dir/after"
is_plain top || fail "q: $(screen top)"
diff "$dir/before" "$dir/after" || fail "the terminal is not as it was"

# ---- it ends by a signal ----
open killed 100 40
rm "$dir/after"
type_in killed "musterctl --door $door top --interval 300ms; stty -g >'$dir/after'" Enter
sees killed '^node-[123] .* up '
pid=$(pgrep -P "$(tmux display-message -p -t killed '#{pane_pid}')")
kill -TERM "$pid"
plugin_wait 'the end of top' test -s "$dir/after"
diff "$dir/before" "$dir/after" || fail "the terminal is not as it was after SIGTERM"
is_plain killed || fail "SIGTERM: $(screen killed)"

# ---- watch ----
for columns in 80 200; do
  open "watch-$columns" "$columns" 24
  type_in "watch-$columns" "musterctl --state-dir $state watch --count 12" Enter
  sees "watch-$columns" '^ready> ?$'
  fits "watch-$columns" "$columns"
  sees "watch-$columns" '^[0-9:.]{12}  member\.(joined|left|updated) +room-'
  # A line is broken between words, and what follows stands below the text.
  wrong=$(screen "watch-$columns" | grep -Ev '^([0-9:.]{12}  [a-z]|              [^ ]|ready>|musterctl: |$)' || true)
  [[ $(wc -l <<<"$wrong") -le 1 ]] || fail "watch at $columns: $wrong"
done
screen watch-80 | grep -q '^              ' || fail "nothing was broken: $(screen watch-80)"
! screen watch-200 | grep -q '^              ' || fail "a short line was broken: $(screen watch-200)"

# ---- what a pipe gets ----
COLUMNS=80 musterctl --door "$door" top --once --interval 200ms >"$dir/once" || fail "--once: $?"
! grep -q $'\x1b' "$dir/once" || fail "--once has control codes"
[[ $(awk '{ if (length > most) most = length } END { print most }' "$dir/once") -le 80 ]] || fail "--once: too wide"
grep -Eq '^node-1 +up ' "$dir/once" || fail "--once: $(cat "$dir/once")"
musterctl --state-dir "$state" top --once >"$dir/redis" || fail "--once by Redis: $?"
grep -Eq '^epoch .*, lease for ' "$dir/redis" || fail "by Redis: $(cat "$dir/redis")"
grep -q 'rates and latencies come from METRICS' "$dir/redis" || fail "by Redis: $(cat "$dir/redis")"
code=0
musterctl --door "$door" top >"$dir/out" 2>"$dir/err" </dev/null || code=$?
refused 2 'this is none; --once'

# ---- metrics ----
musterctl --door "$door" metrics >"$dir/metrics" || fail "metrics: $?"
complaints=$(promtool check metrics <"$dir/metrics" 2>&1) || fail "metrics: $complaints"
grep -q '^muster_coordinator_active 1$' "$dir/metrics" || fail "metrics: $(head "$dir/metrics")"
code=0
musterctl --via redis metrics 2>"$dir/err" || code=$?
refused 2 'at its RESP door alone'

# ---- a daemon that goes, and comes back ----
open lost 100 40
type_in lost "musterctl --door $door top --interval 300ms" Enter
sees lost '^node-[123] .* up '
kill "$sim" 2>/dev/null || true
wait "$sim" 2>/dev/null || true
sim=
plugin_stop
sees lost 'no musterd answers'
shows lost '^brake +released ' || fail "what was seen last is gone: $(screen lost)"
fits lost 100
# Nobody is there any more: said, and that is all.
code=0
musterctl --door "$door" metrics 2>"$dir/err" || code=$?
refused 3 'no musterd answers'
plugin_daemon "$load" authorization.default=allow
sees lost '^coordinator +[A-Za-z0-9]'
type_in lost q
sees lost '^ready> ?$'
plugin_stop
plugin_end
