#include "fuzz/resp_reader.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *data;
    size_t length, at;
    bool third; /* a type of protocol 3 was met */
    unsigned depth;
};

_Noreturn void fuzz_fail(const char *sentence) {
    fprintf(stderr, "it does not hold: %s\n", sentence);
    abort();
}

/* A line without its end; false: not whole. */
static bool take_line(struct cursor *cursor, const char **text, size_t *length) {
    const char *begin = cursor->data + cursor->at;
    size_t left = cursor->length - cursor->at;
    const char *end = left > 0 ? memchr(begin, '\r', left) : NULL;
    const char *feed = left > 0 ? memchr(begin, '\n', left) : NULL;
    fuzz_demand(feed == NULL || (end != NULL && feed == end + 1), "lines end in CRLF");
    if (feed == NULL)
        return false;
    *text = begin;
    *length = (size_t)(end - begin);
    cursor->at += *length + 2;
    return true;
}

static long long number(const char *text, size_t length) {
    char copy[32] = "";
    char *end = NULL;
    fuzz_demand(length > 0 && length < sizeof copy, "a number has some digits");
    memcpy(copy, text, length);
    long long value = strtoll(copy, &end, 10);
    fuzz_demand(*end == '\0' && copy[0] != '+' && copy[0] != ' ', "a number is digits");
    return value;
}

static bool take_value(struct cursor *cursor, char *type, long long *count, const char **text,
                       size_t *length) {
    if (!take_line(cursor, text, length))
        return false;
    fuzz_demand(*length > 0, "no line is empty");
    *type = **text;
    (*text)++;
    (*length)--;
    *count = 0;
    fuzz_demand(strchr("+-:$*_#,%~>", *type) != NULL, "a type is one that there is");
    cursor->third = cursor->third || strchr("_#,%~>", *type) != NULL;
    if (strchr(":$*%~>", *type) != NULL)
        *count = number(*text, *length);
    if (*type == '#')
        fuzz_demand(*length == 1 && (**text == 't' || **text == 'f'), "true or false");
    if (*type == '_')
        fuzz_demand(*length == 0, "null is nothing");
    if (*type == '$') {
        fuzz_demand(*count >= -1, "a length");
        *text = *count < 0 ? NULL : cursor->data + cursor->at;
        *length = *count < 0 ? 0 : (size_t)*count;
        if (*count < 0)
            return true;
        if (cursor->length - cursor->at < *length + 2)
            return false;
        fuzz_demand(memcmp(*text + *length, "\r\n", 2) == 0, "CRLF behind a bulk string");
        cursor->at += *length + 2;
    }
    return true;
}

/* `out` NULL: below the top. */
static bool take_element(struct cursor *cursor, struct fuzz_element *out) {
    char type = 0;
    long long count = 0;
    const char *text = NULL;
    size_t length = 0;
    if (!take_value(cursor, &type, &count, &text, &length))
        return false;
    if (out != NULL)
        *out = (struct fuzz_element){
            .type = type, .count = count, .first = text, .first_length = length};
    if (strchr("*%~>", type) == NULL)
        return true;
    fuzz_demand(count >= 0 && count < 100000 && ++cursor->depth < 8, "counts are sane");
    fuzz_demand(type != '>' || out != NULL, "a push is in nothing");
    for (long long i = 0; i < count * (type == '%' ? 2 : 1); i++) {
        struct cursor look = *cursor;
        struct fuzz_element inner = {0};
        if (!take_element(cursor, NULL))
            return false;
        if (out != NULL && i < 2) {
            fuzz_demand(take_value(&look, &inner.type, &inner.count, &text, &length), "twice");
            *(i == 0 ? &out->first : &out->second) = text;
            *(i == 0 ? &out->first_length : &out->second_length) = length;
        }
    }
    cursor->depth--;
    return true;
}

static void ask_hiredis(const char *data, size_t length) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    fuzz_demand(redisReaderFeed(reader, data, length) == REDIS_OK &&
                    redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL,
                "hiredis reads it");
    freeReplyObject(reply);
    reply = NULL;
    fuzz_demand(redisReaderGetReply(reader, &reply) == REDIS_OK && reply == NULL,
                "hiredis sees one reply");
    redisReaderFree(reader);
}

bool fuzz_read_element(const char *data, size_t length, struct fuzz_element *out) {
    struct cursor cursor = {.data = data, .length = length};
    if (length == 0 || !take_element(&cursor, out))
        return false;
    out->length = cursor.at;
    if (!cursor.third)
        ask_hiredis(data, cursor.at);
    return true;
}
