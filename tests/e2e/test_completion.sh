#!/usr/bin/env bash
# test_completion BUILD_DIR SOURCE_DIR - bash completes every command and option of ctl/arguments.c, and
# the names of sessions and instances.
set -euo pipefail
build=$1 source=$2
scratch=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$scratch"' EXIT
PATH=$build:$PATH
# shellcheck source=etc/completion/musterctl.bash
source "$source/etc/completion/musterctl.bash"

fail() {
  printf 'FAIL: %s\n' "$*" >&2
  exit 1
}

# offers WORD... - what is offered for the last of these words.
offers() {
  COMP_WORDS=(musterctl "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _musterctl
  printf '%s\n' "${COMPREPLY[@]}"
}

# The entries of a table of arguments.c.
table() {
  sed -n "/^$1/,/^};/p" "$source/ctl/arguments.c" | grep -oE '\{"[a-z-]+"' | tr -d '{"'
}

offered=$(offers '')
for command in $(table '} commands_table'); do
  [[ $command == flush ]] && continue # an older name of flush-decisions
  grep -qx -- "$command" <<<"$offered" || fail "no command $command"
done
[[ $(offers stat) == status ]] || fail "stat becomes '$(offers stat)'"
offered=$(offers --)
(($(table 'static const struct option options_table' | wc -l) > 30)) || fail "no table of options"
for option in $(table 'static const struct option options_table'); do
  grep -qx -- "--$option" <<<"$offered" || fail "no option --$option"
done

redis-server --port 0 --unixsocket "$scratch/sock" --dir "$scratch" --save '' >"$scratch/log" &
server=$!
until redis-cli -s "$scratch/sock" PING >/dev/null 2>&1; do sleep 0.05; done
redis-cli -s "$scratch/sock" ZADD '{muster}:sessions' 1 room-1 >/dev/null
redis-cli -s "$scratch/sock" HSET '{muster}:session:room-1' '#seq' 1 '#term' 1 '#count' 0 '#leader' '' '#anonymous' 0 '#gen' g >/dev/null
offered=$(offers --url "unix://$scratch/sock" members room)
[[ $offered == room-1 ]] || fail "no session is offered: '$offered': $(musterctl --url "unix://$scratch/sock" --json sessions 2>&1)"
[[ -z $(offers --url unix:///nowhere members room) ]] || fail "names without a Redis"
printf 'ok\n'
