/* subscriber.h - one connection for subscriptions, kept and restored by itself.
 *
 * It connects, logs in and subscribes to everything that was ever asked of it, again after every
 * loss of the connection. Messages that were published meanwhile are lost: that is what `on_up`
 * tells, after which a reader reads its snapshots anew. A connection that says nothing for
 * `idle_timeout_ms` gets a PING (allowed in subscribe mode); no answer in `command_timeout_ms`
 * ends the connection, so that a dead peer is noticed.
 *
 * A channel may be said to be in no hurry. While nothing but its messages comes in, and many of
 * them, the socket is looked at every few ms instead of at each message: a thousand messages that
 * come one by one are then some two hundred wake-ups a second. Any other message ends that at once.
 */
#ifndef MU_REDIS_SUBSCRIBER_H
#define MU_REDIS_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "redis/address.h"

struct mu_subscriber;

struct mu_subscriber_options {
    const struct mu_redis_address *address; /* copied */
    const char *client_name;                /* copied; may be NULL */
    uint64_t connect_timeout_ms;            /* 0: 2000 */
    uint64_t command_timeout_ms;            /* 0: 5000 */
    uint64_t idle_timeout_ms;               /* 0: 5000 */
    uint64_t retry_min_ms;                  /* 0: 50 */
    uint64_t retry_max_ms;                  /* 0: 2000 */
    struct mu_log *log;                     /* not owned; may be NULL */
    void *context;
    /* A message. `pattern` is NULL for a plain subscription. Bytes are NUL-terminated for
     * convenience and valid during the call. */
    void (*on_message)(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length);
    /* Connected, and all subscriptions that were wanted when it connected are confirmed. */
    void (*on_up)(void *context);
    /* Redis has confirmed every subscription that was asked for up to `mark`; what is published
     * from now on is heard. After on_up; may be NULL. */
    void (*on_confirmed)(void *context, uint64_t mark);
    void (*on_down)(void *context, const struct mu_error *reason); /* may be NULL */
};

struct mu_subscriber *mu_subscriber_create(uv_loop_t *loop,
                                           const struct mu_subscriber_options *options);
void mu_subscriber_set_address(struct mu_subscriber *subscriber,
                               const struct mu_redis_address *address);

/* To another address at once: the present connection ends, as on any loss. Copied. */
void mu_subscriber_move(struct mu_subscriber *subscriber, const struct mu_redis_address *address);

/* Idempotent; remembered over reconnections. Copies the name. */
void mu_subscriber_subscribe(struct mu_subscriber *subscriber, const char *channel);
void mu_subscriber_psubscribe(struct mu_subscriber *subscriber, const char *pattern);
void mu_subscriber_unsubscribe(struct mu_subscriber *subscriber, const char *channel);
/* A second user's wishes, which leave the first one's alone: the channel is unsubscribed when
 * neither wants it. Both idempotent. */
void mu_subscriber_share(struct mu_subscriber *subscriber, const char *channel);
void mu_subscriber_unshare(struct mu_subscriber *subscriber, const char *channel);
void mu_subscriber_share_pattern(struct mu_subscriber *subscriber, const char *pattern);
void mu_subscriber_unshare_pattern(struct mu_subscriber *subscriber, const char *pattern);

/* Messages of this channel may wait MU_SUBSCRIBER_WAIT_MS, and others behind them. Copied. */
#define MU_SUBSCRIBER_WAIT_MS 5
void mu_subscriber_may_wait(struct mu_subscriber *subscriber, const char *channel);

bool mu_subscriber_is_up(const struct mu_subscriber *subscriber);
/* 0: everything that is wanted stands at Redis now. Otherwise on_confirmed will tell this mark, or
 * a later one. */
uint64_t mu_subscriber_mark(const struct mu_subscriber *subscriber);

struct mu_subscriber_counts {
    uint64_t ups; /* how often everything that was wanted came to stand */
    uint64_t messages, bytes;
    struct mu_histogram handed_on; /* what on_message took, us */
    size_t subscriptions;          /* now wanted: channels and patterns */
    bool gathering;                /* see may_wait */
};
void mu_subscriber_counts(const struct mu_subscriber *subscriber, struct mu_subscriber_counts *out);

void mu_subscriber_close(struct mu_subscriber **subscriber, void (*closed)(void *context),
                         void *context);

#endif
