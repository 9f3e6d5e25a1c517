/* tenancy.h - does what the lease core says: sends, reads the answers, tells of changes.
 *
 * The happy path: tick - acquire - renew - `on_change` (held) - a renewal every second - stop -
 * release - `on_change` (over). Everything goes out at once or not at all: a renewal that waited in
 * a queue would be worth nothing.
 *
 * Ways to fail: another one holds the lease (stand by, see lease.h); no answer (until the deadline,
 * then it is lost); STALE_EPOCH (lost at once); the functions library is gone from Redis
 * (`on_library_missing`).
 */
#ifndef MU_COORDINATOR_TENANCY_H
#define MU_COORDINATOR_TENANCY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "coordinator/lease.h"
#include "coordinator/redis_time.h"
#include "coordinator/tally.h"
#include "redis/link.h"

struct mu_tenancy;

struct mu_tenancy_options {
    const struct mu_config *config; /* not owned, nor what follows */
    struct mu_link *link;
    struct mu_redis_time *time;
    struct mu_tally *tally;
    struct mu_log *log;
    void *context;
    void (*on_change)(void *context);      /* held or not, or over */
    void (*on_unconfirmed)(void *context); /* a renewal says that the data is not confirmed */
    void (*on_library_missing)(void *context);
};

struct mu_tenancy *mu_tenancy_create(const struct mu_tenancy_options *options);
/* Not before the link is closed. */
void mu_tenancy_destroy(struct mu_tenancy **tenancy);

/* For reading only. */
const struct mu_lease *mu_tenancy_lease(const struct mu_tenancy *tenancy);
/* Held, says the clock now. */
bool mu_tenancy_held(const struct mu_tenancy *tenancy);
/* Stopped for good. */
bool mu_tenancy_over(const struct mu_tenancy *tenancy);

void mu_tenancy_tick(struct mu_tenancy *tenancy);
/* `run`: of the server that the link stands to (prepare.h); NULL: the link is down. */
void mu_tenancy_link(struct mu_tenancy *tenancy, const char *run);
void mu_tenancy_hint(struct mu_tenancy *tenancy);
void mu_tenancy_seen(struct mu_tenancy *tenancy, uint64_t epoch);
/* A write of this tenure was refused with STALE_EPOCH. */
void mu_tenancy_stale(struct mu_tenancy *tenancy, const char *message);
/* A call was answered UNAVAILABLE: is the library gone? */
void mu_tenancy_unavailable(struct mu_tenancy *tenancy, const char *message);
/* An operator wants the tenure of this epoch to end; another daemon may take it for some seconds.
 */
void mu_tenancy_step_down(struct mu_tenancy *tenancy, uint64_t epoch);
void mu_tenancy_stop(struct mu_tenancy *tenancy);

#endif
