#include "registry/call.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ARGUMENTS_MAX 1024
#define FIXED 4 /* FCALL, the function, the number of keys, the key */
#define ON_STACK 32

struct call {
    mu_answer_cb callback;
    void *context;
};

/* Errors of Redis itself under which nothing was done and the same call may succeed later. */
static bool is_temporary(const char *text) {
    static const char *const words[] = {"OOM",        "LOADING", "READONLY",   "MASTERDOWN",
                                        "MISCONF",    "BUSY",    "NOREPLICAS", "CLUSTERDOWN",
                                        "NOFUNCTION", "TRYAGAIN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(text, words[i], length) == 0 && (text[length] == ' ' || !text[length])) {
            return true;
        }
    }
    return strstr(text, "Function not found") != NULL;
}

static void read_error(const char *text, size_t length, struct mu_answer *answer) {
    if (muster_status_parse(text, length, &answer->status)) {
        const char *space = memchr(text, ' ', length);
        answer->message = space ? space + 1 : muster_status_meaning(answer->status);
    } else {
        answer->status = is_temporary(text) ? MUSTER_UNAVAILABLE : MUSTER_INTERNAL;
        answer->message = text;
    }
}

void mu_answer_read(const redisReply *reply, struct mu_answer *answer) {
    memset(answer, 0, sizeof *answer);
    if (!reply) {
        answer->status = MUSTER_TIMEOUT;
        answer->message = muster_status_meaning(MUSTER_TIMEOUT);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        read_error(reply->str, (size_t)reply->len, answer);
    } else if (reply->type == REDIS_REPLY_STRING) {
        answer->json = reply->str;
        answer->length = (size_t)reply->len;
    } else {
        answer->status = MUSTER_INTERNAL;
        answer->message = "the function answered with something that is no text";
    }
}

static void on_reply(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct call call = *(struct call *)context;
    struct mu_answer answer = {.status = status};
    free(context);
    if (status == MUSTER_OK) {
        mu_answer_read(reply, &answer);
    } else {
        answer.message = error->text;
    }
    call.callback(call.context, &answer);
}

static enum muster_status dispatch(struct mu_link *link, bool now, const char *name_space,
                                   const char *operation, size_t count,
                                   const char *const *arguments, mu_answer_cb callback,
                                   void *context) {
    if (count > ARGUMENTS_MAX) {
        return MUSTER_BAD_REQUEST;
    }
    char function[64];
    char key[MU_KEY_SIZE];
    int length = snprintf(function, sizeof function, "muster_%s", operation);
    int key_length = snprintf(key, sizeof key, "{%s}", name_space);
    if (length < 0 || (size_t)length >= sizeof function || key_length < 0 ||
        (size_t)key_length >= sizeof key) {
        return MUSTER_BAD_REQUEST;
    }
    const char *on_stack[FIXED + ON_STACK];
    const char **all = on_stack;
    if (count > ON_STACK) {
        all = mu_calloc(FIXED + count, sizeof *all);
    }
    all[0] = "FCALL";
    all[1] = function;
    all[2] = "1";
    all[3] = key;
    for (size_t i = 0; i < count; i++) {
        all[FIXED + i] = arguments[i];
    }
    struct call *call = NULL;
    if (callback) {
        call = mu_calloc(1, sizeof *call);
        *call = (struct call){callback, context};
    }
    mu_link_reply_cb reply = callback ? on_reply : NULL;
    enum muster_status status =
        now ? mu_link_command_now(link, FIXED + count, all, NULL, reply, call)
            : mu_link_command(link, FIXED + count, all, NULL, reply, call);
    if (status != MUSTER_OK) {
        free(call);
    }
    if (all != on_stack) {
        free(all);
    }
    return status;
}

enum muster_status mu_call(struct mu_link *link, const char *name_space, const char *operation,
                           size_t count, const char *const *arguments, mu_answer_cb callback,
                           void *context) {
    return dispatch(link, false, name_space, operation, count, arguments, callback, context);
}

enum muster_status mu_call_now(struct mu_link *link, const char *name_space, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context) {
    return dispatch(link, true, name_space, operation, count, arguments, callback, context);
}

char *mu_key(char out[MU_KEY_SIZE], const char *name_space, const char *format, ...) {
    int start = snprintf(out, MU_KEY_SIZE, "{%s}:", name_space);
    if (start < 0 || start >= MU_KEY_SIZE) {
        abort();
    }
    size_t left = MU_KEY_SIZE - (size_t)start;
    va_list list;
    va_start(list, format);
    int length = vsnprintf(out + start, left, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= left) {
        abort();
    }
    return out;
}
