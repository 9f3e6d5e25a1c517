/* token.h - tokens `<name>.<secret>` and the salted hashes that are kept of them.
 *
 * A secret is 32 random bytes in base64url: nobody guesses 256 bits, so a slow hash would protect
 * nothing and cost every request. The hash is SHA-256 over the bytes of the salt and the 43
 * characters of the secret, written `sha256:<salt in hex>:<hash in hex>`. */
#ifndef RULES_TOKEN_H
#define RULES_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define RULES_NAME_MAX 128
#define RULES_SECRET_LENGTH 43
#define RULES_TOKEN_SIZE (RULES_NAME_MAX + 1 + RULES_SECRET_LENGTH + 1)

#define RULES_SALT_MIN 8
#define RULES_SALT_MAX 64
#define RULES_DIGEST_SIZE 32
#define RULES_HASH_TEXT_SIZE (sizeof "sha256:" + 2 * RULES_SALT_MAX + 1 + 2 * RULES_DIGEST_SIZE)

struct rules_hash {
    unsigned char salt[RULES_SALT_MAX];
    size_t salt_length;
    unsigned char digest[RULES_DIGEST_SIZE];
};

struct rules_token {
    char name[RULES_NAME_MAX + 1];
    const char *secret; /* RULES_SECRET_LENGTH bytes inside the text that was split */
};

/* An id without a dot: in a token the first dot ends the name. */
bool rules_token_name_valid(const char *name);
/* False: not of this shape, so not for us; a JWT has two dots. */
bool rules_token_split(const char *text, size_t length, struct rules_token *token);
/* A fresh token for a valid name; false: no randomness. The caller wipes it. */
bool rules_token_make(const char *name, char out[RULES_TOKEN_SIZE]);

/* A fresh salt and the hash of a secret; false: no randomness, or no SHA-256. */
bool rules_hash_make(const char secret[RULES_SECRET_LENGTH], struct rules_hash *hash);
/* In a time that does not depend on how much is right. */
bool rules_hash_matches(const struct rules_hash *hash, const char secret[RULES_SECRET_LENGTH]);
bool rules_hash_read(const char *text, struct rules_hash *hash);
void rules_hash_print(const struct rules_hash *hash, char out[RULES_HASH_TEXT_SIZE]);

#endif
