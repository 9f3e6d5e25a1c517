/* census.h - counts what is stored, for metrics: how many sessions, ghosts, connections, entries of
 * the journal there are, and how much memory Redis has.
 *
 * The happy path: every two seconds one batch of commands of constant cost, and HLEN of some
 * instances in turn (all of them, when there are few) - the numbers are put in place as they come.
 *
 * Ways to fail: an answer that does not come, or is none, leaves the number as it was; at the end
 * of a tenure all numbers are 0, since somebody else tells them.
 */
#ifndef MU_COORDINATOR_CENSUS_H
#define MU_COORDINATOR_CENSUS_H

#include <stdint.h>

#include "coordinator/detector.h"
#include "coordinator/fence.h"

/* What is asked with one command that answers a number. */
#define MU_CENSUS_TABLE(X)                                                                         \
    X(sessions, "ZCARD", "sessions")                                                               \
    X(leaderless, "SCARD", "leaderless")                                                           \
    X(ghosts, "ZCARD", "ghosts")                                                                   \
    X(deadlines, "ZCARD", "deadlines")                                                             \
    X(quarantine, "HLEN", "quarantine")                                                            \
    X(journal, "XLEN", "journal")                                                                  \
    X(daemons, "HLEN", "daemons")

struct mu_census_numbers {
#define MU_CENSUS_FIELD(name, command, key) uint64_t name;
    MU_CENSUS_TABLE(MU_CENSUS_FIELD)
#undef MU_CENSUS_FIELD
    uint64_t connections;       /* of all instances; as of the last whole round */
    uint64_t ghost_connections; /* not reaped yet, of the first 64 ghosts */
    uint64_t redis_used_bytes;
    uint64_t redis_max_bytes; /* 0: no bound */
};

struct mu_census;

/* Neither is owned. */
struct mu_census *mu_census_create(struct mu_fence *fence, const struct mu_detector *detector);
void mu_census_destroy(struct mu_census **census);
void mu_census_start(struct mu_census *census);
void mu_census_stop(struct mu_census *census);
void mu_census_tick(struct mu_census *census, uint64_t now);
void mu_census_numbers(const struct mu_census *census, struct mu_census_numbers *out);

#endif
