/* pace.h - how large the next slice of work may be, learned from how long the last one took.
 *
 * A slice holds up everybody else at Redis while it runs. Pure: no clock is read here.
 */
#ifndef MU_COORDINATOR_PACE_H
#define MU_COORDINATOR_PACE_H

#include <stdint.h>

struct mu_pace {
    uint64_t target_us; /* a slice should stay below it */
    unsigned min;
    unsigned max;
    unsigned budget; /* units for the next slice */
};

/* `min` >= 1. Starts with `start` units, cautiously. */
void mu_pace_init(struct mu_pace *pace, uint64_t target_us, unsigned min, unsigned start,
                  unsigned max);

/* A slice that was given `pace->budget` units did `units` of them in `took_us`. Too slow: the
 * budget shrinks to what fits, at once. Fast and fully used: it grows, at most to the double, and
 * only to four fifths of the target, so that noise stays below it. */
void mu_pace_measured(struct mu_pace *pace, unsigned units, uint64_t took_us);

#endif
