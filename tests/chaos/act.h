/* act.h - does what a step says. */
#ifndef CH_ACT_H
#define CH_ACT_H

#include "chaos/stage.h"

/* Counts packets that should have been dropped and could not be here (packets.h). */
#define CH_SKIPPED_DROPS "drops skipped"

void ch_act(struct ch_stage *stage, const struct ch_step *step);
/* Ends every fault that still lasts: everybody runs, every link is whole. Redis' clock stays as it
 * is. */
void ch_heal(struct ch_stage *stage);

#endif
