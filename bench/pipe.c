#include "pipe.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "process.h"

enum { MOST_DEPTH = 1024, CONNECT_TRIES = 1000 };

struct mb_pipe {
    redisContext *redis;
    char *out; /* appended, not yet written */
    size_t length;
    size_t capacity;
    size_t commands;          /* appended since the last operation began */
    size_t waits[MOST_DEPTH]; /* replies that each operation in flight still waits for, a ring */
};

struct mb_pipe *mb_pipe_open(const char *socket) {
    struct mb_pipe *pipe = mu_calloc(1, sizeof *pipe);
    for (int tries = 0; tries < CONNECT_TRIES; tries++) {
        pipe->redis = redisConnectUnix(socket);
        if (pipe->redis != NULL && pipe->redis->err == 0) {
            redisReply *reply = mb_pipe_try(pipe, (const char *const[]){"PING", NULL});
            int type = reply->type;
            freeReplyObject(reply);
            if (type == REDIS_REPLY_STATUS)
                return pipe;
        }
        if (pipe->redis != NULL)
            redisFree(pipe->redis);
        mb_sleep(0.01);
    }
    mb_fail("cannot connect to %s", socket);
}

void mb_pipe_close(struct mb_pipe **pointer) {
    struct mb_pipe *pipe = *pointer;
    if (pipe == NULL)
        return;
    *pointer = NULL;
    redisFree(pipe->redis);
    free(pipe->out);
    free(pipe);
}

redisContext *mb_pipe_context(struct mb_pipe *pipe) {
    return pipe->redis;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void reserve(struct mb_pipe *pipe, size_t more) {
    if (pipe->length + more <= pipe->capacity)
        return;
    pipe->capacity = 2 * (pipe->length + more);
    pipe->out = mu_realloc(pipe->out, pipe->capacity);
}

static void put_header(struct mb_pipe *pipe, char kind, size_t number) {
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\n';
    digits[--at] = '\r';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    digits[--at] = kind;
    reserve(pipe, sizeof digits - at);
    memcpy(pipe->out + pipe->length, digits + at, sizeof digits - at);
    pipe->length += sizeof digits - at;
}

void mb_pipe_append(struct mb_pipe *pipe, const char *const words[]) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    put_header(pipe, '*', count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        put_header(pipe, '$', length);
        reserve(pipe, length + 2);
        memcpy(pipe->out + pipe->length, words[i], length);
        memcpy(pipe->out + pipe->length + length, "\r\n", 2);
        pipe->length += length + 2;
    }
    pipe->commands++;
}

static void flush(struct mb_pipe *pipe) {
    size_t done = 0;
    while (done < pipe->length) {
        ssize_t written = write(pipe->redis->fd, pipe->out + done, pipe->length - done);
        if (written < 0 && errno != EINTR)
            mb_fail("cannot write to Redis: %s", strerror(errno));
        if (written > 0)
            done += (size_t)written;
    }
    pipe->length = 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* The next reply if it has arrived, else NULL. */
static redisReply *arrived(struct mb_pipe *pipe) {
    void *reply = NULL;
    if (redisGetReplyFromReader(pipe->redis, &reply) != REDIS_OK)
        mb_fail("cannot read from Redis: %s", pipe->redis->errstr);
    return reply;
}

static redisReply *wait_reply(struct mb_pipe *pipe) {
    redisReply *reply = arrived(pipe);
    while (reply == NULL) {
        if (redisBufferRead(pipe->redis) != REDIS_OK)
            mb_fail("cannot read from Redis: %s", pipe->redis->errstr);
        reply = arrived(pipe);
    }
    return reply;
}

static redisReply *checked(redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR)
        mb_fail("Redis refused a command: %s", reply->str);
    return reply;
}

/* ---- many and one -------------------------------------------------------------------------- */

double mb_pipe_run(struct mb_pipe *pipe, size_t operations, size_t depth,
                   void (*issue)(struct mb_pipe *pipe, size_t index, void *context),
                   void *context) {
    assert(depth >= 1 && depth <= MOST_DEPTH && pipe->length == 0);
    size_t issued = 0;
    size_t over = 0;
    double start = mb_seconds();

    while (over < operations) {
        while (issued < operations && issued - over < depth) {
            pipe->commands = 0;
            issue(pipe, issued, context);
            assert(pipe->commands > 0);
            pipe->waits[issued % MOST_DEPTH] = pipe->commands;
            issued++;
        }
        flush(pipe);
        for (redisReply *reply = wait_reply(pipe); reply != NULL; reply = arrived(pipe)) {
            freeReplyObject(checked(reply));
            if (--pipe->waits[over % MOST_DEPTH] == 0)
                over++;
            if (over == issued)
                break;
        }
    }
    return mb_seconds() - start;
}

/* Until something arrives or, at the latest, in so many seconds. */
static void wait_bytes(struct mb_pipe *pipe, double seconds) {
    struct pollfd poll = {.fd = pipe->redis->fd, .events = POLLIN};
    double wait = seconds > 0 ? seconds : 0;
    struct timespec time = {.tv_sec = (time_t)wait};
    time.tv_nsec = (long)((wait - (double)time.tv_sec) * 1e9);
    if (ppoll(&poll, 1, &time, NULL) > 0 && redisBufferRead(pipe->redis) != REDIS_OK)
        mb_fail("cannot read from Redis: %s", pipe->redis->errstr);
}

void mb_pipe_paced(struct mb_pipe *pipe, size_t operations, double per_second,
                   void (*issue)(struct mb_pipe *pipe, size_t index, void *context), void *context,
                   double *ms) {
    assert(per_second > 0 && pipe->length == 0);
    size_t issued = 0;
    size_t over = 0;
    double start = mb_seconds();
    while (over < operations) {
        double now = mb_seconds() - start;
        /* What finds no room in flight is late from when it was due. */
        while (issued < operations && (double)issued / per_second <= now &&
               issued - over < MOST_DEPTH) {
            pipe->commands = 0;
            issue(pipe, issued, context);
            assert(pipe->commands > 0);
            pipe->waits[issued % MOST_DEPTH] = pipe->commands;
            issued++;
        }
        flush(pipe);
        double next = issued < operations && issued - over < MOST_DEPTH
                          ? (double)issued / per_second - (mb_seconds() - start)
                          : 1;
        wait_bytes(pipe, next);
        for (redisReply *reply = over < issued ? arrived(pipe) : NULL; reply != NULL;
             reply = over < issued ? arrived(pipe) : NULL) {
            freeReplyObject(checked(reply));
            if (--pipe->waits[over % MOST_DEPTH] > 0)
                continue;
            ms[over] = (mb_seconds() - start - (double)over / per_second) * 1e3;
            over++;
        }
    }
}

redisReply *mb_pipe_try(struct mb_pipe *pipe, const char *const words[]) {
    mb_pipe_append(pipe, words);
    flush(pipe);
    return wait_reply(pipe);
}

redisReply *mb_pipe_call(struct mb_pipe *pipe, const char *const words[]) {
    return checked(mb_pipe_try(pipe, words));
}
