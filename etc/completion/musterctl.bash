# shellcheck shell=bash
# Completion of musterctl for bash: commands and options are what `musterctl --help` says, so that they
# are those of the program that is installed; names come from Redis, if it answers within a second.

_musterctl_commands() {
  musterctl --help 2>/dev/null | sed -n '/^commands$/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p' | sort -u
}

_musterctl_options() {
  musterctl --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+' | sort -u
}

# What says where Redis is counts for the question, too.
_musterctl_names() {
  local i where=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    --url | --config | --namespace | --state-dir | --sentinel | --master)
      where+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
      ;;
    esac
  done
  timeout 1 musterctl "${where[@]}" --json "$1" 2>/dev/null |
    grep -oE "\"$2\": *\"[^\"]+\"" | sed 's/.*"\([^"]*\)"$/\1/'
}

_musterctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
  case $before in
  members | session | --session) words=$(_musterctl_names sessions session) ;;
  drain | undrain | bury | reap | instance | --instance) words=$(_musterctl_names instances instance) ;;
  explain) words="session connection instance" ;;
  brake) words="release" ;;
  token) words="new hash" ;;
  --via) words="redis pubsub" ;;
  --config | --tls-ca | --tls-cert | --tls-key)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  *)
    if [[ $word == -* ]]; then
      words=$(_musterctl_options)
    else
      words=$(_musterctl_commands)
    fi
    ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _musterctl musterctl
