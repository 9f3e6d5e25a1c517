#!/usr/bin/env bash
# test_soak BUILD_DIR SOURCE_DIR - a short soak: no anomaly, fsck clean, and when all has stopped, keys,
# files, subscriptions and lifelines are those of the beginning. Slopes need longer.
set -euo pipefail
exec "$2/scripts/soak" --build-dir "$1" --duration 25s --no-slopes --connections 80 --churn 20 \
  --mixer 15 --kill-every 8s --return-after 5s --set detector.heartbeat=500ms \
  --set detector.suspect_after=1500ms --set detector.dead_after=4s
