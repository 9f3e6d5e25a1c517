#include "redis/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES ((size_t)8 << 10)
#define MOST_BYTES ((size_t)64 << 10) /* of a block, unless one piece is larger */

struct mu_arena_block {
    struct mu_arena_block *before;
    size_t size; /* of memory */
    max_align_t memory[];
};

static char *begin(struct mu_arena_block *block) {
    return (char *)block->memory;
}

static bool add_block(struct mu_arena *arena, size_t size) {
    size_t wanted = arena->block ? arena->block->size * 2 : FIRST_BYTES;
    wanted = wanted > MOST_BYTES ? MOST_BYTES : wanted;
    wanted = wanted < size ? size : wanted;
    struct mu_arena_block *block = malloc(sizeof *block + wanted);
    if (!block) {
        return false;
    }
    block->before = arena->block;
    block->size = wanted;
    arena->block = block;
    arena->at = begin(block);
    arena->end = arena->at + wanted;
    return true;
}

void *mu_arena_take(struct mu_arena *arena, size_t size) {
    const size_t align = _Alignof(max_align_t);
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = ((size > 0 ? size : 1) + align - 1) & ~(align - 1);
    if ((!arena->block || size > (size_t)(arena->end - arena->at)) && !add_block(arena, size)) {
        return NULL;
    }
    void *piece = arena->at;
    arena->at += size;
    return piece;
}

/* free() overwrites what it is given (wipe.c). */
void mu_arena_reset(struct mu_arena *arena) {
    struct mu_arena_block *block = arena->block;
    if (!block) {
        return;
    }
    while (block->before) {
        struct mu_arena_block *before = block->before;
        free(block);
        block = before;
        arena->at = arena->end = begin(block) + block->size;
    }
    explicit_bzero(begin(block), (size_t)(arena->at - begin(block)));
    arena->block = block;
    arena->at = begin(block);
    arena->end = arena->at + block->size;
}

void mu_arena_deinit(struct mu_arena *arena) {
    mu_arena_reset(arena);
    free(arena->block);
    *arena = (struct mu_arena){0};
}
