#!/usr/bin/env bash
# An unmodified ioredis at the RESP door: see clients/ioredis.mjs.
# Usage: test_resp_ioredis.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
# shellcheck source=tests/e2e/clients/clients.sh
source "$2/tests/e2e/clients/clients.sh"

begin "$1" "$2"
export MUSTER_TEST_CLIENTS=${MUSTER_TEST_CLIENTS:-$source/build/clients}
run_client node "$source/tests/e2e/clients/ioredis.mjs"
