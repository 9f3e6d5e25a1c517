#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Marks a text that did not fit, without leaving half of a UTF-8 sequence before the dots. */
static void mark_cut(char *text, size_t size) {
    size_t end = size - 4;

    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    memcpy(text + end, "...", 4);
}

static void store(struct mu_error *error, const char *text, int wanted) {
    memcpy(error->text, text, sizeof error->text);
    if (wanted >= (int)sizeof error->text) {
        mark_cut(error->text, sizeof error->text);
    }
}

/* Both functions write to the side first: an argument may point into error->text. */
enum muster_status mu_error_set(struct mu_error *error, enum muster_status status,
                                const char *format, ...) {
    char text[MU_ERROR_TEXT] = "";
    va_list arguments;
    int wanted;

    if (error == NULL) {
        return status;
    }
    va_start(arguments, format);
    wanted = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error->status = status;
    store(error, text, wanted);
    return status;
}

enum muster_status mu_error_prefix(struct mu_error *error, const char *format, ...) {
    char prefix[MU_ERROR_TEXT] = "";
    char text[MU_ERROR_TEXT] = "";
    va_list arguments;
    int wanted;

    if (error == NULL) {
        return MUSTER_INTERNAL;
    }
    va_start(arguments, format);
    wanted = vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    if (wanted < (int)sizeof prefix) {
        wanted = snprintf(text, sizeof text, "%s: %s", prefix, error->text);
    } else {
        memcpy(text, prefix, sizeof text);
    }
    store(error, text, wanted);
    return error->status;
}
