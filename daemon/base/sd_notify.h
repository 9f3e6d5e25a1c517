/* sd_notify.h - tells a service manager (systemd) what state the process is in.
 *
 * The protocol of sd_notify(3): datagrams of `NAME=value` lines to the unix socket that the
 * environment names. Our own, since libsystemd brings five more libraries.
 */
#ifndef MU_BASE_SD_NOTIFY_H
#define MU_BASE_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct mu_sd_notify;

/* `address` is the value of NOTIFY_SOCKET: an absolute path, or @name for an abstract socket. NULL
 * or empty: nobody listens, and NULL is returned without an error. NULL with `error`: what is
 * wrong. The address is looked up at each message, not here. */
struct mu_sd_notify *mu_sd_notify_open(const char *address, struct mu_error *error);
void mu_sd_notify_close(struct mu_sd_notify **notify);

/* Sends one datagram, as it is. Waits 200 ms at most when the socket is full. False: it was not
 * taken. With NULL it does nothing and returns true. */
bool mu_sd_notify_send(const struct mu_sd_notify *notify, const char *text);

/* How often WATCHDOG=1 is due, in ms: half of `usec` (WATCHDOG_USEC), at least 1. 0: no watchdog
 * is wanted: `usec` is NULL, no number or 0, or `pid` (WATCHDOG_PID, may be NULL) is not `self`. */
uint64_t mu_sd_notify_watchdog_ms(const char *usec, const char *pid, long self);

#endif
