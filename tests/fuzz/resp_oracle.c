#include "fuzz/resp_oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- transcripts ---- */

static void add(struct fuzz_transcript *out, const char *data, size_t length) {
    if (out->room - out->length < length) {
        out->room = (out->length + length) * 2;
        out->text = realloc(out->text, out->room);
        assert(out->text != NULL);
    }
    assert(length == 0 || out->text != NULL);
    if (length > 0)
        memcpy(out->text + out->length, data, length);
    out->length += length;
}

static void addf(struct fuzz_transcript *out, const char *word, size_t number, const char *end) {
    char text[64];
    int length = snprintf(text, sizeof text, "%s%zu%s", word, number, end);
    add(out, text, (size_t)length);
}

void fuzz_transcript_deinit(struct fuzz_transcript *transcript) {
    free(transcript->text);
    *transcript = (struct fuzz_transcript){0};
}

bool fuzz_transcript_same(const struct fuzz_transcript *one, const struct fuzz_transcript *other) {
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->text, other->text, one->length) == 0);
}

/* ---- the oracle ---- */

/* Where it is in the text, and what it found. */
struct oracle {
    const char *data;
    size_t length, at, start; /* start: of this request */
    const struct resp_limits *limits;
    struct fuzz_transcript words; /* of this request */
    size_t count;
};

enum { FINE, MORE, BROKEN, HTTP };

/* The byte must be there. */
static int literal(struct oracle *oracle, char byte) {
    if (oracle->at == oracle->length)
        return MORE;
    return oracle->data[oracle->at++] == byte ? FINE : BROKEN;
}

static int crlf(struct oracle *oracle) {
    int got = literal(oracle, '\r');
    return got == FINE ? literal(oracle, '\n') : got;
}

/* Digits as they would be written, at most `most`; the CR behind them is left. */
static int number(struct oracle *oracle, size_t most, size_t *value) {
    size_t first = oracle->at;
    char limit[32];
    int limit_digits = snprintf(limit, sizeof limit, "%zu", most);
    for (;; oracle->at++) {
        size_t digits = oracle->at - first;
        if (oracle->at == oracle->length)
            return MORE;
        char byte = oracle->data[oracle->at];
        if (byte == '\r' && digits > 0)
            break;
        bool zero_first = digits == 1 && oracle->data[first] == '0';
        /* Compared as texts: as many digits, and not above in the order of the alphabet. */
        bool longer = digits + 1 > (size_t)limit_digits;
        bool above = digits + 1 == (size_t)limit_digits &&
                     memcmp(oracle->data + first, limit, (size_t)limit_digits) > 0;
        if (strchr("0123456789", byte) == NULL || byte == '\0' || zero_first || longer || above) {
            oracle->at++;
            return BROKEN;
        }
    }
    *value = strtoull(oracle->data + first, NULL, 10);
    return FINE;
}

static void word(struct oracle *oracle, const char *data, size_t length) {
    addf(&oracle->words, " ", length, ":");
    add(&oracle->words, data, length);
    oracle->count++;
}

static int array(struct oracle *oracle) {
    size_t count = 0;
    size_t size = 0;
    oracle->at++;
    if (oracle->at == oracle->length)
        return MORE;
    if (oracle->data[oracle->at] == '-') {
        static const char rest[] = "-1";
        int got = FINE;
        for (size_t i = 0; rest[i] != '\0' && got == FINE; i++)
            got = literal(oracle, rest[i]);
        return got == FINE ? crlf(oracle) : got;
    }
    int got = number(oracle, oracle->limits->arguments, &count);
    got = got == FINE ? crlf(oracle) : got;
    for (size_t i = 0; i < count && got == FINE; i++) {
        got = literal(oracle, '$');
        got = got == FINE ? number(oracle, oracle->limits->argument, &size) : got;
        got = got == FINE ? crlf(oracle) : got;
        if (got != FINE)
            break;
        if (oracle->at - oracle->start + size + 2 > oracle->limits->request)
            return BROKEN;
        if (oracle->length - oracle->at < size) {
            oracle->at = oracle->length;
            return MORE;
        }
        word(oracle, oracle->data + oracle->at, size);
        oracle->at += size;
        got = crlf(oracle);
    }
    return got;
}

/* sdssplitargs() of Redis, with an index. False: unbalanced. */
static bool split(struct oracle *oracle, const char *line, size_t length) {
    char *text = malloc(length + 1);
    bool fine = true;
    assert(text != NULL);
    for (size_t i = 0; fine && oracle->count <= oracle->limits->arguments;) {
        size_t out = 0;
        char quote = '\0';
        bool closed = false;
        while (i < length && (line[i] == ' ' || line[i] == '\t'))
            i++;
        if (i == length)
            break;
        for (; i < length; i++) {
            unsigned value = 0;
            int used = 0;
            if (closed && line[i] != ' ' && line[i] != '\t') {
                fine = false;
                break;
            }
            if (quote == '\0') {
                if (line[i] == ' ' || line[i] == '\t')
                    break;
                if (line[i] == '"' || line[i] == '\'')
                    quote = line[i];
                else
                    text[out++] = line[i];
            } else if (quote == '"' && length - i >= 4 && line[i] == '\\' && line[i + 1] == 'x' &&
                       strchr("0123456789abcdefABCDEF", line[i + 2]) != NULL &&
                       strchr("0123456789abcdefABCDEF", line[i + 3]) != NULL &&
                       sscanf(line + i, "\\x%2x%n", &value, &used) == 1) {
                text[out++] = (char)value;
                i += 3;
            } else if (quote == '"' && line[i] == '\\' && i + 1 < length) {
                static const char from[] = "nrtba";
                static const char to[] = "\n\r\t\b\a";
                const char *at = strchr(from, line[++i]);
                text[out++] = at != NULL ? to[at - from] : line[i];
            } else if (quote == '\'' && line[i] == '\\' && i + 1 < length && line[i + 1] == '\'') {
                text[out++] = line[++i];
            } else if (line[i] == quote) {
                quote = '\0';
                closed = true;
            } else {
                text[out++] = line[i];
            }
        }
        fine = fine && quote == '\0' && out <= oracle->limits->argument;
        if (fine)
            word(oracle, text, out);
    }
    free(text);
    return fine && oracle->count <= oracle->limits->arguments;
}

static int inline_request(struct oracle *oracle) {
    static const char *const http[] = {"GET /",     "POST /",  "PUT /",     "HEAD /",  "DELETE /",
                                       "OPTIONS /", "PATCH /", "CONNECT /", "TRACE /", "Host:"};
    const char *line = oracle->data + oracle->start;
    size_t most = oracle->limits->request - 1;
    if (oracle->limits->inline_line < most)
        most = oracle->limits->inline_line;
    for (;;) {
        size_t length = oracle->at - oracle->start;
        for (size_t i = 0; i < sizeof http / sizeof http[0]; i++) {
            if (length == strlen(http[i]) && strncasecmp(line, http[i], length) == 0)
                return HTTP;
        }
        if (oracle->at == oracle->length)
            return MORE;
        unsigned char byte = (unsigned char)oracle->data[oracle->at++];
        if (byte == '\r') {
            int got = literal(oracle, '\n');
            if (got != FINE)
                return got;
        }
        if (byte == '\r' || byte == '\n')
            return split(oracle, line, length) ? FINE : BROKEN;
        if ((byte < 32 && byte != '\t') || byte == 127 || length == most)
            return BROKEN;
    }
}

void fuzz_oracle(const char *data, size_t length, const struct resp_limits *limits,
                 struct fuzz_transcript *out) {
    /* With a NUL, for sscanf() and strtoull(). */
    char *copy = calloc(1, length + 1);
    assert(copy != NULL);
    if (length > 0)
        memcpy(copy, data, length);
    struct oracle oracle = {.data = copy, .length = length, .limits = limits};
    int got = FINE;
    while (got == FINE && oracle.at < length) {
        oracle.start = oracle.at;
        oracle.words.length = oracle.count = 0;
        char first = copy[oracle.at];
        if (first == '*') {
            got = array(&oracle);
        } else if (first != '\0' && strchr("$+-:_#,(!=%~>|", first) != NULL) {
            oracle.at++;
            got = BROKEN;
        } else {
            got = inline_request(&oracle);
        }
        if (got == FINE) {
            addf(out, "request @", oracle.at, "");
            add(out, oracle.words.text, oracle.words.length);
            add(out, "\n", 1);
        }
    }
    if (got == BROKEN || got == HTTP)
        addf(out, got == BROKEN ? "broken @" : "http @", oracle.at, "\n");
    else
        add(out, "more\n", 5);
    fuzz_transcript_deinit(&oracle.words);
    free(copy);
}

/* ---- the parser ---- */

/* What it holds is bounded by what came, not by what was announced. */
static void check_memory(const struct resp_parser *parser, size_t came) {
    size_t bytes = 2 * came > 256 ? 2 * came : 256;
    size_t slots = came / 2 > 8 ? came / 2 : 8; /* a word is two bytes of an inline line */
    bytes = bytes > RESP_KEEP_BYTES ? bytes : RESP_KEEP_BYTES;
    slots = slots > RESP_KEEP_ARGUMENTS ? slots : RESP_KEEP_ARGUMENTS;
    assert(parser->capacity <= bytes && parser->capacity <= parser->limits.request);
    assert(parser->slots <= 2 * slots && parser->slots <= parser->limits.arguments);
    assert(parser->count <= parser->slots && parser->used <= parser->capacity);
}

static void check_error(const struct resp_parser *parser) {
    size_t length = strlen(parser->error);
    assert(length > 0 && length <= RESP_ERROR_MAX);
    assert(strncmp(parser->error, "expected ", 9) == 0 &&
           strstr(parser->error, ", found ") != NULL);
    for (size_t i = 0; i < length; i++)
        assert(parser->error[i] >= ' ' && parser->error[i] <= '~');
}

/* `data` held texts up to `high`. */
static void check_wiped(const struct resp_parser *parser, const char *data, size_t high) {
    for (size_t i = 0; i < high && data == parser->data && data != NULL; i++)
        assert(parser->data[i] == '\0');
    assert(parser->capacity <= RESP_KEEP_BYTES && parser->slots <= RESP_KEEP_ARGUMENTS);
    assert(parser->count == 0);
}

static void take_request(struct resp_parser *parser, size_t end, struct fuzz_transcript *out) {
    addf(out, "request @", end, "");
    for (size_t i = 0; i < parser->count; i++) {
        const struct muster_text *text = &parser->arguments[i];
        assert(text->data[text->length] == '\0' && text->length <= parser->limits.argument);
        addf(out, " ", text->length, ":");
        add(out, text->data, text->length);
    }
    add(out, "\n", 1);
}

/* True: nothing comes after it. */
static bool take_end(struct resp_parser *parser, enum resp_parsed got, size_t end,
                     struct fuzz_transcript *out) {
    size_t consumed = 1;
    if (got == RESP_BROKEN)
        check_error(parser);
    addf(out, got == RESP_BROKEN ? "broken @" : "http @", end, "\n");
    assert(resp_parse(parser, "*0\r\n", 4, &consumed) == got && consumed == 0);
    const char *memory = parser->data;
    size_t high = parser->used;
    resp_parser_wipe(parser);
    check_wiped(parser, memory, high);
    assert(resp_parse(parser, "*0\r\n", 4, &consumed) == got && consumed == 0);
    return true;
}

void fuzz_parse(const char *data, size_t length, const struct resp_limits *limits, fuzz_cut cut,
                void *context, struct fuzz_transcript *out) {
    struct resp_parser parser;
    size_t at = 0;
    size_t start = 0; /* of the request */
    const char *memory = NULL;
    size_t high = 0; /* how much of `memory` was written since it was wiped */
    bool over = false;
    bool wipe = false;
    resp_parser_init(&parser, limits);
    while (!over && at < length) {
        size_t size = cut(context, length - at);
        assert(size > 0 && size <= length - at);
        char *piece = malloc(size);
        assert(piece != NULL);
        memcpy(piece, data + at, size);
        for (size_t taken = 0; taken < size && !over;) {
            size_t consumed = 0;
            enum resp_parsed got = resp_parse(&parser, piece + taken, size - taken, &consumed);
            assert(consumed > 0 && consumed <= size - taken);
            taken += consumed;
            check_memory(&parser, at + taken - start);
            high = memory != parser.data || parser.used > high ? parser.used : high;
            memory = parser.data;
            if (got == RESP_REQUEST) {
                take_request(&parser, at + taken, out);
                start = at + taken;
                /* Every other one. */
                if (wipe) {
                    resp_parser_wipe(&parser);
                    check_wiped(&parser, memory, high);
                    high = 0;
                }
                wipe = !wipe;
            } else if (got == RESP_MORE) {
                assert(taken == size);
            } else {
                over = take_end(&parser, got, at + taken, out);
            }
        }
        at += size;
        free(piece);
    }
    if (!over)
        add(out, "more\n", 5);
    resp_parser_deinit(&parser);
    assert(parser.data == NULL && parser.arguments == NULL);
}
