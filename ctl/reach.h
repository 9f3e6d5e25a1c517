/* reach.h - finds the door and Redis from the options and the configuration, and connects to Redis,
 * synchronously. What is wrong, and how to mend it, is said on stderr. */
#ifndef MU_CTL_REACH_H
#define MU_CTL_REACH_H

#include "ctl.h"

/* Fills `ctl`: namespace, where Redis is, where a door listens. Connects to nothing. In every case
 * mu_ctl_leave() afterwards. */
enum mu_ctl_exit mu_ctl_find(struct mu_ctl *ctl, const struct mu_ctl_options *options);
/* Connects to Redis, after mu_ctl_find(). */
enum mu_ctl_exit mu_ctl_reach(struct mu_ctl *ctl);
/* The same, with the sentence in `error` instead of on stderr. */
enum mu_ctl_exit mu_ctl_try(struct mu_ctl *ctl, struct mu_error *error);
void mu_ctl_leave(struct mu_ctl *ctl);

/* A connection to there, logged in and on the right database; the caller's to redisFree(). NULL
 * with the reason. */
redisContext *mu_ctl_connect_to(const struct mu_ctl *ctl, const struct mu_redis_address *address,
                                const char *client_name, struct mu_error *error);
/* One more connection to the same Redis, or to what is the master now. */
redisContext *mu_ctl_connect(struct mu_ctl *ctl, const char *client_name, struct mu_error *error);

#endif
