/* app.h - the composition root: builds the daemon's parts, wires them, tears them down in reverse.
 *
 * The happy path: plugins loaded - where Redis is (a managed server that came up, the URL, or
 * the master that sentinels name) - command link and subscriber - plugins started - each connection
 * of the link prepared (run id, functions library, key events), then opened - the coordinator told.
 * The end, asked for with mu_app_stop(): plugins stopped, transports first - lease released -
 * subscriber and link closed - plugins closed - coordinator closed - managed server left or stopped
 * - `on_ended`.
 *
 * Ways to fail: only a configuration that cannot be used and a plugin that cannot be loaded or
 * started end the daemon; everything else is tried again, and said.
 */
#ifndef MU_APP_H
#define MU_APP_H

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "supervise.h"

struct mu_app;

/* `config` and `log` are not owned; a reload changes values in `config`. `on_ended` is called once,
 * in a later turn of the loop after mu_app_stop(), when every handle is closed. NULL, with `error`:
 * BAD_REQUEST, the configuration cannot be used. */
struct mu_app *mu_app_create(uv_loop_t *loop, struct mu_config *config, struct mu_log *log,
                             void (*on_ended)(void *context), void *context,
                             struct mu_error *error);
/* Whom to tell that it serves, coordinates, waits or ends; before the loop turns. Not owned; it
 * must live until on_ended. */
void mu_app_supervise(struct mu_app *app, struct mu_supervise *supervise);
/* Takes over what can change while it runs (enum mu_config_reload), and gives plugins their part.
 * Each changed key is logged: config.applied or config.needs_restart. If anything in it is wrong
 * nothing changes: config.refused. Reads files: blocks. `fresh` may go afterwards. */
void mu_app_reload(struct mu_app *app, const struct mu_config *fresh);
/* Says that a new configuration is of no use. */
void mu_app_refuse(struct mu_app *app, const struct mu_error *error);
/* Begins the clean end. Idempotent. */
void mu_app_stop(struct mu_app *app);
/* After on_ended. Why it ended by itself: a plugin that could not be loaded or started. NULL: it
 * was asked to. */
const char *mu_app_failure(const struct mu_app *app);
/* After on_ended. False: a plugin left something running; nothing may be freed any more, end the
 * process with _exit(). */
bool mu_app_clean(const struct mu_app *app);
/* Whether the daemon could begin with this configuration: address, plugins, their configuration.
 * Loads the plugins and calls their init() and close(). Blocks. */
enum muster_status mu_app_check(const struct mu_config *config, struct mu_error *error);
/* After on_ended. Clears the pointer. */
void mu_app_destroy(struct mu_app **app);

#endif
