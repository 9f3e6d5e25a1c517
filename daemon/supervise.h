/* supervise.h - the daemon towards the service manager that started it (systemd, Type=notify).
 *
 * The happy path: created (NOTIFY_SOCKET and WATCHDOG_USEC are taken from the environment, and
 * removed from it: what the daemon starts is not the service) - READY=1 once Redis is prepared -
 * from then on WATCHDOG=1 from a timer of the loop, at half the time that the manager allows -
 * STATUS= when the role changes, RELOADING=1 and READY=1 around a reload - STOPPING=1 - closed.
 *
 * Ways to fail: without a service manager every function does nothing. A socket that cannot be
 * used, or does not take a message, is said in the log once, and the daemon goes on. A loop that
 * does not turn sends no WATCHDOG=1: the manager then ends the process.
 */
#ifndef MU_SUPERVISE_H
#define MU_SUPERVISE_H

#include <uv.h>

#include "base/log.h"

struct mu_supervise;

/* `log` is not owned. Never NULL. Its timer keeps no loop alive. */
struct mu_supervise *mu_supervise_create(uv_loop_t *loop, struct mu_log *log);
/* It serves. The first time READY=1; each time STATUS=. All functions take NULL, too. */
void mu_supervise_ready(struct mu_supervise *self, const char *status);
/* One line for `systemctl status`; what follows a line break is left out. */
void mu_supervise_status(struct mu_supervise *self, const char *status);
/* Around a reload, which blocks the loop. */
void mu_supervise_reloading(struct mu_supervise *self);
void mu_supervise_reloaded(struct mu_supervise *self);
/* The clean end has begun. Pings go on until it is closed. */
void mu_supervise_stopping(struct mu_supervise *self);
/* Clears the pointer; freed in a later turn of the loop. */
void mu_supervise_close(struct mu_supervise **self);

#endif
