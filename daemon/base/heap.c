#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

void mu_heap_deinit(struct mu_heap *heap) {
    free(heap->nodes);
    *heap = (struct mu_heap){0};
}

static void put(struct mu_heap *heap, struct mu_heap_node *node, size_t place) {
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void up(struct mu_heap *heap, struct mu_heap_node *node, size_t place) {
    while (place > 1 && heap->nodes[place / 2 - 1]->key > node->key) {
        put(heap, heap->nodes[place / 2 - 1], place);
        place /= 2;
    }
    put(heap, node, place);
}

static void down(struct mu_heap *heap, struct mu_heap_node *node, size_t place) {
    for (;;) {
        size_t child = 2 * place;
        if (child > heap->count) {
            break;
        }
        if (child < heap->count && heap->nodes[child]->key < heap->nodes[child - 1]->key) {
            child++;
        }
        if (heap->nodes[child - 1]->key >= node->key) {
            break;
        }
        put(heap, heap->nodes[child - 1], place);
        place = child;
    }
    put(heap, node, place);
}

void mu_heap_add(struct mu_heap *heap, struct mu_heap_node *node, uint64_t key) {
    assert(node->place == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 16;
        heap->nodes = mu_realloc(heap->nodes, heap->capacity * sizeof(struct mu_heap_node *));
    }
    node->key = key;
    heap->count++;
    up(heap, node, heap->count);
}

void mu_heap_remove(struct mu_heap *heap, struct mu_heap_node *node) {
    size_t place = node->place;
    if (place == 0) {
        return;
    }
    assert(heap->nodes[place - 1] == node);
    struct mu_heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node) {
        return;
    }
    if (place > 1 && heap->nodes[place / 2 - 1]->key > last->key) {
        up(heap, last, place);
    } else {
        down(heap, last, place);
    }
}

struct mu_heap_node *mu_heap_first(const struct mu_heap *heap) {
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
