#!/usr/bin/env bash
# test_install BUILD_DIR SOURCE_DIR - `cmake --install` lays things out as documented, keeps an
# operator's configuration, and what it installed runs from there.
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

expect() {
  [[ -e $1 ]] || fail "not installed: ${1#"$scratch"/}"
}

cmake --install "$build" --prefix "$prefix" >"$scratch/install.log" 2>&1 ||
  {
    cat "$scratch/install.log" >&2
    exit 1
  }

for program in bin/musterctl bin/muster-sim sbin/musterd; do
  [[ -x $prefix/$program ]] || fail "no program $program"
done
expect "$prefix/include/muster/status.h"
expect "$prefix/etc/muster/muster.yaml"
expect "$prefix/lib/muster/plugins/transport_pubsub.so"
expect "$prefix/lib/muster/plugins/transport_resp.so"
[[ -n $(find "$prefix" -path '*/pkgconfig/muster.pc') ]] || fail "not installed: muster.pc"
for file in README.md CHANGELOG.md LICENSE ARCHITECTURE.md examples/muster.yaml examples/users.acl \
  examples/plugins/transport_line/CMakeLists.txt; do
  expect "$prefix/share/doc/muster/$file"
done
[[ ! -e $prefix/bin/musterd ]] || fail "musterd belongs into sbin"

for program in bin/musterctl bin/muster-sim sbin/musterd; do
  version=$("$prefix/$program" --version 2>&1) || fail "$program --version: exit status $?"
  [[ $version =~ [0-9]+\.[0-9]+\.[0-9]+ ]] || fail "$program --version says '$version'"
done
"$prefix/sbin/musterd" --config "$prefix/etc/muster/muster.yaml" --check ||
  fail "the installed configuration does not pass --check"

# The plugins stand where the installed daemon looks by itself. Tests run side by side, so not on the
# port of the shipped configuration.
doors="[{name: transport_pubsub}, {name: transport_resp, config: {listen: ['unix://$scratch/sock']}}]"
"$prefix/sbin/musterd" --config "$prefix/etc/muster/muster.yaml" \
  --set "state_dir=$scratch/state" --set "plugins.load=$doors" >"$scratch/musterd.log" 2>&1 &
daemon=$!
until grep -q 'event=daemon.ready' "$scratch/musterd.log" || ! kill -0 "$daemon" 2>/dev/null; do
  sleep 0.05
done
kill "$daemon" 2>/dev/null || true
wait "$daemon" || fail "the installed daemon: exit status $?: $(tail -n 3 "$scratch/musterd.log")"
for plugin in transport_pubsub transport_resp; do
  grep -q "event=plugin.started.*plugin=$plugin" "$scratch/musterd.log" ||
    fail "the installed daemon did not load $plugin"
done

# The installed header is all that a user of it needs.
printf '#include <muster/status.h>\nint main(void) { return MUSTER_OK; }\n' >"$scratch/user.c"
"${CC:-cc}" -std=c17 -Wall -Wextra -Wpedantic -Werror -I "$prefix/include" -c "$scratch/user.c" \
  -o "$scratch/user.o" || fail "the installed header does not compile alone"

# A second installation keeps what the operator wrote, and renews the example.
printf '# mine\n' >"$prefix/etc/muster/muster.yaml"
printf 'old\n' >"$prefix/share/doc/muster/examples/muster.yaml"
cmake --install "$build" --prefix "$prefix" >"$scratch/install.log" 2>&1 ||
  fail "installing a second time: $(tail -n 1 "$scratch/install.log")"
[[ $(<"$prefix/etc/muster/muster.yaml") == '# mine' ]] || fail "the configuration was overwritten"
grep -q '^redis:' "$prefix/share/doc/muster/examples/muster.yaml" ||
  fail "the example was not renewed"

# Under /usr the configuration is /etc/muster/muster.yaml, where musterd looks by itself.
DESTDIR=$scratch/stage cmake --install "$build" --prefix /usr >"$scratch/install.log" 2>&1 ||
  fail "staged: $(tail -n 1 "$scratch/install.log")"
expect "$scratch/stage/etc/muster/muster.yaml"
expect "$scratch/stage/usr/sbin/musterd"

((failures == 0)) || exit 1
printf 'ok\n'
