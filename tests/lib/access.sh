# shellcheck shell=bash
# access.sh - access.h for shell tests: a Redis that is guarded as MUSTER_TEST_REDIS says. The
# namespace is the default one. Sourced, never run; expects `set -euo pipefail`.

redis_pid=
guarded=${MUSTER_TEST_REDIS:-}

# start_redis DIR SOURCE_DIR - with the socket DIR/redis.sock, which is the test's own way to it. Sets
# redis_pid.
start_redis() {
  local options=() tls_port=() tries
  guarded_dir=$1
  case $guarded in
  '' | acl | tls | acl+tls) ;;
  *)
    printf "MUSTER_TEST_REDIS is '%s', allowed are acl, tls, acl+tls\n" "$guarded" >&2
    return 1
    ;;
  esac
  if [[ $guarded == *acl* ]]; then
    sed 's/$/ on >word/' "$2/etc/users.acl" >"$1/users.acl"
    options+=(--aclfile "$1/users.acl" --notify-keyspace-events KEgxe)
  fi
  if [[ $guarded == *tls* ]]; then
    mkdir "$1/access"
    "$2/tests/lib/certificates.sh" "$1/access" server
    export SSL_CERT_FILE=$1/access/ca.pem
    options+=(--bind 127.0.0.1 --tls-auth-clients no --tls-ca-cert-file "$1/access/ca.pem"
      --tls-cert-file "$1/access/server.pem" --tls-key-file "$1/access/server.key")
  fi
  for ((tries = 0; tries < 20; tries++)); do
    guarded_port=$((10000 + (RANDOM * 2 + tries) % 20000))
    [[ $guarded != *tls* ]] || tls_port=(--tls-port "$guarded_port")
    redis-server --port 0 --unixsocket "$1/redis.sock" --save '' --dir "$1" "${options[@]}" \
      "${tls_port[@]}" >"$1/redis.log" 2>&1 &
    redis_pid=$!
    until command redis-cli -s "$1/redis.sock" PING >/dev/null 2>&1; do
      kill -0 "$redis_pid" 2>/dev/null || continue 2 # somebody has the port
      sleep 0.05
    done
    return 0
  done
  return 1
}

# redis_url USER - for a program that logs in as muster-daemon or muster-backend.
redis_url() {
  local login=
  [[ $guarded != *acl* ]] || login=$1:word@
  if [[ $guarded == *tls* ]]; then
    printf 'rediss://%s127.0.0.1:%s\n' "$login" "$guarded_port"
  else
    printf 'unix://%s%s/redis.sock\n' "$login" "$guarded_dir"
  fi
}

# redis_cli_as USER ARGUMENT...
redis_cli_as() {
  local login=()
  [[ $guarded != *acl* ]] || login=(--no-auth-warning --user "$1" --pass word)
  shift
  command redis-cli -s "$guarded_dir/redis.sock" "${login[@]}" "$@"
}

# check_access - fails when Redis refused one of these users anything.
check_access() {
  [[ $guarded == *acl* ]] || return 0
  ! command redis-cli -s "$guarded_dir/redis.sock" ACL LOG 128 | grep -B 5 -A 2 -x 'muster-.*'
}
