/* pubsub.c - the pub/sub door, over two connections to Redis. */
#include "via/door.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "reach.h"
#include "table.h"

static enum mu_ctl_exit subscribe(struct mu_via *via) {
    struct mu_ctl *ctl = via->ctl;
    struct mu_error error = {0};
    via->connection = mu_ctl_connect(ctl, "musterctl:inbox", &error);
    if (via->connection == NULL) {
        fprintf(stderr, "musterctl: Redis at %s cannot be used: %s\n", ctl->where, error.text);
        return MU_CTL_UNREACHABLE;
    }
    redisReply *reply =
        redisCommand(via->connection, "SUBSCRIBE {%s}:inbox:%s", ctl->name_space, via->inbox);
    bool fine = reply != NULL && reply->type == REDIS_REPLY_ARRAY;
    if (!fine) {
        fprintf(stderr, "musterctl: Redis at %s does not let us subscribe inbox '%s': %s\n",
                ctl->where, via->inbox,
                reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                  : via->connection->errstr);
    }
    freeReplyObject(reply);
    return fine ? MU_CTL_FINE : MU_CTL_UNREACHABLE;
}

enum mu_ctl_exit mu_via_pubsub_open(struct mu_via *via, const char *instance) {
    char fresh[MU_RANDOM_ID_SIZE];
    mu_random_id(fresh);
    if (via->ctl->options->instance != NULL) {
        instance = via->ctl->options->instance;
    } else if (instance == NULL || via->token.length > 0) {
        instance = fresh;
    }
    if (!mu_id_valid(instance, strlen(instance))) {
        fprintf(stderr,
                "musterctl: '%s' is no instance: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -\n",
                instance);
        return MU_CTL_USAGE;
    }
    memcpy(via->inbox, instance, strlen(instance) + 1);
    return subscribe(via);
}

/* ---- one request ---- */

static bool is_utf8(const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        size_t size = mu_utf8_sequence((const unsigned char *)text, left, NULL);
        if (size == 0) {
            return false;
        }
        text += size;
        left -= size;
    }
    return true;
}

static void write_message(const struct mu_via *via, const char *id, const char *operation,
                          size_t count, const char *const *arguments, struct mu_buffer *out) {
    mu_must(mu_buffer_printf(out, "{\"id\":\"%s\",\"op\":", id) &&
            mu_buffer_append_json(out, operation, strlen(operation)) &&
            mu_buffer_append_text(out, ",\"args\":["));
    for (size_t i = 0; i < count; i++) {
        mu_must((i == 0 || mu_buffer_append_text(out, ",")) &&
                mu_buffer_append_json(out, arguments[i], strlen(arguments[i])));
    }
    mu_must(mu_buffer_printf(out,
                             "],\"reply_to\":\"{%s}:inbox:%s\",\"instance\":\"%s\","
                             "\"timeout_ms\":%" PRIu64,
                             via->ctl->name_space, via->inbox, via->inbox,
                             via->ctl->options->timeout_ms));
    if (via->token.length > 0) {
        mu_must(mu_buffer_append_text(out, ",\"token\":") &&
                mu_buffer_append_json(out, via->token.data, via->token.length));
    }
    mu_must(mu_buffer_append_text(out, "}"));
}

static enum mu_ctl_exit publish(struct mu_via *via, const struct mu_buffer *message) {
    struct mu_ctl *ctl = via->ctl;
    redisReply *reply =
        mu_ask(ctl, "PUBLISH {%s}:request %b", ctl->name_space, message->data, message->length);
    bool refused = reply != NULL && reply->type == REDIS_REPLY_ERROR;
    int64_t heard = mu_reply_number(reply, 0);
    if (refused) {
        fprintf(stderr, "musterctl: Redis at %s does not let us publish requests: %s\n", ctl->where,
                reply->str);
    } else if (reply != NULL && heard == 0) {
        fprintf(stderr,
                "musterctl: nobody answers requests in namespace '%s': no musterd coordinates, or "
                "it does not load transport_pubsub\n",
                ctl->name_space);
    }
    freeReplyObject(reply);
    return refused || heard == 0 ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}

/* What stands between `{"id":"<id>","ok":` and the last brace; NULL when this is no such answer. */
static const char *find_ok(const char *text, size_t length, const char *id, size_t *size) {
    char head[80];
    size_t skip = (size_t)snprintf(head, sizeof head, "{\"id\":\"%s\",\"ok\":", id);
    if (length <= skip || memcmp(text, head, skip) != 0) {
        return NULL;
    }
    *size = length - skip - 1;
    return text + skip;
}

/* Is it ours? Then *status. */
static bool take_answer(const char *text, size_t length, const char *id, struct mu_buffer *json,
                        enum mu_ctl_exit *status) {
    size_t size = 0;
    const char *ok = find_ok(text, length, id, &size);
    if (ok != NULL) {
        mu_buffer_clear(json);
        mu_must(mu_buffer_append(json, ok, size));
        *status = MU_CTL_FINE;
        return true;
    }
    json_t *root = json_loadb(text, length, JSON_DECODE_INT_AS_REAL, NULL);
    const char *theirs = json_string_value(json_object_get(root, "id"));
    const json_t *error = json_object_get(root, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *sentence = json_string_value(json_object_get(error, "message"));
    bool mine = theirs != NULL && strcmp(theirs, id) == 0 && code != NULL;
    if (mine) {
        fprintf(stderr, "musterctl: %s: %s\n", code, sentence != NULL ? sentence : "");
        *status = MU_CTL_NO;
    }
    json_decref(root);
    return mine;
}

/* The next message of the inbox; NULL at the deadline or when the connection broke. */
static redisReply *next_message(struct mu_via *via, uint64_t deadline) {
    uint64_t now = mu_clock_boottime_ms();
    void *reply = NULL;
    if (now >= deadline) {
        return NULL;
    }
    uint64_t left = deadline - now;
    redisSetTimeout(via->connection,
                    (struct timeval){.tv_sec = (time_t)(left / 1000),
                                     .tv_usec = (suseconds_t)(left % 1000 * 1000)});
    return redisGetReply(via->connection, &reply) == REDIS_OK ? reply : NULL;
}

static enum mu_ctl_exit await(struct mu_via *via, const char *id, struct mu_buffer *json) {
    uint64_t deadline = mu_clock_boottime_ms() + via->ctl->options->timeout_ms;
    enum mu_ctl_exit status = MU_CTL_UNREACHABLE;
    bool mine = false;
    while (!mine) {
        redisReply *reply = next_message(via, deadline);
        if (reply == NULL) {
            fprintf(stderr,
                    "musterctl: no answer in time; what became of the request is unknown. A door "
                    "answers only into the inbox of the requester's own instance (this was '%s'): "
                    "with a token that is bound to one, name it with --instance\n",
                    via->inbox);
            return MU_CTL_UNREACHABLE;
        }
        const redisReply *payload = mu_reply_at(reply, 2);
        if (mu_reply_is_text(payload)) {
            mine = take_answer(payload->str, (size_t)payload->len, id, json, &status);
        }
        freeReplyObject(reply);
    }
    return status;
}

enum mu_ctl_exit mu_via_pubsub_ask(struct mu_via *via, const char *operation, size_t count,
                                   const char *const *arguments, struct mu_buffer *json) {
    struct mu_buffer message;
    char id[MU_RANDOM_ID_SIZE];
    for (size_t i = 0; i < count; i++) {
        if (!is_utf8(arguments[i])) {
            return mu_via_say(MU_CTL_USAGE,
                              "an argument is not UTF-8, which this door cannot carry");
        }
    }
    mu_random_id(id);
    mu_buffer_init(&message, 0);
    write_message(via, id, operation, count, arguments, &message);
    enum mu_ctl_exit status = publish(via, &message);
    explicit_bzero(message.data, message.length); /* the token */
    mu_buffer_deinit(&message);
    return status == MU_CTL_FINE ? await(via, id, json) : status;
}
