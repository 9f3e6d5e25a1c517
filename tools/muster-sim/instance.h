/* instance.h - one simulated backend process: runs the loop from start to end. */
#ifndef MU_SIM_INSTANCE_H
#define MU_SIM_INSTANCE_H

#include "options.h"

#define MU_SIM_EXIT_TAKEN_OVER 3

/* Returns the exit status. Lines go to stdout, reasons of failure to stderr. */
int mu_instance_run(const struct mu_sim_options *options);

#endif
