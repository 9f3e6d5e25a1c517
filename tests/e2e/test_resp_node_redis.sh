#!/usr/bin/env bash
# An unmodified node-redis at the RESP door: see clients/node_redis.mjs.
# Usage: test_resp_node_redis.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
# shellcheck source=tests/e2e/clients/clients.sh
source "$2/tests/e2e/clients/clients.sh"

begin "$1" "$2"
export MUSTER_TEST_CLIENTS=${MUSTER_TEST_CLIENTS:-$source/build/clients}
run_client node "$source/tests/e2e/clients/node_redis.mjs"
