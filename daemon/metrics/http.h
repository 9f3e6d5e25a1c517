/* http.h - as much HTTP as a GET of three fixed paths needs. Pure: bytes in, a verdict out.
 *
 * Nothing is decoded, no body is read, and whoever serves it closes the connection after the
 * answer: there is no second request to be confused with the first.
 */
#ifndef MU_METRICS_HTTP_H
#define MU_METRICS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define MU_HTTP_REQUEST_MAX 8192 /* bytes of a request with all its headers */

enum mu_http_path { MU_HTTP_METRICS, MU_HTTP_HEALTHZ, MU_HTTP_READYZ };

struct mu_http_request {
    enum mu_http_path path;
    bool head; /* HEAD: the answer has no body */
};

/* 0: the request is not whole yet. 200: `request` says what is wanted. Otherwise what to answer:
 * 400, 404, 405, 421 (`any_host` is not set and the host is not this machine: a page of the web may
 * have had its name resolved to us), 431, 505. */
unsigned mu_http_read(const char *bytes, size_t length, bool any_host,
                      struct mu_http_request *request);

/* "404 Not Found". Static storage. */
const char *mu_http_status(unsigned status);

/* A whole answer, after which the connection is closed. */
bool mu_http_answer(struct mu_buffer *out, unsigned status, bool head, const char *body,
                    size_t length) MU_WARN_UNUSED;

#endif
