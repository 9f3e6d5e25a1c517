/* instance.h - a minimal real instance on Redis pub/sub: a process that keeps its inbox subscribed
 * and heartbeats, and can be killed. And the daemon that watches it. */
#ifndef MB_INSTANCE_H
#define MB_INSTANCE_H

#include <sys/types.h>

#include "server.h"

/* Starts the musterd of this build on the server, with what most scenarios need and `settings`
 * (key=value texts ended by NULL; may be NULL), and waits until it coordinates confirmed data. */
pid_t mb_daemon_start(struct mb_server *server, const char *directory, const char *const *settings);

/* A process for the instance node-<number + 1>, which is announced (START) and has its inbox
 * subscribed when this returns. It heartbeats every `heartbeat_ms`. */
pid_t mb_instance_start(struct mb_server *server, size_t number, unsigned heartbeat_ms);

#endif
