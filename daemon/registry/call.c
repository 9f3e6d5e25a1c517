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

/* The words of the command; those of FCALL itself, the arguments follow. */
struct words {
    char function[64];
    char key[MU_KEY_SIZE];
    const char *on_stack[FIXED + ON_STACK];
    size_t lengths_on_stack[FIXED + ON_STACK];
    const char **all;
    size_t *lengths;
};

static enum muster_status words_init(struct words *words, const char *name_space,
                                     const char *operation, size_t count) {
    if (count > ARGUMENTS_MAX) {
        return MUSTER_BAD_REQUEST;
    }
    int length = snprintf(words->function, sizeof words->function, "muster_%s", operation);
    int key_length = snprintf(words->key, sizeof words->key, "{%s}", name_space);
    if (length < 0 || (size_t)length >= sizeof words->function || key_length < 0 ||
        (size_t)key_length >= sizeof words->key) {
        return MUSTER_BAD_REQUEST;
    }
    words->all = words->on_stack;
    words->lengths = words->lengths_on_stack;
    if (count > ON_STACK) {
        words->all = mu_calloc(FIXED + count, sizeof *words->all);
        words->lengths = mu_calloc(FIXED + count, sizeof *words->lengths);
    }
    words->all[0] = "FCALL";
    words->all[1] = words->function;
    words->all[2] = "1";
    words->all[3] = words->key;
    for (size_t i = 0; i < FIXED; i++) {
        words->lengths[i] = strlen(words->all[i]);
    }
    return MUSTER_OK;
}

static void words_add(struct words *words, size_t i, const char *data, size_t length) {
    words->all[FIXED + i] = data;
    words->lengths[FIXED + i] = length;
}

/* Sends the command and frees the words. */
static enum muster_status dispatch(struct mu_link *link, bool now, struct words *words,
                                   size_t count, mu_answer_cb callback, void *context) {
    struct call *call = NULL;
    if (callback) {
        call = mu_calloc(1, sizeof *call);
        *call = (struct call){callback, context};
    }
    mu_link_reply_cb reply = callback ? on_reply : NULL;
    enum muster_status status =
        now ? mu_link_command_now(link, FIXED + count, words->all, words->lengths, reply, call)
            : mu_link_command(link, FIXED + count, words->all, words->lengths, reply, call);
    if (status != MUSTER_OK) {
        free(call);
    }
    if (words->all != words->on_stack) {
        free(words->all);
        free(words->lengths);
    }
    return status;
}

static enum muster_status call_strings(struct mu_link *link, bool now, const char *name_space,
                                       const char *operation, size_t count,
                                       const char *const *arguments, mu_answer_cb callback,
                                       void *context) {
    struct words words;
    enum muster_status status = words_init(&words, name_space, operation, count);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        words_add(&words, i, arguments[i], strlen(arguments[i]));
    }
    return dispatch(link, now, &words, count, callback, context);
}

enum muster_status mu_call(struct mu_link *link, const char *name_space, const char *operation,
                           size_t count, const char *const *arguments, mu_answer_cb callback,
                           void *context) {
    return call_strings(link, false, name_space, operation, count, arguments, callback, context);
}

enum muster_status mu_call_now(struct mu_link *link, const char *name_space, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context) {
    return call_strings(link, true, name_space, operation, count, arguments, callback, context);
}

enum muster_status mu_call_texts(struct mu_link *link, const char *name_space,
                                 const char *operation, size_t count,
                                 const struct muster_text *arguments, mu_answer_cb callback,
                                 void *context) {
    struct words words;
    enum muster_status status = words_init(&words, name_space, operation, count);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        words_add(&words, i, arguments[i].data, arguments[i].length);
    }
    return dispatch(link, false, &words, count, callback, context);
}

/* Where the next byte goes; aborts when the text does not fit. */
static char *put(char *at, const char *end, const char *text, size_t length) {
    if (length >= (size_t)(end - at)) {
        abort();
    }
    memcpy(at, text, length);
    return at + length;
}

/* By hand what only needs %s, as nearly all keys do. */
char *mu_key(char out[MU_KEY_SIZE], const char *name_space, const char *format, ...) {
    char *at = out;
    const char *end = out + MU_KEY_SIZE;
    va_list list;
    at = put(at, end, "{", 1);
    at = put(at, end, name_space, strlen(name_space));
    at = put(at, end, "}:", 2);
    va_start(list, format);
    for (const char *mark = strchr(format, '%'); mark && mark[1] == 's';
         mark = strchr(format, '%')) {
        const char *text = va_arg(list, const char *);
        at = put(at, end, format, (size_t)(mark - format));
        at = put(at, end, text, strlen(text));
        format = mark + 2;
    }
    if (!strchr(format, '%')) {
        at = put(at, end, format, strlen(format));
        *at = '\0';
    } else {
        int length = vsnprintf(at, (size_t)(end - at), format, list);
        if (length < 0 || length >= end - at) {
            abort();
        }
    }
    va_end(list);
    return out;
}
