/* store.h - where a stage keeps its data: one Redis, or a master with a replica and sentinels; its
 * clock; and the test's own connections there.
 */
#ifndef CH_STORE_H
#define CH_STORE_H

#include "chaos/stage.h"

void ch_store_open(struct ch_stage *stage);
void ch_store_close(struct ch_stage *stage);
/* The server that is asked now. */
struct mt_server *ch_store_server(const struct ch_stage *stage);
/* From time to time: follows what sentinels say, and what was published. */
void ch_store_turn(struct ch_stage *stage);
/* The server that we ask, or the master, has ended though nobody ended it: fails. */
void ch_store_expect_alive(const struct ch_stage *stage);
/* Does what a step says that is about Redis or sentinels. */
void ch_store_act(struct ch_stage *stage, const struct ch_step *step);
/* All servers and sentinels run and agree, and the clock is not behind its highest. */
void ch_store_heal(struct ch_stage *stage);

#endif
