/* parse.h - requests of the RESP door, read strictly and bit by bit.
 *
 * Taken are arrays of bulk strings and inline commands, nothing else. Lengths that the peer
 * announces are checked against the limits and then only counted down: memory grows with the bytes
 * that came, in doubling steps, to at most `request` bytes and as many slots as arguments came.
 * No I/O, no clock, no host: bytes in, requests out, the same however the bytes are cut.
 */
#ifndef RESP_PARSE_H
#define RESP_PARSE_H

#include <stddef.h>

#include "muster/types.h"

#define RESP_ERROR_MAX 120 /* bytes of a sentence */
/* What a parser keeps between requests; more is freed with the request that needed it. */
#define RESP_KEEP_BYTES 1024
#define RESP_KEEP_ARGUMENTS 16

struct resp_limits {
    size_t arguments;   /* of a request, its name among them */
    size_t argument;    /* bytes of one */
    size_t request;     /* bytes of a whole request as it is sent */
    size_t inline_line; /* bytes of an inline request, without its end of line */
};

enum resp_parsed {
    RESP_MORE,    /* all bytes are taken, the request is not whole yet */
    RESP_REQUEST, /* one request is whole */
    RESP_BROKEN,  /* no request; where the next one would begin nobody knows: close */
    RESP_HTTP,    /* a line of HTTP: close, and answer nothing */
};

struct resp_parser {
    /* After RESP_REQUEST, until the next resp_parse() or resp_parser_wipe(). Each argument may hold
     * any byte and has a NUL behind it. No arguments (an empty line, `*0`, `*-1`): pass it over. */
    struct muster_text *arguments;
    size_t count;
    /* After RESP_BROKEN: what was expected and what was found. Printable; names no more than one
     * byte of what the peer sent. */
    char error[RESP_ERROR_MAX + 1];

    /* Private. */
    struct resp_limits limits;
    int step;
    size_t slots;    /* room in `arguments` */
    size_t wanted;   /* arguments announced */
    size_t taken;    /* bytes of this request so far */
    size_t number;   /* the number that is being read */
    size_t digits;   /* of it */
    size_t missing;  /* bytes of the argument that is being read */
    char *data;      /* the arguments, each with its NUL; or an inline line */
    size_t used;     /* of data */
    size_t dirty;    /* of data, since it was wiped */
    size_t capacity; /* of data */
};

/* Takes no memory. The limits are copied; `request` is at least 1,
 * `argument` below SIZE_MAX / 2. */
void resp_parser_init(struct resp_parser *parser, const struct resp_limits *limits);
/* Wipes and frees. The parser is as after init. */
void resp_parser_deinit(struct resp_parser *parser);

/* Takes bytes up to the end of one request, `*consumed` of them; call it again with the rest. After
 * RESP_BROKEN and RESP_HTTP it takes nothing more and gives the same answer. */
enum resp_parsed resp_parse(struct resp_parser *parser, const char *data, size_t length,
                            size_t *consumed);

/* Overwrites what was taken of past requests, and of the one that was just given: a credential must
 * not lie about. In the middle of a request it does nothing. */
void resp_parser_wipe(struct resp_parser *parser);

#endif
