/* main.c - musterctl: arguments, the way to a door or to Redis, one command, an exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "ctl.h"
#include "reach.h"
#include "via/door.h"

static enum mu_ctl_exit drain(struct mu_ctl *ctl) {
    return mu_ctl_drain(ctl, NULL);
}

static enum mu_ctl_exit brake(struct mu_ctl *ctl) {
    return mu_ctl_brake(ctl, NULL);
}

static enum mu_ctl_exit order(struct mu_ctl *ctl) {
    return mu_ctl_order(ctl, NULL);
}

static enum mu_ctl_exit top(struct mu_ctl *ctl) {
    return mu_ctl_top(ctl, NULL);
}

static enum mu_ctl_exit ask_redis(struct mu_ctl *ctl) {
    static const struct {
        const char *name;
        enum mu_ctl_exit (*run)(struct mu_ctl *ctl);
    } commands[] = {
        {"status", mu_ctl_status},
        {"instances", mu_ctl_instances},
        {"sessions", mu_ctl_sessions},
        {"members", mu_ctl_members},
        {"watch", mu_ctl_watch},
        {"fsck", mu_ctl_fsck},
        {"brake", brake},
        {"bury", order},
        {"reap", order},
        {"step-down", order},
        {"flush-decisions", order},
        {"flush", order},
        {"explain", mu_ctl_explain},
        {"drain", drain},
        {"undrain", drain},
        {"top", top},
    };
    enum mu_ctl_exit status = mu_ctl_reach(ctl);
    for (size_t i = 0; status == MU_CTL_FINE && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, ctl->options->command) == 0) {
            return commands[i].run(ctl);
        }
    }
    return status == MU_CTL_FINE ? MU_CTL_USAGE : status;
}

static enum mu_ctl_exit ask_pubsub(struct mu_ctl *ctl) {
    struct mu_via via;
    enum mu_ctl_exit status = mu_ctl_reach(ctl);
    if (status != MU_CTL_FINE) {
        return status;
    }
    status = mu_via_open(&via, ctl, MU_VIA_PUBSUB, mu_via_instance(ctl->options), false);
    if (status == MU_CTL_FINE) {
        status = mu_ctl_via(&via);
    }
    mu_via_close(&via);
    return status;
}

/* The door of the configuration, when nothing else was asked for. With a daemon that does not run,
 * Redis can still say much. */
static enum mu_ctl_exit ask_resp(struct mu_ctl *ctl, bool or_redis) {
    struct mu_via via;
    enum mu_ctl_exit status = mu_via_open(&via, ctl, MU_VIA_RESP, NULL, or_redis);
    bool open = status == MU_CTL_FINE;
    if (open) {
        status = mu_ctl_via(&via);
    }
    mu_via_close(&via);
    if (open || !or_redis || status != MU_CTL_UNREACHABLE) {
        return status;
    }
    fprintf(stderr, "musterctl: no musterd answers at %s; asking Redis itself\n", ctl->door);
    return ask_redis(ctl);
}

static enum mu_ctl_exit run(struct mu_ctl *ctl) {
    const struct mu_ctl_options *options = ctl->options;
    if (options->via != NULL) {
        return strcmp(options->via, "pubsub") == 0 ? ask_pubsub(ctl)
               : strcmp(options->via, "resp") == 0 ? ask_resp(ctl, false)
                                                   : ask_redis(ctl);
    }
    /* What Redis itself cannot tell. */
    bool only_door =
        strcmp(options->command, "call") == 0 || strcmp(options->command, "metrics") == 0;
    if (options->door != NULL || only_door) {
        return ask_resp(ctl, false);
    }
    bool door = mu_ctl_takes_door(options->command) && ctl->door != NULL && options->url == NULL &&
                options->state_dir == NULL && options->offset == 0;
    return door ? ask_resp(ctl, options->token == NULL) : ask_redis(ctl);
}

/* What needs neither Redis nor a daemon, or goes on without; false: it is none of those. */
static bool run_alone(const struct mu_ctl_options *options, enum mu_ctl_exit *status) {
    if (strcmp(options->command, "token") == 0) {
        *status = mu_ctl_token(options);
    } else if (strcmp(options->command, "explain-auth") == 0) {
        *status = mu_ctl_explain_auth(options);
    } else if (strcmp(options->command, "doctor") == 0) {
        *status = mu_ctl_doctor(options);
    } else {
        return false;
    }
    return true;
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
        if (run_alone(&options, &status)) {
            break;
        }
        status = mu_ctl_find(&ctl, &options);
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
