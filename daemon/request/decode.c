#include "request/decode.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/ids.h"

#define WORD 48
#define SHOWN 44
#define DIGITS_MAX 20

/* The letter of the argument at `index`. */
static char letter_of(const char *letters, size_t index) {
    size_t length = strlen(letters);
    if (length > 0 && letters[length - 1] == '*') {
        length--;
        index = index < length ? index : length - 1;
    }
    return index < length ? letters[index] : '\0';
}

/* The word of the usage that names it, without brackets and dots. */
static void word_of(const char *usage, size_t index, char out[WORD]) {
    const char *at = usage;
    const char *last = usage;
    size_t used = 0;
    for (size_t i = 0; *at != '\0'; i++) {
        last = at;
        if (i == index) {
            break;
        }
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    if (*at == '\0') {
        at = last; /* one that repeats */
    }
    for (; *at != '\0' && *at != ' ' && used < WORD - 1; at++) {
        if (strchr("[].", *at) == NULL) {
            out[used++] = *at;
        }
    }
    out[used] = '\0';
}

/* A stranger's bytes, fit for a sentence. */
static void show(const struct muster_text *text, char out[SHOWN]) {
    size_t length = text->length < SHOWN - 4 ? text->length : SHOWN - 4;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text->data[i];
        out[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    snprintf(out + length, 4, "%s", length < text->length ? "..." : "");
}

static bool is_whole(const struct muster_text *text) {
    return text->length > 0 && text->length <= DIGITS_MAX &&
           strspn(text->data, "0123456789") == text->length;
}

static bool is_owner(const struct muster_text *text) {
    const char *colon = memchr(text->data, ':', text->length);
    return colon != NULL && mu_id_valid(text->data, (size_t)(colon - text->data)) &&
           mu_id_valid(colon + 1, text->length - (size_t)(colon - text->data) - 1);
}

/* What it must be, or NULL when it is. */
static const char *wrong(char letter, const struct muster_text *text, enum muster_status *status) {
    *status = MUSTER_BAD_ID;
    switch (letter) {
    case 's':
    case 'c':
    case 'C':
    case 'i':
    case 'n':
        return mu_id_valid(text->data, text->length)
                   ? NULL
                   : "1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -";
    case 'w':
        return is_owner(text) ? NULL : "two ids with a colon between them";
    default:
        break;
    }
    *status = MUSTER_BAD_REQUEST;
    switch (letter) {
    case 't':
    case 'k':
    case 'z':
        return is_whole(text) ? NULL : "a whole number";
    case 'g':
        return text->length == 0 || is_whole(text) ? NULL : "a whole number of milliseconds";
    case 'x':
        return strcmp(text->data, "on") == 0 || strcmp(text->data, "off") == 0 ? NULL : "on or off";
    case 'r':
        return text->length > 0 ? NULL : "a secret of at least one byte";
    default:
        return NULL;
    }
}

static enum muster_status check(const struct muster_operation_info *info, size_t index,
                                const struct muster_text *text, size_t argument_max,
                                struct mu_error *error) {
    char letter = letter_of(info->arguments, index);
    enum muster_status status;
    char word[WORD];
    char shown[SHOWN];
    bool long_one = text->length > argument_max;
    bool holds_nul = !long_one && memchr(text->data, '\0', text->length) != NULL;
    const char *allowed = long_one || holds_nul ? NULL : wrong(letter, text, &status);
    if (!long_one && !holds_nul && allowed == NULL) {
        return MUSTER_OK;
    }
    word_of(info->usage, index, word); /* only now: most arguments are right */
    if (long_one) {
        return mu_error_set(error, MUSTER_TOO_LARGE,
                            "%s: argument %zu (%s) has %zu bytes; allowed are %zu", info->name,
                            index + 1, word, text->length, argument_max);
    }
    if (holds_nul) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: argument %zu (%s) has a NUL byte; none is allowed", info->name,
                            index + 1, word);
    }
    show(text, shown);
    /* A resume secret is not repeated. */
    return mu_error_set(error, status, "%s: argument %zu (%s) '%s' must be %s", info->name,
                        index + 1, word, letter == 'r' ? "" : shown, allowed);
}

enum muster_status mu_decode(enum muster_operation operation, size_t count,
                             const struct muster_text *arguments, size_t argument_max,
                             struct mu_error *error) {
    const struct muster_operation_info *info = &mu_operations[operation];
    if (count < info->least || count > info->most) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s got %zu arguments; expected: %s%s%s",
                            info->name, count, info->name, info->usage[0] != '\0' ? " " : "",
                            info->usage);
    }
    for (size_t i = 0; i < count; i++) {
        enum muster_status status = check(info, i, &arguments[i], argument_max, error);
        if (status != MUSTER_OK) {
            return status;
        }
    }
    return MUSTER_OK;
}

size_t mu_decode_position(enum muster_operation operation, char letter) {
    const char *at = strchr(mu_operations[operation].arguments, letter);
    return at != NULL ? (size_t)(at - mu_operations[operation].arguments) : SIZE_MAX;
}

const struct muster_text *mu_decode_argument(enum muster_operation operation, char letter,
                                             size_t count, const struct muster_text *arguments) {
    size_t position = mu_decode_position(operation, letter);
    return position < count ? &arguments[position] : NULL;
}

static const char *text_at(enum muster_operation operation, char letter, size_t count,
                           const struct muster_text *arguments) {
    const struct muster_text *text = mu_decode_argument(operation, letter, count, arguments);
    return text != NULL ? text->data : NULL;
}

void mu_decode_resource(enum muster_operation operation, size_t count,
                        const struct muster_text *arguments, size_t step,
                        struct muster_resource *resource) {
    *resource = (struct muster_resource){
        .operation = mu_operations[operation].name,
        .session = text_at(operation, 's', count, arguments),
        .connection = text_at(operation, 'c', count, arguments),
        .instance = text_at(operation, 'i', count, arguments),
        .incarnation = text_at(operation, 'n', count, arguments),
        .resumed = text_at(operation, 'C', count, arguments),
    };
    if (operation == MUSTER_OPERATION_COUNT) {
        resource->session = arguments[step].data;
    }
}

size_t mu_decode_steps(enum muster_operation operation, size_t count) {
    return operation == MUSTER_OPERATION_COUNT ? count : 1;
}
