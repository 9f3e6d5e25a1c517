/* backoff.h - how long to wait before the next attempt: doubling with jitter, 50 ms to 2 s. */
#ifndef MU_SIM_BACKOFF_H
#define MU_SIM_BACKOFF_H

#include <stdint.h>

#include "muster/status.h"

struct mu_backoff {
    unsigned failures; /* in a row */
};

/* Counts a failure; ms until the next attempt. */
uint64_t mu_backoff_next(struct mu_backoff *backoff);
void mu_backoff_reset(struct mu_backoff *backoff);

/* Whether a good client repeats the same call after this outcome. */
bool mu_backoff_applies(enum muster_status status);

#endif
