#!/usr/bin/env bash
# test_plugin_headers BUILD_DIR SOURCE_DIR - the installed headers, and muster.pc beside them, are all
# that a plugin needs: each compiles alone as C17 and C++17 without a warning, a plugin in C++ links
# and exports nothing but its descriptor, and the daemon loads it.
set -euo pipefail
# shellcheck source=tests/lib/plugin.sh
source "$2/tests/lib/plugin.sh"
plugin_begin "$1"
cxx=${CXX:-g++}
strict=(-Wall -Wextra -Wpedantic -Werror)

for header in "$prefix"/include/muster/*.h; do
  name=${header##*/}
  printf '#include <muster/%s>\n' "$name" >"$dir/use.c"
  cp "$dir/use.c" "$dir/use.cpp"
  # shellcheck disable=SC2046 # flags are words
  "${CC:-cc}" -std=c17 "${strict[@]}" -Wshadow -Wconversion -Wstrict-prototypes \
    $(pkg-config --cflags muster) -fsyntax-only "$dir/use.c" || fail "$name as C17"
  # shellcheck disable=SC2046
  "$cxx" -std=c++17 "${strict[@]}" -Wshadow -Wconversion \
    $(pkg-config --cflags muster) -fsyntax-only "$dir/use.cpp" || fail "$name as C++17"
done

# What the file says of itself is what the headers say.
cat >"$dir/say.c" <<'END'
#include <muster/plugin.h>
#include <stdio.h>
int main(void) {
    printf("%d.%d\n", MUSTER_ABI_MAJOR, MUSTER_ABI_MINOR);
    return 0;
}
END
# shellcheck disable=SC2046
"${CC:-cc}" $(pkg-config --cflags muster) -o "$dir/say" "$dir/say.c"
[[ $("$dir/say") == "$(pkg-config --variable=abi muster)" ]] || fail "abi in muster.pc"
[[ $("$prefix/sbin/musterd" --version 2>&1) == *"$(pkg-config --modversion muster)"* ]] ||
  fail "version in muster.pc: $(pkg-config --modversion muster)"
plugins=$(pkg-config --variable=plugindir muster)
[[ -f $plugins/transport_pubsub.so ]] || fail "plugindir in muster.pc: nothing of ours in $plugins"

# MUSTER_PLUGIN in C++, where constants are hidden by default and designated initialisers are not
# there yet.
cat >"$dir/greeter.cpp" <<'END'
#include <muster/plugin.h>
#include <new>

namespace {

struct Greeter {
    muster_plugin *plugin;
    const muster_host *host;
};

muster_status init(muster_plugin *plugin, const muster_host *host, void **state,
                   muster_complaint *) {
    *state = new (std::nothrow) Greeter{plugin, host};
    return *state != nullptr ? MUSTER_OK : MUSTER_OVERLOADED;
}

muster_status start(void *state, muster_complaint *) {
    const Greeter *greeter = static_cast<Greeter *>(state);
    const muster_config *word = greeter->host->config_get(greeter->plugin, nullptr, "word");
    greeter->host->log(greeter->plugin, MUSTER_LOG_INFO, "greeting", "%s from C++",
                       greeter->host->config_text(greeter->plugin, word));
    return MUSTER_OK;
}

void stop(void *state) {
    const Greeter *greeter = static_cast<Greeter *>(state);
    greeter->host->stopped(greeter->plugin);
}

void close(void *state) {
    delete static_cast<Greeter *>(state);
}

void event(void *, const muster_event *) {
}

const muster_config_key keys[] = {
    {"word", MUSTER_CONFIG_TEXT, false, "hello", 1, 20, "How to greet"},
};
const muster_plugin_hooks hooks = {init, start, stop, close, nullptr};
const muster_observer_hooks observer = {event, nullptr};

} // namespace

MUSTER_PLUGIN(MUSTER_OBSERVER, "greeter", "1.0", keys, 1, &hooks, nullptr, nullptr, nullptr,
              &observer);
END
# shellcheck disable=SC2046
"$cxx" -std=c++17 "${strict[@]}" -fPIC -shared -fvisibility=hidden $(pkg-config --cflags muster) \
  -o "$dir/greeter.so" "$dir/greeter.cpp" || fail "a plugin in C++"
exported=$(nm -D --defined-only "$dir/greeter.so" | awk '{ print $3 }' | grep -c muster || true)
[[ $exported == 1 ]] || fail "the plugin exports $exported symbols of muster's, not one"

plugin_daemon "plugins.load=[{name: $dir/greeter.so, config: {word: good day}}]"
plugin_wait "the plugin's own line" grep -q 'good day from C++' "$dir/musterd.log"
plugin_stop
plugin_end
