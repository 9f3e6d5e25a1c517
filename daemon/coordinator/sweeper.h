/* sweeper.h - finds leaders for sessions that have candidates but no leader.
 *
 * A sweep goes over `leaderless` in slices, its cursor carried along; it begins on the first tick
 * of a tenure, whenever an instance became eligible, and now and then. A session with more
 * candidates than one election may look at is gone on with from the rank reached, before the sweep
 * continues.
 *
 * Ways to fail: an answer that is lost - the slice is asked again after a pause; a continuation
 * that finds no room is dropped, since the session stays in `leaderless` for the next sweep.
 */
#ifndef MU_COORDINATOR_SWEEPER_H
#define MU_COORDINATOR_SWEEPER_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/fence.h"

struct mu_sweeper;

struct mu_sweeper *mu_sweeper_create(struct mu_fence *fence, struct mu_log *log);
void mu_sweeper_destroy(struct mu_sweeper **sweeper);
void mu_sweeper_start(struct mu_sweeper *sweeper);
void mu_sweeper_stop(struct mu_sweeper *sweeper);

/* Somebody became eligible: a whole sweep from now on. */
void mu_sweeper_sweep(struct mu_sweeper *sweeper);
/* Goes on with one session from `rank`. */
void mu_sweeper_continue(struct mu_sweeper *sweeper, const char *session, uint64_t rank);
void mu_sweeper_tick(struct mu_sweeper *sweeper, uint64_t now);

#endif
