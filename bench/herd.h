/* herd.h - many instances in one process: each has its inbox subscribed and heartbeats, spread
 * evenly over the interval. Their process can be stopped and killed like one instance. */
#ifndef MB_HERD_H
#define MB_HERD_H

#include <sys/types.h>

#include "server.h"

/* Instances node-<first + 1> to node-<first + count>, announced and subscribed when this returns.
 * They speak to Redis itself; with `door` (the socket of a RESP door) to the door, over one socket.
 */
pid_t mb_herd_start(struct mb_server *server, const char *door, size_t first, size_t count,
                    unsigned heartbeat_ms);

#endif
