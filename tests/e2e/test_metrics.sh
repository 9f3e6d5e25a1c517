#!/usr/bin/env bash
# test_metrics BUILD_DIR SOURCE_DIR - a daemon with every plugin of ours, and something to count: each
# series that it tells is explained in docs/OPERATIONS.md and each that is explained is told, promtool
# likes the text, what happened was counted, and the listener answers what it should and nothing else.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
cd "$dir"
page=$2/docs/OPERATIONS.md
check() {
  /usr/bin/python3 "$2/tests/e2e/metrics/check.py" "${@:3}" || fail "check.py ${*:3}"
}

# status URL_PATH ARGUMENT... - of an answer; its body in `body`.
status() {
  curl -sS -m 30 -o body -w '%{http_code}' "${@:2}" "http://$address$1" || fail "no answer to $1"
}

# value SERIES - now.
value() {
  curl -sS -m 30 "http://$address/metrics" >now.txt || fail "no metrics"
  awk -v series="$1" '$1 == series { print $2; found = 1 } END { exit !found }' now.txt ||
    fail "no $1"
}

# becomes SERIES NUMBER - at least so much.
becomes() {
  local deadline=$((SECONDS + 180))
  until [[ $(awk -v a="$(value "$1")" -v b="$2" 'BEGIN { print (a >= b) }') == 1 ]]; do
    ((SECONDS < deadline)) || fail "$1 did not become $2: $(value "$1")"
    sleep 0.1
  done
}

# address_of LOG
address_of() {
  sed -n 's/.*event=metrics\.listening address=//p' "$1"
}

source=$2
(umask 077 && printf '{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"%s"}]}' \
  "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" >jwks.json)
cat >muster.yaml <<YAML
state_dir: $state
detector: {heartbeat: 200ms, suspect_after: 1h, dead_after: 2h, probe: 100ms}
plugins:
  load:
    - name: transport_pubsub
    - name: transport_resp
      config: {listen: ["unix://$dir/door"]}
    - name: auth_rules
      config:
        rules:
          - {action: session.kick, effect: deny, reason: "nobody kicks"}
          - {effect: allow}
    - name: auth_jwt
      config: {algorithms: [HS256], jwks: $dir/jwks.json}
    - name: auth_http
      config: {url: "http://127.0.0.1:9/"}
authorization: {default: deny, chain: [auth_rules, auth_jwt, auth_http]}
metrics: {listen: "127.0.0.1:0"}
YAML
musterd --config muster.yaml 2>musterd.log &
daemon=$!
plugin_wait 'a coordinator' grep -q 'event=data\.' musterd.log
address=$(address_of musterd.log)
[[ -n $address ]] || fail "the address is not in the log"

# ---- what it tells, and what is said about it ----
[[ $(status /metrics) == 200 ]] || fail "/metrics: $(cat body)"
cp body first.txt
complaints=$(promtool check metrics <first.txt 2>&1) || fail "promtool: $complaints"
[[ -z $complaints ]] || fail "promtool: $complaints"
check "$@" documented first.txt "$page"
check "$@" sane first.txt
check "$@" used "$page" "$source"/etc/prometheus/*.rules.yml "$source"/etc/grafana/*.json

# ---- what happens is counted ----
# The lifeline of node-2 ends with this redis-cli: it is suspect, and nobody else can lead room-1.
redis_at_door() {
  redis-cli -s "$dir/door" "$@"
}
{
  printf 'START node-2 run-2\nENTER room-1 second node-2 run-2 {} {}\n'
  printf 'KICK room-1 second\nENTER room-1\n'
} | redis_at_door >/dev/null
becomes 'muster_replies_total{status="OK"}' 2
becomes 'muster_requests_total{operation="ENTER"}' 2
becomes 'muster_request_seconds_count{operation="ENTER"}' 2
becomes 'muster_replies_total{status="DENIED"}' 1
REDISCLI_AUTH=$(cat "$state/redis.password") redis-cli -s "$state/redis.sock" PUBLISH \
  '{muster}:request' '{"id":"1","op":"DANCE","args":[],"instance":"x","reply_to":"{muster}:inbox:x"}' >/dev/null
becomes 'muster_requests_unknown_total' 1
becomes 'muster_plugin_transport_pubsub_messages_total' 1
becomes 'muster_auth_answers_total{plugin="auth_rules",asked="authorize",verdict="deny"}' 1
becomes 'muster_auth_answer_seconds_count{plugin="auth_rules",asked="authorize"}' 3
becomes 'muster_plugin_requests_total{plugin="transport_resp"}' 4
becomes 'muster_plugin_transport_resp_lifeline_signals_total' 1
becomes 'muster_instances_suspected_total{signal="lifeline"}' 1
becomes 'muster_instances{state="suspect"}' 1
becomes 'muster_leaders_vacant_total' 1
becomes 'muster_sessions_leaderless' 1
becomes 'muster_leaders_move_seconds_count' 1
becomes 'muster_slice_seconds_count{work="elect"}' 1
becomes 'muster_sessions' 1
becomes 'muster_connections' 1
becomes 'muster_daemons' 1
becomes 'muster_redis_memory_used_bytes' 100000
# A STOP makes a ghost of it, which is reaped.
redis_at_door START node-2 run-3 >/dev/null
redis_at_door STOP node-2 run-3 >/dev/null
becomes 'muster_reaped_connections_total' 1
becomes 'muster_lease_renewals_total' 2
becomes 'muster_lease_renewal_seconds_count' 2
[[ $(value muster_coordinator_active) == 1 ]] || fail "it does not coordinate"
[[ $(value 'muster_redis_up{link="commands"}') == 1 ]] || fail "no link to Redis"
[[ $(status /metrics) == 200 ]] || fail "/metrics: $(cat body)"
cp body later.txt
check "$@" grown first.txt later.txt
check "$@" sane later.txt
check "$@" documented later.txt "$page"

# ---- the same by the door ----
redis_at_door METRICS >door.txt
check "$@" documented door.txt "$page"

# ---- what else the listener answers ----
[[ $(status /healthz) == 200 ]] || fail "/healthz: $(cat body)"
[[ $(status /readyz) == 200 ]] || fail "/readyz: $(cat body)"
[[ $(status /) == 404 ]] || fail "/ is there"
[[ $(status /metrics -X POST -d x=1) == 405 ]] || fail "POST"
[[ $(status /metrics -H 'Host: evil.example') == 421 ]] || fail "the name of another machine"
[[ $(status /metrics --head) == 200 ]] || fail "HEAD: $(cat body)"
! grep -q '^muster_' body || fail "HEAD has a body"
/usr/bin/python3 "$source/tests/e2e/metrics/hostile.py" "$address" || fail "hostile.py"
[[ $(status /healthz) == 200 ]] || fail "not there any more"

# ---- a daemon without Redis lives, and says that it can do nothing ----
lonely=(musterd --set redis.mode=external --set "redis.url=unix://$dir/nothing"
  --set 'plugins.load=[]')
"${lonely[@]}" --set metrics.listen=127.0.0.1:0 2>lonely.log &
second=$!
trap 'kill "$second" 2>/dev/null || true; plugin_clean_up' EXIT
plugin_wait 'the second one to listen' grep -q 'event=metrics\.listening' lonely.log
first_address=$address
address=$(address_of lonely.log)
[[ $(status /healthz) == 200 ]] || fail "/healthz: $(cat body)"
[[ $(status /readyz) == 503 && $(cat body) == 'no link to Redis' ]] || fail "/readyz: $(cat body)"
[[ $(value 'muster_redis_up{link="commands"}') == 0 ]] || fail "a link to nothing"
[[ $(value muster_coordinator_active) == 0 ]] || fail "it coordinates nothing"
kill "$second"
wait "$second" || fail "the second one ended with $?"

# ---- an address that is taken ----
code=0
"${lonely[@]}" --set "metrics.listen=$first_address" 2>taken.log || code=$?
[[ $code == 2 ]] || fail "an address that is taken: exit $code"
grep -q "metrics.listen: $first_address: address already in use" taken.log || fail "$(cat taken.log)"

plugin_stop
plugin_end
