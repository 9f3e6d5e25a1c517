/* quiet.h - quiet points: everything is healed, everybody settles, and all of it is compared. */
#ifndef CH_QUIET_H
#define CH_QUIET_H

#include "chaos/stage.h"

/* Heals, waits until nothing is under way any more, and demands: the events heard tell what Redis
 * holds; each acknowledged membership stands, beliefs and truth are one, no sim saw an anomaly or
 * an unexpected error; fsck finds nothing. Churn is off afterwards. */
void ch_quiet(struct ch_stage *stage);
/* Churn goes on. */
void ch_unquiet(struct ch_stage *stage);
/* At the end, from all that was written: no anomaly in any life of any sim; an epoch is one
 * daemon's alone. Adds to the census what the schedule led to. */
void ch_judge(struct ch_stage *stage);

#endif
