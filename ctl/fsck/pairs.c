#include "fsck/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"

void mu_pairs_init(struct mu_pairs *pairs) {
    memset(pairs, 0, sizeof *pairs);
}

void mu_pairs_deinit(struct mu_pairs *pairs) {
    free(pairs->pairs);
    free(pairs->slots);
    mu_pairs_init(pairs);
}

static uint32_t *slot_of(const struct mu_pairs *pairs, const uint32_t key[3]) {
    uint32_t mask = pairs->slot_count - 1;
    uint32_t at = mu_table_hash(key, 3 * sizeof key[0]) & mask;
    while (pairs->slots[at] != 0) {
        const struct mu_pair *pair = &pairs->pairs[pairs->slots[at] - 1];
        if (pair->session == key[0] && pair->owner == key[1] && pair->connection == key[2]) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &pairs->slots[at];
}

static void grow_slots(struct mu_pairs *pairs) {
    free(pairs->slots);
    pairs->slot_count = pairs->slot_count == 0 ? 1024 : pairs->slot_count * 2;
    pairs->slots = mu_calloc(pairs->slot_count, sizeof *pairs->slots);
    for (uint32_t i = 0; i < pairs->count; i++) {
        const struct mu_pair *pair = &pairs->pairs[i];
        *slot_of(pairs, (const uint32_t[]){pair->session, pair->owner, pair->connection}) = i + 1;
    }
}

void mu_pairs_see(struct mu_pairs *pairs, uint32_t session, uint32_t owner, uint32_t connection,
                  enum mu_side side, uint32_t user) {
    if (pairs->count >= pairs->slot_count / 2) {
        grow_slots(pairs);
    }
    uint32_t *slot = slot_of(pairs, (const uint32_t[]){session, owner, connection});
    if (*slot == 0) {
        if (pairs->count == pairs->capacity) {
            pairs->capacity = pairs->capacity == 0 ? 256 : pairs->capacity * 2;
            pairs->pairs = mu_realloc(pairs->pairs, pairs->capacity * sizeof *pairs->pairs);
        }
        pairs->pairs[pairs->count] =
            (struct mu_pair){.session = session, .owner = owner, .connection = connection};
        *slot = ++pairs->count;
    }
    struct mu_pair *pair = &pairs->pairs[*slot - 1];
    pair->sides |= (uint32_t)side;
    pair->users[side == MU_SIDE_SESSION ? 0 : 1] = user;
}
