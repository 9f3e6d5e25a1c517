#include "out.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 256, KEEP_BYTES = 4096 };

void resp_out_deinit(struct resp_out *out) {
    free(out->data);
    *out = (struct resp_out){.protocol = out->protocol};
}

void resp_out_consume(struct resp_out *out, size_t count) {
    assert(count <= out->length - out->sent);
    out->sent += count;
    if (out->sent == out->length) {
        out->length = out->sent = 0;
        if (out->capacity > KEEP_BYTES) {
            resp_out_deinit(out);
        }
    } else if (out->sent >= out->length - out->sent) {
        memmove(out->data, out->data + out->sent, out->length - out->sent);
        out->length -= out->sent;
        out->sent = 0;
    }
}

static char *room(struct resp_out *out, size_t more) {
    size_t capacity = out->capacity > 0 ? out->capacity : FIRST_BYTES;
    while (capacity - out->length < more) {
        capacity *= 2;
    }
    if (capacity > out->capacity) {
        char *data = realloc(out->data, capacity);
        if (data == NULL) {
            abort(); /* the backlog is bounded: the machine is at its end */
        }
        out->data = data;
        out->capacity = capacity;
    }
    return out->data + out->length;
}

static void append(struct resp_out *out, const char *data, size_t length) {
    if (length > 0) {
        memcpy(room(out, length), data, length);
        out->length += length;
    }
}

void resp_out_raw(struct resp_out *out, const char *data, size_t length) {
    append(out, data, length);
}

static void append_line(struct resp_out *out, const char *text) {
    size_t length = strlen(text);
    char *at = room(out, length + 1);
    for (size_t i = 0; i < length; i++) {
        at[i] = text[i];
        if (at[i] == '\r' || at[i] == '\n') {
            at[i] = ' ';
        }
    }
    out->length += length;
}

/* A type and a number. Written by hand: it is part of every reply, and printf costs more than all
 * the rest of one. */
static void head(struct resp_out *out, char type, long long number) {
    char text[32];
    char *end = text + sizeof text;
    char *at = end;
    unsigned long long rest =
        number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--at = '-';
    }
    *--at = type;
    append(out, at, (size_t)(end - at));
}

static void count_head(struct resp_out *out, char type, size_t count) {
    head(out, out->protocol == 3 ? type : '*', (long long)count);
}

void resp_out_status(struct resp_out *out, const char *text) {
    append(out, "+", 1);
    append_line(out, text);
    append(out, "\r\n", 2);
}

void resp_out_error(struct resp_out *out, const char *code, const char *message) {
    append(out, "-", 1);
    append_line(out, code);
    append(out, " ", 1);
    append_line(out, message);
    append(out, "\r\n", 2);
}

void resp_out_integer(struct resp_out *out, long long value) {
    head(out, ':', value);
}

void resp_out_bulk(struct resp_out *out, const char *data, size_t length) {
    head(out, '$', (long long)length);
    append(out, data, length);
    append(out, "\r\n", 2);
}

void resp_out_null(struct resp_out *out) {
    if (out->protocol == 3) {
        append(out, "_\r\n", 3);
    } else {
        append(out, "$-1\r\n", 5);
    }
}

void resp_out_boolean(struct resp_out *out, bool value) {
    if (out->protocol == 3) {
        append(out, value ? "#t\r\n" : "#f\r\n", 4);
    } else {
        resp_out_integer(out, value ? 1 : 0);
    }
}

void resp_out_double(struct resp_out *out, double value) {
    char text[40];
    int length = 0;
    if (isnan(value)) {
        length = snprintf(text, sizeof text, "nan"); /* printf may put a sign before it */
    } else {
        length = snprintf(text, sizeof text, "%.17g", value); /* inf, -inf */
    }
    if (out->protocol == 3) {
        append(out, ",", 1);
        append(out, text, (size_t)length);
        append(out, "\r\n", 2);
    } else {
        resp_out_bulk(out, text, (size_t)length);
    }
}

void resp_out_array(struct resp_out *out, size_t count) {
    count_head(out, '*', count);
}

void resp_out_map(struct resp_out *out, size_t count) {
    count_head(out, '%', out->protocol == 3 ? count : 2 * count);
}

void resp_out_set(struct resp_out *out, size_t count) {
    count_head(out, '~', count);
}

void resp_out_push(struct resp_out *out, size_t count) {
    count_head(out, '>', count);
}
