/* brake.h - stops mass death: when most instances seem to fall silent at once, it is more likely
 * that we cannot hear than that they all died. Pure.
 *
 * Before verdicts of the detector are carried out, mu_brake_judge() is asked. If what is not up,
 * and what would now become suspect, is more than `fraction` of the largest number of instances
 * seen in the last `window_ms`, the brake engages: for `hold_ms` nobody is suspected or buried, and
 * every instance is asked to heartbeat. After the hold, or when it is released by hand, those that
 * were silent all the while are no longer protected. Who falls silent later is: the brake engages
 * again.
 *
 *     off - too many silent - engaged - hold over, or by hand - off, with the silent ones cleared
 */
#ifndef MU_COORDINATOR_BRAKE_H
#define MU_COORDINATOR_BRAKE_H

#include <stdbool.h>
#include <stdint.h>

#define MU_BRAKE_BUCKETS 16

struct mu_brake_options {
    uint64_t fraction; /* in thousandths: 500 is a half */
    uint64_t min_instances;
    uint64_t hold_ms;
    uint64_t window_ms;
};

/* What the detector sees: how many there are, how many are suspect already, how many would become
 * suspect now, and whether a verdict is due of one heard after mu_brake_cleared(). */
struct mu_brake_view {
    uint64_t instances;
    uint64_t suspects;
    uint64_t becoming;
    bool fresh;
};

struct mu_brake {
    struct mu_brake_options options;
    bool engaged;
    uint64_t engaged_at;
    uint64_t silent;  /* that were too many: suspects and those who would have become so */
    uint64_t cleared; /* who was not heard after it is no longer protected */
    uint64_t largest[MU_BRAKE_BUCKETS];
    uint64_t bucket; /* that `largest` was filled up to: a number of bucket lengths of `now` */
};

void mu_brake_init(struct mu_brake *brake, const struct mu_brake_options *options);
/* Other options. It stays as it is; a hold that is over by the new ones ends with the next tick. */
void mu_brake_set_options(struct mu_brake *brake, uint64_t now,
                          const struct mu_brake_options *options);
/* A new tenure: off, nobody cleared, nothing seen. */
void mu_brake_reset(struct mu_brake *brake);

/* Takes note of how many there are, and ends the hold when it is over. Regularly. */
void mu_brake_tick(struct mu_brake *brake, uint64_t now, uint64_t instances);
/* Verdicts are due: may they be carried out? Only of those that were not heard after the returned
 * time: 0 is nobody, UINT64_MAX everybody. */
uint64_t mu_brake_judge(struct mu_brake *brake, uint64_t now, const struct mu_brake_view *view);
/* By hand. False: it was not engaged. */
bool mu_brake_release(struct mu_brake *brake, uint64_t now);
uint64_t mu_brake_cleared(const struct mu_brake *brake);
/* The largest number of instances in the window. */
uint64_t mu_brake_largest(const struct mu_brake *brake);

#endif
