/* main.c - musterctl: arguments, the way to Redis, one command, an exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "ctl.h"
#include "reach.h"
#include "via/door.h"

static enum mu_ctl_exit run(struct mu_ctl *ctl) {
    static const struct {
        const char *name;
        enum mu_ctl_exit (*run)(struct mu_ctl *ctl);
    } commands[] = {
        {"status", mu_ctl_status},   {"instances", mu_ctl_instances}, {"sessions", mu_ctl_sessions},
        {"members", mu_ctl_members}, {"watch", mu_ctl_watch},         {"fsck", mu_ctl_fsck},
        {"brake", mu_ctl_brake},     {"flush", mu_ctl_flush},
    };
    if (ctl->options->via != NULL) {
        return mu_ctl_via(ctl);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, ctl->options->command) == 0) {
            return commands[i].run(ctl);
        }
    }
    return MU_CTL_USAGE;
}

int main(int argc, char **argv) {
    struct mu_ctl_options options;
    struct mu_error error;
    struct mu_ctl ctl;
    enum mu_ctl_exit status = MU_CTL_USAGE;

    switch (mu_ctl_arguments(argc, argv, &options, &error)) {
    case MU_CTL_PARSE_HELP:
        mu_ctl_usage(stdout);
        status = MU_CTL_FINE;
        break;
    case MU_CTL_PARSE_VERSION:
        printf("musterctl %s\n", MUSTER_VERSION);
        status = MU_CTL_FINE;
        break;
    case MU_CTL_PARSE_BAD:
        fprintf(stderr, "musterctl: %s\n", error.text);
        break;
    case MU_CTL_PARSE_RUN:
        status = mu_ctl_reach(&ctl, &options);
        if (status == MU_CTL_FINE) {
            status = run(&ctl);
        }
        mu_ctl_leave(&ctl);
        break;
    }
    mu_ctl_options_deinit(&options);
    if (fflush(stdout) != 0 && status == MU_CTL_FINE) {
        fputs("musterctl: the output could not be written\n", stderr);
        status = MU_CTL_NO;
    }
    return (int)status;
}
