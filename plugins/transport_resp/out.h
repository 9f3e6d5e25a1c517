/* out.h - replies of the RESP door, for clients of either protocol.
 *
 * Appends to a buffer that grows in doubling steps. Whoever appends bounds it: the session looks at
 * what waits (length - sent) before it goes on. Any append may move `data`, so bytes that libuv is
 * writing are not left in here.
 */
#ifndef RESP_OUT_H
#define RESP_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct resp_out {
    char *data;
    size_t length;   /* bytes in it */
    size_t sent;     /* of them the first ones, for whoever sends; appending leaves it alone */
    size_t capacity; /* bytes of memory */
    int protocol;    /* 2 or 3; all zero is a good start for protocol 2 */
};

/* Frees; an empty one of the same protocol is left. */
void resp_out_deinit(struct resp_out *out);
/* `count` more bytes are sent. Once all are, it is empty, and a large buffer is freed; what is left
 * is moved to the front when that saves half. */
void resp_out_consume(struct resp_out *out, size_t count);

/* Bytes that are replies already. */
void resp_out_raw(struct resp_out *out, const char *data, size_t length);
/* Line ends in the texts of these two become spaces. */
void resp_out_status(struct resp_out *out, const char *text);
void resp_out_error(struct resp_out *out, const char *code, const char *message);
void resp_out_integer(struct resp_out *out, long long value);
void resp_out_bulk(struct resp_out *out, const char *data, size_t length);
void resp_out_null(struct resp_out *out);
/* 1 or 0 for protocol 2. */
void resp_out_boolean(struct resp_out *out, bool value);
/* A bulk string for protocol 2. */
void resp_out_double(struct resp_out *out, double value);

/* The heads of these; `count` elements follow, of a map as many pairs. Protocol 2 has only arrays:
 * a map is one of twice as many. */
void resp_out_array(struct resp_out *out, size_t count);
void resp_out_map(struct resp_out *out, size_t count);
void resp_out_set(struct resp_out *out, size_t count);
void resp_out_push(struct resp_out *out, size_t count);

#endif
