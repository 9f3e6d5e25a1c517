/* keys.h - a JWKS as an immutable set of keys, counted by reference.
 *
 * References are taken and given back on the loop's thread only; any number of threads may verify
 * with the keys meanwhile (OpenSSL's keys may be read by several).
 */
#ifndef JWT_KEYS_H
#define JWT_KEYS_H

#include <cjose/jwk.h>
#include <stdbool.h>
#include <stddef.h>

#include "algorithm.h"
#include "refusal.h"

#define JWT_KEYS_MAX 128             /* keys in one file */
#define JWT_FITTING_MAX 8            /* keys that are tried for one token */
#define JWT_FILE_MAX (1024UL * 1024) /* bytes of the file */

struct jwt_key {
    cjose_jwk_t *jwk;
    char *kid; /* NULL: none */
    enum jwt_key_type type;
    size_t bits;
    bool verifies;                    /* use and key_ops allow to verify signatures */
    bool bound;                       /* it has an alg */
    const struct jwt_algorithm *only; /* that alg; NULL with `bound`: none of ours */
};

struct jwt_keys {
    size_t references;
    struct jwt_key *keys;
    size_t count;
    size_t skipped; /* of a type or a curve that is not known here */
    bool secret;    /* there is a symmetric key among them */
};

/* Reads a JWKS (RFC 7517). Keys of an unknown type or curve are skipped, as the RFC wants; a key
 * that is damaged, too weak or private makes the whole set a broken one, and so does a set without
 * any key left. NULL: `wrong` (of `room` bytes) says why, without anything secret. One reference is
 * the caller's. */
struct jwt_keys *jwt_keys_read(const char *text, size_t length, char *wrong, size_t room);

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys);
/* Clears the pointer. NULL is fine. */
void jwt_keys_unref(struct jwt_keys **keys);

struct jwt_fitting {
    const struct jwt_key *keys[JWT_FITTING_MAX];
    size_t count;
};

/* The keys that may have signed a token with this kid (NULL: it names none). Otherwise why there
 * are none. */
enum jwt_refusal jwt_keys_find(const struct jwt_keys *keys, const char *kid,
                               const struct jwt_algorithm *algorithm, struct jwt_fitting *fitting);

#endif
