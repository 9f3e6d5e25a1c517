#include "lib/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/access.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { MOST_WORDS = 1100 };

struct kept {
    struct kept *next;
    redisReply *reply;
    json_t *json;
};

struct mt_redis {
    struct mt_world *world;
    char *socket;
    char *password;
    redisContext *context;
    bool guarded;                    /* functions are called as who may */
    redisContext *callers[MT_ADMIN]; /* NULL: not logged in yet */
    struct kept *kept;
};

static void keep(struct mt_redis *redis, redisReply *reply, json_t *json) {
    struct kept *kept = malloc(sizeof *kept);
    if (kept == NULL)
        abort();
    *kept = (struct kept){redis->kept, reply, json};
    redis->kept = kept;
}

void mt_redis_forget(struct mt_redis *redis) {
    while (redis->kept != NULL) {
        struct kept *kept = redis->kept;
        redis->kept = kept->next;
        if (kept->reply != NULL)
            freeReplyObject(kept->reply);
        json_decref(kept->json);
        free(kept);
    }
}

static bool try_connect(void *pointer) {
    struct mt_redis *redis = pointer;
    redisReply *reply = NULL;
    bool fine = false;
    redis->context = redisConnectUnix(redis->socket);
    if (redis->context != NULL && redis->context->err == 0) {
        if (redis->password != NULL) {
            reply = redisCommand(redis->context, "AUTH %s", redis->password);
            if (reply != NULL)
                freeReplyObject(reply);
        }
        reply = redisCommand(redis->context, "PING");
        fine = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        if (reply != NULL)
            freeReplyObject(reply);
    }
    if (!fine && redis->context != NULL) {
        redisFree(redis->context);
        redis->context = NULL;
    }
    return fine;
}

struct mt_redis *mt_redis_open(struct mt_world *world, const char *socket, const char *password) {
    struct mt_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL)
        abort();
    redis->world = world;
    redis->socket = strdup(socket);
    redis->password = password == NULL ? NULL : strdup(password);
    redis->guarded = password == NULL && mt_access_guards(socket);
    mt_wait_until(world, try_connect, redis, "a redis-server that answers");
    return redis;
}

struct mt_redis *mt_redis_again(const struct mt_redis *redis) {
    return mt_redis_open(redis->world, redis->socket, redis->password);
}

void mt_redis_close(struct mt_redis **pointer) {
    struct mt_redis *redis = *pointer;
    if (redis == NULL)
        return;
    *pointer = NULL;
    mt_redis_forget(redis);
    if (redis->context != NULL)
        redisFree(redis->context);
    for (enum mt_user user = MT_DAEMON; user < MT_ADMIN; user++)
        if (redis->callers[user] != NULL)
            redisFree(redis->callers[user]);
    free(redis->socket);
    free(redis->password);
    free(redis);
}

redisContext *mt_redis_context(struct mt_redis *redis) {
    return redis->context;
}

struct mt_world *mt_redis_world(const struct mt_redis *redis) {
    return redis->world;
}

static redisReply *command(struct mt_redis *redis, const char *format, va_list arguments,
                           bool must_succeed) {
    redisReply *reply = redisvCommand(redis->context, format, arguments);
    if (reply != NULL)
        keep(redis, reply, NULL);
    if (must_succeed && reply == NULL)
        mt_fail(redis->world, "%s: the connection broke: %s", format, redis->context->errstr);
    if (must_succeed && reply->type == REDIS_REPLY_ERROR)
        mt_fail(redis->world, "%s: %s", format, reply->str);
    return reply;
}

redisReply *mt_command(struct mt_redis *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(redis, format, arguments, true);
    va_end(arguments);
    return reply;
}

redisReply *mt_try_command(struct mt_redis *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(redis, format, arguments, false);
    va_end(arguments);
    return reply;
}

long long mt_integer(struct mt_redis *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(redis, format, arguments, true);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_INTEGER)
        mt_fail(redis->world, "%s: no integer", format);
    return reply->integer;
}

const char *mt_text(struct mt_redis *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(redis, format, arguments, true);
    va_end(arguments);
    if (reply->type == REDIS_REPLY_NIL)
        return NULL;
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
        mt_fail(redis->world, "%s: no text", format);
    return reply->str;
}

long long mt_info(struct mt_redis *redis, const char *section, const char *field) {
    char needle[80];
    const char *text = mt_text(redis, "INFO %s", section);
    snprintf(needle, sizeof needle, "\n%s:", field);
    const char *found = strstr(text, needle);
    if (found == NULL)
        mt_fail(redis->world, "INFO %s has no %s", section, field);
    return strtoll(found + strlen(needle), NULL, 10);
}

/* FCALL name 1 {ns} values… */
static int format_call(char **target, const char *function, size_t count,
                       const char *const values[], const size_t lengths[]) {
    const char *argv[MOST_WORDS + 4];
    size_t sizes[MOST_WORDS + 4];
    char name[64];
    assert_true(count <= MOST_WORDS);
    snprintf(name, sizeof name, "muster_%s", function);
    argv[0] = "FCALL";
    argv[1] = name;
    argv[2] = "1";
    argv[3] = "{" MT_NAMESPACE "}";
    for (size_t i = 0; i < 4; i++)
        sizes[i] = strlen(argv[i]);
    for (size_t i = 0; i < count; i++) {
        argv[i + 4] = values[i];
        sizes[i + 4] = lengths == NULL ? strlen(values[i]) : lengths[i];
    }
    return (int)redisFormatCommandArgv(target, (int)count + 4, argv, sizes);
}

/* The connection that calls this function: of the user who needs no more rights than that. */
static redisContext *caller_of(struct mt_redis *redis, const char *function) {
    if (!redis->guarded)
        return redis->context;
    enum mt_user user = mt_access_caller(function);
    redisContext **caller = &redis->callers[user];
    if (*caller != NULL)
        return *caller;
    *caller = redisConnectUnix(redis->socket);
    if (*caller == NULL || (*caller)->err != 0)
        mt_fail(redis->world, "cannot connect as %s", mt_access_name(user));
    redisReply *reply =
        redisCommand(*caller, "AUTH %s %s", mt_access_name(user), mt_access_password(user));
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        mt_fail(redis->world, "cannot log in as %s: %s", mt_access_name(user),
                reply == NULL ? (*caller)->errstr : reply->str);
    freeReplyObject(reply);
    return *caller;
}

static enum muster_status code_of(const redisReply *reply) {
    enum muster_status status = MUSTER_STATUS_COUNT;
    if (!muster_status_parse(reply->str, (size_t)reply->len, &status))
        return MUSTER_STATUS_COUNT;
    return status;
}

enum muster_status mt_call(struct mt_redis *redis, const char *function, size_t count,
                           const char *const values[], const size_t lengths[], json_t **json,
                           const char **error) {
    char *bytes = NULL;
    redisReply *reply = NULL;
    int length = format_call(&bytes, function, count, values, lengths);
    assert_true(length > 0);
    redisContext *context = caller_of(redis, function);
    redisAppendFormattedCommand(context, bytes, (size_t)length);
    redisFreeCommand(bytes);
    if (redisGetReply(context, (void **)&reply) != REDIS_OK)
        mt_fail(redis->world, "muster_%s: the connection broke: %s", function, context->errstr);
    if (reply->type == REDIS_REPLY_ERROR) {
        keep(redis, reply, NULL);
        if (error != NULL)
            *error = reply->str;
        return code_of(reply);
    }
    if (reply->type != REDIS_REPLY_STRING)
        mt_fail(redis->world, "muster_%s: reply of type %d, not a string", function, reply->type);
    json_error_t where;
    json_t *value = json_loadb(reply->str, (size_t)reply->len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    keep(redis, reply, value);
    if (value == NULL)
        mt_fail(redis->world, "muster_%s: no JSON (%s): %s", function, where.text, reply->str);
    if (json != NULL)
        *json = value;
    return MUSTER_OK;
}

static size_t count_words(const char *const words[]) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return count;
}

json_t *mt_ok_at(struct mt_redis *redis, const char *file, int line, const char *const words[]) {
    json_t *json = NULL;
    const char *error = "";
    if (mt_call(redis, words[0], count_words(words) - 1, words + 1, NULL, &json, &error) !=
        MUSTER_OK)
        mt_fail_at(redis->world, file, line, "muster_%s: %s", words[0], error);
    return json;
}

const char *mt_refused_at(struct mt_redis *redis, const char *file, int line,
                          enum muster_status status, const char *const words[]) {
    json_t *json = NULL;
    const char *error = NULL;
    enum muster_status got =
        mt_call(redis, words[0], count_words(words) - 1, words + 1, NULL, &json, &error);
    if (got == MUSTER_OK)
        mt_fail_at(redis->world, file, line, "muster_%s succeeded, wanted %s", words[0],
                   muster_status_code(status));
    if (got != status)
        mt_fail_at(redis->world, file, line, "muster_%s: %s, wanted %s", words[0], error,
                   muster_status_code(status));
    return error;
}

void mt_append(struct mt_redis *redis, const char *const words[]) {
    char *bytes = NULL;
    int length = format_call(&bytes, words[0], count_words(words) - 1, words + 1, NULL);
    assert_true(length > 0);
    redisAppendFormattedCommand(redis->context, bytes, (size_t)length);
    redisFreeCommand(bytes);
}

void mt_drain(struct mt_redis *redis, size_t count) {
    for (size_t i = 0; i < count; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(redis->context, (void **)&reply) != REDIS_OK)
            mt_fail(redis->world, "the connection broke: %s", redis->context->errstr);
        if (reply->type == REDIS_REPLY_ERROR) {
            keep(redis, reply, NULL);
            mt_fail(redis->world, "pipelined call %zu: %s", i, reply->str);
        }
        freeReplyObject(reply);
    }
}
