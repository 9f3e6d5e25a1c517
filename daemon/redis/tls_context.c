/* tls_context.c - what the files say: our certificate, its key, and whom we trust. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "redis/tls_internal.h"

#define FILE_LIMIT (1024L * 1024) /* of each; a system's whole store has a quarter of it */
#define DEPTH_LIMIT 8
/* For TLS 1.2; all of TLS 1.3's are of this kind. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* Instead of asking at the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
    (void)writing;
    (void)context;
    if (size > 0) {
        buffer[0] = '\0';
    }
    return -1;
}

static bool complain(struct mu_error *error, const char *what, const char *path,
                     const char *reason) {
    ERR_clear_error();
    mu_error_set(error, MUSTER_BAD_REQUEST, "TLS: the %s %s: %s", what, path, reason);
    return false;
}

static bool complain_of_ssl(struct mu_error *error, const char *what, const char *path,
                            const char *otherwise) {
    unsigned long code = ERR_peek_error(); /* the cause; behind it stands who was called for it */
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    int number = ERR_GET_REASON(code);
    if (number == PEM_R_NO_START_LINE || number == X509_R_NO_CERTIFICATE_OR_CRL_FOUND ||
        reason == NULL) {
        reason = otherwise;
    }
    return complain(error, what, path, reason);
}

/* Before OpenSSL opens it: a FIFO in the file's place would stop the loop. */
static bool is_good(struct mu_error *error, const char *what, const char *path, bool secret) {
    struct stat about;
    if (stat(path, &about) != 0 || access(path, R_OK) != 0) {
        return complain(error, what, path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return complain(error, what, path, "is not a file");
    }
    if (about.st_size > FILE_LIMIT) {
        return complain(error, what, path, "has more than 1 MiB");
    }
    if (secret && (about.st_mode & S_IRWXO) != 0) {
        return complain(error, what, path, "is open to everybody; chmod o= it");
    }
    return true;
}

static bool show(SSL_CTX *context, const struct mu_redis_address *address, struct mu_error *error) {
    const char *certificate = address->certificate;
    if (!is_good(error, "certificate", certificate, false) ||
        !is_good(error, "key", address->key, true)) {
        return false;
    }
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        return complain_of_ssl(error, "certificate", certificate,
                               "there is no certificate in it (PEM)");
    }
    if (SSL_CTX_use_PrivateKey_file(context, address->key, SSL_FILETYPE_PEM) != 1) {
        int reason = ERR_GET_REASON(ERR_peek_last_error());
        if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
            return complain(error, "key", address->key, "does not fit the certificate");
        }
        return complain(error, "key", address->key,
                        "holds no key that can be read without a passphrase (PEM)");
    }
    return true;
}

static bool trust(SSL_CTX *context, const struct mu_redis_address *address,
                  struct mu_error *error) {
    if (address->ca == NULL) {
        return SSL_CTX_set_default_verify_paths(context) == 1 ||
               complain(error, "store", "of the system", "cannot be used; name a ca");
    }
    if (!is_good(error, "ca", address->ca, false)) {
        return false;
    }
    return SSL_CTX_load_verify_file(context, address->ca) == 1 ||
           complain_of_ssl(error, "ca", address->ca, "there is no certificate in it (PEM)");
}

static bool set_up(SSL_CTX *context, const struct mu_redis_address *address,
                   struct mu_error *error) {
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, CIPHERS) != 1) {
        ERR_clear_error();
        mu_error_set(error, MUSTER_INTERNAL, "TLS: OpenSSL here has no TLS 1.2");
        return false;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Buffers go when they are empty: what stood in them is overwritten (wipe.c). Our own chain is
     * what the file says. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(context, DEPTH_LIMIT);
    return trust(context, address, error) &&
           (address->certificate == NULL || show(context, address, error));
}

SSL_CTX *mu_tls_context(const struct mu_redis_address *address, struct mu_error *error) {
    struct mu_error unheard = {0};
    error = error != NULL ? error : &unheard;
    /* The thread of a tls_pipe may outlive main(): OpenSSL is not torn down beneath it. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        ERR_clear_error();
        mu_error_set(error, MUSTER_INTERNAL, "TLS: out of memory");
        return NULL;
    }
    if (!set_up(context, address, error)) {
        ERR_clear_error();
        SSL_CTX_free(context);
        return NULL;
    }
    ERR_clear_error();
    return context;
}
