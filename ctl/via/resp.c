/* resp.c - the RESP door, as any Redis client uses it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "table.h"
#include "via/door.h"

static struct timeval span(uint64_t ms) {
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* unix:///path, unix:/path, host:port, [address]:port. NULL: it is none of them. */
static redisContext *dial(const char *address, struct timeval timeout) {
    if (strncmp(address, "unix:", 5) == 0) {
        const char *path = address + 5;
        return redisConnectUnixWithTimeout(strncmp(path, "//", 2) == 0 ? path + 2 : path, timeout);
    }
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    if (port < 1 || port > 65535 || *end != '\0' || colon == address) {
        return NULL;
    }
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    char *host = mu_strndup(address + bracketed, (size_t)(colon - address) - 2 * bracketed);
    redisContext *connection = redisConnectWithTimeout(host, (int)port, timeout);
    free(host);
    return connection;
}

/* The text of an error reply, or what broke the connection. */
static const char *reason(const struct mu_via *via, const redisReply *reply) {
    return reply != NULL ? reply->str : via->connection->errstr;
}

static enum mu_ctl_exit log_in(struct mu_via *via) {
    const char *words[2] = {"AUTH", via->token.data};
    size_t lengths[2] = {4, via->token.length};
    if (via->token.length == 0) {
        return MU_CTL_FINE;
    }
    redisReply *reply = redisCommandArgv(via->connection, 2, words, lengths);
    enum mu_ctl_exit status = reply == NULL                      ? MU_CTL_UNREACHABLE
                              : reply->type == REDIS_REPLY_ERROR ? MU_CTL_NO
                                                                 : MU_CTL_FINE;
    if (status != MU_CTL_FINE) {
        fprintf(stderr, "musterctl: the door at %s does not take the token: %s\n", via->ctl->door,
                reason(via, reply));
    }
    freeReplyObject(reply);
    return status;
}

enum mu_ctl_exit mu_via_resp_open(struct mu_via *via, bool quiet) {
    struct mu_ctl *ctl = via->ctl;
    if (ctl->door == NULL) {
        return mu_via_say(MU_CTL_USAGE,
                          "no door is known: name it with --door unix:///path or --door host:port, "
                          "or load transport_resp in the configuration (--config)");
    }
    via->connection = dial(ctl->door, span(ctl->connect_timeout_ms));
    if (via->connection == NULL) {
        fprintf(stderr, "musterctl: '%s' is no door: unix:///path or host:port\n", ctl->door);
        return MU_CTL_USAGE;
    }
    if (via->connection->err != 0) {
        if (!quiet) {
            fprintf(stderr,
                    "musterctl: no musterd answers at %s: %s; does one run, and does it load "
                    "transport_resp? --via redis asks Redis itself\n",
                    ctl->door, via->connection->errstr);
        }
        return MU_CTL_UNREACHABLE;
    }
    redisSetTimeout(via->connection, span(ctl->options->timeout_ms));
    return log_in(via);
}

/* JSON comes as it is; numbers, and lists of them, as what they are in JSON. */
static bool take(const redisReply *reply, struct mu_buffer *json) {
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) {
        mu_must(mu_buffer_append(json, reply->str, (size_t)reply->len));
        return true;
    }
    if (reply->type == REDIS_REPLY_INTEGER) {
        mu_must(mu_buffer_printf(json, "%lld", reply->integer));
        return true;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    bool fine = true;
    mu_must(mu_buffer_append_text(json, "["));
    for (size_t i = 0; fine && i < reply->elements; i++) {
        mu_must(i == 0 || mu_buffer_append_text(json, ","));
        fine = take(reply->element[i], json);
    }
    mu_must(mu_buffer_append_text(json, "]"));
    return fine;
}

/* "-CODE message", as the other doors say it. */
static enum mu_ctl_exit refused(const char *text) {
    int length = (int)strcspn(text, " ");
    fprintf(stderr, "musterctl: %.*s:%s\n", length, text, text + length);
    return MU_CTL_NO;
}

enum mu_ctl_exit mu_via_resp_ask(struct mu_via *via, const char *operation, size_t count,
                                 const char *const *arguments, struct mu_buffer *json) {
    const char **words = mu_calloc(count + 1, sizeof *words);
    words[0] = operation;
    for (size_t i = 0; i < count; i++) {
        words[i + 1] = arguments[i];
    }
    redisReply *reply = redisCommandArgv(via->connection, (int)count + 1, words, NULL);
    free(words);
    enum mu_ctl_exit status = MU_CTL_FINE;
    mu_buffer_clear(json);
    if (reply == NULL) {
        bool late = via->connection->err == REDIS_ERR_IO && errno == EAGAIN;
        fprintf(stderr, "musterctl: %s; what became of the request is unknown\n",
                late ? "no answer in time" : via->connection->errstr);
        status = MU_CTL_UNREACHABLE;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        status = refused(reply->str);
    } else if (!take(reply, json)) {
        status = mu_via_say(MU_CTL_NO, "the door answers what cannot be read");
    }
    freeReplyObject(reply);
    return status;
}
