/* events.h - collects what is published in the namespace.
 *
 * One connection subscribes, another publishes a mark: mt_events_sync() returns when its mark has
 * come back, so everything published before the call has been collected - "nothing was published"
 * needs no waiting. Events that stand in no order known to the model (wrong channel, no JSON) fail
 * the test at once.
 */
#ifndef MT_EVENTS_H
#define MT_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/redis.h"

struct mt_events;

/* Subscribes to all events of the namespace; `all` adds its other channels (heartbeat, inboxes). */
struct mt_events *mt_events_open(const struct mt_redis *redis, bool all);
void mt_events_close(struct mt_events **events);

/* Collects what was published until now; returns how many are collected in all. */
size_t mt_events_sync(struct mt_events *events);
/* An event's payload (borrowed) or NULL, and the channel without the namespace. */
const json_t *mt_events_at(const struct mt_events *events, size_t index);
const char *mt_events_channel(const struct mt_events *events, size_t index);
/* Collects, forgets all. */
void mt_events_skip(struct mt_events *events);

/* Exactly these, in this order, were published since the last mt_expect_events() or skip:
 * patterns of json.h, plain text without format. None: nothing was published. */
#define mt_expect_events(events, ...)                                                              \
    mt_expect_events_at((events), __FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})
#define mt_expect_no_events(events)                                                                \
    mt_expect_events_at((events), __FILE__, __LINE__, (const char *const[]){NULL})
void mt_expect_events_at(struct mt_events *events, const char *file, int line,
                         const char *const patterns[]);

/* How many collected events (from index `from`) have these values; NULL is any. */
size_t mt_events_count(const struct mt_events *events, size_t from, const char *event,
                       const char *field, const char *value);

#endif
