#include "redis/reader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "redis/arena.h"

#define MAX_BYTES ((size_t)128 << 20) /* of one reply */
#define MAX_ELEMENTS ((size_t)8 << 20)
#define MAX_DEPTH 7

/* hiredis changed the type of an array's size in 1.0. */
#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

struct mu_reader {
    redisReader *reader;
    redisReplyObjectFunctions functions; /* of the reader, which takes no const ones */
    struct mu_arena arena;               /* of the reply that is being read, or was handed out */
    size_t elements;                     /* of the reply that is being read */
    size_t bytes;                        /* fed since the last complete reply */
    size_t bytes_max;
    size_t dirty; /* bytes at the front of hiredis's buffer that may hold what was read */
    bool refused;
    bool between; /* replies: nothing of the next one was looked at yet */
};

/* ---- the elements of a reply, in the arena ----
 *
 * As hiredis makes them. NULL is "out of memory" to it, and ends the conversation. */

/* With `room` more bytes behind it. */
static redisReply *create(const redisReadTask *task, size_t room) {
    struct mu_reader *self = task->privdata;
    redisReply *reply = mu_arena_take(&self->arena, sizeof *reply + room);
    if (!reply) {
        return NULL;
    }
    *reply = (redisReply){.type = task->type};
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}

static void set_text(redisReply *reply, const char *text, size_t length) {
    reply->str = (char *)(reply + 1);
    memcpy(reply->str, text, length);
    reply->str[length] = '\0';
    reply->len = length;
}

static void *create_string(const redisReadTask *task, char *text, size_t length) {
    redisReply *reply = create(task, length + 1);
    if (!reply) {
        return NULL;
    }
#if HIREDIS_MAJOR >= 1
    if (task->type == REDIS_REPLY_VERB) { /* its type and a colon are in front, hiredis saw to it */
        memcpy(reply->vtype, text, 3);
        text += 4;
        length -= 4;
    }
#endif
    set_text(reply, text, length);
    return reply;
}

static void *create_array(const redisReadTask *task, array_size elements) {
    struct mu_reader *self = task->privdata;
    size_t depth = 0;
    size_t count = (size_t)elements;
    for (const redisReadTask *up = task->parent; up; up = up->parent) {
        depth++;
    }
    if (depth == 0) {
        self->elements = 0;
    }
    if (depth > MAX_DEPTH || count > MAX_ELEMENTS - self->elements) {
        self->refused = true;
        return NULL;
    }
    self->elements += count;
    redisReply *reply = create(task, 0);
    if (!reply) {
        return NULL;
    }
    if (count > 0) {
        reply->element = mu_arena_take(&self->arena, count * sizeof(redisReply *));
        if (!reply->element) {
            return NULL;
        }
        memset(reply->element, 0, count * sizeof(redisReply *));
    }
    reply->elements = count;
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value) {
    redisReply *reply = create(task, 0);
    if (reply) {
        reply->integer = value;
    }
    return reply;
}

/* Announced as a text or an array of -1. */
static void *create_nil(const redisReadTask *task) {
    redisReply *reply = create(task, 0);
    if (reply) {
        reply->type = REDIS_REPLY_NIL;
    }
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *text, size_t length) {
    redisReply *reply = create(task, length + 1);
    if (reply) {
        reply->dval = value;
        set_text(reply, text, length);
    }
    return reply;
}

static void *create_bool(const redisReadTask *task, int value) {
    return create_integer(task, value != 0);
}
#endif

static void leave_to_the_arena(void *reply) {
    (void)reply;
}

static const redisReplyObjectFunctions in_arena = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = leave_to_the_arena,
};

/* ---- */

struct mu_reader *mu_reader_create(size_t bytes_max) {
    struct mu_reader *self = mu_calloc(1, sizeof *self);
    self->bytes_max = bytes_max != 0 ? bytes_max : MAX_BYTES;
    self->functions = in_arena;
    self->reader = redisReaderCreateWithFunctions(&self->functions);
    if (!self->reader) {
        abort();
    }
    self->reader->privdata = self;
    self->between = true;
    return self;
}

void mu_reader_destroy(struct mu_reader **reader) {
    if (*reader) {
        redisReaderFree((*reader)->reader);
        mu_arena_deinit(&(*reader)->arena);
        free(*reader);
        *reader = NULL;
    }
}

/* hiredis keeps in its buffer what it has read, also behind its length, and a message may hold a
 * token. The buffer is never smaller than `dirty`: only redisReaderFeed() takes another one, and
 * only when the length is 0. */
static void wipe(struct mu_reader *self) {
    if (self->reader->buf) {
        explicit_bzero(self->reader->buf, self->dirty);
    }
    self->dirty = 0;
}

enum muster_status mu_reader_feed(struct mu_reader *self, const char *data, size_t length,
                                  struct mu_error *error) {
    if (length > self->bytes_max - self->bytes) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "a reply exceeds %zu MiB",
                            self->bytes_max >> 20);
    }
    self->bytes += length;
    if (self->reader->len == 0) {
        wipe(self);
    }
    if (redisReaderFeed(self->reader, data, length) != REDIS_OK) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "protocol error: %s", self->reader->errstr);
    }
    if (self->reader->len > self->dirty) {
        self->dirty = self->reader->len;
    }
    return MUSTER_OK;
}

enum muster_status mu_reader_next(struct mu_reader *self, const redisReply **reply,
                                  struct mu_error *error) {
    void *object = NULL;
    *reply = NULL;
    if (self->between) {
        mu_arena_reset(&self->arena);
        if (self->reader->pos == self->reader->len) {
            wipe(self);
            return MUSTER_OK;
        }
    }
    int result = redisReaderGetReply(self->reader, &object);
    *reply = object;
    self->between = object != NULL;
    if (result != REDIS_OK) {
        return self->refused ? mu_error_set(error, MUSTER_UNAVAILABLE,
                                            "a reply exceeds %zu elements or %d levels",
                                            MAX_ELEMENTS, MAX_DEPTH)
                             : mu_error_set(error, MUSTER_UNAVAILABLE, "protocol error: %s",
                                            self->reader->errstr);
    }
    if (object) {
        self->bytes = 0;
    }
    return MUSTER_OK;
}
