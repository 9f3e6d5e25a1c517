/* doors.h - what stands between a door and Redis: plugins, authorization, requests, events,
 * metrics; built, wired and taken down as one.
 *
 * The happy path: create - load (plugins checked and initialised) - open, once it is known where
 * Redis is (plugins started) - messages and roles passed on - stop (transports, then the other
 * plugins; requests begin to close) - the owner closes the link - close.
 *
 * Ways to fail: load and open say why (the daemon does not start); a plugin that does not stop is
 * left behind (`clean` is false: end the process with _exit()).
 */
#ifndef MU_DOORS_H
#define MU_DOORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "metrics/metrics.h"
#include "plugin/plugins.h"
#include "redis/link.h"
#include "redis/subscriber.h"

struct mu_doors;

struct mu_doors_options {
    uv_loop_t *loop;
    const struct mu_config *config; /* not owned */
    struct mu_log *log;             /* not owned; may be NULL */
    void *context;
    uint64_t (*redis_ms)(void *context); /* may be NULL */
};

struct mu_doors *mu_doors_create(const struct mu_doors_options *options);
/* Blocks. On an error mu_doors_close() is all that may follow. */
enum muster_status mu_doors_load(struct mu_doors *doors, struct mu_error *error);
/* Link and subscriber are not owned. On an error mu_doors_stop() is next. */
enum muster_status mu_doors_open(struct mu_doors *doors, struct mu_link *link,
                                 struct mu_subscriber *subscriber, struct mu_error *error);

void mu_doors_message(struct mu_doors *doors, const char *pattern, const char *channel,
                      const char *payload, size_t length);
/* The subscriptions stand (again). */
void mu_doors_subscriber_up(struct mu_doors *doors);
/* What was asked of the subscriber up to this mark is confirmed. */
void mu_doors_confirmed(struct mu_doors *doors, uint64_t mark);
void mu_doors_coordinating(struct mu_doors *doors, bool active);
/* See mu_plugins_reload(). */
enum muster_status mu_doors_reload(struct mu_doors *doors, const struct mu_config *fresh,
                                   struct mu_reload_counts *counts, struct mu_error *error);
/* Values in the configuration that the doors were made with have changed. */
void mu_doors_reconfigure(struct mu_doors *doors);
/* Forgets the cached decisions of authorizers. */
void mu_doors_flush(struct mu_doors *doors);
struct mu_metrics *mu_doors_metrics(struct mu_doors *doors);

/* `stopped` in a later turn; subscriber and link are used no more after it, except that what Redis
 * still owes is awaited: close the link before mu_doors_close(). */
void mu_doors_stop(struct mu_doors *doors, void (*stopped)(void *context), void *context);
void mu_doors_close(struct mu_doors **doors, void (*closed)(void *context, bool clean),
                    void *context);

#endif
