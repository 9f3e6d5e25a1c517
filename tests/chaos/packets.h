/* packets.h - packets that vanish: a link that is neither open nor closed.
 *
 * The schedule's process goes into a network namespace of its own, before anything is started, and
 * with it everything that it starts; nftables drop what comes from or goes to an address of 127/8
 * there. The namespace ends with its last process, so there is nothing to clean up, however the
 * schedule ends. This takes root and nft.
 */
#ifndef CH_PACKETS_H
#define CH_PACKETS_H

#include <stdbool.h>

#include "lib/process.h"

/* The address by which one daemon (0…) alone reaches Redis. */
#define CH_DAEMON_NET "127.0.1."
/* The address from which servers follow their master. */
#define CH_REPLICA_ADDRESS "127.0.2.1"

enum { CH_PACKETS_REPLICA = 31 }; /* beside the numbers of daemons */

struct ch_packets {
    struct mt_world *world;
    unsigned dropped; /* a bit each */
};

/* False: it cannot be done here; *reason says why. */
bool ch_packets_open(struct ch_packets *packets, struct mt_world *world, const char **reason);
/* From now on nothing gets through between Redis and this daemon, or CH_PACKETS_REPLICA. */
void ch_packets_drop(struct ch_packets *packets, unsigned who, bool drop);
void ch_packets_heal(struct ch_packets *packets);

#endif
