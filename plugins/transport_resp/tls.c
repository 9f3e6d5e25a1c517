/* tls.c - one connection: OpenSSL between two memory BIOs.
 *
 * The way through: feed - handshake, answered with more to take - established - read and write -
 * either side's close_notify - destroyed.
 *
 * Ways to fail: the first byte is no TLS record (plain text: there is no alert for that); OpenSSL
 * refuses what came (its alert is left to take); more comes than is read. All are final: every call
 * fails from then on, except taking what is left. A peer that stops in the middle is not noticed
 * here.
 */
#include "tls.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "tls_internal.h"

#define RECORD_HANDSHAKE 0x16 /* the first byte of every TLS connection */
#define KEEP 4096             /* a BIO that held more is replaced once it is empty */
#define SUBJECT_LIMIT 1024
#define WRITE_SLICE (1024 * 1024) /* OpenSSL counts a BIO's bytes in an int */

struct resp_tls {
    SSL *ssl;
    struct resp_tls_context *context;
    BIO *in; /* owned by ssl, as is out */
    BIO *out;
    size_t in_peak; /* the most that it held */
    size_t out_peak;
    bool begun; /* the first byte has come */
    bool established;
    bool closing; /* our close_notify is out */
    bool over;    /* the peer's has come, or broken */
    char *subject;
    char error[160];
};

struct resp_tls *resp_tls_create(struct resp_tls_context *context) {
    struct resp_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    tls->ssl = SSL_new(context->ssl);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        SSL_free(tls->ssl);
        free(tls);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_accept_state(tls->ssl);
    tls->context = resp_tls_context_ref(context);
    return tls;
}

void resp_tls_destroy(struct resp_tls **tls) {
    struct resp_tls *mine = *tls;
    *tls = NULL;
    if (mine == NULL)
        return;
    SSL_free(mine->ssl);
    resp_tls_context_unref(&mine->context);
    OPENSSL_free(mine->subject);
    free(mine);
}

static int break_off(struct resp_tls *tls, const char *error) {
    tls->over = true;
    snprintf(tls->error, sizeof tls->error, "%s", error);
    ERR_clear_error();
    return -1;
}

/* After OpenSSL answered with something other than success: 0 when it only wants more. */
static int judge(struct resp_tls *tls, int answer) {
    char text[sizeof tls->error];
    switch (SSL_get_error(tls->ssl, answer)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* memory does not refuse; be kind anyway */
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return break_off(tls, "closed by the peer");
    default:
        break;
    }
    long verified = SSL_get_verify_result(tls->ssl);
    if (!tls->established && verified != X509_V_OK) {
        snprintf(text, sizeof text, "the client's certificate: %s",
                 X509_verify_cert_error_string(verified));
    } else {
        resp_tls_reason(text, sizeof text);
    }
    return break_off(tls, text);
}

/* Memory BIOs never shrink. OpenSSL may hold on to `out` during the handshake. */
static void shrink_in(struct resp_tls *tls) {
    BIO *fresh = NULL;
    if (tls->in_peak <= KEEP || !tls->established || BIO_ctrl_pending(tls->in) > 0)
        return;
    if ((fresh = BIO_new(BIO_s_mem())) != NULL) {
        SSL_set0_rbio(tls->ssl, fresh);
        tls->in = fresh;
        tls->in_peak = 0;
    }
}

static void shrink_out(struct resp_tls *tls) {
    BIO *fresh = NULL;
    if (tls->out_peak <= KEEP || !tls->established)
        return;
    if ((fresh = BIO_new(BIO_s_mem())) != NULL) {
        SSL_set0_wbio(tls->ssl, fresh);
        tls->out = fresh;
        tls->out_peak = 0;
    }
}

static void note_output(struct resp_tls *tls) {
    size_t now = resp_tls_pending(tls);
    tls->out_peak = now > tls->out_peak ? now : tls->out_peak;
}

/* RFC 2253 escapes control characters, a NUL among them, so the text is one line and whole. */
static int find_subject(struct resp_tls *tls) {
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate == NULL || SSL_get_verify_result(tls->ssl) != X509_V_OK)
        return 0;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL ||
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(bio);
        return break_off(tls, "the client's certificate: its subject cannot be read");
    }
    char *text = NULL;
    size_t length = (size_t)BIO_get_mem_data(bio, &text);
    if (length > 0 && length <= SUBJECT_LIMIT)
        tls->subject = OPENSSL_strndup(text, length);
    BIO_free(bio);
    if (length > SUBJECT_LIMIT)
        return break_off(tls, "the client's certificate: its subject is too long");
    return length == 0 || tls->subject != NULL ? 0 : break_off(tls, "out of memory");
}

static int shake_hands(struct resp_tls *tls) {
    ERR_clear_error();
    int answer = SSL_do_handshake(tls->ssl);
    note_output(tls);
    if (answer != 1)
        return judge(tls, answer);
    tls->established = true;
    return find_subject(tls);
}

int resp_tls_feed(struct resp_tls *tls, const void *data, size_t length) {
    if (tls->over)
        return -1;
    if (length == 0)
        return 0;
    if (!tls->begun && *(const unsigned char *)data != RECORD_HANDSHAKE)
        return break_off(tls, "the peer does not speak TLS");
    tls->begun = true;
    size_t held = BIO_ctrl_pending(tls->in);
    if (length > RESP_TLS_INPUT_LIMIT - held)
        return break_off(tls, "more came than is read");
    if (BIO_write(tls->in, data, (int)length) != (int)length)
        return break_off(tls, "out of memory");
    tls->in_peak = held + length > tls->in_peak ? held + length : tls->in_peak;
    return tls->established ? 0 : shake_hands(tls);
}

long resp_tls_read(struct resp_tls *tls, void *buffer, size_t size) {
    size_t got = 0;
    if (tls->over)
        return -1;
    if (!tls->established || size == 0)
        return 0;
    ERR_clear_error();
    int answer = SSL_read_ex(tls->ssl, buffer, size < LONG_MAX ? size : LONG_MAX, &got);
    int verdict = answer == 1 ? 0 : judge(tls, answer);
    note_output(tls); /* a refused renegotiation, say */
    shrink_in(tls);
    return verdict < 0 ? -1 : (long)got;
}

int resp_tls_write(struct resp_tls *tls, const void *data, size_t length) {
    const char *at = data;
    if (tls->closing || !tls->established || (tls->over && SSL_get_shutdown(tls->ssl) == 0))
        return -1;
    ERR_clear_error();
    while (length > 0) {
        size_t slice = length < WRITE_SLICE ? length : WRITE_SLICE;
        size_t done = 0;
        int answer = SSL_write_ex(tls->ssl, at, slice, &done);
        if (answer != 1)
            return judge(tls, answer) < 0 ? -1 : break_off(tls, "it cannot be sent now");
        at += done;
        length -= done;
    }
    note_output(tls);
    return 0;
}

size_t resp_tls_take(struct resp_tls *tls, void *buffer, size_t size) {
    int got = BIO_read(tls->out, buffer, size < INT_MAX ? (int)size : INT_MAX);
    if (resp_tls_pending(tls) == 0)
        shrink_out(tls);
    return got > 0 ? (size_t)got : 0;
}

size_t resp_tls_pending(const struct resp_tls *tls) {
    return BIO_ctrl_pending(tls->out);
}

bool resp_tls_established(const struct resp_tls *tls) {
    return tls->established;
}

int resp_tls_shutdown(struct resp_tls *tls) {
    if (tls->closing)
        return 0;
    if (!tls->established || (tls->over && SSL_get_shutdown(tls->ssl) == 0))
        return -1;
    ERR_clear_error();
    int answer = SSL_shutdown(tls->ssl);
    ERR_clear_error();
    if (answer < 0)
        return -1;
    tls->closing = true;
    return 0;
}

const char *resp_tls_subject(const struct resp_tls *tls) {
    return tls->subject;
}

const char *resp_tls_error(const struct resp_tls *tls) {
    return tls->error;
}
