/* collector.h - hears everything that is published, over connections that come and go, and holds it
 * against the model.
 *
 * A connection that ends excuses what was published until the next one stands: the replay starts
 * again there, from the sessions as they are. Subscribing and reading them is one moment: writes
 * are paused meanwhile (CLIENT PAUSE). What was seen of terms is never forgotten.
 */
#ifndef CH_COLLECTOR_H
#define CH_COLLECTOR_H

#include "lib/redis.h"

struct ch_collector;

struct ch_collector *ch_collector_create(struct mt_world *world);
void ch_collector_destroy(struct ch_collector **collector);

/* Redis at `socket` runs: connects unless it is connected. False: its data are of a generation
 * after which another one was seen, so a coordinator has yet to rotate; whoever writes there is not
 * heard. */
bool ch_collector_open(struct ch_collector *collector, const char *socket);
/* Follows what has arrived; a connection that has ended is closed. */
void ch_collector_turn(struct ch_collector *collector);
/* Follows everything that Redis has published before this call; false: the connection has ended. */
bool ch_collector_sync(struct ch_collector *collector);
/* Follows what was still on its way when Redis ended, and closes. */
void ch_collector_close(struct ch_collector *collector);
bool ch_collector_is_open(const struct ch_collector *collector);
/* Closes at once. */
void ch_collector_drop(struct ch_collector *collector);
/* Session events followed so far, but those of the sessions by which sims at doors find out what
 * they have heard. */
size_t ch_collector_events(const struct ch_collector *collector);
/* How many events of this name were heard. */
long long ch_collector_heard(const struct ch_collector *collector, const char *event);
/* What the events tell is what Redis holds. Writes must be paused, and everything followed. */
void ch_collector_compare(struct ch_collector *collector, struct mt_redis *redis);

#endif
