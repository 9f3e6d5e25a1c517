/* watcher.h - what Redis tells by itself: key events, heartbeats, events of instances.
 *
 * Everything that comes this way is a hint to look now; what is missed is found by polling. Key
 * events have to be switched on in the server, and the setting is not replicated, so it is merged
 * into what is there on every new connection (see prepare.h).
 *
 * There is no pattern among the subscriptions: Redis holds each PUBLISH and each key event against
 * every pattern. `instance:<i>:alive` would need one, and each heartbeat renews that key, which is
 * a message, too. Its expiry tells nothing that the detector's own clock does not know.
 */
#ifndef MU_COORDINATOR_WATCHER_H
#define MU_COORDINATOR_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"
#include "redis/subscriber.h"

enum mu_signal_kind {
    MU_SIGNAL_NONE,
    MU_SIGNAL_HEARTBEAT,     /* instance, incarnation */
    MU_SIGNAL_STARTED,       /* instance: events of `events:instances` from here */
    MU_SIGNAL_UP,            /* instance */
    MU_SIGNAL_SUSPECT,       /* instance */
    MU_SIGNAL_DRAINING,      /* instance */
    MU_SIGNAL_UNDRAINED,     /* instance */
    MU_SIGNAL_GONE,          /* instance: stopped or dead */
    MU_SIGNAL_LEASE_GONE,    /* the key of the lease was deleted or has expired */
    MU_SIGNAL_ELECTED,       /* epoch */
    MU_SIGNAL_EVICTED,       /* key of ours: data is being lost */
    MU_SIGNAL_LIFELINE,      /* instance, incarnation, daemon, quiet_ms: a door's, on `signal` */
    MU_SIGNAL_BRAKE_RELEASE, /* an operator's, there too */
    MU_SIGNAL_FLUSH,         /* the same: forget cached decisions */
    MU_SIGNAL_LIBRARY,       /* a daemon's: the functions library was loaded anew */
    MU_SIGNAL_REAP,          /* an operator's: ghosts need not wait any more */
    MU_SIGNAL_STEP_DOWN,     /* the same: the tenure of `epoch` is to end */
    MU_SIGNAL_BURIED         /* the same: instance, incarnation; it is done */
};

struct mu_signal {
    enum mu_signal_kind kind;
    char instance[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    uint64_t epoch;
    char daemon[MU_ID_SIZE]; /* lifeline: whose door it was; "": not told */
    uint64_t quiet_ms; /* since that socket brought its last START or HEARTBEAT; 0: not told */
    char order[24];    /* an operator's order, for people; "": it is none */
    char by[512];      /* who gave it */
};

/* Subscribes to all of it. */
void mu_watcher_subscribe(struct mu_subscriber *subscriber, const char *name_space,
                          unsigned database);
/* What a message of those subscriptions means; NONE for anything else. Pure. */
void mu_watcher_read(const char *name_space, const char *pattern, const char *channel,
                     const char *payload, size_t length, struct mu_signal *signal);

#endif
