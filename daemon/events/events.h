/* events.h - from the channels of Redis to whoever in the daemon listens.
 *
 * The happy path: a listener subscribes to a channel - the first of a channel subscribes at Redis -
 * a message comes in - every listener of that channel hears it - the last one to leave
 * unsubscribes. An observer hears every event of the namespace, by pattern, once.
 *
 * Redis confirms a subscription later (`confirmed`): only from then on nothing is missed.
 *
 * Ways to fail: the subscriber was down (`resync`: messages may have been lost; events that come
 * while only some of its subscriptions stand again are passed over, so that none stands behind a
 * hole and before the resync). Before Redis is
 * known, wishes are only remembered.
 */
#ifndef MU_EVENTS_EVENTS_H
#define MU_EVENTS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/types.h"
#include "redis/subscriber.h"

#define MU_LISTENERS_MAX 64
/* Of a channel's name without the namespace. */
#define MU_CHANNEL_MAX 400

struct mu_events;
struct mu_listener;

struct mu_listener_hooks {
    void (*message)(void *context, const struct muster_event *event);  /* may be NULL */
    void (*observed)(void *context, const struct muster_event *event); /* not NULL: an observer */
    void (*resync)(void *context);                                     /* may be NULL */
    void (*confirmed)(void *context, uint64_t mark);                   /* may be NULL */
};

struct mu_events *mu_events_create(const char *name_space);
/* Every listener must be gone. Clears the pointer. */
void mu_events_destroy(struct mu_events **events);

/* From now on wishes go to `subscriber` (not owned); NULL: it is about to be closed. */
void mu_events_attach(struct mu_events *events, struct mu_subscriber *subscriber);
/* What the subscriber tells. Messages of other patterns and channels are passed over. */
void mu_events_message(struct mu_events *events, const char *pattern, const char *channel,
                       const char *payload, size_t length);
void mu_events_up(struct mu_events *events);
/* Everything up to this mark of the subscriber is confirmed. */
void mu_events_confirmed(struct mu_events *events, uint64_t mark);

/* NULL when there are MU_LISTENERS_MAX already. A listener may come, go, subscribe and unsubscribe
 * from inside a hook. */
struct mu_listener *mu_events_listen(struct mu_events *events,
                                     const struct mu_listener_hooks *hooks, void *context);
/* Ends all its subscriptions. Clears the pointer; NULL in it is fine. */
void mu_events_leave(struct mu_listener **listener);
/* Relative names. Idempotent for one listener. */
void mu_events_subscribe(struct mu_listener *listener, const char *channel);
void mu_events_unsubscribe(struct mu_listener *listener, const char *channel);
/* The same for patterns; `*` stands for any bytes. A channel and patterns that match it are told
 * one by one. */
void mu_events_subscribe_pattern(struct mu_listener *listener, const char *pattern);
void mu_events_unsubscribe_pattern(struct mu_listener *listener, const char *pattern);
/* 0: all that was subscribed stands at Redis. Otherwise `confirmed` will tell this mark, or a later
 * one. */
uint64_t mu_events_mark(const struct mu_events *events);
size_t mu_events_channels(const struct mu_events *events);

struct mu_events_counts {
    uint64_t messages;    /* of the namespace that somebody here listens to */
    uint64_t deliveries;  /* the same, once for each who was told */
    uint64_t passed_over; /* events that came while not all subscriptions stood */
    uint64_t resyncs;     /* how often all were told that messages may have been lost */
};
void mu_events_counts(const struct mu_events *events, struct mu_events_counts *out);

/* 1 to MU_CHANNEL_MAX bytes of what ids may have, and colons. */
bool mu_channel_valid(const char *channel);
/* The same, and `*`. */
bool mu_channel_pattern_valid(const char *pattern);

#endif
