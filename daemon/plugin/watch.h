/* watch.h - who holds the loop, for how long, and the end of the process when it is for ever.
 *
 * The loop's thread marks each call into a plugin (mu_watch_enter(), mu_watch_leave()). A thread of
 * its own wakes twenty times per limit and looks whether the same call still runs. It counts its
 * own wakings, not time: when the whole process was stopped (SIGSTOP, a suspended machine) nothing
 * was counted either. At the limit it writes one log line, `plugin.blocked`, by itself and ends the
 * process with MU_WATCH_EXIT.
 *
 * What a plugin does in callbacks of its own libuv handles is no marked call: for that the loop
 * beats with a timer, and a loop that does not beat for the limit is ended too, with hook=loop.
 */
#ifndef MU_PLUGIN_WATCH_H
#define MU_PLUGIN_WATCH_H

#include <stdint.h>
#include <uv.h>

#include "base/log.h"

#define MU_WATCH_EXIT 70

struct mu_watch;

struct mu_watch_options {
    uv_loop_t *loop;
    uint64_t limit_ms; /* 0: no thread, nothing is ever ended */
    int fd;            /* of the log */
    enum mu_log_format format;
};

/* A call; on the caller's stack. Calls may nest. */
struct mu_watched {
    const char *plugin, *hook;
    uint64_t began_us; /* CLOCK_MONOTONIC */
    const char *outer_plugin, *outer_hook;
};

/* NULL when no thread can be made. */
struct mu_watch *mu_watch_create(const struct mu_watch_options *options);
/* `plugin` lives as long as the watch, `hook` is static. */
void mu_watch_enter(struct mu_watch *watch, struct mu_watched *call, const char *plugin,
                    const char *hook);
/* How long it took, in microseconds. */
uint64_t mu_watch_leave(struct mu_watch *watch, const struct mu_watched *call);
/* Ends the thread; `closed` in a later turn. Clears the pointer. */
void mu_watch_close(struct mu_watch **watch, void (*closed)(void *context), void *context);

#endif
