#include "auth_rules/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define SECRET_BYTES 32
#define SALT_BYTES 16
#define PREFIX "sha256:"

static bool is_base64url(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

static bool is_name_byte(char byte) {
    return is_base64url(byte) || (byte != '\0' && strchr("~@|+=", byte) != NULL);
}

bool rules_token_name_valid(const char *name) {
    size_t length = 0;
    while (length <= RULES_NAME_MAX && is_name_byte(name[length])) {
        length++;
    }
    return length > 0 && length <= RULES_NAME_MAX && name[length] == '\0';
}

bool rules_token_split(const char *text, size_t length, struct rules_token *token) {
    if (length < 1 + 1 + RULES_SECRET_LENGTH || length > RULES_NAME_MAX + 1 + RULES_SECRET_LENGTH) {
        return false;
    }
    size_t name = length - RULES_SECRET_LENGTH - 1;
    for (size_t i = 0; i < name; i++) {
        if (!is_name_byte(text[i])) {
            return false;
        }
    }
    for (size_t i = name + 1; i < length; i++) {
        if (!is_base64url(text[i])) {
            return false;
        }
    }
    memcpy(token->name, text, name);
    token->name[name] = '\0';
    token->secret = text + name + 1;
    return text[name] == '.';
}

bool rules_token_make(const char *name, char out[RULES_TOKEN_SIZE]) {
    unsigned char secret[SECRET_BYTES];
    char text[RULES_SECRET_LENGTH + 2]; /* 44 characters, the last one padding */
    bool done = RAND_bytes(secret, sizeof secret) == 1;
    if (done) {
        EVP_EncodeBlock((unsigned char *)text, secret, sizeof secret);
        for (size_t i = 0; i < RULES_SECRET_LENGTH; i++) {
            text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
        }
        snprintf(out, RULES_TOKEN_SIZE, "%s.%.*s", name, RULES_SECRET_LENGTH, text);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(text, sizeof text);
    return done;
}

/* ---- hashes ---- */

static bool digest(const struct rules_hash *hash, const char *secret,
                   unsigned char out[RULES_DIGEST_SIZE]) {
    unsigned char salted[RULES_SALT_MAX + RULES_SECRET_LENGTH];
    unsigned size = 0;
    memcpy(salted, hash->salt, hash->salt_length);
    memcpy(salted + hash->salt_length, secret, RULES_SECRET_LENGTH);
    bool done = EVP_Digest(salted, hash->salt_length + RULES_SECRET_LENGTH, out, &size,
                           EVP_sha256(), NULL) == 1 &&
                size == RULES_DIGEST_SIZE;
    OPENSSL_cleanse(salted, sizeof salted);
    return done;
}

bool rules_hash_make(const char secret[RULES_SECRET_LENGTH], struct rules_hash *hash) {
    memset(hash, 0, sizeof *hash);
    hash->salt_length = SALT_BYTES;
    return RAND_bytes(hash->salt, SALT_BYTES) == 1 && digest(hash, secret, hash->digest);
}

bool rules_hash_matches(const struct rules_hash *hash, const char secret[RULES_SECRET_LENGTH]) {
    unsigned char found[RULES_DIGEST_SIZE] = {0};
    bool done = digest(hash, secret, found);
    bool same = CRYPTO_memcmp(found, hash->digest, sizeof found) == 0;
    OPENSSL_cleanse(found, sizeof found);
    return done && same;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* `digits` hex digits to bytes. */
static bool read_hex(const char *text, size_t digits, unsigned char *out) {
    for (size_t i = 0; i < digits; i += 2) {
        int high = hex_digit(text[i]);
        int low = high >= 0 ? hex_digit(text[i + 1]) : -1;
        if (low < 0) {
            return false;
        }
        out[i / 2] = (unsigned char)(high * 16 + low);
    }
    return true;
}

bool rules_hash_read(const char *text, struct rules_hash *hash) {
    memset(hash, 0, sizeof *hash);
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0) {
        return false;
    }
    const char *salt = text + sizeof PREFIX - 1;
    size_t digits = strcspn(salt, ":");
    const char *rest = salt + digits;
    if (digits % 2 != 0 || digits < 2 * RULES_SALT_MIN || digits > 2 * RULES_SALT_MAX ||
        *rest != ':' || strlen(rest + 1) != 2 * RULES_DIGEST_SIZE) {
        return false;
    }
    hash->salt_length = digits / 2;
    return read_hex(salt, digits, hash->salt) &&
           read_hex(rest + 1, 2 * RULES_DIGEST_SIZE, hash->digest);
}

static char *print_hex(char *out, const unsigned char *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

void rules_hash_print(const struct rules_hash *hash, char out[RULES_HASH_TEXT_SIZE]) {
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    char *at = print_hex(out + sizeof PREFIX - 1, hash->salt, hash->salt_length);
    *at++ = ':';
    at = print_hex(at, hash->digest, RULES_DIGEST_SIZE);
    *at = '\0';
}
