#include "coordinator/pace.h"

#include <assert.h>

void mu_pace_init(struct mu_pace *pace, uint64_t target_us, unsigned min, unsigned start,
                  unsigned max) {
    assert(min >= 1 && min <= start && start <= max && target_us > 0);
    pace->target_us = target_us;
    pace->min = min;
    pace->max = max;
    pace->budget = start;
}

static unsigned within(const struct mu_pace *pace, uint64_t budget) {
    return budget < pace->min ? pace->min : budget > pace->max ? pace->max : (unsigned)budget;
}

void mu_pace_measured(struct mu_pace *pace, unsigned units, uint64_t took_us) {
    uint64_t aim = pace->target_us * 4 / 5;
    if (took_us == 0)
        took_us = 1;
    if (units == 0) {
        /* Nothing to learn a cost from; but what is slow for nothing is not made larger. */
        if (took_us > pace->target_us)
            pace->budget = within(pace, pace->budget / 2);
        return;
    }
    uint64_t fits = (uint64_t)units * aim / took_us;
    if (took_us > pace->target_us) {
        pace->budget = within(pace, fits < pace->budget ? fits : pace->budget / 2);
        return;
    }
    if (fits <= pace->budget)
        return; /* between four fifths and the whole of the target: well sized */
    uint64_t twice = 2 * (uint64_t)pace->budget;
    /* A slice that did not use its budget says little about a full one. */
    if (units >= pace->budget / 2)
        pace->budget = within(pace, fits < twice ? fits : twice);
}
