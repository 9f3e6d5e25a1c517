#include "words.h"

#include <stdbool.h>

void resp_words_init(struct resp_words *words, char *line, size_t length) {
    *words = (struct resp_words){.write = line, .read = line, .end = line + length};
}

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t';
}

static int hex(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* At the byte behind a backslash between double quotes. */
static char unescape(struct resp_words *words) {
    char byte = *words->read++;
    if (byte == 'x' && words->end - words->read >= 2 && hex(words->read[0]) >= 0 &&
        hex(words->read[1]) >= 0) {
        int value = hex(words->read[0]) * 16 + hex(words->read[1]);
        words->read += 2;
        return (char)value;
    }
    switch (byte) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return byte;
    }
}

/* Behind the opening quote. False: it does not close, or not before a space. */
static bool take_quoted(struct resp_words *words, char quote) {
    while (words->read < words->end) {
        char byte = *words->read++;
        if (byte == quote) {
            return words->read == words->end || is_space(*words->read);
        }
        if (byte == '\\' && words->read < words->end) {
            if (quote == '"') {
                byte = unescape(words);
            } else if (*words->read == '\'') {
                byte = *words->read++;
            }
        }
        *words->write++ = byte;
    }
    return false;
}

enum resp_word resp_words_next(struct resp_words *words, size_t *length) {
    while (words->read < words->end && is_space(*words->read)) {
        words->read++;
    }
    if (words->read == words->end) {
        return RESP_WORD_NONE;
    }
    const char *start = words->write;
    while (words->read < words->end && !is_space(*words->read)) {
        char byte = *words->read++;
        if (byte != '"' && byte != '\'') {
            *words->write++ = byte;
        } else if (!take_quoted(words, byte)) {
            return RESP_WORD_UNBALANCED;
        }
    }
    *length = (size_t)(words->write - start);
    if (words->read < words->end) {
        words->read++; /* the space, where the NUL may go */
    }
    *words->write++ = '\0';
    return RESP_WORD;
}
