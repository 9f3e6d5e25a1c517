/* shrink.h - makes a failing sequence short. */
#ifndef PM_SHRINK_H
#define PM_SHRINK_H

#include "property/run.h"

/* Takes steps out of `steps` as long as what is left still fails, then waits. Bounded: at most
 * `tries` runs. `failure` gets the sentence of the last failing run. */
void pm_shrink(struct pm_stage *stage, struct pm_steps *steps, size_t tries, char *failure,
               size_t size);
void pm_steps_print(FILE *out, const struct pm_steps *steps);

#endif
