/* reach.h - finds Redis from the options and connects to it, synchronously. */
#ifndef MU_CTL_REACH_H
#define MU_CTL_REACH_H

#include "ctl.h"

/* Fills `ctl` and connects. Says on stderr what is wrong and how to mend it. In every case
 * mu_ctl_leave() afterwards. */
enum mu_ctl_exit mu_ctl_reach(struct mu_ctl *ctl, const struct mu_ctl_options *options);
void mu_ctl_leave(struct mu_ctl *ctl);

/* One more connection to the same Redis, logged in and on the right database; the caller's to
 * redisFree(). NULL with the reason. */
redisContext *mu_ctl_connect(struct mu_ctl *ctl, const char *client_name, struct mu_error *error);

#endif
