/* read.h - one read under way. Private to daemon/registry.
 *
 * A read sends a batch of plain commands, which leave in one turn of the loop; `step` sees each
 * reply, in the order of the commands; `done` is called after the last one and either sends
 * another batch or leaves `out` as the answer.
 *
 * Every reply that is an error, and every command that ends without one, fails the read, and its
 * steps are over: `step` sees no error replies. The first fault counts. What was sent is always
 * waited for, so that nothing outlives the read.
 */
#ifndef MU_REGISTRY_READ_H
#define MU_REGISTRY_READ_H

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "registry/call.h"
#include "registry/gate.h"
#include "registry/registry.h"

#define MU_READ_SNAPSHOT_MAX 5000 /* members in one answer without pages, and of one page */
#define MU_READ_PAGE 1000         /* of a page when no count is given */
#define MU_READ_BATCH 500         /* what a read asks Redis about in one batch */
#define MU_READ_INSTANCES_MAX 10000
#define MU_READ_OUT_MAX ((size_t)64 << 20) /* bytes of one answer */
/* What members of one reply of Redis may come to if all profiles are as large as they may be: far
 * below what the link takes, because a larger one ends it for everybody. */
#define MU_READ_MEMBERS_BYTES ((uint64_t)32 << 20)

struct mu_read {
    struct mu_link *link;
    const char *name_space;
    const char *version; /* of this daemon */
    mu_answer_cb callback;
    void *context;
    size_t count;
    struct muster_text *arguments; /* copies */

    struct mu_buffer out;
    struct mu_error error; /* MUSTER_OK until it failed */
    size_t index;          /* of the reply in its batch */
    size_t pending;        /* replies to come */
    bool abandoned;        /* apply() said no: nobody waits for it */

    struct mu_gate *gate; /* of the registry */
    size_t fields;        /* that it asked the gate for */
    bool inside;          /* counted by the gate */
    bool waiting;         /* for its turn: it is not over though nothing is pending */
    uint64_t since;       /* when it began to wait, CLOCK_BOOTTIME in ms */
    void (*start)(struct mu_read *read);
    struct mu_read *next; /* in the queue of the gate */

    void (*step)(struct mu_read *read, const redisReply *reply, const char *key);
    void (*done)(struct mu_read *read);
    void *state; /* of the operation; freed with free_state, or free() when that is NULL */
    void (*free_state)(void *state);
};

/* Begins a read of the operation: sets step and done, sends the first batch. */
typedef void (*mu_read_start)(struct mu_read *read);

/* Queues one command; the key stands between its first word and the rest:
 *     mu_read_send(read, key, "HGET", "generation")  is  HGET key generation */
#define mu_read_send(read, key, ...)                                                               \
    mu_read_send_words((read), (key), (const char *const[]){__VA_ARGS__, NULL})
void mu_read_send_words(struct mu_read *read, const char *key, const char *const words[]);
/* Key of the namespace from a format, as mu_key(). */
#define mu_read_key(read, out, ...) mu_key((out), (read)->name_space, __VA_ARGS__)

/* Only the first fault counts. */
void mu_read_fail(struct mu_read *read, enum muster_status status, const char *format, ...)
    MU_PRINTF(3, 4);
bool mu_read_failed(const struct mu_read *read);
/* INTERNAL: "<key> <what>; see musterctl fsck". */
void mu_read_damaged(struct mu_read *read, const char *key, const char *what);

/* ---- building the answer; a fault fails the read ---- */

void mu_read_put(struct mu_read *read, const char *data, size_t length);
/* So that what follows, up to `more` bytes, is not moved as it grows. */
void mu_read_room(struct mu_read *read, size_t more);
void mu_read_printf(struct mu_read *read, const char *format, ...) MU_PRINTF(2, 3);
/* An id that came from Redis as a JSON text, or null when it is NULL or empty. */
void mu_read_put_id(struct mu_read *read, const redisReply *id, const char *key);
/* A profile or a meta byte for byte: it must be closed in itself. "{}" when it is NULL or nil. */
void mu_read_put_object(struct mu_read *read, const redisReply *object, const char *key);

/* ---- taking replies apart ---- */

/* An element of an array; NULL when it is nil or missing. */
const redisReply *mu_read_at(const redisReply *reply, size_t index);
/* A whole number below 2^53 as Redis stores or answers it. NULL or nil gives `otherwise`. */
uint64_t mu_read_number(struct mu_read *read, const redisReply *reply, const char *key,
                        uint64_t otherwise);
/* Is it a text with exactly these bytes? */
bool mu_read_is(const redisReply *reply, const char *text);
/* The text of a bulk or status reply; NULL when it is another. */
static inline const char *mu_read_text(const redisReply *reply) {
    return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
               ? reply->str
               : NULL;
}

/* The cursor and count of arguments[first] and [first + 1], checked by mu_read_start's caller. */
struct mu_page {
    bool asked; /* a cursor was given */
    char cursor[24];
    uint64_t count;
};
/* False, and the read failed with BAD_REQUEST, when they cannot be used. */
bool mu_read_page(struct mu_read *read, size_t first, struct mu_page *page);

/* ---- the operations, one file a family ---- */

void mu_read_count(struct mu_read *read);      /* reads_session.c */
void mu_read_ismember(struct mu_read *read);   /* reads_session.c */
void mu_read_leader(struct mu_read *read);     /* reads_session.c */
void mu_read_check(struct mu_read *read);      /* reads_session.c */
void mu_read_session(struct mu_read *read);    /* reads_session.c */
void mu_read_sessions(struct mu_read *read);   /* reads_sessions.c */
void mu_read_members(struct mu_read *read);    /* reads_members.c */
void mu_read_users(struct mu_read *read);      /* reads_members.c */
void mu_read_connection(struct mu_read *read); /* reads_connection.c */
void mu_read_instance(struct mu_read *read);   /* reads_instance.c */
void mu_read_instances(struct mu_read *read);  /* reads_instance.c */
void mu_read_status(struct mu_read *read);     /* reads_status.c */

#endif
