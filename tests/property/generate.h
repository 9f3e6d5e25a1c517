/* generate.h - random sequences of steps, biased by the present state so that most calls make sense
 * and all the races of the model come up: calls of stale incarnations and epochs, repeats, bad
 * arguments, slices of one and two between anything else.
 */
#ifndef PM_GENERATE_H
#define PM_GENERATE_H

#include "property/step.h"

struct pm_random {
    uint64_t state;
};
/* From 0 to below `limit`. */
size_t pm_below(struct pm_random *random, size_t limit);
/* True `percent` times of a hundred. */
bool pm_chance(struct pm_random *random, size_t percent);

/* Appends the next step, or the next two. */
void pm_generate(struct pm_steps *steps, struct pm_random *random, struct pm_state *state);
/* Appends what the coordinator has still to do; the last step is "settled", then false. */
bool pm_generate_settling(struct pm_steps *steps, struct pm_state *state);
/* Makes something wrong with the last step's arguments. */
void pm_generate_damage(struct pm_steps *steps, struct pm_random *random);

/* For the settings of a run: small limits, so that they are reached. */
extern const char *const pm_settings;
extern const char *const pm_slower_settings; /* another heartbeat_ms */
/* Profiles and metas; and texts that are none. */
const char *pm_random_object(struct pm_random *random);

#endif
