#include "base/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

/* What an id may hold: . _ ~ @ | + = - and letters and digits. The rest is 0. */
/* clang-format off */
static const unsigned char id_bytes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x0 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, /* 0x20 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, /* 0x30 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0x40 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, /* 0x50 */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0x60 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, /* 0x70 */
};
/* clang-format on */

static bool id_byte(char byte) {
    return id_bytes[(unsigned char)byte] != 0;
}

size_t mu_id_span(const char *text, size_t length) {
    size_t i = 0;
    while (length - i >= 4) { /* lists of members spend their time here */
        if (!id_byte(text[i])) {
            return i;
        }
        if (!id_byte(text[i + 1])) {
            return i + 1;
        }
        if (!id_byte(text[i + 2])) {
            return i + 2;
        }
        if (!id_byte(text[i + 3])) {
            return i + 3;
        }
        i += 4;
    }
    while (i < length && id_byte(text[i])) {
        i++;
    }
    return i;
}

bool mu_id_valid(const char *id, size_t length) {
    return id != NULL && length > 0 && length <= MU_ID_MAX && mu_id_span(id, length) == length;
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
