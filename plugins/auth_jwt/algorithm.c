#include "algorithm.h"

#include <string.h>

/* RSA keys have at least 2,048 bits (RFC 7518, 3.3 and 3.5), secrets as many bytes as the hash
 * (3.2), and each ES algorithm has one curve (3.4). */
static const struct jwt_algorithm algorithms[] = {
    {"HS256", JWT_KEY_SECRET, 256, 32, 1U << 0}, {"HS384", JWT_KEY_SECRET, 384, 48, 1U << 1},
    {"HS512", JWT_KEY_SECRET, 512, 64, 1U << 2}, {"RS256", JWT_KEY_RSA, 2048, 0, 1U << 3},
    {"RS384", JWT_KEY_RSA, 2048, 0, 1U << 4},    {"RS512", JWT_KEY_RSA, 2048, 0, 1U << 5},
    {"PS256", JWT_KEY_RSA, 2048, 0, 1U << 6},    {"PS384", JWT_KEY_RSA, 2048, 0, 1U << 7},
    {"PS512", JWT_KEY_RSA, 2048, 0, 1U << 8},    {"ES256", JWT_KEY_EC, 256, 64, 1U << 9},
    {"ES384", JWT_KEY_EC, 384, 96, 1U << 10},    {"ES512", JWT_KEY_EC, 521, 132, 1U << 11},
};

const struct jwt_algorithm *jwt_algorithm_find(const char *name) {
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (strcmp(algorithms[i].name, name) == 0) {
            return &algorithms[i];
        }
    }
    return NULL;
}
