#include "config/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define NAME_MAX_BYTES 128

static bool printable(uint32_t code) {
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
        return false;
    }
    /* Line and paragraph separators, byte order mark, noncharacters: YAML refuses or folds them. */
    return code != 0x2028 && code != 0x2029 && code != 0xFEFF && (code & 0xFFFE) != 0xFFFE;
}

bool mu_text_printable(const char *text, size_t length) {
    const unsigned char *at = (const unsigned char *)text;

    while (length > 0) {
        uint32_t code;
        size_t size = mu_utf8_sequence(at, length, &code);

        if (size == 0 || !printable(code)) {
            return false;
        }
        at += size;
        length -= size;
    }
    return true;
}

char *mu_text_show(char out[MU_TEXT_SHOWN], const char *text, size_t length) {
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;

    while (length > 0) {
        uint32_t code = 0;
        size_t size = mu_utf8_sequence(at, length, &code);
        bool good = size > 0 && printable(code);

        size = size > 0 ? size : 1;
        if (used + (good ? size : 1) + sizeof "..." > MU_TEXT_SHOWN) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (good) {
            memcpy(out + used, at, size);
            used += size;
        } else {
            out[used++] = '?';
        }
        at += size;
        length -= size;
    }
    out[used] = '\0';
    return out;
}

static size_t name_length(const char *text, size_t length) {
    size_t i = 0;

    while (i < length) {
        char c = text[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

        if (!letter && (i == 0 || c < '0' || c > '9')) {
            break;
        }
        i++;
    }
    return i;
}

static enum muster_status too_long(struct mu_error *error) {
    return mu_error_set(error, MUSTER_BAD_REQUEST,
                        "is too long once it is expanded; allowed is text of at most 64KiB");
}

/* `text` begins behind "${"; *used becomes what was read up to and with the brace. */
static enum muster_status expand_name(struct mu_buffer *out, const char *text, size_t length,
                                      size_t *used, struct mu_error *error) {
    size_t size = name_length(text, length);
    char name[NAME_MAX_BYTES];
    const char *value;

    if (size == 0 || size >= sizeof name || size == length || text[size] != '}') {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "has a '${' without a name and '}'; allowed is ${NAME} for an "
                            "environment variable, $$ for a dollar sign");
    }
    memcpy(name, text, size);
    name[size] = '\0';
    value = getenv(name);
    if (value == NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "the environment variable %s is not set; set it, or write $$ for a "
                            "dollar sign",
                            name);
    }
    *used = size + 1;
    return mu_buffer_append_text(out, value) ? MUSTER_OK : too_long(error);
}

enum muster_status mu_text_expand(struct mu_buffer *out, const char *text, size_t length,
                                  struct mu_error *error) {
    size_t i = 0;

    while (i < length) {
        const char *dollar = memchr(text + i, '$', length - i);
        size_t plain = dollar != NULL ? (size_t)(dollar - (text + i)) : length - i;
        enum muster_status status;
        size_t used = 0;

        if (!mu_buffer_append(out, text + i, plain)) {
            return too_long(error);
        }
        i += plain;
        if (i == length) {
            break;
        }
        if (i + 1 < length && text[i + 1] == '$') {
            if (!mu_buffer_append(out, "$", 1)) {
                return too_long(error);
            }
            i += 2;
        } else if (i + 1 < length && text[i + 1] == '{') {
            status = expand_name(out, text + i + 2, length - i - 2, &used, error);
            if (status != MUSTER_OK) {
                return status;
            }
            i += 2 + used;
        } else {
            return mu_error_set(error, MUSTER_BAD_REQUEST,
                                "has a '$' by itself; allowed is ${NAME} for an environment "
                                "variable, $$ for a dollar sign");
        }
    }
    return MUSTER_OK;
}
