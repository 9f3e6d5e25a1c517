/* deadlines.h - ends connections whose ttl or grace is over, in slices.
 *
 * The happy path: every now and then, and when the first deadline comes, `expire` - one slice,
 * sized in memberships by what the last one cost Redis - more at once while it says that some are
 * left. Redis's own time decides what is due; nothing is kept here that Redis does not have, so a
 * coordinator killed half-way leaves the rest to the next.
 *
 * Ways to fail: an answer that is lost or a refusal - again after a moment; what cannot be read is
 * set aside by the function and reported here.
 */
#ifndef MU_COORDINATOR_DEADLINES_H
#define MU_COORDINATOR_DEADLINES_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/fence.h"

struct mu_deadlines;

/* Both are borrowed. */
struct mu_deadlines *mu_deadlines_create(struct mu_fence *fence, struct mu_log *log);
void mu_deadlines_destroy(struct mu_deadlines **deadlines);
void mu_deadlines_start(struct mu_deadlines *deadlines);
void mu_deadlines_stop(struct mu_deadlines *deadlines);
/* `now` is boottime in ms. */
void mu_deadlines_tick(struct mu_deadlines *deadlines, uint64_t now);

#endif
