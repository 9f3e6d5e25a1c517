/* library.h - the functions library without a daemon: the test plays the coordinator by hand. */
#ifndef MT_LIBRARY_H
#define MT_LIBRARY_H

#include "lib/redis.h"
#include "lib/server.h"

/* The settings that mt_lead() confirms: those of a default configuration. */
#define MT_SETTINGS                                                                                \
    "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,\"profile\":4096,"  \
    "\"sessions_per_connection\":128,\"grace_ms\":300000}"

/* Loads the embedded library, replacing what is there. What was confirmed is gone after that. */
void mt_library_load(struct mt_redis *redis);

/* Takes the lease for ten minutes (id "hand", nonce "hand-1") and rotates to `generation` with
 * `settings` (NULL: MT_SETTINGS). Returns the epoch as text; lives as long as other replies. */
const char *mt_lead(struct mt_redis *redis, const char *generation, const char *settings);

/* A reply's integer as text, to hand on as an argument; lives as long as other replies. */
const char *mt_number(struct mt_redis *redis, long long number);

#endif
