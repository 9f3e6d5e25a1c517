#!/usr/bin/env bash
# test_service BUILD_DIR SOURCE_DIR - the systemd unit is one that systemd understands and finds well
# closed, for the folders where things were installed; sysusers and tmpfiles do what the unit needs.
set -euo pipefail
build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
failures=0

fail() {
  printf 'FAIL: %s\n' "$*" >&2
  failures=$((failures + 1))
}

cmake --install "$build" --prefix "$prefix" >"$scratch/install.log" 2>&1 || {
  cat "$scratch/install.log" >&2
  exit 1
}
unit=$prefix/lib/systemd/system/musterd.service

# Its exit status is 0 for unknown keys: whatever it says is a fault. Man pages are not in man's path.
said=$(systemd-analyze verify --man=no "$unit" 2>&1) || fail "verify: exit status $?"
[[ -z $said ]] || fail "verify: $said"
sed -i 's/^ProtectHome=/ProtectHomes=/' "$unit"
[[ -n $(systemd-analyze verify --man=no "$unit" 2>&1) ]] || fail "verify takes an unknown key"
sed -i 's/^ProtectHomes=/ProtectHome=/' "$unit"

# Of 0 (closed) to 10. What is left is the network, and the machine's own root directory.
systemd-analyze security --offline=true --threshold=15 "$unit" >"$scratch/security" 2>&1 ||
  fail "security: $(tail -n 1 "$scratch/security")"
grep -E 'Overall exposure' "$scratch/security" || fail "security says no rating"

grep -qx "ExecStart=$prefix/sbin/musterd --config $prefix/etc/muster/muster.yaml" "$unit" ||
  fail "the unit starts something else: $(grep ExecStart "$unit")"
DESTDIR=$scratch/stage cmake --install "$build" --prefix /usr >/dev/null
cmp "$2/etc/systemd/musterd.service" "$scratch/stage/usr/lib/systemd/system/musterd.service" ||
  fail "below /usr the unit is not the one of the sources"

# The watchdog of systemd leaves the daemon's own the time to name the plugin.
seconds=$(sed -n 's/^WatchdogSec=\([0-9]*\)s$/\1/p' "$unit")
own=$("$build/musterd" --config "$prefix/etc/muster/muster.yaml" --print-config |
  sed -n 's/^ *watchdog: \([0-9]*\)s$/\1/p')
((seconds >= 2 * own && own > 0)) || fail "WatchdogSec is ${seconds}s, plugins.watchdog ${own}s"

root=$scratch/root
mkdir -p "$root/etc"
user=$(sed -n 's/^User=//p' "$unit")
if ((EUID == 0)); then
  systemd-sysusers --root="$root" "$prefix/lib/sysusers.d/muster.conf" || fail "systemd-sysusers"
  grep -q "^$user:" "$root/etc/passwd" || fail "sysusers makes no user $user"
  systemd-tmpfiles --root="$root" --create "$prefix/lib/tmpfiles.d/muster.conf" ||
    fail "systemd-tmpfiles"
  [[ $(stat -c '%a' "$root/var/lib/muster") == 700 ]] || fail "tmpfiles makes no closed folder"
fi

((failures == 0)) || exit 1
printf 'ok\n'
