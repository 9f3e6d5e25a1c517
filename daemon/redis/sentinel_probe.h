/* sentinel_probe.h - is there a master at this address? Private to daemon/redis.
 *
 * A connection of its own - INFO replication (which the ACL that ships lets a daemon ask, and not
 * ROLE) - `done` with what it said. Ways to fail: no connection, no answer, a login that is
 * refused: NOWHERE. A user that may not ask gets MASTER: what the connection is used for next will
 * show it.
 */
#ifndef MU_REDIS_SENTINEL_PROBE_H
#define MU_REDIS_SENTINEL_PROBE_H

#include <stdint.h>
#include <uv.h>

#include "base/log.h"
#include "redis/address.h"

enum mu_probe_verdict { MU_PROBE_MASTER, MU_PROBE_OTHER, MU_PROBE_NOWHERE };

struct mu_probe;

struct mu_probe_options {
    const struct mu_redis_address *address; /* copied */
    const char *client_name;                /* copied; may be NULL */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    void *context;
    /* Once. `reason` is for people. mu_probe_end() may be called from it. */
    void (*done)(void *context, enum mu_probe_verdict verdict, const char *reason);
};

struct mu_probe *mu_probe_create(uv_loop_t *loop, const struct mu_probe_options *options);
/* No callback any more; it goes by itself. Clears the pointer. NULL in it is fine. */
void mu_probe_end(struct mu_probe **probe);

#endif
