/* tokens.h - makes keys, JWKS and signed tokens for tests, also such as nobody should make. Signs
 * with OpenSSL alone, so that what is tested does not test itself. */
#ifndef MT_TOKENS_H
#define MT_TOKENS_H

#include <stddef.h>

struct mt_signer;

/* A fresh key for `algorithm` (RS256, PS512, ES384, HS256, ...). `kid` NULL: it has none. Making an
 * RSA key of 2,048 bits takes a while: make few. */
struct mt_signer *mt_signer_create(const char *algorithm, const char *kid);
/* An RSA key of that many bits. */
struct mt_signer *mt_signer_rsa(const char *algorithm, const char *kid, unsigned bits);
/* Signs with HMAC under these bytes. */
struct mt_signer *mt_signer_secret(const char *algorithm, const char *kid, const void *secret,
                                   size_t length);
/* The same key for another algorithm of the same family of keys, or under another kid. */
struct mt_signer *mt_signer_as(const struct mt_signer *signer, const char *algorithm,
                               const char *kid);
void mt_signer_destroy(struct mt_signer **signer);

/* The public key (of HS: the secret) as a JWK. `more` is further members, such as
 * `"use":"enc"`, or NULL. The caller frees it; so with all texts below. */
char *mt_signer_jwk(const struct mt_signer *signer, const char *more);
/* The public key as PEM. */
char *mt_signer_pem(const struct mt_signer *signer);
/* {"keys":[...]} of JWKs; frees them. */
#define mt_jwks(...) mt_jwks_of((char *const[]){__VA_ARGS__, NULL})
char *mt_jwks_of(char *const jwks[]);

/* Signs. `header` NULL: {"alg":...,"kid":...}. Both texts go in byte for byte. */
char *mt_token_sign(const struct mt_signer *signer, const char *header, const char *claims);
/* The same with texts made by printf. */
char *mt_token(const struct mt_signer *signer, const char *claims, ...)
    __attribute__((format(printf, 2, 3)));

/* Base64url without padding. */
char *mt_base64url(const void *bytes, size_t length);
/* printf into a text of its own. */
char *mt_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
