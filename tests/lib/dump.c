#include "lib/dump.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

struct entry {
    const redisReply *first;
    const redisReply *second; /* may be NULL */
};

static void print_bytes(FILE *out, const redisReply *reply) {
    for (size_t i = 0; i < (size_t)reply->len; i++) {
        unsigned char byte = (unsigned char)reply->str[i];
        if (isprint(byte) && byte != '\\')
            fputc(byte, out);
        else
            fprintf(out, "\\x%02x", byte);
    }
}

static int compare_text(const redisReply *a, const redisReply *b) {
    size_t shorter = (size_t)(a->len < b->len ? a->len : b->len);
    int order = memcmp(a->str, b->str, shorter);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_entries(const void *a, const void *b) {
    return compare_text(((const struct entry *)a)->first, ((const struct entry *)b)->first);
}

static int compare_keys(const void *a, const void *b) {
    return compare_text(*(redisReply *const *)a, *(redisReply *const *)b);
}

/* Prints `reply` as entries of `width` elements, sorted by the first. */
static void print_entries(FILE *out, const redisReply *reply, size_t width) {
    size_t count = reply->elements / width;
    struct entry *entries = calloc(count + 1, sizeof *entries);
    if (entries == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){reply->element[i * width],
                                    width == 2 ? reply->element[i * width + 1] : NULL};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < count; i++) {
        fputs("  ", out);
        print_bytes(out, entries[i].first);
        if (entries[i].second != NULL) {
            fputs(" = ", out);
            print_bytes(out, entries[i].second);
        }
        fputc('\n', out);
    }
    free(entries);
}

static void print_key(FILE *out, struct mt_redis *redis, const redisReply *key) {
    const char *name = key->str;
    size_t length = (size_t)key->len;
    const char *type = mt_text(redis, "TYPE %b", name, length);
    bool expires = mt_integer(redis, "PTTL %b", name, length) >= 0;
    print_bytes(out, key);
    fprintf(out, " (%s%s)\n", type, expires ? ", expires" : "");
    if (strcmp(type, "hash") == 0) {
        print_entries(out, mt_command(redis, "HGETALL %b", name, length), 2);
    } else if (strcmp(type, "set") == 0) {
        print_entries(out, mt_command(redis, "SMEMBERS %b", name, length), 1);
    } else if (strcmp(type, "zset") == 0) {
        print_entries(out, mt_command(redis, "ZRANGE %b 0 -1 WITHSCORES", name, length), 2);
    } else if (strcmp(type, "list") == 0) {
        print_entries(out, mt_command(redis, "LRANGE %b 0 -1", name, length), 1);
    } else if (strcmp(type, "string") == 0) {
        fputs("  ", out);
        print_bytes(out, mt_command(redis, "GET %b", name, length));
        fputc('\n', out);
    } else if (strcmp(type, "none") != 0) { /* none: expired meanwhile */
        fputs("  ", out);
        print_bytes(out, mt_command(redis, "DUMP %b", name, length));
        fputc('\n', out);
    }
}

static bool ends_with(const redisReply *key, const char *end) {
    size_t length = strlen(end);
    return (size_t)key->len > length && strcmp(key->str + key->len - length, end) == 0;
}

/* `instance:<i>:alive` expires meanwhile; `daemons` and `journal` are no state. */
static bool is_left_out(const redisReply *key) {
    return ends_with(key, ":alive") || ends_with(key, "}:journal") || ends_with(key, "}:daemons");
}

char *mt_dump(struct mt_redis *redis) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        abort();
    redisReply *keys = mt_command(redis, "KEYS *");
    if (keys->elements > 0)
        qsort(keys->element, keys->elements, sizeof *keys->element, compare_keys);
    for (size_t i = 0; i < keys->elements; i++)
        if (!is_left_out(keys->element[i]))
            print_key(out, redis, keys->element[i]);
    fclose(out);
    return text;
}

static size_t line_length(const char *text) {
    return strcspn(text, "\n");
}

void mt_assert_same_dump_at(const char *before, const char *after, const char *file, int line) {
    const char *a = before;
    const char *b = after;
    while (*a != '\0' && line_length(a) == line_length(b) && strncmp(a, b, line_length(a)) == 0) {
        a += line_length(a) + (a[line_length(a)] == '\n');
        b += line_length(b) + (b[line_length(b)] == '\n');
    }
    if (*a == '\0' && *b == '\0')
        return;
    print_error("the data changed:\n  before: %.*s\n  after:  %.*s\n", (int)line_length(a), a,
                (int)line_length(b), b);
    _fail(file, line);
}
