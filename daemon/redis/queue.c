#include "redis/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_CAPACITY 64

void mu_queue_deinit(struct mu_queue *queue) {
    free(queue->items);
    memset(queue, 0, sizeof *queue);
}

static void grow(struct mu_queue *queue) {
    size_t capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
    struct mu_queued *items = mu_calloc(capacity, sizeof *items);
    for (size_t i = 0; i < queue->count; i++) {
        items[i] = queue->items[(queue->first + i) & (queue->capacity - 1)];
    }
    free(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->first = 0;
}

void mu_queue_push(struct mu_queue *queue, const struct mu_queued *item) {
    if (queue->count == queue->capacity) {
        grow(queue);
    }
    queue->items[(queue->first + queue->count) & (queue->capacity - 1)] = *item;
    queue->count++;
}

struct mu_queued *mu_queue_front(const struct mu_queue *queue) {
    return queue->count > 0 ? &queue->items[queue->first] : NULL;
}

bool mu_queue_pop(struct mu_queue *queue, struct mu_queued *item) {
    if (queue->count == 0) {
        return false;
    }
    *item = queue->items[queue->first];
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return true;
}
