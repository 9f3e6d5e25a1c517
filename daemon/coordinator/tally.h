/* tally.h - what the coordinator counts, for metrics. One for all its parts; they reach it through
 * the fence. It grows over all tenures and is never reset.
 */
#ifndef MU_COORDINATOR_TALLY_H
#define MU_COORDINATOR_TALLY_H

#include <stdint.h>

#include "base/histogram.h"

/* What is done in timed slices: name of the function, which is the label of the metric too. */
#define MU_SLICE_TABLE(X)                                                                          \
    X(REAP, "reap")     /* ghosts */                                                               \
    X(ELECT, "elect")   /* leaderships moved away from those who may not lead */                   \
    X(SWEEP, "sweep")   /* sessions without a leader */                                            \
    X(EXPIRE, "expire") /* deadlines of connections */                                             \
    X(BEATS, "beats")   /* heartbeats written */                                                   \
    X(MOVE, "move")     /* clients of a draining instance told */

enum mu_slice {
#define MU_SLICE_ENUM(name, function) MU_SLICE_##name,
    MU_SLICE_TABLE(MU_SLICE_ENUM)
#undef MU_SLICE_ENUM
        MU_SLICES
};

struct mu_tally {
    uint64_t lease_acquired;
    uint64_t lease_lost; /* not by our own will */
    uint64_t lease_renewed;
    uint64_t lease_unrenewed; /* a renewal without a usable answer */
    uint64_t data_confirmed;
    uint64_t data_rotated;
    uint64_t evicted; /* keys that Redis threw away */

    uint64_t heartbeats; /* heard on the channel */
    uint64_t suspected_silence, suspected_inbox, suspected_lifeline;
    uint64_t buried;
    uint64_t verdicts_refused; /* Redis knew better */
    uint64_t revived;          /* suspect, and up again */
    uint64_t views_reset;      /* everybody's silence began anew: we may have been blind */
    uint64_t brake_engaged;

    uint64_t leaders_moved;
    uint64_t leaders_vacant; /* nobody was eligible */
    uint64_t leaders_swept;  /* a session without a leader got one */
    uint64_t ghosts_reaped;
    uint64_t reaped_connections, reaped_memberships;
    uint64_t quarantined;
    uint64_t expired_connections, expired_memberships;
    uint64_t drain_told;

    struct mu_histogram loop_late; /* of the tick: how much later it came than asked */
    struct mu_histogram renewal;   /* from sending it to its answer */
    struct mu_histogram moved;     /* from when an owner had to be left to its last leader moved */
    struct mu_histogram slices[MU_SLICES]; /* what one cost Redis */
};

#endif
