# shellcheck shell=bash
# access.sh - access.h for shell tests. Sourced, never run; expects `set -euo pipefail`.

server_options=()

# guard DIR SOURCE_DIR - how the Redis whose socket is DIR/redis.sock is guarded. Sets server_options,
# which go to redis-server; the namespace is the default one.
guard() {
  guarded_socket=$1/redis.sock
  case ${MUSTER_TEST_REDIS:-} in
  '') ;;
  acl)
    sed 's/$/ on >word/' "$2/etc/users.acl" >"$1/users.acl"
    # shellcheck disable=SC2034
    server_options=(--aclfile "$1/users.acl" --notify-keyspace-events KEgxe)
    ;;
  *)
    printf "MUSTER_TEST_REDIS is '%s', allowed is acl\n" "$MUSTER_TEST_REDIS" >&2
    exit 1
    ;;
  esac
}

# redis_url USER - for a program that logs in as muster-daemon or muster-backend.
redis_url() {
  local login=
  [[ ${MUSTER_TEST_REDIS:-} != acl ]] || login=$1:word@
  printf 'unix://%s%s\n' "$login" "$guarded_socket"
}

# redis_cli_as USER ARGUMENT...
redis_cli_as() {
  local login=()
  [[ ${MUSTER_TEST_REDIS:-} != acl ]] || login=(--no-auth-warning --user "$1" --pass word)
  shift
  command redis-cli -s "$guarded_socket" "${login[@]}" "$@"
}

# check_access - fails when Redis refused one of these users anything.
check_access() {
  [[ ${MUSTER_TEST_REDIS:-} == acl ]] || return 0
  ! command redis-cli -s "$guarded_socket" ACL LOG 128 | grep -B 5 -A 2 -x 'muster-.*'
}
