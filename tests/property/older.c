/* older.c - DUMP and RESTORE of every key. */
#include "property/older.h"

#include <stdlib.h>
#include <string.h>

#include "lib/library.h"
#include "lib/test.h"

void pm_older_forget(struct pm_older *older) {
    for (size_t i = 0; i < older->count; i++) {
        free(older->keys[i].key);
        free(older->keys[i].bytes);
    }
    free(older->keys);
    older->keys = NULL;
    older->count = 0;
    older->taken = false;
}

void pm_older_take(struct pm_older *older, struct mt_redis *redis, const struct pm_state *state) {
    const redisReply *names = mt_command(redis, "KEYS *");
    pm_older_forget(older);
    older->state = *state;
    older->keys = calloc(names->elements + 1, sizeof *older->keys);
    assert_non_null(older->keys);
    for (size_t i = 0; i < names->elements; i++) {
        const char *name = names->element[i]->str;
        const redisReply *dump = mt_command(redis, "DUMP %s", name);
        long long expires = mt_integer(redis, "PEXPIRETIME %s", name);
        older->keys[i].key = strdup(name);
        older->keys[i].bytes = malloc((size_t)dump->len);
        assert_non_null(older->keys[i].bytes);
        memcpy(older->keys[i].bytes, dump->str, (size_t)dump->len);
        older->keys[i].length = (size_t)dump->len;
        older->keys[i].expires = expires > 0 ? expires : 0;
        older->count++;
    }
    older->taken = true;
}

void pm_older_return(const struct pm_older *older, struct mt_redis *redis, struct pm_state *state) {
    long long now = state->now;
    long long latest = state->latest;
    mt_command(redis, "FLUSHALL");
    for (size_t i = 0; i < older->count; i++)
        mt_command(redis, "RESTORE %s %lld %b ABSTTL", older->keys[i].key, older->keys[i].expires,
                   older->keys[i].bytes, older->keys[i].length);
    mt_library_load(redis);
    *state = older->state;
    state->now = now;
    state->latest = latest;
    state->confirmed = NULL;
    state->must_rotate = true;
}
