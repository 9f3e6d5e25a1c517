#include "base/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

/* A bit for each byte that an id may hold: . _ ~ @ | + = - and letters and digits. */
static const uint64_t id_bytes[4] = {UINT64_C(0x23ff680000000000), UINT64_C(0x57fffffe87ffffff)};

static bool id_byte(unsigned char byte) {
    return (id_bytes[byte >> 6] >> (byte & 63) & 1) != 0;
}

bool mu_id_valid(const char *id, size_t length) {
    if (id == NULL || length == 0 || length > MU_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!id_byte((unsigned char)id[i])) {
            return false;
        }
    }
    return true;
}

void mu_random_bytes(void *out, size_t size) {
    unsigned char *at = out;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            abort();
        }
        at += got;
        size -= (size_t)got;
    }
}

void mu_random_id(char out[MU_RANDOM_ID_SIZE]) {
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char bytes[MU_RANDOM_ID_SIZE - 1];

    mu_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[i] = alphabet[bytes[i] & 31];
    }
    out[MU_RANDOM_ID_SIZE - 1] = '\0';
}

uint64_t mu_random_below(uint64_t bound) {
    uint64_t value;
    /* 2^64 mod bound: values below it would make the small results more frequent. */
    uint64_t refused;

    if (bound == 0) {
        abort();
    }
    refused = (0 - bound) % bound;
    do {
        mu_random_bytes(&value, sizeof value);
    } while (value < refused);
    return value % bound;
}
