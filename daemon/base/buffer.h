/* buffer.h - a growing byte buffer with an upper bound. */
#ifndef MU_BASE_BUFFER_H
#define MU_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

struct mu_buffer {
    char *data; /* NUL-terminated at data[length] once anything was appended */
    size_t length;
    size_t capacity;
    size_t limit; /* appending beyond it fails; 0: no bound of its own */
};

void mu_buffer_init(struct mu_buffer *buffer, size_t limit);
void mu_buffer_deinit(struct mu_buffer *buffer);
/* Keeps the memory, overwrites the contents: they may have been secret. */
void mu_buffer_clear(struct mu_buffer *buffer);
/* Removes `count` bytes from the front; no copy of them is left. */
void mu_buffer_consume(struct mu_buffer *buffer, size_t count);
/* Room for `more` bytes and the NUL behind them, so that appending as many cannot fail. False, with
 * the buffer unchanged, when the limit or the memory is exceeded. */
bool mu_buffer_reserve(struct mu_buffer *buffer, size_t more) MU_WARN_UNUSED;
/* Appends where there is room. */
static inline void mu_buffer_put(struct mu_buffer *buffer, const void *data, size_t length) {
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}
/* All appends: false, with the buffer unchanged, when the limit or the memory is exceeded. */
bool mu_buffer_append(struct mu_buffer *buffer, const void *data, size_t length) MU_WARN_UNUSED;
bool mu_buffer_append_text(struct mu_buffer *buffer, const char *text) MU_WARN_UNUSED;
bool mu_buffer_printf(struct mu_buffer *buffer, const char *format, ...)
    MU_PRINTF(2, 3) MU_WARN_UNUSED;
/* `text` as a JSON string with its quotes; bytes that are not valid UTF-8 become U+FFFD. */
bool mu_buffer_append_json(struct mu_buffer *buffer, const char *text,
                           size_t length) MU_WARN_UNUSED;

#endif
