#include "backoff.h"

#include "base/ids.h"

#define FIRST_MS 50
#define LAST_MS 2000

uint64_t mu_backoff_next(struct mu_backoff *backoff) {
    uint64_t full = FIRST_MS;
    for (unsigned i = 0; i < backoff->failures && full < LAST_MS; i++)
        full *= 2;
    if (full > LAST_MS)
        full = LAST_MS;
    backoff->failures++;
    return full / 2 + mu_random_below(full / 2 + 1);
}

void mu_backoff_reset(struct mu_backoff *backoff) {
    backoff->failures = 0;
}

bool mu_backoff_applies(enum muster_status status) {
    return status == MUSTER_UNAVAILABLE || status == MUSTER_TIMEOUT ||
           status == MUSTER_OVERLOADED || status == MUSTER_RATE_LIMITED;
}
