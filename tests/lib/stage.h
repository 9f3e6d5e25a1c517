/* stage.h - what a test of the links stands on: a loop in this process and a real server.
 *
 * A test's own struct holds one; everything that was put on the loop must be closed, or told to
 * close, before mt_stage_down().
 */
#ifndef MT_STAGE_H
#define MT_STAGE_H

#include "lib/loop.h"
#include "lib/redis.h"
#include "lib/server.h"
#include "lib/world.h"

struct mt_stage {
    struct mt_world *world;
    struct mt_loop *loop;
    struct mt_server *server;
    struct mt_redis *redis; /* a connection beside the loop */
};

/* `extra` as in mt_server_start(). SIGPIPE is ignored from then on, as in the programs. */
void mt_stage_up(struct mt_stage *stage, enum mt_server_kind kind, const char *const *extra);
/* Turns the loop until all is closed; ends the server. */
void mt_stage_down(struct mt_stage *stage);

#endif
