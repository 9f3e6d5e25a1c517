/* heap.h - deadlines in order: a binary heap of nodes that stand in structs of the caller's. */
#ifndef MU_BASE_HEAP_H
#define MU_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mu_heap_node {
    uint64_t key;
    size_t place; /* in the heap, from 1; 0: in none */
};

struct mu_heap {
    struct mu_heap_node **nodes;
    size_t count;
    size_t capacity;
};

void mu_heap_deinit(struct mu_heap *heap);
/* `node` is in no heap, and stays where it is until it is removed. */
void mu_heap_add(struct mu_heap *heap, struct mu_heap_node *node, uint64_t key);
/* One that is in no heap is fine. */
void mu_heap_remove(struct mu_heap *heap, struct mu_heap_node *node);
/* The one with the smallest key, or NULL. */
struct mu_heap_node *mu_heap_first(const struct mu_heap *heap);

#endif
