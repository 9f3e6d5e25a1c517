#!/usr/bin/env bash
# test_package BUILD_DIR SOURCE_DIR - the Debian packages: lintian accepts them; installed, the daemon
# runs as its user with a Redis of its own, and is used, upgraded, removed and purged.
#
# Installing happens on a copy of this machine that is forgotten: an overlay over / in namespaces of its
# own (mounts, processes, network), and so only as root where these are allowed. Elsewhere that part is
# left out, with a word. With BUILD_DIR of `inside` this script is that part, in the copy.
set -euo pipefail

fail() {
  printf 'FAIL: %s\n' "$*" >&2
  exit 1
}

# wait_for WHAT COMMAND...
wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited in vain for $what: $(tail -n 5 /tmp/musterd.log)"
    sleep 0.05
  done
}

# What systemd would do with the installed unit.
start_daemon() {
  local unit=/usr/lib/systemd/system/musterd.service command user
  command=$(sed -n 's/^ExecStart=//p' "$unit")
  user=$(sed -n 's/^User=//p' "$unit")
  # shellcheck disable=SC2086 # words
  setpriv --reuid "$user" --regid "$user" --init-groups $command 2>>/tmp/musterd.log &
  daemon=$!
  wait_for "the daemon" musterctl status
}

stop_daemon() {
  kill "$daemon"
  wait "$daemon" || fail "musterd ended with $?: $(tail -n 5 /tmp/musterd.log)"
}

# The copy of the machine; packages in /tmp.
inside() {
  # A loopback that is up, without iproute2.
  /usr/bin/python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x49))'
  dpkg -i /tmp/musterd_*.deb /tmp/muster-dev_*.deb >/tmp/dpkg.log 2>&1 || fail "$(cat /tmp/dpkg.log)"
  [[ $(stat -c '%U:%G:%a' /etc/muster/muster.yaml) == root:muster:640 ]] ||
    fail "muster.yaml is $(stat -c '%U:%G:%a' /etc/muster/muster.yaml)"
  [[ $(stat -c '%U:%G:%a' /var/lib/muster) == muster:muster:700 ]] || fail "/var/lib/muster"
  man -w musterd musterctl muster.yaml muster-sim >/dev/null || fail "no man pages"

  start_daemon
  # At a door, as a backend; and with musterctl, as an operator.
  redis-cli -p 7411 START node-1 k3f >/dev/null
  redis-cli -p 7411 ENTER room-1 c1 node-1 k3f '{}' '{"name":"Ann"}' >/dev/null
  musterctl --json members room-1 | grep -q Ann || fail "no member: $(musterctl members room-1)"
  musterctl fsck >/dev/null || fail "musterctl fsck: exit status $?"
  [[ $(ps -o user= -C redis-server | sort -u) == muster ]] || fail "whose Redis is it?"

  # What the operator wrote survives an upgrade, and so does what is stored.
  printf '# mine\n' >>/etc/muster/muster.yaml
  dpkg-deb -R /tmp/musterd_*.deb /tmp/newer
  sed -i 's/^Version: .*/&+1/' /tmp/newer/DEBIAN/control
  dpkg-deb -b /tmp/newer /tmp/newer.deb >/dev/null
  stop_daemon
  dpkg -i /tmp/newer.deb >/tmp/dpkg.log 2>&1 </dev/null || fail "upgrade: $(cat /tmp/dpkg.log)"
  [[ $(tail -n 1 /etc/muster/muster.yaml) == '# mine' ]] || fail "the configuration was overwritten"
  [[ $(stat -c '%U:%G:%a' /etc/muster/muster.yaml) == root:muster:640 ]] || fail "its mode was changed"
  start_daemon
  wait_for "the member" eval 'musterctl members room-1 | grep -q c1'
  stop_daemon
  [[ -z $(ps -o pid= -C redis-server) ]] || fail "the managed Redis is still there"

  # A plugin is built with what muster-dev brings, alone.
  # shellcheck disable=SC2046 # flags
  "${CC:-cc}" -std=c17 -D_GNU_SOURCE -shared -fPIC -o /tmp/plugin.so $(pkg-config --cflags muster) \
    /usr/share/doc/muster-dev/examples/plugins/authorizer_hours/*.c || fail "muster-dev lacks something"

  dpkg -r musterd >/dev/null 2>&1 || fail "dpkg -r"
  [[ ! -e /usr/sbin/musterd && -e /etc/muster/muster.yaml && -d /var/lib/muster ]] ||
    fail "removed is not what it should be"
  dpkg -P musterd muster-dev >/dev/null 2>&1 || fail "dpkg -P"
  [[ ! -e /etc/muster && ! -e /var/lib/muster && ! -e /usr/share/doc/musterd ]] ||
    fail "purging left something: $(ls -d /etc/muster /var/lib/muster /usr/share/doc/musterd 2>&1)"
  printf 'installed, used, upgraded, removed, purged\n'
}

# In namespaces of its own already: the overlay, and into it.
copy() {
  local dir=$1
  mount -t tmpfs tmpfs "$dir/copy"
  mkdir "$dir/copy"/{upper,work,root}
  mount -t overlay overlay "$dir/copy/root" \
    -o "lowerdir=/,upperdir=$dir/copy/upper,workdir=$dir/copy/work"
  local root=$dir/copy/root
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t tmpfs tmpfs "$root/run"
  chmod 1777 "$root/tmp"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  rm -f "$root/var/lib/man-db/auto-update" # an index of all man pages takes seconds each time
  cp "$dir"/packages/*.deb "$0" "$root/tmp/"
  DEBIAN_FRONTEND=noninteractive exec chroot "$root" bash /tmp/test_package.sh inside
}

case $1 in
inside)
  cd /
  inside
  exit 0
  ;;
copy)
  copy "$2"
  ;;
esac

build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if grep -q '^MUSTER_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt"; then
  printf 'ok: a build with sanitizers is not for packages\n'
  exit 0
fi

mkdir "$scratch/packages" "$scratch/copy"
cpack --config "$build/CPackConfig.cmake" -G DEB -B "$scratch/build" >"$scratch/cpack.log" 2>&1 ||
  fail "cpack: $(cat "$scratch/cpack.log")"
mv "$scratch/build"/*.deb "$scratch/packages/"
rm -rf "$scratch/build"

depends=$(dpkg-deb -f "$scratch"/packages/musterd_*.deb Depends)
for library in libc6 libuv1 libhiredis libjansson4 libyaml-0-2 libssl3 libcurl4 libcjose0; do
  [[ $depends == *"$library"* ]] || fail "it does not depend on $library: $depends"
done
[[ $(dpkg-deb -I "$scratch"/packages/musterd_*.deb conffiles) == /etc/muster/muster.yaml ]] ||
  fail "muster.yaml is no conffile"
lintian --allow-root --fail-on error,warning "$scratch"/packages/*.deb ||
  fail "lintian does not accept it"

if ((EUID != 0)) || ! unshare -mnpf --mount-proc --propagation private true 2>/dev/null; then
  printf 'ok, but not installed: that takes root and namespaces\n'
  exit 0
fi
# Its mounts, its processes and its network end with it.
unshare -mnpf --mount-proc --propagation private --kill-child bash "$0" copy "$scratch"
printf 'ok\n'
