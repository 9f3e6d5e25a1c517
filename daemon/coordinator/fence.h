/* fence.h - every question and every write of the coordinator passes here.
 *
 * A *tenure* is a time in which the lease is held and the link is open. The fence sends only in a
 * tenure, puts its epoch before the arguments of a write, and reads the clock itself before each
 * write: past the lease's deadline nothing is sent. Answers that arrive after their tenure ended
 * are dropped here, so whoever asked only has to forget, at the end of a tenure, what it waits for.
 *
 * A write may be timed: it travels between two TIMEs in one batch, and their difference is what
 * it cost Redis, however long it waited in a queue.
 *
 * Ways to fail: not sent (false is returned, the callback is not called); sent without a usable
 * answer (the callback gets the status, or a NULL reply). STALE_EPOCH goes to `on_stale`, and
 * UNAVAILABLE to `on_unavailable` too, since it may mean that the data is not confirmed any more.
 */
#ifndef MU_COORDINATOR_FENCE_H
#define MU_COORDINATOR_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coordinator/lease.h"
#include "coordinator/redis_time.h"
#include "coordinator/tally.h"
#include "redis/link.h"
#include "registry/call.h"

struct mu_fence;

struct mu_fence_options {
    struct mu_link *link;         /* not owned */
    const char *name_space;       /* not owned */
    const struct mu_lease *lease; /* not owned */
    struct mu_redis_time *time;   /* not owned; told what TIME says */
    struct mu_tally *tally;       /* not owned */
    void *context;
    void (*on_stale)(void *context, const char *message);
    void (*on_unavailable)(void *context, const char *message);
};

/* `note` is the copy of what was given with the question. `took_us` is 0 unless timed. */
typedef void (*mu_fence_answer_cb)(void *context, const void *note, const struct mu_answer *answer,
                                   uint64_t took_us);
/* `reply` is NULL when none came; it may be an error reply. */
typedef void (*mu_fence_reply_cb)(void *context, const void *note, const redisReply *reply);

struct mu_note { /* copied bytes that travel with a question */
    const void *data;
    size_t size;
};

struct mu_fence *mu_fence_create(const struct mu_fence_options *options);
/* Only when the link is closed: every question was answered then. */
void mu_fence_destroy(struct mu_fence **fence);

void mu_fence_begin(struct mu_fence *fence, uint64_t epoch);
void mu_fence_end(struct mu_fence *fence);
/* Answers to what was asked so far are dropped as if the tenure had ended; it goes on. */
void mu_fence_drop(struct mu_fence *fence);
bool mu_fence_active(const struct mu_fence *fence);
const char *mu_fence_name_space(const struct mu_fence *fence);
/* Where whoever writes through it counts what came of it. */
struct mu_tally *mu_fence_tally(const struct mu_fence *fence);

/* A fenced function; the epoch is put before `arguments`, of which there may be 1023. */
bool mu_fence_write(struct mu_fence *fence, const char *operation, size_t count,
                    const char *const *arguments, mu_fence_answer_cb callback, void *context,
                    struct mu_note note) MU_WARN_UNUSED;
/* The same, timed; `took_us` is at least 1. */
bool mu_fence_write_timed(struct mu_fence *fence, const char *operation, size_t count,
                          const char *const *arguments, mu_fence_answer_cb callback, void *context,
                          struct mu_note note) MU_WARN_UNUSED;
/* A plain command that only reads. */
bool mu_fence_read(struct mu_fence *fence, size_t count, const char *const *arguments,
                   mu_fence_reply_cb callback, void *context, struct mu_note note) MU_WARN_UNUSED;

#endif
