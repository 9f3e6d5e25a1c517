#include "feed.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "reach.h"

#define IDLE_MS 5000
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000

struct mu_feed {
    struct mu_ctl *ctl;
    bool patterns;
    char **channels;
    size_t count;
    redisContext *redis; /* NULL: not connected */
    size_t unconfirmed;  /* subscriptions still to be confirmed */
    redisReply *reply;   /* what the last item points into */
    uint64_t heard;      /* boottime of the last bytes */
    bool pinged;
    uint64_t retry_at;
    uint64_t retry_ms;
    bool said_lost;
    struct mu_error error;
};

struct mu_feed *mu_feed_create(struct mu_ctl *ctl, bool patterns) {
    struct mu_feed *feed = mu_calloc(1, sizeof *feed);
    feed->ctl = ctl;
    feed->patterns = patterns;
    feed->retry_ms = RETRY_MIN_MS;
    return feed;
}

void mu_feed_add(struct mu_feed *feed, const char *channel) {
    feed->channels = mu_realloc(feed->channels, (feed->count + 1) * sizeof *feed->channels);
    feed->channels[feed->count++] = mu_strdup(channel);
}

static bool flush(redisContext *redis) {
    int done = 0;
    while (done == 0) {
        if (redisBufferWrite(redis, &done) != REDIS_OK) {
            return false;
        }
    }
    return true;
}

static void drop(struct mu_feed *feed, const char *why) {
    mu_error_set(&feed->error, MUSTER_UNAVAILABLE, "%s", why);
    redisFree(feed->redis);
    feed->redis = NULL;
    feed->retry_at = mu_clock_boottime_ms() + feed->retry_ms;
}

static void connect_again(struct mu_feed *feed) {
    struct mu_error error = {0};
    feed->redis = mu_ctl_connect(feed->ctl, "musterctl:watch", &error);
    feed->retry_ms = feed->retry_ms * 2 < RETRY_MAX_MS ? feed->retry_ms * 2 : RETRY_MAX_MS;
    if (feed->redis == NULL) {
        feed->error = error;
        feed->retry_at = mu_clock_boottime_ms() + feed->retry_ms;
        return;
    }
    for (size_t i = 0; i < feed->count; i++) {
        redisAppendCommand(feed->redis, "%s %s", feed->patterns ? "PSUBSCRIBE" : "SUBSCRIBE",
                           feed->channels[i]);
    }
    feed->unconfirmed = feed->count;
    feed->heard = mu_clock_boottime_ms();
    feed->pinged = false;
    if (!flush(feed->redis)) {
        drop(feed, feed->redis->errstr);
    }
}

/* One reply of the connection. True: `item` is to be handed out. */
static bool take(struct mu_feed *feed, const redisReply *reply, struct mu_feed_item *item) {
    const char *kind = mu_reply_text(mu_reply_at(reply, 0));
    size_t at = strcmp(kind, "pmessage") == 0 ? 2 : 1;
    const redisReply *payload = mu_reply_at(reply, at + 1);
    if (reply->type == REDIS_REPLY_ERROR) {
        drop(feed, reply->str);
        return false;
    }
    if (strcmp(kind, "message") == 0 || strcmp(kind, "pmessage") == 0) {
        item->kind = MU_FEED_MESSAGE;
        item->channel = mu_reply_text(mu_reply_at(reply, at));
        item->payload = mu_reply_text(payload);
        item->length = payload != NULL ? (size_t)payload->len : 0;
        return true;
    }
    if (feed->unconfirmed > 0 && strstr(kind, "subscribe") != NULL && --feed->unconfirmed == 0) {
        item->kind = MU_FEED_UP;
        feed->retry_ms = RETRY_MIN_MS;
        feed->said_lost = false;
        return true;
    }
    return false;
}

/* Waits for bytes, at most until `until`. */
static void wait_for_bytes(struct mu_feed *feed, uint64_t until) {
    uint64_t now = mu_clock_boottime_ms();
    uint64_t next = feed->heard + IDLE_MS + (feed->pinged ? feed->ctl->command_timeout_ms : 0);
    uint64_t wake = next < until ? next : until;
    struct pollfd fd = {.fd = feed->redis->fd, .events = POLLIN};
    int ready = poll(&fd, 1, wake > now ? (int)(wake - now) : 0);
    if (ready > 0) {
        feed->heard = mu_clock_boottime_ms();
        feed->pinged = false;
        if (redisBufferRead(feed->redis) != REDIS_OK) {
            drop(feed, feed->redis->errstr);
        }
    } else if (mu_clock_boottime_ms() >= next && feed->pinged) {
        drop(feed, "it does not answer");
    } else if (mu_clock_boottime_ms() >= next) {
        feed->pinged = true;
        redisAppendCommand(feed->redis, "PING");
        if (!flush(feed->redis)) {
            drop(feed, feed->redis->errstr);
        }
    }
}

static void restore(struct mu_feed *feed, uint64_t until) {
    uint64_t now = mu_clock_boottime_ms();
    uint64_t wake = feed->retry_at < until ? feed->retry_at : until;
    if (wake > now) {
        poll(NULL, 0, (int)(wake - now));
    }
    if (mu_clock_boottime_ms() >= feed->retry_at) {
        connect_again(feed);
    }
}

void mu_feed_next(struct mu_feed *feed, uint64_t until, struct mu_feed_item *item) {
    memset(item, 0, sizeof *item);
    if (feed->reply != NULL) {
        freeReplyObject(feed->reply);
        feed->reply = NULL;
    }
    for (;;) {
        void *reply = NULL;
        if (feed->redis == NULL && !feed->said_lost && feed->error.text[0] != '\0') {
            feed->said_lost = true;
            item->kind = MU_FEED_LOST;
            item->why = feed->error.text;
            return;
        }
        if (feed->redis != NULL && redisGetReplyFromReader(feed->redis, &reply) != REDIS_OK) {
            drop(feed, feed->redis->errstr);
            continue;
        }
        if (reply != NULL) {
            feed->reply = reply;
            if (take(feed, reply, item)) {
                return;
            }
            freeReplyObject(reply);
            feed->reply = NULL;
            continue;
        }
        if (mu_clock_boottime_ms() >= until) {
            item->kind = MU_FEED_QUIET;
            return;
        }
        if (feed->redis == NULL) {
            restore(feed, until);
        } else {
            wait_for_bytes(feed, until);
        }
    }
}

void mu_feed_destroy(struct mu_feed **feed) {
    struct mu_feed *old = *feed;
    *feed = NULL;
    if (old == NULL) {
        return;
    }
    if (old->reply != NULL) {
        freeReplyObject(old->reply);
    }
    if (old->redis != NULL) {
        redisFree(old->redis);
    }
    for (size_t i = 0; i < old->count; i++) {
        free(old->channels[i]);
    }
    free(old->channels);
    free(old);
}
