#include "lib/stage.h"

#include <signal.h>

void mt_stage_up(struct mt_stage *stage, enum mt_server_kind kind, const char *const *extra) {
    signal(SIGPIPE, SIG_IGN);
    stage->world = mt_world_create();
    stage->loop = mt_loop_create(stage->world);
    stage->server = mt_server_start(stage->world, "redis", kind, extra);
    stage->redis = mt_server_connect(stage->server);
}

void mt_stage_down(struct mt_stage *stage) {
    mt_loop_destroy(&stage->loop);
    mt_redis_close(&stage->redis);
    mt_server_free(&stage->server);
    mt_world_destroy(&stage->world);
}
