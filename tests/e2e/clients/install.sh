#!/usr/bin/env bash
# install.sh DIR - the packages of package-lock.json into DIR/node_modules, from npm's registry.
#
# What is there already is left alone, so that a second suite needs no network. Only whole
# installations are seen: one is made beside, and moved.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
exec 9>"$1/lock"
flock 9
if cmp -s "$here/package-lock.json" "$1/node_modules/.muster-lock.json"; then
  echo "the clients are there"
  exit 0
fi
rm -rf "$1/next" "$1/node_modules"
mkdir "$1/next"
cp "$here/package.json" "$here/package-lock.json" "$1/next"
(cd "$1/next" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
cp "$here/package-lock.json" "$1/next/node_modules/.muster-lock.json"
cp "$here/package.json" "$1"
mv "$1/next/node_modules" "$1"
rm -rf "$1/next"
