#include "base/table.h"

#include <stdbool.h>

#include "base/ids.h"
#include "base/siphash.h"

static struct {
    bool drawn;
    unsigned char key[MU_SIPHASH_KEY_SIZE];
} seed;

void mu_table_init(void) {
    if (!seed.drawn) {
        mu_random_bytes(seed.key, sizeof seed.key);
        seed.drawn = true;
    }
}

unsigned mu_table_hash(const void *key, size_t length) {
    mu_table_init();
    return (unsigned)mu_siphash(seed.key, key, length);
}
