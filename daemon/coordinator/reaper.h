/* reaper.h - ends what buried instances left behind, in slices.
 *
 * The happy path: `ghosts` is read (regularly, and on hints), lowest time first - each ghost is
 * emptied by `reap`, one slice at a time, its cursor carried along, the slice sized in memberships
 * by what the last one cost Redis - `done` - the next ghost. A ghost that must still wait says how
 * long. Nothing is kept that Redis does not have: a coordinator killed half-way leaves the rest of
 * the ghost to the next.
 *
 * Ways to fail: an answer that is lost or a refusal - the ghost is put aside for a moment and the
 * others go on; a slice without progress pauses.
 */
#ifndef MU_COORDINATOR_REAPER_H
#define MU_COORDINATOR_REAPER_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/fence.h"

struct mu_reaper;

struct mu_reaper_options {
    struct mu_fence *fence;
    struct mu_log *log;
    uint64_t interval_ms; /* between readings of `ghosts` */
    void *context;
    void (*on_seen)(void *context, const char *ghost); /* for each ghost of each reading */
};

struct mu_reaper *mu_reaper_create(const struct mu_reaper_options *options);
void mu_reaper_destroy(struct mu_reaper **reaper);
void mu_reaper_start(struct mu_reaper *reaper);
void mu_reaper_stop(struct mu_reaper *reaper);
void mu_reaper_set_interval(struct mu_reaper *reaper, uint64_t now, uint64_t interval_ms);
/* There may be a new ghost. */
void mu_reaper_hint(struct mu_reaper *reaper);
/* The same; those that were said to wait need not. */
void mu_reaper_now(struct mu_reaper *reaper);
void mu_reaper_tick(struct mu_reaper *reaper, uint64_t now);

#endif
