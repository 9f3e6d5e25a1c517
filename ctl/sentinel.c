#include "sentinel.h"

#include <string.h>

#include "reach.h"
#include "redis/sentinel_choice.h"

#define CLIENT "musterctl"

/* What one sentinel says; AWAY, with the reason, when it cannot be asked. */
static void ask(struct mu_ctl *ctl, const struct mu_redis_address *sentinel,
                struct mu_sentinel_answer *answer, struct mu_error *error) {
    redisContext *redis = mu_ctl_connect_to(ctl, sentinel, CLIENT, error);
    answer->kind = MU_SENTINEL_AWAY;
    if (redis == NULL) {
        return;
    }
    redisReply *where = redisCommand(redis, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", ctl->master);
    redisReply *about = redisCommand(redis, "SENTINEL MASTER %s", ctl->master);
    if (where != NULL) {
        mu_sentinel_read_address(where, answer);
    }
    if (about != NULL) {
        answer->epoch = mu_sentinel_read_epoch(about);
    }
    if (where == NULL || (where->type == REDIS_REPLY_ERROR && answer->kind == MU_SENTINEL_AWAY)) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "%s", where != NULL ? where->str : redis->errstr);
    } else if (answer->kind == MU_SENTINEL_IGNORANT) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "it knows no master named '%s'", ctl->master);
    }
    freeReplyObject(where);
    freeReplyObject(about);
    redisFree(redis);
}

/* Is there a master? A user that may not ask gets the benefit of the doubt. */
static bool is_master(struct mu_ctl *ctl, const struct mu_redis_address *address,
                      struct mu_error *error) {
    redisContext *redis = mu_ctl_connect_to(ctl, address, CLIENT, error);
    if (redis == NULL) {
        return false;
    }
    redisReply *reply = redisCommand(redis, "INFO replication");
    bool fine = reply != NULL && mu_sentinel_read_role(reply) != MU_SENTINEL_OTHER;
    if (!fine) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "it is no master");
    }
    freeReplyObject(reply);
    redisFree(redis);
    return fine;
}

bool mu_ctl_find_master(struct mu_ctl *ctl, struct mu_error *error) {
    const struct mu_sentinel_current nothing = {0};
    struct mu_sentinel_answer answers[MU_SENTINELS_MAX] = {0};
    size_t count = ctl->places.count;
    for (size_t i = 0; i < count; i++) {
        ask(ctl, &ctl->places.sentinels[i], &answers[i], error);
    }
    for (size_t tries = 0; tries < count; tries++) {
        size_t best = mu_sentinel_choose(answers, count, &nothing, 0);
        if (best == count) {
            break;
        }
        struct mu_redis_address address;
        mu_sentinel_address(&ctl->places, answers[best].host, answers[best].port, &address);
        if (is_master(ctl, &address, error)) {
            mu_redis_address_deinit(&ctl->address);
            ctl->address = address;
            return true;
        }
        mu_redis_address_deinit(&address);
        for (size_t i = count; i-- > 0;) { /* whoever else names it, too */
            if (i != best && answers[i].port == answers[best].port &&
                strcmp(answers[i].host, answers[best].host) == 0) {
                answers[i].refused_until = 1;
            }
        }
        answers[best].refused_until = 1;
    }
    mu_error_prefix(error, "no sentinel leads to a master '%s'; the last reason", ctl->master);
    return false;
}
