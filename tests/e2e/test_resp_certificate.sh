#!/usr/bin/env bash
# A client certificate is who one is at the RESP door, and SIGHUP brings a new one of the server.
# Usage: test_resp_certificate.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
# shellcheck source=tests/e2e/clients/clients.sh
source "$2/tests/e2e/clients/clients.sh"

# The same daemon twice with another configuration: a file, since SIGHUP reads it again.
# configure CERTIFICATE REQUIRED RULE...
configure() {
  local certificate=$1 required=$2
  cat >"$dir/muster.yaml" <<YAML
redis: { mode: external, url: "$(redis_url muster-daemon)" }
detector: { suspect_after: 1h, dead_after: 2h }
authorization: { default: deny, chain: [auth_rules] }
plugins:
  load:
    - name: auth_rules
      config:
        principals:
          shop: { kind: instance, instance: node-1, certificate: "CN=node-1,O=shop" }
        rules:
          - { principal: shop, action: "instance.*", effect: allow }
          - { principal: anonymous, action: admin, effect: allow }
    - name: transport_resp
      config:
        listen: []
        tls_listen: ["127.0.0.1:0"]
        tls: { certificate: $dir/$certificate.pem, key: $dir/$certificate.key,
               client_ca: $dir/ca.pem, require_client_certificate: $required }
YAML
}

start_daemon() {
  : >"$dir/$1.log"
  "$build/musterd" --config "$dir/muster.yaml" 2>"$dir/$1.log" &
  started[$1]=$!
  wait_for "$1 to be ready, or to end" is_ready_or_over "$1"
  kill -0 "${started[$1]}" || fail "$1 ended"
}

# tls OPTION... COMMAND...
tls() {
  redis-cli -p "$(port_of first yes)" --tls --cacert "$dir/ca.pem" "$@" 2>&1 || true
}
# contains TEXT PART
contains() {
  [[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}
# Does the server show this certificate?
shows() {
  openssl s_client -connect "127.0.0.1:$(port_of first yes)" -CAfile "$dir/ca.pem" \
    -cert "$dir/client.pem" -key "$dir/client.key" </dev/null 2>/dev/null |
    openssl x509 -outform DER 2>/dev/null | cmp -s - <(openssl x509 -in "$dir/$1.pem" -outform DER)
}

build=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/mt-XXXXXX")
trap clean_up EXIT
"$2/tests/lib/certificates.sh" "$dir"
start_redis "$dir" "$2" || fail 'Redis does not start'
started[redis]=$redis_pid
configure server false
start_daemon first
wait_for 'a coordinator' grep -q 'event=data\.' "$dir/first.log"

own=(--cert "$dir/client.pem" --key "$dir/client.key")
contains "$(tls "${own[@]}" ACL WHOAMI)" shop
contains "$(tls "${own[@]}" START node-1 k1)" '"instance":"node-1"'
# Bound to its own instance, and to what the rules give it.
contains "$(tls "${own[@]}" START node-2 k1)" 'DENIED'
contains "$(tls "${own[@]}" STATUS)" 'DENIED'
# Without a certificate it is anybody; with one that nobody signed it does not get in.
contains "$(tls STATUS)" '"namespace":"muster"'
contains "$(tls START node-1 k2)" 'DENIED'
[[ $(tls --cert "$dir/stranger.pem" --key "$dir/stranger.key" STATUS) != *namespace* ]] ||
  fail 'a stranger got in'

# A new certificate of the server, and demanding one of clients, without a restart.
shows server || fail 'the server does not show its certificate'
configure renewed true
kill -HUP "${started[first]}"
wait_for 'the new certificate' shows renewed
[[ $(tls STATUS) != *namespace* ]] || fail 'somebody without a certificate got in'
contains "$(tls "${own[@]}" HEARTBEAT node-1 k1)" '"instance":"node-1"'
# One that cannot be used changes nothing.
configure nowhere true
kill -HUP "${started[first]}"
wait_for 'the refusal' grep -q 'event=plugin\.reload_refused.*nowhere\.pem' "$dir/first.log"
shows renewed || fail 'the certificate was lost'
contains "$(tls "${own[@]}" HEARTBEAT node-1 k1)" '"instance":"node-1"'
end first TERM
check_access || fail 'Redis refused somebody something'
echo ok
