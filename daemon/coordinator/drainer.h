/* drainer.h - tells the connections of draining instances to move, at the rate that was asked for.
 *
 * The happy path: an instance drains with a rate (seen by a survey now and then, or told by its
 * event) - `move`, again and again: it tells nobody while a leadership is left, then some of its
 * connections a call, as many as the rate has allowed since the last one - when everybody was told
 * it answers how long the last notice still runs, and after that another round begins for those
 * who are still there. Where a round is stands in Redis, so this part holds nothing but the pace:
 * a coordinator that was killed leaves the rest to the next.
 *
 * The pace is kept on our own clock. After a stall (of ours, of Redis, or of a takeover) at most
 * one second's worth is told at once. `move` may tell a few more than it was allowed, those of one
 * place of the hash; the next call waits for that much longer.
 *
 * Ways to fail: an answer that is lost or a refusal - again after a moment; ALIVE, UNKNOWN_INSTANCE
 * and STALE_INCARNATION - that drain is over, and forgotten. An instance that is empty is still
 * looked at once a second: a connection may be resumed onto it.
 */
#ifndef MU_COORDINATOR_DRAINER_H
#define MU_COORDINATOR_DRAINER_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/detector.h"
#include "coordinator/fence.h"

struct mu_drainer;

/* All are borrowed. */
struct mu_drainer *mu_drainer_create(struct mu_fence *fence, struct mu_detector *detector,
                                     struct mu_log *log);
void mu_drainer_destroy(struct mu_drainer **drainer);
/* Forgets every drain: at the end of a tenure. */
void mu_drainer_stop(struct mu_drainer *drainer);

/* Something about the drain of this instance may have changed: looks, and goes on at once. */
void mu_drainer_look(struct mu_drainer *drainer, const char *instance);
/* Looks at every instance that drains and is not being told yet. */
void mu_drainer_survey(struct mu_drainer *drainer);
/* How many are being told at a pace. */
size_t mu_drainer_count(const struct mu_drainer *drainer);
/* `now` is boottime in ms. */
void mu_drainer_tick(struct mu_drainer *drainer, uint64_t now);

#endif
