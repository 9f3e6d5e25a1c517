#include "trust.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

/* All certificates of the text, at least one. */
static bool add_all(X509_STORE *store, const char *pem, size_t length) {
    BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
    X509 *certificate = NULL;
    size_t count = 0;
    bool good = bio != NULL;
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
        count++;
    }
    /* The end of the text is the only error that is none. */
    good = good && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    return good && count > 0;
}

struct x509_store_st *http_trust_create(const char *pem, size_t length) {
    X509_STORE *store = X509_STORE_new();
    ERR_clear_error();
    /* The system's are looked up in a folder when they are needed, where there is one. */
    bool good = store != NULL && (pem != NULL ? add_all(store, pem, length)
                                              : X509_STORE_set_default_paths(store) == 1);
    /* Whoever is named here is trusted, also one that somebody else vouches for. */
    good = good && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
    ERR_clear_error(); /* the queue of errors is the whole thread's */
    if (!good) {
        X509_STORE_free(store);
        return NULL;
    }
    return store;
}

void http_trust_destroy(struct x509_store_st **trust) {
    X509_STORE_free(*trust);
    *trust = NULL;
}

static CURLcode on_context(CURL *easy, void *context, void *trust) {
    (void)easy;
    SSL_CTX_set1_cert_store(context, trust);
    return CURLE_OK;
}

bool http_trust_use(CURL *easy, struct x509_store_st *trust) {
    return curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust) == CURLE_OK;
}
