/* app.h - the composition root: builds the daemon's parts, wires them, tears them down in reverse.
 *
 * The happy path: where Redis is (a managed server that came up, or the URL) - command link and
 * subscriber - each connection of the link prepared (run id, functions library, key events), then
 * opened - the coordinator told. The end, asked for with mu_app_stop(): lease released - subscriber
 * and link closed - coordinator closed - managed server left or stopped - `on_ended`.
 *
 * Ways to fail: only a configuration that cannot be used ends the daemon; everything else is tried
 * again, and said.
 */
#ifndef MU_APP_H
#define MU_APP_H

#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"

struct mu_app;

/* `config` and `log` are not owned. `on_ended` is called once, in a later turn of the loop after
 * mu_app_stop(), when every handle is closed. NULL, with `error`: BAD_REQUEST, the configuration
 * cannot be used. */
struct mu_app *mu_app_create(uv_loop_t *loop, const struct mu_config *config, struct mu_log *log,
                             void (*on_ended)(void *context), void *context,
                             struct mu_error *error);
/* Begins the clean end. Idempotent. */
void mu_app_stop(struct mu_app *app);
/* After on_ended. Clears the pointer. */
void mu_app_destroy(struct mu_app **app);

#endif
