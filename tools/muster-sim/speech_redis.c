/* speech_redis.c - straight to Redis: functions, and plain commands for what is only read.
 *
 * The mark is a message of our own on a channel of our own.
 */
#include "speech_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* One question on its way; only the callback that belongs to it is set. */
struct question {
    struct mu_speech *speech;
    mu_snapshot_cb snapshot;
    mu_standing_cb standing;
    mu_done_cb done;
    void *context;
};

static void begin(struct mu_speech *self) {
    mu_key(self->mark_channel, self->options.name_space, "sim:%s:%" PRIu64, self->options.instance,
           mu_random_below(UINT64_MAX));
}

static const char *events(const struct mu_speech *self, char out[MU_KEY_SIZE], const char *name) {
    return mu_key(out, self->options.name_space, "events:%s", name);
}

static enum muster_status call(struct mu_speech *self, bool now, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context) {
    return (now ? mu_call_now : mu_call)(self->link, self->options.name_space, operation, count,
                                         arguments, callback, context);
}

static enum muster_status ask(bool now, size_t count, const char *const *words,
                              mu_link_reply_cb callback, const struct question *what) {
    struct question *question = mu_calloc(1, sizeof *question);
    *question = *what;
    enum muster_status status = (now ? mu_link_command_now : mu_link_command)(
        what->speech->link, count, words, NULL, callback, question);
    if (status != MUSTER_OK)
        free(question);
    return status;
}

/* ---- snapshots ---- */

/* Is this member, as stored, of the present incarnation? */
static bool is_own(const struct mu_speech *self, const char *connection, const char *member) {
    char start[4 * MU_ID_SIZE];
    int length = snprintf(start, sizeof start,
                          "{\"connection\":\"%s\",\"instance\":\"%s\",\"incarnation\":\"%s\"",
                          connection, self->options.instance, self->incarnation);
    return strncmp(member, start, (size_t)length) == 0;
}

static void tell_snapshot(const struct question *question, const redisReply *reply) {
    struct mu_snapshot snapshot = {0};
    if (!mu_view_read_hash(reply, &snapshot.view)) {
        question->snapshot(question->context, MUSTER_INTERNAL, "HGETALL gave no hash", NULL);
        return;
    }
    const char **own = mu_calloc(reply->elements / 2 + 1, sizeof *own);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const char *connection = reply->element[i]->str;
        if (is_own(question->speech, connection, reply->element[i + 1]->str))
            own[snapshot.own_count++] = connection;
    }
    snapshot.own = own;
    question->snapshot(question->context, MUSTER_OK, NULL, &snapshot);
    free(own);
}

static void on_hgetall(void *context, enum muster_status status, const redisReply *reply,
                       const struct mu_error *error) {
    struct question *question = context;
    if (status != MUSTER_OK)
        question->snapshot(question->context, status, error->text, NULL);
    else if (reply->type == REDIS_REPLY_ERROR)
        question->snapshot(question->context, MUSTER_UNAVAILABLE, reply->str, NULL);
    else
        tell_snapshot(question, reply);
    free(question);
}

static enum muster_status snapshot(struct mu_speech *self, const char *session,
                                   mu_snapshot_cb callback, void *context) {
    char key[MU_KEY_SIZE];
    const char *words[] = {"HGETALL", mu_key(key, self->options.name_space, "session:%s", session)};
    const struct question question = {.speech = self, .snapshot = callback, .context = context};
    return ask(false, 2, words, on_hgetall, &question);
}

/* ---- who stands there ---- */

static void on_hget(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    (void)error;
    struct question *question = context;
    if (status == MUSTER_OK && reply->type == REDIS_REPLY_ERROR)
        status = MUSTER_UNAVAILABLE;
    bool there = status == MUSTER_OK && reply->type == REDIS_REPLY_STRING;
    question->standing(question->context, status, there ? reply->str : NULL);
    free(question);
}

static enum muster_status standing(struct mu_speech *self, mu_standing_cb callback, void *context) {
    char key[MU_KEY_SIZE];
    mu_key(key, self->options.name_space, "instance:%s", self->options.instance);
    const char *words[] = {"HGET", key, "incarnation"};
    const struct question question = {.speech = self, .standing = callback, .context = context};
    return ask(false, 3, words, on_hget, &question);
}

/* ---- what is published ---- */

static void on_published(void *context, enum muster_status status, const redisReply *reply,
                         const struct mu_error *error) {
    (void)error;
    struct question *question = context;
    question->done(question->context,
                   status == MUSTER_OK && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0);
    free(question);
}

static enum muster_status publish(struct mu_speech *self, const char *channel, const char *payload,
                                  mu_done_cb callback, void *context) {
    const char *words[] = {"PUBLISH", channel, payload};
    const struct question question = {.speech = self, .done = callback, .context = context};
    return ask(true, 3, words, on_published, &question);
}

static enum muster_status beat(struct mu_speech *self, mu_done_cb callback, void *context) {
    char key[MU_KEY_SIZE], payload[3 * MU_ID_SIZE];
    snprintf(payload, sizeof payload, "{\"instance\":\"%s\",\"incarnation\":\"%s\"}",
             self->options.instance, self->incarnation);
    return publish(self, mu_key(key, self->options.name_space, "heartbeat"), payload, callback,
                   context);
}

static enum muster_status mark(struct mu_speech *self, uint64_t number, mu_done_cb callback,
                               void *context) {
    char payload[24];
    snprintf(payload, sizeof payload, "%" PRIu64, number);
    return publish(self, self->mark_channel, payload, callback, context);
}

static bool is_mark(const struct mu_speech *self, const char *payload, size_t length,
                    uint64_t number) {
    (void)self;
    (void)length;
    return strtoull(payload, NULL, 10) == number;
}

const struct mu_manner mu_manner_redis = {
    .begin = begin,
    .events = events,
    .call = call,
    .snapshot = snapshot,
    .standing = standing,
    .beat = beat,
    .mark = mark,
    .is_mark = is_mark,
};
