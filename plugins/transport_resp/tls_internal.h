/* tls_internal.h - for tls.c and tls_context.c. */
#ifndef RESP_TLS_INTERNAL_H
#define RESP_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "tls.h"

struct resp_tls_context {
    SSL_CTX *ssl;
    size_t references;
};

/* The reason on top of OpenSSL's queue of this thread, in words. Empties the queue. */
void resp_tls_reason(char *reason, size_t size);

#endif
