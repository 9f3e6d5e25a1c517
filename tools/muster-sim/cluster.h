/* cluster.h - starts instances as processes of their own, kills and pauses some of them, and never
 * leaves one behind. */
#ifndef MU_SIM_CLUSTER_H
#define MU_SIM_CLUSTER_H

#include "options.h"

/* Returns the exit status: 0 when
 * every instance that was told to stop ended with 0 and none ended by itself. */
int mu_cluster_run(const struct mu_sim_options *options);

#endif
