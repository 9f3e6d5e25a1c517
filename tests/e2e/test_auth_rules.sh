#!/usr/bin/env bash
# test_auth_rules BUILD_DIR SOURCE_DIR - the configuration of docs/AUTHORIZATION.md is one; a token of
# `musterctl token new` is accepted by a daemon that was told what it printed, a hash of `musterctl
# token hash` as well; `musterctl explain-auth` says what the daemon does.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
cd "$dir"

# contains TEXT PART
contains() {
  [[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

# run EXIT_CODE COMMAND... - its stdout in `out`, its stderr in `err`.
run() {
  local expected=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  [[ $code == "$expected" ]] || fail "$*: exit $code instead of $expected: $(cat out err)"
}

# ---- the guide ----
# shellcheck disable=SC2016 # backticks of Markdown
sed -n '/^```yaml$/,/^```$/{/^```$/q;/^```/d;p}' "$2/docs/AUTHORIZATION.md" >muster.yaml
musterd --config muster.yaml --check || fail "the configuration of the guide"
explain() {
  local expected=$1
  shift
  run "$expected" musterctl --config muster.yaml explain-auth "$@"
}
explain 1 --principal node-1 --operation MEMBERS --session staff-1
# shellcheck disable=SC2016
diff out - <<<"$(sed -n '/^\$ musterctl .*explain-auth/,/^```$/{/^```\|^\$/d;p}' \
  "$2/docs/AUTHORIZATION.md")" || fail "explain-auth does not say what the guide says"

explain 0 --principal node-1 --operation START --instance node-1
contains "$(cat out)" 'allowed by rule 1, muster.yaml:17:13'
explain 1 --principal node-1 --operation START --instance node-2
contains "$(cat out)" "denied before any rule is asked: the caller is bound to instance 'node-1'"
explain 0 --principal node-1 --action session.kick --session room-1
contains "$(cat out)" 'rate: 5 requests in 60000 ms, 5 at once, each principal'
explain 0 --principal node-1 --operation REGISTER --user ada
contains "$(cat out)" "quota of 'user=ada': 3 connections"
explain 0 --principal node-1 --operation REGISTER
contains "$(cat out)" 'allowed by rule 5'
contains "$(cat out)" 'rule 4, muster.yaml:21:13: user'
explain 0 --role staff --action events.subscribe --session '*'
explain 1 --kind instance --action events.subscribe --session '*'
contains "$(cat out)" 'denied by rule 2'
explain 1 --principal desk --operation kick --session room-1
contains "$(cat out)" 'undecided: no rule matches; then authorization.default decides'
explain 1 --operation STATUS
explain 1 --principal node-1 --operation MEMBERS --session staff-1 --json
contains "$(cat out)" '{"verdict":"deny","rule":2,"place":"muster.yaml:18:13","reason":"for staff only"'
contains "$(cat out)" '"passed":[{"rule":1,"place":"muster.yaml:17:13","field":"action"}]}'
explain 2 --principal nobody --operation STATUS
contains "$(cat err)" 'say --kind'
explain 2 --principal node-1 --kind operator --operation STATUS
explain 2 --operation DANCE
explain 2 --action session.eat
explain 2 --operation STATUS --action session.kick
explain 2 --principal node-1
sed 's/effect: deny/effekt: deny/' muster.yaml >wrong.yaml
run 2 musterctl --config wrong.yaml explain-auth --kind user --action admin
contains "$(cat err)" "wrong.yaml:18:59: rules: rule 2: unknown key 'effekt'; allowed here are principal,"
run 2 musterd --config wrong.yaml --check
contains "$(cat err)" "wrong.yaml:18:59: rules: rule 2: unknown key 'effekt'"

# ---- tokens ----
run 0 musterctl token new node-1 --role eu --expires 2999-01-01
cp out node-1.token
cp err first.yaml
[[ $(wc -l <node-1.token) == 1 ]] || fail "not the token alone: $(cat out)"
run 0 musterctl token new desk --kind operator --role staff
cp out desk.token
cp err second.yaml
run 0 musterctl token new late --expires 2026-01-01
cp out late.token
cp err third.yaml
run 2 musterctl token new node.1
run 2 musterctl token new node-1 --kind robot
run 2 musterctl token new node-1 --expires tomorrow
run 2 musterctl token new
run 1 musterctl token hash <<<'no token'
run 0 musterctl token hash <desk.token
hash=$(cat out)

{
  cat <<YAML
state_dir: $state
redis: { mode: managed }
detector: { suspect_after: 1h, dead_after: 2h }
authorization: { default: deny, chain: [auth_rules] }
plugins:
  load:
    - name: transport_pubsub
    - name: auth_rules
      config:
        principals:
YAML
  sed '/^#/d; /^principals:/d; s/^/        /' first.yaml third.yaml
  # the second hash of the same token
  sed "/^#/d; /^principals:/d; s/^/        /; s|token: .*|token: \"$hash\"|" second.yaml
  cat <<'YAML'
        rules:
          - { kind: instance, role: eu, action: "instance.*", effect: allow }
          - { principal: desk, role: staff, action: admin, effect: allow }
YAML
} >daemon.yaml
musterd --config daemon.yaml --check || fail "what token new printed is no configuration"
musterd --config daemon.yaml 2>"$dir/musterd.log" &
daemon=$!
plugin_wait 'a coordinator' grep -q 'event=data\.' "$dir/musterd.log"

# ask EXIT_CODE WHO ARGUMENT...
ask() {
  local expected=$1 who=$2
  shift 2
  chmod 600 "$who.token"
  run "$expected" musterctl --config daemon.yaml call --via pubsub --token "file:$dir/$who.token" \
    --instance node-1 "$@"
}
ask 0 node-1 START node-1 k1
ask 0 desk INSTANCE node-1
ask 1 node-1 STATUS
contains "$(cat err)" 'no authorizer allows it'
run 1 musterctl --config daemon.yaml explain-auth --principal node-1 --operation STATUS
ask 1 desk DRAIN node-1 k1 on
ask 1 late STATUS
contains "$(cat err)" 'expired at 2026-01-01T00:00:00Z'
run 1 musterctl --config daemon.yaml explain-auth --principal late --operation STATUS
contains "$(cat out)" "the credentials of 'late' have expired"
plugin_stop
if grep -qF "$(cut -d. -f2 node-1.token)" "$dir/musterd.log"; then
  fail "the log has the secret of a token"
fi
plugin_end
