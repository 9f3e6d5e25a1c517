/* queue.h - commands in order, as a ring. Private to daemon/redis. */
#ifndef MU_REDIS_QUEUE_H
#define MU_REDIS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/link.h"

struct mu_queued {
    char *bytes; /* NULL once it is written; for redisFreeCommand() */
    size_t length;
    mu_link_reply_cb callback;
    void *context;
    uint64_t since_us; /* CLOCK_MONOTONIC when it was queued, or written */
    bool now;          /* does not wait for another connection */
};

struct mu_queue {
    struct mu_queued *items;
    size_t capacity; /* a power of two, or 0 */
    size_t first;
    size_t count;
};

void mu_queue_deinit(struct mu_queue *queue); /* which must be empty */
void mu_queue_push(struct mu_queue *queue, const struct mu_queued *item);
/* The oldest. NULL when there is none. Valid until the next push or pop. */
struct mu_queued *mu_queue_front(const struct mu_queue *queue);
bool mu_queue_pop(struct mu_queue *queue, struct mu_queued *item);

#endif
