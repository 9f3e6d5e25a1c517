#include "play.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "load.h"
#include "process.h"
#include "redis/library.h"

#define LEASE_MS "3600000"
#define SETTINGS                                                                                   \
    "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,\"profile\":4096,"  \
    "\"sessions_per_connection\":128,\"grace_ms\":300000}"

void mb_play_load(struct mb_pipe *pipe) {
    char *text = mu_strndup((const char *)mu_library_text, mu_library_length);
    MB_DO(pipe, "FUNCTION", "LOAD", "REPLACE", text);
    free(text);
}

void mb_play_lead(struct mb_pipe *pipe) {
    redisReply *reply =
        MB_CALL(pipe, "FCALL", "muster_acquire", "1", MB_KEY, "bench", "nonce-1", LEASE_MS, "0");
    json_t *answer = json_loads(reply->str, 0, NULL);
    json_int_t number = json_integer_value(json_object_get(answer, "epoch"));
    if (number <= 0)
        mb_fail("the lease was not acquired: %s", reply->str);
    json_decref(answer);
    freeReplyObject(reply);

    char epoch[MB_NAME];
    mb_text(epoch, sizeof epoch, "%" JSON_INTEGER_FORMAT, number);
    MB_DO(pipe, "FCALL", "muster_rotate", "1", MB_KEY, epoch, "9f3c21d07be84a65", "0", "run-1",
          SETTINGS);
}

void mb_play_start(struct mb_pipe *pipe, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char instance[MB_NAME];
        mb_instance_name(i, instance);
        MB_DO(pipe, "FCALL", "muster_start", "1", MB_KEY, instance, MB_INCARNATION);
    }
}
