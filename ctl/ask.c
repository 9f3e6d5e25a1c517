#include "ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void broke(struct mu_ctl *ctl) {
    if (!ctl->lost) {
        ctl->lost = true;
        fprintf(stderr, "musterctl: lost Redis at %s: %s; try again\n", ctl->where,
                ctl->redis->err != 0 ? ctl->redis->errstr : "no answer");
    }
}

redisReply *mu_ask(struct mu_ctl *ctl, const char *format, ...) {
    redisReply *reply = NULL;
    va_list arguments;
    if (ctl->lost) {
        return NULL;
    }
    va_start(arguments, format);
    reply = redisvCommand(ctl->redis, format, arguments);
    va_end(arguments);
    if (reply == NULL) {
        broke(ctl);
    }
    return reply;
}

void mu_send(struct mu_ctl *ctl, const char *format, ...) {
    va_list arguments;
    if (ctl->lost) {
        return;
    }
    va_start(arguments, format);
    if (redisvAppendCommand(ctl->redis, format, arguments) != REDIS_OK) {
        broke(ctl);
    }
    va_end(arguments);
}

redisReply *mu_receive(struct mu_ctl *ctl) {
    void *reply = NULL;
    if (ctl->lost) {
        return NULL;
    }
    if (redisGetReply(ctl->redis, &reply) != REDIS_OK) {
        broke(ctl);
        return NULL;
    }
    return reply;
}

int64_t mu_receive_number(struct mu_ctl *ctl) {
    redisReply *reply = mu_receive(ctl);
    int64_t number = mu_reply_number(reply, 0);
    freeReplyObject(reply);
    return number;
}

redisReply *mu_receive_multi(struct mu_ctl *ctl, size_t count) {
    for (size_t i = 0; i < count + 1; i++) {
        freeReplyObject(mu_receive(ctl)); /* +OK, +QUEUED */
    }
    redisReply *reply = mu_receive(ctl);
    if (reply != NULL && (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)) {
        fprintf(stderr, "musterctl: Redis at %s refused to be read: %s\n", ctl->where,
                reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer of another shape");
        ctl->lost = true;
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

const char *mu_reply_text(const redisReply *reply) {
    return mu_reply_is_text(reply) ? reply->str : "";
}

bool mu_reply_is_text(const redisReply *reply) {
    return reply != NULL &&
           (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
}

const redisReply *mu_reply_at(const redisReply *reply, size_t index) {
    return index < mu_reply_count(reply) ? reply->element[index] : NULL;
}

size_t mu_reply_count(const redisReply *reply) {
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? (size_t)reply->elements : 0;
}

int64_t mu_reply_number(const redisReply *reply, int64_t otherwise) {
    uint64_t number = 0;
    if (reply == NULL) {
        return otherwise;
    }
    if (reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer;
    }
    if (mu_reply_is_text(reply) && mu_parse_whole(reply->str, (size_t)reply->len, &number)) {
        return (int64_t)number;
    }
    return otherwise;
}

bool mu_parse_whole(const char *text, size_t length, uint64_t *out) {
    uint64_t value = 0;
    if (length == 0 || length > 16) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return value < (UINT64_C(1) << 53);
}

int64_t mu_ask_now(struct mu_ctl *ctl) {
    redisReply *reply = mu_ask(ctl, "TIME");
    int64_t now = mu_reply_number(mu_reply_at(reply, 0), 0) * 1000 +
                  mu_reply_number(mu_reply_at(reply, 1), 0) / 1000;
    freeReplyObject(reply);
    return now;
}
