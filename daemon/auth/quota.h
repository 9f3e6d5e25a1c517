/* quota.h - how much the holder of a quota may hold. Redis counts: a verdict that is formed out
 * here is old when it arrives there. Pure. */
#ifndef MU_AUTH_QUOTA_H
#define MU_AUTH_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/types.h"

struct mu_quota {
    const char *holder;             /* an id; NULL: there is no quota */
    uint32_t connections, sessions; /* 0: no bound */
};

/* The quota of an ALLOW: for the holder that it names, else for the principal, whichever is an id.
 * `out` borrows both. False: it sets a bound, and there is nobody to count for. */
bool mu_quota_of(const struct muster_decision *decision, const struct muster_principal *principal,
                 struct mu_quota *out);

#endif
