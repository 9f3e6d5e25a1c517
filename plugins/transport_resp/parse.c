#include "parse.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "muster/plugin.h"
#include "words.h"

enum { FIRST_BYTES = 128, FIRST_SLOTS = 4 };

/* What the next byte must be. */
enum step {
    STEP_START,    /* the first one of a request */
    STEP_COUNT,    /* after `*` */
    STEP_NULL,     /* after `*-` */
    STEP_NULL_CR,  /* after `*-1` */
    STEP_COUNT_LF, /* after the CR behind the number of arguments */
    STEP_BULK,     /* `$` */
    STEP_SIZE,     /* after `$` */
    STEP_SIZE_LF,
    STEP_DATA, /* `missing` bytes of an argument */
    STEP_DATA_CR,
    STEP_DATA_LF,
    STEP_LINE, /* of an inline request */
    STEP_LINE_LF,
    STEP_DONE, /* a request is out, and what it stands in is still in use */
    STEP_BROKEN,
    STEP_HTTP,
};

/* ---- memory ---- */

static void *need(void *memory) {
    if (memory == NULL) {
        abort(); /* the limits bound it: the machine is at its end */
    }
    return memory;
}

static void drop_data(struct resp_parser *parser) {
    if (parser->dirty > 0) {
        explicit_bzero(parser->data, parser->dirty);
    }
    free(parser->data);
    parser->data = NULL;
    parser->dirty = parser->capacity = 0;
}

static void drop_slots(struct resp_parser *parser) {
    free(parser->arguments);
    parser->arguments = NULL;
    parser->slots = 0;
}

/* Room for `more` bytes that have come. Not realloc(): it would leave a copy behind. */
static void reserve(struct resp_parser *parser, size_t more) {
    size_t wanted = parser->used + more;
    size_t capacity = parser->capacity > 0 ? parser->capacity : FIRST_BYTES;
    if (wanted <= parser->capacity) {
        return;
    }
    assert(wanted <= parser->limits.request);
    while (capacity < wanted) {
        capacity *= 2;
    }
    if (capacity > parser->limits.request) {
        capacity = parser->limits.request;
    }
    char *data = need(malloc(capacity));
    size_t used = parser->used;
    if (used > 0) {
        memcpy(data, parser->data, used);
    }
    drop_data(parser);
    parser->data = data;
    parser->dirty = used;
    parser->capacity = capacity;
}

static void append(struct resp_parser *parser, const char *data, size_t length) {
    reserve(parser, length);
    memcpy(parser->data + parser->used, data, length);
    parser->used += length;
    if (parser->used > parser->dirty) {
        parser->dirty = parser->used;
    }
}

static void add_argument(struct resp_parser *parser, size_t length) {
    if (parser->count == parser->slots) {
        size_t slots = parser->slots > 0 ? parser->slots * 2 : FIRST_SLOTS;
        if (slots > parser->limits.arguments) {
            slots = parser->limits.arguments;
        }
        parser->arguments =
            need(realloc(parser->arguments, slots * sizeof *parser->arguments)); /* only lengths */
        parser->slots = slots;
    }
    parser->arguments[parser->count++] = (struct muster_text){NULL, length};
}

/* Ready for the next request. */
static void start_over(struct resp_parser *parser) {
    if (parser->capacity > RESP_KEEP_BYTES) {
        drop_data(parser);
    }
    if (parser->slots > RESP_KEEP_ARGUMENTS) {
        drop_slots(parser);
    }
    parser->count = parser->used = parser->taken = parser->wanted = 0;
    parser->step = STEP_START;
}

/* ---- what is wrong ---- */

static enum resp_parsed broken(struct resp_parser *parser, const char *format, ...)
    MUSTER_PRINTF(2, 3);

static enum resp_parsed broken(struct resp_parser *parser, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    /* The analyzer loses va_start() when it inlines a variadic function. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(parser->error, sizeof parser->error, format, arguments);
    va_end(arguments);
    parser->count = 0;
    parser->step = STEP_BROKEN;
    return RESP_BROKEN;
}

struct shown {
    char text[8];
};

static struct shown show(char byte) {
    struct shown shown;
    bool printable = byte >= ' ' && byte <= '~';
    snprintf(shown.text, sizeof shown.text, printable ? "'%c'" : "0x%02x",
             printable ? byte : (unsigned char)byte);
    return shown;
}

static enum resp_parsed unexpected(struct resp_parser *parser, const char *expected, char byte) {
    return broken(parser, "expected %s, found %s", expected, show(byte).text);
}

/* ---- arrays ---- */

/* The texts lie one behind the other, each with its NUL. Only now do they lie still. */
static enum resp_parsed finish(struct resp_parser *parser) {
    const char *at = parser->data;
    for (size_t i = 0; i < parser->count; i++) {
        parser->arguments[i].data = at;
        at += parser->arguments[i].length + 1;
    }
    parser->step = STEP_DONE;
    return RESP_REQUEST;
}

/* One byte of a number that is at most `most`: no sign, no leading zero, a CR behind it. */
static enum resp_parsed take_digit(struct resp_parser *parser, char byte, size_t most,
                                   const char *what, int next) {
    if (byte == '\r' && parser->digits > 0) {
        parser->step = next;
        return RESP_MORE;
    }
    if (byte < '0' || byte > '9') {
        return broken(parser, "expected %s as decimal digits and CRLF, found %s", what,
                      show(byte).text);
    }
    if (parser->digits > 0 && parser->number == 0) {
        return broken(parser, "expected %s without leading zeros, found '0' and %s", what,
                      show(byte).text);
    }
    size_t digit = (size_t)(byte - '0');
    if (digit > most || parser->number > (most - digit) / 10) {
        return broken(parser, "expected %s to be at most %zu, found more", what, most);
    }
    parser->number = parser->number * 10 + digit;
    parser->digits++;
    return RESP_MORE;
}

static enum resp_parsed take_count(struct resp_parser *parser, char byte) {
    if (byte == '-' && parser->digits == 0) {
        parser->step = STEP_NULL;
        return RESP_MORE;
    }
    return take_digit(parser, byte, parser->limits.arguments, "the number of arguments",
                      STEP_COUNT_LF);
}

static enum resp_parsed take_size(struct resp_parser *parser, char byte) {
    return take_digit(parser, byte, parser->limits.argument, "the length of an argument",
                      STEP_SIZE_LF);
}

static enum resp_parsed begin_arguments(struct resp_parser *parser) {
    parser->wanted = parser->number;
    parser->step = STEP_BULK;
    return parser->wanted == 0 ? finish(parser) : RESP_MORE;
}

static enum resp_parsed begin_argument(struct resp_parser *parser) {
    size_t rest = parser->number + 2; /* with its CRLF */
    size_t most = parser->limits.request;
    if (parser->taken > most || rest > most - parser->taken) {
        return broken(parser, "expected a request of at most %zu bytes, found more", most);
    }
    add_argument(parser, parser->number);
    parser->missing = parser->number;
    parser->step = parser->missing > 0 ? STEP_DATA : STEP_DATA_CR;
    return RESP_MORE;
}

static enum resp_parsed end_argument(struct resp_parser *parser) {
    append(parser, "", 1);
    parser->step = STEP_BULK;
    return parser->count == parser->wanted ? finish(parser) : RESP_MORE;
}

/* As many bytes of an argument as there are. */
static size_t take_data(struct resp_parser *parser, const char *data, size_t length) {
    size_t taken = length < parser->missing ? length : parser->missing;
    append(parser, data, taken);
    parser->taken += taken;
    parser->missing -= taken;
    if (parser->missing == 0) {
        parser->step = STEP_DATA_CR;
    }
    return taken;
}

/* ---- inline requests ---- */

/* Looked at after each of the first bytes, so that nothing of a web page's request is served. */
static bool is_http(const struct resp_parser *parser) {
    static const char *const starts[] = {
        "GET /",     "POST /",  "PUT /",     "HEAD /",  "DELETE /",
        "OPTIONS /", "PATCH /", "CONNECT /", "TRACE /", "Host:",
    };
    if (parser->used > sizeof "OPTIONS /" - 1) {
        return false; /* longer than all of them */
    }
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strlen(starts[i]) == parser->used &&
            strncasecmp(starts[i], parser->data, parser->used) == 0) {
            return true;
        }
    }
    return false;
}

static enum resp_parsed end_line(struct resp_parser *parser) {
    struct resp_words words = {0};
    append(parser, "", 1);
    resp_words_init(&words, parser->data, parser->used - 1);
    for (;;) {
        size_t length = 0;
        enum resp_word got = resp_words_next(&words, &length);
        if (got == RESP_WORD_NONE) {
            return finish(parser);
        }
        if (got == RESP_WORD_UNBALANCED) {
            return broken(parser, "expected a closing quote and a space behind it in an inline "
                                  "request, found none");
        }
        if (parser->count == parser->limits.arguments) {
            return broken(parser, "expected the number of arguments to be at most %zu, found more",
                          parser->limits.arguments);
        }
        if (length > parser->limits.argument) {
            return broken(parser,
                          "expected the length of an argument to be at most %zu, found more",
                          parser->limits.argument);
        }
        add_argument(parser, length);
    }
}

static enum resp_parsed take_line(struct resp_parser *parser, char byte) {
    const struct resp_limits *limits = &parser->limits;
    /* Its end of line is a byte of the request, too. */
    size_t most = limits->inline_line < limits->request ? limits->inline_line : limits->request - 1;
    if (byte == '\n') {
        return end_line(parser);
    }
    if (byte == '\r') {
        parser->step = STEP_LINE_LF;
        return RESP_MORE;
    }
    if ((byte >= 0 && byte < ' ' && byte != '\t') || byte == 0x7f) {
        return unexpected(parser, "'*' or an inline request as plain text", byte);
    }
    if (parser->used == most) {
        return broken(parser, "expected an inline request of at most %zu bytes, found more", most);
    }
    append(parser, &byte, 1);
    if (is_http(parser)) {
        parser->step = STEP_HTTP;
        return RESP_HTTP;
    }
    return RESP_MORE;
}

/* ---- bytes ---- */

static enum resp_parsed take_first(struct resp_parser *parser, char byte) {
    static const char types[] = "$+-:_#,(!=%~>|";
    if (byte == '*') {
        parser->number = parser->digits = 0;
        parser->step = STEP_COUNT;
        return RESP_MORE;
    }
    if (memchr(types, byte, sizeof types - 1) != NULL) {
        return unexpected(parser, "'*' or an inline request", byte);
    }
    parser->step = STEP_LINE;
    return take_line(parser, byte);
}

/* A byte that can only be one. */
static enum resp_parsed take_only(struct resp_parser *parser, char byte, char only,
                                  const char *where, int next) {
    if (byte != only) {
        return broken(parser, "expected %s %s, found %s", show(only).text, where, show(byte).text);
    }
    parser->step = next;
    return RESP_MORE;
}

static enum resp_parsed take(struct resp_parser *parser, char byte) {
    enum resp_parsed got = RESP_MORE;
    switch ((enum step)parser->step) {
    case STEP_START:
        return take_first(parser, byte);
    case STEP_COUNT:
        return take_count(parser, byte);
    case STEP_NULL:
        return take_only(parser, byte, '1', "behind '*-'", STEP_NULL_CR);
    case STEP_NULL_CR:
        return take_only(parser, byte, '\r', "behind '*-1'", STEP_COUNT_LF);
    case STEP_COUNT_LF:
        got = take_only(parser, byte, '\n', "behind the CR of the number of arguments", STEP_BULK);
        return got == RESP_MORE ? begin_arguments(parser) : got;
    case STEP_BULK:
        parser->number = parser->digits = 0;
        return take_only(parser, byte, '$', "before an argument", STEP_SIZE);
    case STEP_SIZE:
        return take_size(parser, byte);
    case STEP_SIZE_LF:
        got = take_only(parser, byte, '\n', "behind the CR of a length", STEP_DATA);
        return got == RESP_MORE ? begin_argument(parser) : got;
    case STEP_DATA_CR:
        return take_only(parser, byte, '\r', "behind an argument", STEP_DATA_LF);
    case STEP_DATA_LF:
        got = take_only(parser, byte, '\n', "behind an argument and its CR", STEP_BULK);
        return got == RESP_MORE ? end_argument(parser) : got;
    case STEP_LINE:
        return take_line(parser, byte);
    case STEP_LINE_LF:
        got = take_only(parser, byte, '\n', "behind the CR of an inline request", STEP_LINE);
        return got == RESP_MORE ? end_line(parser) : got;
    case STEP_DATA:
    case STEP_DONE:
    case STEP_BROKEN:
    case STEP_HTTP:
        break;
    }
    abort(); /* never called in these */
}

/* ---- from outside ---- */

void resp_parser_init(struct resp_parser *parser, const struct resp_limits *limits) {
    assert(limits->request > 0 && limits->argument < SIZE_MAX / 2);
    *parser = (struct resp_parser){.limits = *limits, .step = STEP_START};
}

void resp_parser_deinit(struct resp_parser *parser) {
    drop_data(parser);
    drop_slots(parser);
    *parser = (struct resp_parser){.limits = parser->limits, .step = STEP_START};
}

enum resp_parsed resp_parse(struct resp_parser *parser, const char *data, size_t length,
                            size_t *consumed) {
    enum resp_parsed got = RESP_MORE;
    size_t at = 0;
    *consumed = 0;
    if (parser->step == STEP_BROKEN || parser->step == STEP_HTTP) {
        return parser->step == STEP_HTTP ? RESP_HTTP : RESP_BROKEN;
    }
    if (parser->step == STEP_DONE) {
        start_over(parser);
    }
    while (at < length && got == RESP_MORE) {
        if (parser->step == STEP_DATA) {
            at += take_data(parser, data + at, length - at);
        } else {
            parser->taken++;
            got = take(parser, data[at++]);
        }
    }
    *consumed = at;
    return got;
}

void resp_parser_wipe(struct resp_parser *parser) {
    int step = parser->step;
    if (step != STEP_START && step != STEP_DONE && step != STEP_BROKEN && step != STEP_HTTP) {
        return;
    }
    if (parser->dirty > 0) {
        explicit_bzero(parser->data, parser->dirty);
        parser->dirty = 0;
    }
    start_over(parser);
    parser->step = step == STEP_BROKEN || step == STEP_HTTP ? step : STEP_START;
}
