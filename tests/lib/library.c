#include "lib/library.h"

#include <stdio.h>

#include "lib/test.h"
#include "redis/library.h"

void mt_library_load(struct mt_redis *redis) {
    mt_command(redis, "FUNCTION LOAD REPLACE %b", (const char *)mu_library_text, mu_library_length);
}

const char *mt_number(struct mt_redis *redis, long long number) {
    return mt_text(redis, "ECHO %lld", number);
}

const char *mt_lead(struct mt_redis *redis, const char *generation, const char *settings) {
    json_t *reply = mt_ok(redis, "acquire", "hand", "hand-1", "600000", "0");
    assert_true(mt_bool(reply, "acquired"));
    const char *epoch = mt_number(redis, mt_int(reply, "epoch"));
    mt_ok(redis, "rotate", epoch, generation, "0", "run-1",
          settings == NULL ? MT_SETTINGS : settings);
    return epoch;
}
