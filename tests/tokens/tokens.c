#include "tokens/tokens.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mt_signer {
    char algorithm[8];
    char kid[128]; /* empty: none */
    EVP_PKEY *key; /* NULL: a secret */
    unsigned char *secret;
    size_t secret_length;
};

/* In a test there is nothing else to do about it. */
static void must(int condition) {
    if (!condition)
        abort();
}

char *mt_format(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

char *mt_base64url(const void *bytes, size_t length) {
    char *text = malloc(length / 3 * 4 + 5);
    must(text != NULL);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    text[strcspn(text, "=")] = '\0';
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return text;
}

/* ---- keys ---- */

static struct mt_signer *blank(const char *algorithm, const char *kid) {
    struct mt_signer *signer = calloc(1, sizeof *signer);
    must(signer != NULL);
    snprintf(signer->algorithm, sizeof signer->algorithm, "%s", algorithm);
    snprintf(signer->kid, sizeof signer->kid, "%s", kid != NULL ? kid : "");
    return signer;
}

struct mt_signer *mt_signer_rsa(const char *algorithm, const char *kid, unsigned bits) {
    struct mt_signer *signer = blank(algorithm, kid);
    signer->key = EVP_RSA_gen(bits);
    must(signer->key != NULL);
    return signer;
}

struct mt_signer *mt_signer_secret(const char *algorithm, const char *kid, const void *secret,
                                   size_t length) {
    struct mt_signer *signer = blank(algorithm, kid);
    signer->secret = malloc(length);
    must(signer->secret != NULL);
    memcpy(signer->secret, secret, length);
    signer->secret_length = length;
    return signer;
}

struct mt_signer *mt_signer_create(const char *algorithm, const char *kid) {
    unsigned char secret[64];
    if (algorithm[0] == 'H') {
        must(RAND_bytes(secret, sizeof secret) == 1);
        return mt_signer_secret(algorithm, kid, secret, sizeof secret);
    }
    if (algorithm[0] != 'E')
        return mt_signer_rsa(algorithm, kid, 2048);
    struct mt_signer *signer = blank(algorithm, kid);
    signer->key = EVP_EC_gen(strcmp(algorithm, "ES256") == 0   ? "P-256"
                             : strcmp(algorithm, "ES384") == 0 ? "P-384"
                                                               : "P-521");
    must(signer->key != NULL);
    return signer;
}

struct mt_signer *mt_signer_as(const struct mt_signer *signer, const char *algorithm,
                               const char *kid) {
    if (signer->key == NULL)
        return mt_signer_secret(algorithm, kid, signer->secret, signer->secret_length);
    struct mt_signer *other = blank(algorithm, kid);
    EVP_PKEY_up_ref(signer->key);
    other->key = signer->key;
    return other;
}

void mt_signer_destroy(struct mt_signer **signer) {
    if (*signer == NULL)
        return;
    EVP_PKEY_free((*signer)->key);
    free((*signer)->secret);
    free(*signer);
    *signer = NULL;
}

/* ---- JWK ---- */

static char *number(const struct mt_signer *signer, const char *name, size_t size) {
    BIGNUM *bn = NULL;
    unsigned char bytes[2048];
    must(EVP_PKEY_get_bn_param(signer->key, name, &bn) == 1);
    if (size == 0)
        size = (size_t)BN_num_bytes(bn);
    must(BN_bn2binpad(bn, bytes, (int)size) == (int)size);
    BN_free(bn);
    return mt_base64url(bytes, size);
}

static size_t curve_bytes(const struct mt_signer *signer) {
    return ((size_t)EVP_PKEY_get_bits(signer->key) + 7) / 8;
}

static char *members(const struct mt_signer *signer) {
    char *text = NULL;
    char *first = NULL;
    char *second = NULL;
    if (signer->key == NULL) {
        first = mt_base64url(signer->secret, signer->secret_length);
        text = mt_format("\"kty\":\"oct\",\"k\":\"%s\"", first);
    } else if (EVP_PKEY_get_base_id(signer->key) == EVP_PKEY_RSA) {
        first = number(signer, OSSL_PKEY_PARAM_RSA_N, 0);
        second = number(signer, OSSL_PKEY_PARAM_RSA_E, 0);
        text = mt_format("\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", first, second);
    } else {
        first = number(signer, OSSL_PKEY_PARAM_EC_PUB_X, curve_bytes(signer));
        second = number(signer, OSSL_PKEY_PARAM_EC_PUB_Y, curve_bytes(signer));
        text = mt_format("\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"",
                         EVP_PKEY_get_bits(signer->key), first, second);
    }
    free(first);
    free(second);
    return text;
}

char *mt_signer_jwk(const struct mt_signer *signer, const char *more) {
    char *inner = members(signer);
    char *kid =
        signer->kid[0] != '\0' ? mt_format(",\"kid\":\"%s\"", signer->kid) : mt_format("%s", "");
    char *jwk =
        mt_format("{%s%s%s%s}", inner, kid, more != NULL ? "," : "", more != NULL ? more : "");
    free(inner);
    free(kid);
    return jwk;
}

char *mt_signer_pem(const struct mt_signer *signer) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    must(bio != NULL && PEM_write_bio_PUBKEY(bio, signer->key) == 1);
    long length = BIO_get_mem_data(bio, &data);
    char *pem = mt_format("%.*s", (int)length, data); /* it has no NUL behind it */
    BIO_free(bio);
    return pem;
}

char *mt_jwks_of(char *const jwks[]) {
    char *list = mt_format("%s", "");
    for (size_t i = 0; jwks[i] != NULL; i++) {
        char *longer = mt_format("%s%s%s", list, i > 0 ? "," : "", jwks[i]);
        free(jwks[i]);
        free(list);
        list = longer;
    }
    char *set = mt_format("{\"keys\":[%s]}", list);
    free(list);
    return set;
}

/* ---- signing ---- */

static const EVP_MD *digest_of(const struct mt_signer *signer) {
    return strcmp(signer->algorithm + 2, "256") == 0   ? EVP_sha256()
           : strcmp(signer->algorithm + 2, "384") == 0 ? EVP_sha384()
                                                       : EVP_sha512();
}

/* From DER to the two numbers one after the other. */
static char *flatten(const unsigned char *der, size_t length, size_t half) {
    unsigned char both[2 * 66];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)length);
    must(sig != NULL);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), both, (int)half);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), both + half, (int)half);
    ECDSA_SIG_free(sig);
    return mt_base64url(both, 2 * half);
}

static char *signature(const struct mt_signer *signer, const char *text) {
    unsigned char bytes[2048];
    size_t size = sizeof bytes;
    unsigned int hmac_size = 0;
    EVP_PKEY_CTX *options = NULL;
    if (signer->key == NULL) {
        must(HMAC(digest_of(signer), signer->secret, (int)signer->secret_length,
                  (const unsigned char *)text, strlen(text), bytes, &hmac_size) != NULL);
        return mt_base64url(bytes, hmac_size);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(EVP_DigestSignInit(context, &options, digest_of(signer), NULL, signer->key) == 1);
    if (signer->algorithm[0] == 'P') {
        must(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
        must(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    must(EVP_DigestSign(context, bytes, &size, (const unsigned char *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(context);
    return signer->algorithm[0] == 'E' ? flatten(bytes, size, curve_bytes(signer))
                                       : mt_base64url(bytes, size);
}

char *mt_token_sign(const struct mt_signer *signer, const char *header, const char *claims) {
    char *own = signer->kid[0] != '\0'
                    ? mt_format("{\"alg\":\"%s\",\"kid\":\"%s\"}", signer->algorithm, signer->kid)
                    : mt_format("{\"alg\":\"%s\"}", signer->algorithm);
    const char *used = header != NULL ? header : own;
    char *first = mt_base64url(used, strlen(used));
    char *second = mt_base64url(claims, strlen(claims));
    char *text = mt_format("%s.%s", first, second);
    char *third = signature(signer, text);
    char *token = mt_format("%s.%s", text, third);
    free(own);
    free(first);
    free(second);
    free(third);
    free(text);
    return token;
}

char *mt_token(const struct mt_signer *signer, const char *claims, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, claims);
    must(vasprintf(&text, claims, arguments) >= 0);
    va_end(arguments);
    char *token = mt_token_sign(signer, NULL, text);
    free(text);
    return token;
}
