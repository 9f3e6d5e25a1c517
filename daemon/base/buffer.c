#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define BUFFER_FIRST 256

void mu_buffer_init(struct mu_buffer *buffer, size_t limit) {
    *buffer = (struct mu_buffer){.limit = limit};
}

void mu_buffer_deinit(struct mu_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct mu_buffer){.limit = buffer->limit};
}

static void set_length(struct mu_buffer *buffer, size_t length) {
    buffer->length = length;
    if (buffer->data != NULL) {
        buffer->data[length] = '\0';
    }
}

void mu_buffer_clear(struct mu_buffer *buffer) {
    if (buffer->length > 0) {
        explicit_bzero(buffer->data, buffer->length);
    }
    set_length(buffer, 0);
}

void mu_buffer_consume(struct mu_buffer *buffer, size_t count) {
    if (count >= buffer->length) {
        mu_buffer_clear(buffer);
        return;
    }
    memmove(buffer->data, buffer->data + count, buffer->length - count);
    explicit_bzero(buffer->data + buffer->length - count, count);
    set_length(buffer, buffer->length - count);
}

bool mu_buffer_reserve(struct mu_buffer *buffer, size_t more) {
    size_t needed, capacity;
    char *data;

    if (more >= SIZE_MAX / 2 - buffer->length) {
        return false;
    }
    needed = buffer->length + more;
    if (buffer->limit != 0 && needed > buffer->limit) {
        return false;
    }
    if (needed < buffer->capacity) {
        return true;
    }
    capacity = buffer->capacity < BUFFER_FIRST ? BUFFER_FIRST : buffer->capacity * 2;
    if (capacity < needed + 1) {
        capacity = needed + 1;
    }
    data = realloc(buffer->data, capacity);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool mu_buffer_append(struct mu_buffer *buffer, const void *data, size_t length) {
    if (!mu_buffer_reserve(buffer, length)) {
        return false;
    }
    if (length > 0) {
        memcpy(buffer->data + buffer->length, data, length);
    }
    set_length(buffer, buffer->length + length);
    return true;
}

bool mu_buffer_append_text(struct mu_buffer *buffer, const char *text) {
    return mu_buffer_append(buffer, text, strlen(text));
}

bool mu_buffer_printf(struct mu_buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    int wanted;
    bool done = false;

    va_start(arguments, format);
    va_copy(again, arguments);
    wanted = vsnprintf(NULL, 0, format, arguments);
    if (wanted >= 0 && mu_buffer_reserve(buffer, (size_t)wanted)) {
        vsnprintf(buffer->data + buffer->length, (size_t)wanted + 1, format, again);
        set_length(buffer, buffer->length + (size_t)wanted);
        done = true;
    }
    va_end(again);
    va_end(arguments);
    return done;
}

/* The escape of one byte below 0x80, or NULL when it stands for itself. */
static const char *json_escape(unsigned char byte, char out[8]) {
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (byte >= 0x20 && byte != 0x7F) {
            return NULL;
        }
        snprintf(out, 8, "\\u%04x", byte);
        return out;
    }
}

static bool append_json_body(struct mu_buffer *buffer, const unsigned char *text, size_t length) {
    size_t plain = 0; /* text[plain..i) stands for itself and is still to be appended */
    size_t i = 0;

    while (i < length) {
        size_t size = mu_utf8_sequence(text + i, length - i, NULL);
        const char *instead = NULL;
        char out[8];

        if (size == 0) {
            size = 1;
            instead = "\xEF\xBF\xBD";
        } else if (size == 1) {
            instead = json_escape(text[i], out);
        } else if (text[i] == 0xC2 && text[i + 1] < 0xA0) {
            /* U+0080 to U+009F command terminals, like the control bytes below 0x20. */
            snprintf(out, sizeof out, "\\u%04x", text[i + 1]);
            instead = out;
        }
        if (instead != NULL) {
            if (!mu_buffer_append(buffer, text + plain, i - plain) ||
                !mu_buffer_append_text(buffer, instead)) {
                return false;
            }
            plain = i + size;
        }
        i += size;
    }
    return mu_buffer_append(buffer, text + plain, length - plain);
}

bool mu_buffer_append_json(struct mu_buffer *buffer, const char *text, size_t length) {
    size_t before = buffer->length;

    if (mu_buffer_append(buffer, "\"", 1) &&
        append_json_body(buffer, (const unsigned char *)text, length) &&
        mu_buffer_append(buffer, "\"", 1)) {
        return true;
    }
    set_length(buffer, before);
    return false;
}
