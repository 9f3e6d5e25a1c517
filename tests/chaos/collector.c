#include "chaos/collector.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/replay.h"
#include "lib/test.h"
#include "lib/wait.h"

struct ch_collector {
    struct mt_world *world;
    struct mt_redis *redis; /* NULL: not connected */
    struct mt_replay *replay;
    size_t events;
    json_t *heard;       /* name -> count */
    json_t *epochs;      /* epoch -> who was elected */
    json_t *generations; /* all that were, in their order: the last one is that of now */
    long long epoch;
    unsigned pongs;
    bool broken;
};

struct ch_collector *ch_collector_create(struct mt_world *world) {
    struct ch_collector *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->world = world;
    self->replay = mt_replay_create(world);
    self->heard = json_object();
    self->epochs = json_object();
    self->generations = json_array();
    return self;
}

void ch_collector_destroy(struct ch_collector **pointer) {
    struct ch_collector *self = *pointer;
    if (self == NULL)
        return;
    *pointer = NULL;
    mt_redis_close(&self->redis);
    mt_replay_destroy(&self->replay);
    json_decref(self->heard);
    json_decref(self->epochs);
    json_decref(self->generations);
    free(self);
}

static bool is_present(const struct ch_collector *self, const char *generation) {
    size_t count = json_array_size(self->generations);
    const json_t *last = count == 0 ? NULL : json_array_get(self->generations, count - 1);
    return last != NULL && strcmp(json_string_value(last), generation) == 0;
}

/* It was there, and another came after it. */
static bool is_over(const struct ch_collector *self, const char *generation) {
    size_t index = 0;
    json_t *known = NULL;
    json_array_foreach(self->generations, index, known) {
        if (strcmp(json_string_value(known), generation) == 0)
            return !is_present(self, generation);
    }
    return false;
}

static void see_generation(struct ch_collector *self, const char *generation) {
    if (is_over(self, generation))
        mt_fail(self->world, "generation %s comes again after another", generation);
    if (!is_present(self, generation))
        json_array_append_new(self->generations, json_string(generation));
}

static bool open_at(struct ch_collector *self, struct mt_redis *other, const char *socket) {
    const char *generation = mt_text(other, "HGET " MT_NS "config generation");
    if (generation != NULL && is_over(self, generation))
        return false;
    self->redis = mt_redis_open(self->world, socket, NULL);
    self->broken = false;
    self->pongs = 0;
    mt_command(other, "CLIENT PAUSE 30000 WRITE");
    mt_command(self->redis, "PSUBSCRIBE " MT_NS "events:*");
    generation = mt_text(other, "HGET " MT_NS "config generation");
    if (generation != NULL)
        see_generation(self, generation);
    mt_replay_reload(self->replay, other);
    mt_command(other, "CLIENT UNPAUSE");
    mt_redis_forget(self->redis);
    return true;
}

bool ch_collector_open(struct ch_collector *self, const char *socket) {
    if (self->redis != NULL)
        return true;
    struct mt_redis *other = mt_redis_open(self->world, socket, NULL);
    bool opened = open_at(self, other, socket);
    mt_redis_close(&other);
    return opened;
}

/* One coordinator an epoch, and none after a later one. */
static void follow_election(struct ch_collector *self, const json_t *event) {
    char key[32];
    long long epoch = mt_int(event, "epoch");
    const char *id = mt_str(event, "id");
    snprintf(key, sizeof key, "%lld", epoch);
    const json_t *before = json_object_get(self->epochs, key);
    if (before != NULL)
        mt_fail(self->world, "epoch %lld was given to %s and to %s", epoch,
                json_string_value(before), id);
    if (epoch < self->epoch)
        mt_fail(self->world, "epoch %lld of %s comes after %lld", epoch, id, self->epoch);
    self->epoch = epoch;
    json_object_set_new(self->epochs, key, json_string(id));
}

static void follow(struct ch_collector *self, const redisReply *channel, const redisReply *text) {
    json_error_t error;
    json_t *event = json_loadb(text->str, text->len, JSON_REJECT_DUPLICATES, &error);
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name == NULL)
        mt_fail(self->world, "on %s: no event: %s", channel->str, text->str);
    json_int_t count = json_integer_value(json_object_get(self->heard, name));
    json_object_set_new(self->heard, name, json_integer(count + 1));
    if (strcmp(name, "coordinator.elected") == 0)
        follow_election(self, event);
    if (strcmp(name, "generation.changed") == 0) {
        if (mt_int(event, "epoch") < self->epoch)
            mt_fail(self->world, "epoch %lld is over, but rotated: %s", self->epoch, text->str);
        see_generation(self, mt_str(event, "generation"));
    }
    if (json_object_get(event, "session") != NULL) {
        mt_replay_event(self->replay, event);
        self->events += strncmp(mt_str(event, "session"), "sim.", 4) != 0;
    }
    json_decref(event);
}

/* Everything that lies in the reader. */
static void take(struct ch_collector *self) {
    redisReply *reply = NULL;
    redisContext *context = mt_redis_context(self->redis);
    while (!self->broken) {
        if (redisGetReplyFromReader(context, (void **)&reply) != REDIS_OK) {
            self->broken = true;
            return;
        }
        if (reply == NULL)
            return;
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4)
            follow(self, reply->element[2], reply->element[3]);
        else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
            self->pongs++;
        freeReplyObject(reply);
    }
}

/* Waits up to `ms` for more, and reads it. */
static bool read_more(struct ch_collector *self, int ms) {
    redisContext *context = mt_redis_context(self->redis);
    struct pollfd poller = {.fd = context->fd, .events = POLLIN};
    if (self->broken || poll(&poller, 1, ms) <= 0)
        return false;
    if (redisBufferRead(context) != REDIS_OK)
        self->broken = true;
    take(self);
    return !self->broken;
}

static void drop_broken(struct ch_collector *self) {
    if (self->broken)
        mt_redis_close(&self->redis);
}

void ch_collector_turn(struct ch_collector *self) {
    if (self->redis == NULL)
        return;
    while (read_more(self, 0))
        ;
    drop_broken(self);
}

bool ch_collector_sync(struct ch_collector *self) {
    int written = 0;
    if (self->redis == NULL)
        return false;
    redisContext *context = mt_redis_context(self->redis);
    unsigned wanted = self->pongs + 1;
    redisAppendCommand(context, "PING");
    while (!written && !self->broken)
        self->broken = redisBufferWrite(context, &written) != REDIS_OK;
    struct mt_wait wait = mt_wait_begin(self->world, "what was published", __FILE__, __LINE__);
    while (self->pongs < wanted && !self->broken)
        if (!read_more(self, 100))
            mt_wait_step(&wait);
    drop_broken(self);
    return self->redis != NULL;
}

void ch_collector_close(struct ch_collector *self) {
    if (self->redis == NULL)
        return;
    while (read_more(self, 1000)) /* to the end of the stream */
        ;
    mt_redis_close(&self->redis);
}

bool ch_collector_is_open(const struct ch_collector *self) {
    return self->redis != NULL;
}

void ch_collector_drop(struct ch_collector *self) {
    mt_redis_close(&self->redis);
}

size_t ch_collector_events(const struct ch_collector *self) {
    return self->events;
}

long long ch_collector_heard(const struct ch_collector *self, const char *event) {
    return json_integer_value(json_object_get(self->heard, event));
}

void ch_collector_compare(struct ch_collector *self, struct mt_redis *redis) {
    mt_replay_compare(self->replay, redis);
}
