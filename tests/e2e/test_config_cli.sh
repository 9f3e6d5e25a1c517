#!/usr/bin/env bash
# What musterd does with its command line and configuration before it serves anything.
#   test_config_cli.sh BUILD_DIR SOURCE_DIR
set -euo pipefail

musterd=$1/musterd
shipped=$2/etc/muster.yaml
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failures=0

fail() {
  printf 'FAILED: %s\n' "$1"
  sed 's/^/  stdout: /' out
  sed 's/^/  stderr: /' err
  failures=$((failures + 1))
}

# run EXIT_CODE ARGUMENTS...: leaves stdout and stderr in the files out and err.
run() {
  local expected=$1 code=0
  shift
  what="musterd $*"
  timeout 60 "$musterd" "$@" >out 2>err </dev/null || code=$?
  [[ $code == "$expected" ]] || fail "$what: exit $code instead of $expected"
}

# says FILE TEXT: the text stands in it.
says() {
  grep -qF -- "$2" "$1" || fail "$what: '$2' is not in std$1"
}

silent() {
  [[ ! -s $1 ]] || fail "$what: std$1 is not empty"
}

cat >good.yaml <<'END'
namespace: shop
coordinator: { id: one }
log: { level: warn }
END
printf 'log:\n  level: loud\n' >bad.yaml
printf 'coordinator:\n  renew: 3s\n' >crossed.yaml
printf 'log: &a { level: info }\n' >anchor.yaml

run 0 --help
says out '--print-config'
silent err
run 0 -h
says out 'usage: musterd'
run 0 --version
grep -qE '[0-9]+\.[0-9]+\.[0-9]+' out || fail "$what: no version"

run 0 --config "$shipped" --check
run 0 --config good.yaml --check
run 2 --config bad.yaml --check
says err "bad.yaml:2:10: log.level: 'loud' is not known; allowed is debug, info, warn or error"
run 2 --set redis.mode=external --set redis.url=redis://host:99999/0 --check
says err 'musterd: redis.url: '
run 2 --config crossed.yaml --check
says err 'crossed.yaml:2:10: coordinator.renew: 3s is not shorter than coordinator.lease'
run 2 --config anchor.yaml --check
says err 'anchor.yaml:1:6: an anchor; allowed are plain values'
run 2 --config missing.yaml --check
says err 'missing.yaml: cannot be read: No such file or directory'
# Without --check a bad configuration ends it as well, before anything is started.
run 2 --config bad.yaml
says err 'bad.yaml:2:10: log.level'

run 0 --config bad.yaml --version
run 0 --config good.yaml --set log.level=debug --set 'coordinator.advertise=[a:1, b:2]' \
  --print-config
says out 'namespace: "shop"'
says out '  id: "one"'
says out '  level: debug'
says out '  advertise: ["a:1", "b:2"]'
silent err
cp out printed.yaml
run 0 --config printed.yaml --print-config
cmp -s out printed.yaml || fail "$what: what was printed does not read as the same"

run 0 --set redis.mode=external --set redis.url=redis://u:sekret@h --print-config
says out 'url: "redis://u:***@h"'
if grep -q sekret out err; then
  fail "$what: the password is shown"
fi
run 2 --config good.yaml --set log.levle=info --check
says err "--set log.levle: unknown key; did you mean 'level'?"
run 2 --config good.yaml --set redis.mode=external --check
says err '--set redis.mode: external needs redis.url'

run 2 --no-such-option
says err "unknown option '--no-such-option'; see musterd --help"
run 2 -x
says err "unknown option '-x'"
run 2 --check=yes
says err "no value is allowed in '--check=yes'"
run 2 --config
says err "a value is missing behind '--config'"
run 2 --config ''
says err "a file name is missing behind '--config'"
run 2 --config good.yaml --config bad.yaml --check
says err "only one file is allowed, so too much is 'bad.yaml'"
run 2 stray
says err "unexpected argument 'stray'"

if ((failures > 0)); then
  printf '%d failed\n' "$failures"
  exit 1
fi
echo 'all passed'
