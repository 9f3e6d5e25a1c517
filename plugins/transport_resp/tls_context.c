/* tls_context.c - the certificate, its key, and whom we trust: read from files, all or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tls_internal.h"

/* For TLS 1.2; all of TLS 1.3's are of this kind. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CERTIFICATES_LIMIT (64 * 1024) /* of a client, its chain with it */
#define DEPTH_LIMIT 8

struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static bool complain(const struct complaint *complaint,
                                                           const char *format, ...) {
    va_list list;
    va_start(list, format);
    /* The analyzer loses va_start() when it inlines a variadic function. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(complaint->text, complaint->size, format, list);
    va_end(list);
    return false;
}

void resp_tls_reason(char *reason, size_t size) {
    unsigned long code = ERR_peek_last_error();
    const char *text = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(reason, size, "%s", text == NULL ? "of unknown reason" : text);
    ERR_clear_error();
}

/* With what OpenSSL has to say about it. */
static bool complain_of(const struct complaint *complaint, const char *what, const char *path) {
    char reason[128];
    resp_tls_reason(reason, sizeof reason);
    return complain(complaint, "the %s %s: %s", what, path, reason);
}

/* Without a pause: a FIFO in the file's place must not stop the loop. */
static int open_file(const struct complaint *complaint, const char *what, const char *path,
                     bool secret, size_t *length) {
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &about) != 0) {
        complain(complaint, "the %s %s: %s", what, path, strerror(errno));
    } else if (!S_ISREG(about.st_mode)) {
        complain(complaint, "the %s %s is not a file", what, path);
    } else if (about.st_size > RESP_TLS_FILE_LIMIT) {
        complain(complaint, "the %s %s has more than %d bytes", what, path, RESP_TLS_FILE_LIMIT);
    } else if (secret && (about.st_mode & S_IRWXO) != 0) {
        complain(complaint, "the %s %s is open to everybody (mode %04o); chmod o= it", what, path,
                 (unsigned)about.st_mode & 07777);
    } else {
        *length = (size_t)about.st_size;
        return file;
    }
    if (file >= 0)
        close(file);
    return -1;
}

/* The file as a BIO of its own memory. NULL: complained. */
static BIO *read_file(const struct complaint *complaint, const char *what, const char *path,
                      bool secret) {
    size_t length = 0;
    size_t got = 0;
    int file = open_file(complaint, what, path, secret, &length);
    if (file < 0)
        return NULL;
    /* Secure: cleared before it is freed. */
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = malloc(length + 1);
    while (text != NULL && got < length) {
        ssize_t more = read(file, text + got, length - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    bool fine = bio != NULL && text != NULL && got == length &&
                (length == 0 || BIO_write(bio, text, (int)length) == (int)length);
    if (text != NULL)
        OPENSSL_cleanse(text, length);
    free(text);
    close(file);
    if (fine)
        return bio;
    complain(complaint, "the %s %s cannot be read whole", what, path);
    BIO_free(bio);
    return NULL;
}

/* The next certificate; NULL at the end, or `*broken`. */
static X509 *next_certificate(BIO *bio, bool *broken) {
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    *broken = certificate == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    if (certificate == NULL && !*broken)
        ERR_clear_error();
    return certificate;
}

static void warn_of_dates(const struct complaint *complaint, const X509 *certificate,
                          const char *path) {
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        complain(complaint, "the certificate %s has expired", path);
    } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        complain(complaint, "the certificate %s is not valid yet", path);
    }
}

/* Ours, then the chain. */
static bool use_certificate(SSL_CTX *ssl, const struct complaint *complaint, const char *path) {
    bool broken = false;
    BIO *bio = read_file(complaint, "certificate", path, false);
    if (bio == NULL)
        return false;
    X509 *certificate = next_certificate(bio, &broken);
    bool fine = certificate != NULL && SSL_CTX_use_certificate(ssl, certificate) == 1;
    if (certificate == NULL && !broken) {
        complain(complaint, "the certificate %s: there is none in it", path);
    } else if (!fine) {
        complain_of(complaint, "certificate", path);
    } else {
        warn_of_dates(complaint, certificate, path);
    }
    X509_free(certificate);
    while (fine && (certificate = next_certificate(bio, &broken)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ssl, certificate) != 1) {
            X509_free(certificate);
            broken = true;
        }
        fine = !broken;
    }
    if (broken && complaint->text[0] == '\0')
        complain_of(complaint, "chain in", path);
    BIO_free(bio);
    return fine && !broken;
}

/* Nobody is there to type one. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)context = true;
    return -1;
}

static bool use_key(SSL_CTX *ssl, const struct complaint *complaint,
                    const struct resp_tls_options *options) {
    bool encrypted = false;
    BIO *bio = read_file(complaint, "key", options->key, true);
    if (bio == NULL)
        return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted);
    BIO_free(bio);
    if (key == NULL) {
        ERR_clear_error();
        return complain(complaint, "the key %s %s", options->key,
                        encrypted ? "is encrypted" : "holds no key that can be read");
    }
    bool fits = X509_check_private_key(SSL_CTX_get0_certificate(ssl), key) == 1;
    bool used = fits && SSL_CTX_use_PrivateKey(ssl, key) == 1;
    EVP_PKEY_free(key);
    if (!fits) {
        ERR_clear_error();
        return complain(complaint, "the key %s does not fit the certificate %s", options->key,
                        options->certificate);
    }
    return used || complain_of(complaint, "key", options->key);
}

static bool trust(SSL_CTX *ssl, const struct complaint *complaint, const char *path) {
    bool broken = false;
    size_t count = 0;
    X509 *certificate = NULL;
    BIO *bio = read_file(complaint, "client_ca", path, false);
    if (bio == NULL)
        return false;
    while (!broken && (certificate = next_certificate(bio, &broken)) != NULL) {
        broken = X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), certificate) != 1 ||
                 SSL_CTX_add_client_CA(ssl, certificate) != 1;
        X509_free(certificate);
        count++;
    }
    BIO_free(bio);
    if (broken)
        return complain_of(complaint, "client_ca", path);
    return count > 0 ||
           complain(complaint, "the client_ca %s: there is no certificate in it", path);
}

static bool ask_clients(SSL_CTX *ssl, const struct complaint *complaint,
                        const struct resp_tls_options *options) {
    if (options->client_ca == NULL) {
        return !options->require_client ||
               complain(complaint, "a client's certificate is required, but there is no client_ca");
    }
    if (!trust(ssl, complaint, options->client_ca))
        return false;
    /* Without the flag a client may show none. One that it shows must be good either way. */
    SSL_CTX_set_verify(
        ssl, SSL_VERIFY_PEER | (options->require_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_verify_depth(ssl, DEPTH_LIMIT);
    SSL_CTX_set_max_cert_list(ssl, CERTIFICATES_LIMIT);
    /* What a ticket resumes is not verified again. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
    return true;
}

static bool set_up(SSL_CTX *ssl, const struct complaint *complaint,
                   const struct resp_tls_options *options) {
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, CIPHERS) != 1) {
        return complain(complaint, "OpenSSL here has no TLS 1.2");
    }
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* The store is for clients: our own chain is what the file says. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    /* Tickets keep the state at the client's. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    return use_certificate(ssl, complaint, options->certificate) &&
           use_key(ssl, complaint, options) && ask_clients(ssl, complaint, options);
}

struct resp_tls_context *resp_tls_context_create(const struct resp_tls_options *options,
                                                 char *complaint, size_t size) {
    struct complaint about = {.text = complaint, .size = size};
    complaint[0] = '\0';
    ERR_clear_error();
    struct resp_tls_context *context = calloc(1, sizeof *context);
    if (context == NULL || (context->ssl = SSL_CTX_new(TLS_server_method())) == NULL) {
        complain(&about, "out of memory");
    } else if (options->certificate == NULL || options->key == NULL) {
        complain(&about, "TLS needs a certificate and its key");
    } else if (set_up(context->ssl, &about, options)) {
        context->references = 1;
        return context;
    }
    ERR_clear_error();
    if (context != NULL)
        SSL_CTX_free(context->ssl);
    free(context);
    return NULL;
}

struct resp_tls_context *resp_tls_context_ref(struct resp_tls_context *context) {
    context->references++;
    return context;
}

void resp_tls_context_unref(struct resp_tls_context **context) {
    struct resp_tls_context *mine = *context;
    *context = NULL;
    if (mine == NULL || --mine->references > 0)
        return;
    SSL_CTX_free(mine->ssl);
    free(mine);
}
