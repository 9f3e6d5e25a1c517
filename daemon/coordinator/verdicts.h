/* verdicts.h - carries the detector's verdicts to Redis and the answers back.
 *
 * The happy path: the detector proposes - `suspect` or `bury` with the score that was seen -
 * answered: leaderships move in the same turn, a ghost goes to the reaper. Refused with ALIVE: the
 * instance was heard meanwhile, nothing happens. Ways to fail: see mu_detector_result().
 */
#ifndef MU_COORDINATOR_VERDICTS_H
#define MU_COORDINATOR_VERDICTS_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/braking.h"
#include "coordinator/detector.h"
#include "coordinator/fence.h"

struct mu_verdicts;

struct mu_verdicts_options {
    const char *id; /* this daemon; not owned */
    struct mu_fence *fence;
    struct mu_detector *detector;
    struct mu_brake *brake;
    struct mu_braking *braking;
    struct mu_log *log;
    void *context;
    /* `owner` has `leads` to be moved: an instance, or a ghost `<instance>:<incarnation>`. */
    void (*on_leads)(void *context, const char *owner, uint64_t leads);
    void (*on_ghost)(void *context);
    void (*on_moved)(void *context); /* `instances` should be polled */
};

struct mu_verdicts *mu_verdicts_create(const struct mu_verdicts_options *options);
void mu_verdicts_destroy(struct mu_verdicts **verdicts);
/* What `suspect` and `bury` are told for the journal: the signal and the times behind a verdict of
 * `coordinator`, as JSON. Pure. */
#define MU_WHY_SIZE 512
void mu_verdict_why(char out[MU_WHY_SIZE], const struct mu_verdict *verdict,
                    const char *coordinator);
/* Asks the detector, and the brake, and sends what is proposed. */
void mu_verdicts_tick(struct mu_verdicts *verdicts, uint64_t now);

#endif
