/* arena.h - memory for one reply: many small pieces, given back in one go. Private to daemon/redis.
 *
 * Pieces are cut from blocks that double. What was used is overwritten when it is given back,
 * because a reply may hold a token; the first block is kept, so a small reply costs no malloc().
 */
#ifndef MU_REDIS_ARENA_H
#define MU_REDIS_ARENA_H

#include <stddef.h>

struct mu_arena_block;

struct mu_arena {                 /* all zero at first */
    struct mu_arena_block *block; /* pieces come from this one; the others are behind it */
    char *at, *end;               /* what is free of it */
};

/* `size` bytes that mean nothing yet, aligned for any type; at least one. NULL when there is no
 * memory. */
void *mu_arena_take(struct mu_arena *arena, size_t size);
/* All pieces are gone. */
void mu_arena_reset(struct mu_arena *arena);
void mu_arena_deinit(struct mu_arena *arena);

#endif
