/* feed.h - a subscription that is read synchronously and restores itself.
 *
 * A connection that says nothing for some seconds gets a PING; no answer ends it, so that a dead
 * peer is noticed. While there is no connection it is tried again with back-off.
 */
#ifndef MU_CTL_FEED_H
#define MU_CTL_FEED_H

#include "ctl.h"

enum mu_feed_kind {
    MU_FEED_MESSAGE, /* channel and payload are set */
    MU_FEED_UP,      /* subscribed: the first time, or again after MU_FEED_LOST */
    MU_FEED_LOST,    /* the connection is gone; `why` is set; it is being restored */
    MU_FEED_QUIET,   /* the time is over */
};

struct mu_feed_item {
    enum mu_feed_kind kind;
    const char *channel; /* valid until the next call, like all of these */
    const char *payload;
    size_t length;
    const char *why;
};

struct mu_feed;

/* Channel names, or patterns; copied. Does not connect yet. */
struct mu_feed *mu_feed_create(struct mu_ctl *ctl, bool patterns);
void mu_feed_add(struct mu_feed *feed, const char *channel);
/* Blocks until something happens or boottime `until` (ms; UINT64_MAX: no limit) has come. */
void mu_feed_next(struct mu_feed *feed, uint64_t until, struct mu_feed_item *item);
void mu_feed_destroy(struct mu_feed **feed);

#endif
