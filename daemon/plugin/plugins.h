/* plugins.h - the plugins of the daemon: loaded, started, told, stopped, closed.
 *
 * The happy path: every entry of plugins.load is looked up, its file and descriptor examined, its
 * configuration held against its keys - init() of each - start() of each - requests, events and
 * decisions - stop(), transports first - stopped() and nothing left open - close().
 *
 * Ways to fail: a file that may not be loaded, a wrong descriptor, a wrong configuration, init() or
 * start() that refuses (a sentence each; the daemon does not start); a call from another thread, a
 * decision twice, late or of another's question (counted, said once a second, nothing happens); a
 * slow hook (the same); a hook that never returns (watch.h ends the process); a stop that is not
 * over at its deadline (said what is open; its memory is left alone, close() is not called).
 */
#ifndef MU_PLUGIN_PLUGINS_H
#define MU_PLUGIN_PLUGINS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "auth/auth.h"
#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "events/events.h"
#include "metrics/metrics.h"
#include "redis/link.h"
#include "request/request.h"

struct mu_plugins;

struct mu_plugins_options {
    uv_loop_t *loop;
    const struct mu_config *config; /* not owned, nor what follows */
    struct mu_log *log;
    struct mu_metrics *metrics;
    struct mu_events *events;
    struct mu_auth *auth;
    int log_fd; /* for the watchdog, which writes by itself */
    void *context;
    uint64_t (*redis_ms)(void *context); /* 0: not known */
};

struct mu_plugins *mu_plugins_create(const struct mu_plugins_options *options);
/* Loads everything of plugins.load, calls init(), and adds the authenticators and the chain of
 * authorizers to auth. Blocks. On an error mu_plugins_close() is all that may follow. */
enum muster_status mu_plugins_load(struct mu_plugins *plugins, struct mu_error *error);
size_t mu_plugins_count(const struct mu_plugins *plugins);
/* Where requests go and messages are published from now on; not owned. */
void mu_plugins_connect(struct mu_plugins *plugins, struct mu_requests *requests,
                        struct mu_link *link);
/* Calls start(). On an error mu_plugins_stop() is next. */
enum muster_status mu_plugins_start(struct mu_plugins *plugins, struct mu_error *error);
/* Gives the plugins that run their part of a new configuration, and forgets cached decisions. Each
 * changed key is logged: applied, or waiting for a restart. BAD_REQUEST with a sentence: a part is
 * wrong or refused, and nothing has changed. Reads files: blocks. `config` may go afterwards. */
struct mu_reload_counts {
    size_t applied, waiting; /* keys */
};
enum muster_status mu_plugins_reload(struct mu_plugins *plugins, const struct mu_config *config,
                                     struct mu_reload_counts *counts, struct mu_error *error);
/* This daemon coordinates, or no longer. */
void mu_plugins_coordinating(struct mu_plugins *plugins, bool active);

/* Stops the transports, then the others; `stopped` once, in a later turn, after at most two times
 * plugins.stop_timeout. Nothing reaches requests and link after that. */
void mu_plugins_stop(struct mu_plugins *plugins, void (*stopped)(void *context), void *context);
/* Calls close(). After stop, and after the requests are closed; or when it was never started.
 * `closed` in a later turn. Clears the pointer. False when something is left open which only the
 * end of the process will end: end it with _exit(). */
bool mu_plugins_close(struct mu_plugins **plugins, void (*closed)(void *context), void *context);

#endif
