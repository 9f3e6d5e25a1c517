#!/usr/bin/env bash
# An unmodified redis-py at the RESP door: see clients/redis_py.py.
# Usage: test_resp_redis_py.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
# shellcheck source=tests/e2e/clients/clients.sh
source "$2/tests/e2e/clients/clients.sh"

begin "$1" "$2"
# Debian's: another one in PATH would not find Debian's package.
run_client /usr/bin/python3 "$source/tests/e2e/clients/redis_py.py"
