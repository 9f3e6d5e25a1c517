/* moving.h - what an instance does when it drains and its clients are told to move. */
#ifndef MU_SIM_MOVING_H
#define MU_SIM_MOVING_H

#include "churn.h"
#include "digest.h"
#include "plan.h"

/* An event of this very incarnation. Draining: churn enters nobody any more, until that is over.
 * `instance.move`: with `obey` those clients go elsewhere, so here they are unregistered. Returns
 * how many go. */
uint64_t mu_moving_event(struct mu_churn *churn, const struct mu_plan *plan, bool obey,
                         const struct mu_event *event);

#endif
