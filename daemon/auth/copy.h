/* copy.h - a decision with everything it points to. */
#ifndef MU_AUTH_COPY_H
#define MU_AUTH_COPY_H

#include "auth/caller.h"
#include "muster/types.h"

struct mu_decision_copy {
    struct muster_decision decision;
    struct muster_caller *principal; /* owns decision.principal */
};

/* `copy` is uninitialised or empty; at most 200 bytes of a reason are kept. A verdict that is none,
 * LATER too, becomes a denial; a principal that is not valid, and a holder of a
 * quota that is no id, become none. */
void mu_decision_copy(struct mu_decision_copy *copy, const struct muster_decision *decision);
/* An empty one is fine. */
void mu_decision_copy_deinit(struct mu_decision_copy *copy);

#endif
