#include "redis/reader.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

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
    redisReplyObjectFunctions functions; /* hiredis's own, but for createArray */
    void *(*create_array)(const redisReadTask *task, array_size elements);
    size_t elements; /* of the reply that is being read */
    size_t bytes;    /* fed since the last complete reply */
    size_t bytes_max;
    bool refused;
    bool between; /* replies: nothing of the next one was looked at yet */
    bool fed;     /* this reader was */
};

static void *create_array(const redisReadTask *task, array_size elements) {
    struct mu_reader *self = task->privdata;
    size_t depth = 0;
    for (const redisReadTask *up = task->parent; up; up = up->parent) {
        depth++;
    }
    if (depth == 0) {
        self->elements = 0;
    }
    if (depth > MAX_DEPTH || (size_t)elements > MAX_ELEMENTS - self->elements) {
        self->refused = true;
        return NULL;
    }
    self->elements += (size_t)elements;
    return self->create_array(task, elements);
}

static void begin(struct mu_reader *self) {
    self->reader = redisReaderCreate();
    if (!self->reader) {
        abort();
    }
    self->functions = *self->reader->fn;
    self->create_array = self->functions.createArray;
    self->functions.createArray = create_array;
    self->reader->fn = &self->functions;
    self->reader->privdata = self;
    self->between = true;
    self->fed = false;
}

struct mu_reader *mu_reader_create(size_t bytes_max) {
    struct mu_reader *self = mu_calloc(1, sizeof *self);
    self->bytes_max = bytes_max != 0 ? bytes_max : MAX_BYTES;
    begin(self);
    return self;
}

void mu_reader_destroy(struct mu_reader **reader) {
    if (*reader) {
        redisReaderFree((*reader)->reader);
        free(*reader);
        *reader = NULL;
    }
}

enum muster_status mu_reader_feed(struct mu_reader *self, const char *data, size_t length,
                                  struct mu_error *error) {
    if (length > self->bytes_max - self->bytes) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "a reply exceeds %zu MiB",
                            self->bytes_max >> 20);
    }
    self->bytes += length;
    self->fed = true;
    if (redisReaderFeed(self->reader, data, length) != REDIS_OK) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "protocol error: %s", self->reader->errstr);
    }
    return MUSTER_OK;
}

enum muster_status mu_reader_next(struct mu_reader *self, redisReply **reply,
                                  struct mu_error *error) {
    void *object = NULL;
    *reply = NULL;
    if (self->between && self->reader->pos == self->reader->len) {
        /* hiredis keeps in its buffer what it has read, and a message may hold a token: all that
         * was fed is answered, so another reader goes on, and the buffer is freed (wipe.c). */
        if (self->fed) {
            redisReaderFree(self->reader);
            begin(self);
        }
        return MUSTER_OK;
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
