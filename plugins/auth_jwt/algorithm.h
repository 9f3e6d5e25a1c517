/* algorithm.h - the twelve signature algorithms of RFC 7518 that can be allowed, and what each
 * wants of a key. */
#ifndef JWT_ALGORITHM_H
#define JWT_ALGORITHM_H

#include <stddef.h>
#include <stdint.h>

enum jwt_key_type { JWT_KEY_SECRET, JWT_KEY_RSA, JWT_KEY_EC };

struct jwt_algorithm {
    const char *name;
    enum jwt_key_type type;
    size_t least_bits;     /* of a key; of an EC key exactly: the curve */
    size_t signature_size; /* bytes; 0: as long as the key */
    uint32_t bit;          /* of it alone, for sets */
};

/* NULL: there is no such algorithm, or it is not one of these (`none`). Exact spelling. */
const struct jwt_algorithm *jwt_algorithm_find(const char *name);

/* All of them, for sentences. */
#define JWT_ALGORITHMS_TEXT                                                                        \
    "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and ES512"

#endif
