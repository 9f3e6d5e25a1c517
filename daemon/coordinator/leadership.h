/* leadership.h - moves leadership away from whoever may not lead.
 *
 * Level-triggered: as long as an instance that is not eligible, or a ghost, has `leads`, slices of
 * `elect` go on, one at a time, owner after owner, each sized by what the last one cost Redis; the
 * next leaves when the last is answered, so that other clients have their turn in between. Owners
 * come from suspicions and burials in the same turn, and from a survey of `leads` now and then,
 * which finds what an earlier coordinator or a lost answer left behind.
 *
 * A session that is undecided after the looks that one election has is handed to the sweeper with
 * the rank reached. Ways to fail: an answer that is lost or a refusal - the owner waits a little
 * and comes again; ALIVE - it is eligible again and keeps what it has.
 */
#ifndef MU_COORDINATOR_LEADERSHIP_H
#define MU_COORDINATOR_LEADERSHIP_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/detector.h"
#include "coordinator/fence.h"

#define MU_OWNER_SIZE (2 * MU_ID_SIZE) /* `<instance>` or `<instance>:<incarnation>` */

struct mu_leadership;

struct mu_leadership_options {
    struct mu_fence *fence;
    struct mu_detector *detector;
    struct mu_log *log;
    void *context;
    void (*on_undecided)(void *context, const char *session, uint64_t rank);
};

struct mu_leadership *mu_leadership_create(const struct mu_leadership_options *options);
void mu_leadership_destroy(struct mu_leadership **leadership);
void mu_leadership_stop(struct mu_leadership *leadership);

/* This owner has leads that should move. */
void mu_leadership_move(struct mu_leadership *leadership, const char *owner);
/* Looks at `leads` of this owner and moves them if there are any. */
void mu_leadership_look(struct mu_leadership *leadership, const char *owner);
/* The same for every instance that is not eligible. */
void mu_leadership_survey(struct mu_leadership *leadership);
/* How many owners still have to be left. */
size_t mu_leadership_pending(const struct mu_leadership *leadership);
void mu_leadership_tick(struct mu_leadership *leadership, uint64_t now);

#endif
