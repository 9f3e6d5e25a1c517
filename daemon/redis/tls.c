/* tls.c - one connection: OpenSSL between two memory BIOs.
 *
 * The way through: create - take - feed, answered with more to take - established - write and read
 * - either side's close_notify - destroyed.
 *
 * Ways to fail: a file cannot be used; the first byte is no TLS record (plain text); the server's
 * certificate does not hold (our alert is left to take); the server's alert, about our certificate
 * perhaps; what comes later is broken. All are final. A peer that stops in the middle is not
 * noticed here.
 */
#include "redis/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "redis/tls_internal.h"

#define RECORD_ALERT 0x15 /* first bytes of a server that speaks TLS */
#define RECORD_HANDSHAKE 0x16
#define KEEP 65536                  /* a BIO that held more is replaced once it is empty */
#define SLICE ((size_t)1024 * 1024) /* OpenSSL counts a BIO's bytes in an int */

struct mu_tls {
    SSL *ssl;
    BIO *in; /* owned by ssl, as is out */
    BIO *out;
    char *expected;
    char *ca;
    bool certificate;
    bool begun; /* the first byte has come */
    bool established;
    bool over;
};

static enum muster_status say(struct mu_error *error, const char *sentence) {
    ERR_clear_error();
    return mu_error_set(error, MUSTER_UNAVAILABLE, "TLS: %s", sentence);
}

/* The host as a certificate would have it: no zone of an IPv6 address, no dot of the root. */
static char *expected_name(const struct mu_redis_address *address) {
    const char *name = address->server_name ? address->server_name : address->host;
    size_t length = strcspn(name, "%");
    if (length > 1 && name[length - 1] == '.') {
        length--;
    }
    return mu_strndup(name, length);
}

static bool demand_name(SSL *ssl, const char *name) {
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1) {
        return true; /* an address is not told to the server (RFC 6066) */
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

enum muster_status mu_tls_check(const struct mu_redis_address *address, struct mu_error *error) {
    struct mu_error unheard = {0};
    error = error ? error : &unheard;
    SSL_CTX *context = address->tls ? mu_tls_context(address, error) : NULL;
    if (address->tls && context == NULL) {
        return error->status;
    }
    SSL_CTX_free(context);
    return MUSTER_OK;
}

static bool prepare(struct mu_tls *self, SSL_CTX *context) {
    self->ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (!self->ssl || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        return false;
    }
    SSL_set_bio(self->ssl, in, out);
    self->in = in;
    self->out = out;
    SSL_set_connect_state(self->ssl);
    return demand_name(self->ssl, self->expected);
}

struct mu_tls *mu_tls_create(const struct mu_redis_address *address, struct mu_error *error) {
    SSL_CTX *context = mu_tls_context(address, error);
    if (!context) {
        return NULL;
    }
    struct mu_tls *self = mu_calloc(1, sizeof *self);
    self->expected = expected_name(address);
    self->ca = address->ca ? mu_strdup(address->ca) : NULL;
    self->certificate = address->certificate != NULL;
    bool fine = prepare(self, context);
    SSL_CTX_free(context); /* the connection holds on to it */
    if (fine) {
        ERR_clear_error();
        SSL_do_handshake(self->ssl); /* wants an answer; a failure shows when one comes */
        ERR_clear_error();
        return self;
    }
    say(error, "out of memory");
    mu_tls_destroy(&self);
    return NULL;
}

void mu_tls_destroy(struct mu_tls **tls) {
    struct mu_tls *self = *tls;
    *tls = NULL;
    if (self) {
        SSL_free(self->ssl);
        free(self->expected);
        free(self->ca);
        free(self);
    }
}

static enum muster_status explain(struct mu_tls *self, struct mu_error *error) {
    self->over = true;
    return mu_tls_explain(self->ssl,
                          &(struct mu_tls_story){.expected = self->expected,
                                                 .ca = self->ca,
                                                 .certificate = self->certificate,
                                                 .established = self->established},
                          error);
}

/* After OpenSSL answered with something other than success: OK when it only wants more. */
static enum muster_status judge(struct mu_tls *self, int answer, struct mu_error *error) {
    switch (SSL_get_error(self->ssl, answer)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* memory does not refuse; be kind anyway */
        return MUSTER_OK;
    case SSL_ERROR_ZERO_RETURN:
        self->over = true;
        ERR_clear_error();
        return mu_error_set(error, MUSTER_UNAVAILABLE, "the server closed the connection");
    default:
        return explain(self, error);
    }
}

enum muster_status mu_tls_feed(struct mu_tls *self, const void *data, size_t length,
                               struct mu_error *error) {
    const unsigned char *bytes = data;
    if (length == 0 || self->over) {
        return self->over ? say(error, "the connection is over") : MUSTER_OK;
    }
    if (!self->begun && bytes[0] != RECORD_HANDSHAKE && bytes[0] != RECORD_ALERT) {
        self->over = true;
        return say(error, "the server answers in plain text: this port does not speak TLS (for "
                          "plain text the URL begins with redis://)");
    }
    self->begun = true;
    if (length > INT_MAX || BIO_write(self->in, data, (int)length) != (int)length) {
        self->over = true;
        return say(error, "out of memory");
    }
    if (self->established) {
        return MUSTER_OK;
    }
    ERR_clear_error();
    int answer = SSL_do_handshake(self->ssl);
    if (answer != 1) {
        return judge(self, answer, error);
    }
    self->established = true;
    return MUSTER_OK;
}

enum muster_status mu_tls_read(struct mu_tls *self, void *buffer, size_t size, size_t *got,
                               struct mu_error *error) {
    *got = 0;
    if (self->over) {
        return say(error, "the connection is over");
    }
    if (!self->established || size == 0) {
        return MUSTER_OK;
    }
    ERR_clear_error();
    int answer = SSL_read_ex(self->ssl, buffer, size, got);
    if (answer == 1) {
        return MUSTER_OK;
    }
    *got = 0;
    return judge(self, answer, error);
}

enum muster_status mu_tls_write(struct mu_tls *self, const void *data, size_t length,
                                struct mu_error *error) {
    const char *at = data;
    if (!self->established || self->over) {
        return say(error, "the connection is over");
    }
    ERR_clear_error();
    while (length > 0) {
        size_t slice = length < SLICE ? length : SLICE;
        size_t done = 0;
        int answer = SSL_write_ex(self->ssl, at, slice, &done);
        if (answer != 1) {
            enum muster_status status = judge(self, answer, error);
            return status != MUSTER_OK ? status : say(error, "it cannot be sent now");
        }
        at += done;
        length -= done;
    }
    return MUSTER_OK;
}

void mu_tls_take(struct mu_tls *self, struct mu_buffer *out) {
    char chunk[16384];
    size_t taken = 0;
    int got = 0;
    while ((got = BIO_read(self->out, chunk, sizeof chunk)) > 0) {
        if (!mu_buffer_append(out, chunk, (size_t)got)) {
            abort(); /* unbounded: only for want of memory */
        }
        taken += (size_t)got;
    }
    /* Memory BIOs never shrink. OpenSSL may hold on to `out` during the handshake. */
    BIO *fresh = taken > KEEP && self->established ? BIO_new(BIO_s_mem()) : NULL;
    if (fresh) {
        SSL_set0_wbio(self->ssl, fresh);
        self->out = fresh;
    }
    ERR_clear_error();
}

bool mu_tls_established(const struct mu_tls *self) {
    return self->established;
}

void mu_tls_end(struct mu_tls *self) {
    if (self->established && !self->over) {
        SSL_shutdown(self->ssl);
        ERR_clear_error();
        self->over = true;
    }
}

enum muster_status mu_tls_lost(const struct mu_tls *self, const char *reason,
                               struct mu_error *error) {
    if (!self->established) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "TLS: %s within the handshake: does this port speak TLS?", reason);
    }
    return mu_error_set(error, MUSTER_UNAVAILABLE,
                        "TLS: %s right after the handshake, perhaps because of %s", reason,
                        self->certificate ? "our certificate"
                                          : "our having no certificate (redis.tls.certificate, or "
                                            "--tls-cert)");
}

enum muster_status mu_tls_late(unsigned long long ms, struct mu_error *error) {
    return mu_error_set(error, MUSTER_UNAVAILABLE,
                        "TLS: connected, but no end of the handshake in %llu ms: does this port "
                        "speak TLS? (for plain text the URL begins with redis://)",
                        ms);
}
