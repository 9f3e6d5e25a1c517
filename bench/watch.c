#include "watch.h"

#include <string.h>
#include <sys/time.h>

#include "load.h"
#include "process.h"

struct mb_pipe *mb_watch_open(struct mb_server *server, const char *channel) {
    char name[MB_LONG];
    struct mb_pipe *watch = mb_pipe_open(mb_server_socket(server));
    mb_text(name, sizeof name, MB_NS "%s", channel);
    MB_DO(watch, "SUBSCRIBE", name);
    return watch;
}

double mb_watch_for(struct mb_pipe *watch, double start, const char *text, const char *and_text,
                    int deadline_s) {
    redisContext *redis = mb_pipe_context(watch);
    redisSetTimeout(redis, (struct timeval){.tv_sec = deadline_s});
    for (;;) {
        void *answer = NULL;
        if (redisGetReply(redis, &answer) != REDIS_OK)
            mb_fail("no event with %s in %d s", text, deadline_s);
        redisReply *reply = answer;
        double now = (mb_seconds() - start) * 1e3;
        bool found = reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
                     strstr(reply->element[2]->str, text) != NULL &&
                     strstr(reply->element[2]->str, and_text) != NULL;
        freeReplyObject(reply);
        if (found)
            return now;
    }
}

void mb_watch_leaders(struct mb_pipe *pipe, double start, double *times, size_t expected,
                      int deadline_s) {
    redisContext *redis = mb_pipe_context(pipe);
    redisSetTimeout(redis, (struct timeval){.tv_sec = deadline_s});
    for (size_t count = 0; count < expected;) {
        void *answer = NULL;
        if (redisGetReply(redis, &answer) != REDIS_OK)
            mb_fail("%zu of %zu sessions had a new leader within %d s", count, expected,
                    deadline_s);
        redisReply *reply = answer;
        double now = (mb_seconds() - start) * 1e3;
        /* A message has three elements, one of a pattern four; the text is the last. */
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 3 &&
            reply->element[reply->elements - 1]->str != NULL &&
            strstr(reply->element[reply->elements - 1]->str, "{\"event\":\"leader.changed\"") !=
                NULL)
            times[count++] = now;
        freeReplyObject(reply);
    }
}
