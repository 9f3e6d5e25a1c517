/* braking.h - tells Redis, and so everybody, what the brake (brake.h) decided.
 *
 * The happy path: engaged - the key `brake`, `brake.engaged` and `survey` (every instance
 * heartbeats at once), the survey again every second while it holds - released - the key gone,
 * `brake.released` with the reason. A new coordinator releases what an earlier one left engaged:
 * everybody's silence begins anew with it.
 *
 * Ways to fail: an answer is lost or refused; it is told again after a pause. What is told never
 * decides anything: the brake itself is in memory.
 */
#ifndef MU_COORDINATOR_BRAKING_H
#define MU_COORDINATOR_BRAKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "coordinator/brake.h"
#include "coordinator/fence.h"

struct mu_braking;

/* `brake` is not owned. */
struct mu_braking *mu_braking_create(struct mu_fence *fence, struct mu_brake *brake,
                                     struct mu_log *log);
void mu_braking_destroy(struct mu_braking **braking);
void mu_braking_start(struct mu_braking *braking);
void mu_braking_stop(struct mu_braking *braking);
/* An operator asks for it. */
void mu_braking_release(struct mu_braking *braking, uint64_t now);
void mu_braking_tick(struct mu_braking *braking, uint64_t now);
/* The brake is released, and Redis was not told yet: verdicts wait, so that everybody hears of the
 * release before of what it allows. False when it was tried and refused. */
bool mu_braking_lags(const struct mu_braking *braking);

#endif
