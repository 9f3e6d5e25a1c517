/* pairs.h - memberships seen from both sides: from the session, and from the connection's record.
 *
 * What was seen from one side only, or differently, is what the invariant is about. One entry a
 * membership, 32 bytes with its slot, because there may be millions.
 */
#ifndef MU_CTL_FSCK_PAIRS_H
#define MU_CTL_FSCK_PAIRS_H

#include <stdint.h>

enum mu_side { MU_SIDE_SESSION = 1, MU_SIDE_RECORD = 2 };

struct mu_pair {
    uint32_t session;
    uint32_t owner;
    uint32_t connection;
    uint32_t users[2]; /* a digest of the user by session and by record; 0: none */
    uint32_t sides;
};

struct mu_pairs {
    struct mu_pair *pairs;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots;
    uint32_t slot_count;
};

void mu_pairs_init(struct mu_pairs *pairs);
void mu_pairs_deinit(struct mu_pairs *pairs);
void mu_pairs_see(struct mu_pairs *pairs, uint32_t session, uint32_t owner, uint32_t connection,
                  enum mu_side side, uint32_t user);

#endif
