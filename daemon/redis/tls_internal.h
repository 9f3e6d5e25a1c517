/* tls_internal.h - what the parts of tls.h share. */
#ifndef MU_REDIS_TLS_INTERNAL_H
#define MU_REDIS_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "redis/tls.h"

/* What the files say, and whom to trust. NULL with `error`. For SSL_CTX_free(). */
SSL_CTX *mu_tls_context(const struct mu_redis_address *address, struct mu_error *error);

/* What the sentences need to know. */
struct mu_tls_story {
    const char *expected; /* name or address that the certificate must be for */
    const char *ca;       /* NULL: the system's store */
    bool certificate;     /* we have one to show */
    bool established;
};

/* After OpenSSL failed with an error of its own: the sentence. Clears OpenSSL's queue. */
enum muster_status mu_tls_explain(SSL *ssl, const struct mu_tls_story *story,
                                  struct mu_error *error);

#endif
