/* main.c - muster-sim: simulated backend instances, as real processes. */
#include <stdio.h>

#include "cluster.h"
#include "instance.h"
#include "options.h"

#define EXIT_USAGE 2

int main(int argc, char **argv) {
    struct mu_sim_options options;
    struct mu_error error;
    int exit_code = 0;
    if (mu_sim_options_read(&options, argc, argv, &error) != MUSTER_OK) {
        fprintf(stderr, "muster-sim: %s\n(muster-sim --help says more)\n", error.text);
        exit_code = EXIT_USAGE;
    } else if (options.help) {
        fputs(mu_sim_usage, stdout);
    } else if (options.version) {
        puts("muster-sim " MUSTER_VERSION);
    } else if (options.command == MU_SIM_CLUSTER) {
        exit_code = mu_cluster_run(&options);
    } else {
        exit_code = mu_instance_run(&options);
    }
    mu_sim_options_deinit(&options);
    return exit_code;
}
