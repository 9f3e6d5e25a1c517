/* key_events.h - which events of keys muster wants of Redis (notify-keyspace-events). */
#ifndef MU_REDIS_KEY_EVENTS_H
#define MU_REDIS_KEY_EVENTS_H

#include <stdbool.h>

/* Channels by key and by event; of deletions and renames, of expiry, of eviction. */
#define MU_KEY_EVENTS "KEgxe"
#define MU_KEY_EVENTS_SIZE 32

/* Merges MU_KEY_EVENTS into the value of notify-keyspace-events. True: `out` differs in meaning
 * from `present` and should be set. Pure. */
bool mu_key_events_merge(const char *present, char out[MU_KEY_EVENTS_SIZE]);

#endif
