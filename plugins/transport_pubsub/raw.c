#include "raw.h"

static const char *skip_space(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
        at++;
    }
    return at;
}

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *at) {
    for (at++; *at != '"'; at++) {
        if (*at == '\\') {
            at++;
        }
    }
    return at + 1;
}

static bool ends_scalar(char byte) {
    return byte == ',' || byte == ']' || byte == '}' || byte == ' ' || byte == '\t' ||
           byte == '\n' || byte == '\r' || byte == '\0';
}

static const char *skip_container(const char *at, size_t *depth) {
    size_t open = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[') {
            open++;
            *depth = open > *depth ? open : *depth;
        } else if (*at == '}' || *at == ']') {
            open--;
        }
        at++;
    } while (open > 0);
    return at;
}

const char *pubsub_raw_enter(const char *text) {
    return skip_space(text) + 1;
}

struct muster_text pubsub_raw_next(const char **at, bool object, size_t *depth) {
    size_t deep = 0;
    const char *begin = skip_space(*at);
    if (object) {
        begin = skip_space(skip_string(begin)); /* at the colon */
        begin = skip_space(begin + 1);
    }
    const char *end = begin;
    if (*begin == '"') {
        end = skip_string(begin);
    } else if (*begin == '{' || *begin == '[') {
        end = skip_container(begin, &deep);
    } else {
        while (!ends_scalar(*end)) {
            end++;
        }
    }
    const char *next = skip_space(end);
    *at = *next == ',' ? next + 1 : next;
    if (depth != NULL) {
        *depth = deep;
    }
    return (struct muster_text){begin, (size_t)(end - begin)};
}
