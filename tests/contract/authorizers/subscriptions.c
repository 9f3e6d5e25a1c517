/* subscriptions.c - who may hear the events of a session, at the RESP door. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "contract/authorizers/authority.h"
#include "lib/test.h"
#include "lib/wait.h"

static redisContext *dial(struct mt_suite *suite, const char *token) {
    struct mt_world *world = suite->stand->world;
    const char *path = mt_world_path(world, "resp.sock");
    redisContext *context = NULL;
    MT_WAIT(world,
            (context = redisConnectUnix(path)) != NULL &&
                (context->err == 0 || (redisFree(context), false)),
            "the RESP door");
    redisSetTimeout(context, (struct timeval){.tv_sec = 60 * (long)mt_slowness()});
    if (token != NULL) {
        redisReply *reply = redisCommand(context, "AUTH %s", token);
        if (reply == NULL || reply->type != REDIS_REPLY_STATUS)
            mt_fail(world, "AUTH: %s", reply != NULL ? reply->str : context->errstr);
        freeReplyObject(reply);
    }
    return context;
}

/* NULL: it is confirmed; else what the refusal begins with, and a part of its sentence. */
static void subscribe(struct mt_suite *suite, const struct mt_asker *asker, const char *code,
                      const char *part) {
    redisContext *context = dial(suite, asker->token);
    redisReply *reply = redisCommand(context, "SUBSCRIBE session:%s",
                                     asker->session != NULL ? asker->session : "r1");
    assert_non_null(reply);
    if (code == NULL) {
        if (reply->type != REDIS_REPLY_ARRAY || strcmp(reply->element[0]->str, "subscribe") != 0)
            mt_fail(suite->stand->world, "SUBSCRIBE: %s", reply->str);
    } else if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, code, strlen(code)) != 0 ||
               strstr(reply->str, part) == NULL) {
        mt_fail(suite->stand->world, "SUBSCRIBE: \"%s\" is not %s with \"%s\"",
                reply->str != NULL ? reply->str : "confirmed", code, part);
    }
    freeReplyObject(reply);
    redisFree(context);
}

void mt_authority_subscriptions(void **state) {
    struct mt_suite *suite = *state;
    if (suite->authority->ignores_subscriptions) {
        print_message("%s has no opinion\n", suite->authority->plugin);
        skip();
        return;
    }
    struct mt_asker good = mt_suite_asker(suite, MT_ALLOWED, "a");
    struct mt_asker bad = mt_suite_asker(suite, MT_DENIED, "a");
    struct mt_asker neither = mt_suite_asker(suite, MT_UNDECIDED, "a");
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", "deny");
    subscribe(suite, &good, NULL, NULL);
    subscribe(suite, &bad, "DENIED", suite->authority->reason);
    subscribe(suite, &neither, "DENIED", "no authorizer allows it");
    mt_stand_stop(suite->stand, daemon);
    daemon = mt_suite_lead(suite, "other", "allow");
    subscribe(suite, &neither, NULL, NULL);
    mt_stand_stop(suite->stand, daemon);
}
