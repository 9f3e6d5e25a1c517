/* view.h - how the coordinator stands now, as others may see it. */
#ifndef MU_COORDINATOR_VIEW_H
#define MU_COORDINATOR_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "coordinator/census.h"
#include "coordinator/scrub.h"
#include "coordinator/tally.h"

struct mu_coordinator_view {
    bool active; /* it coordinates: the lease is held and the data is confirmed */
    bool held;   /* the lease */
    bool known;  /* somebody holds it, we or another one, as far as we have heard */
    uint64_t epoch;
    uint64_t highest_epoch;
    uint64_t redis_ms; /* see mu_coordinator_redis_ms() */
    /* All that follows is 0 while it does not coordinate. */
    bool brake;
    bool blind; /* no instance is suspected or buried, since we cannot hear */
    uint64_t instances, suspects, draining;
    uint64_t moving; /* owners whose leaderships are being moved */
    uint64_t drains; /* that are told at a pace */
    struct mu_census_numbers census;
    /* Since the start. */
    struct mu_scrub_stats scrub;
    const struct mu_tally *tally;
};

#endif
