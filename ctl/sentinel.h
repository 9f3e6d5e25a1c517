/* sentinel.h - asks sentinels where the master is, one after the other, and looks there. Blocks. */
#ifndef MU_CTL_SENTINEL_H
#define MU_CTL_SENTINEL_H

#include <stdbool.h>

#include "ctl.h"

/* Puts the master's address into ctl->address: the one of the newest failover that any sentinel
 * knows, and that says itself that it is a master. False, with the reason: none can be found. */
bool mu_ctl_find_master(struct mu_ctl *ctl, struct mu_error *error);

#endif
