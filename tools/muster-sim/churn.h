/* churn.h - random operations at a steady rate: leaving, entering again, new profiles. */
#ifndef MU_SIM_CHURN_H
#define MU_SIM_CHURN_H

#include <stdbool.h>
#include <stdint.h>

#include "entering.h"
#include "holding.h"

struct mu_churn {
    struct mu_holding *holding; /* not owned */
    struct mu_entering *entering;
    uint32_t connections;
    bool profiles;   /* whether there is a profile to change */
    uint64_t rate;   /* operations a second */
    bool draining;   /* nobody is entered */
    uint64_t random; /* state of mu_plan_random() */
    uint64_t last_us;
    uint64_t due; /* operations owed, in millionths */
};

/* What is owed since the last call, but at most a second's worth. `now_us` is monotonic. */
void mu_churn_run(struct mu_churn *churn, uint64_t now_us);
/* Nothing is owed as of now. */
void mu_churn_reset(struct mu_churn *churn, uint64_t now_us);

#endif
