/* reach.c - from --url, --state-dir or the configuration to a connection that is logged in. */
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "config/config.h"
#include "redis/managed.h"

#define CONFIG_DEFAULT "/etc/muster/muster.yaml"

static enum mu_ctl_exit complain(enum mu_ctl_exit status, const char *text) {
    fprintf(stderr, "musterctl: %s\n", text);
    return status;
}

static enum mu_ctl_exit address_of_state_dir(struct mu_ctl *ctl, const char *state_dir) {
    struct mu_error error = {0};
    if (mu_managed_address(state_dir, &ctl->address, &error) != MUSTER_OK) {
        fprintf(stderr,
                "musterctl: no Redis of muster's own in %s: %s; is musterd running with this state "
                "directory? Name another with --state-dir, or a Redis with --url\n",
                state_dir, error.text);
        return MU_CTL_UNREACHABLE;
    }
    return MU_CTL_FINE;
}

static enum mu_ctl_exit address_of_url(struct mu_ctl *ctl, const char *url, const char *source) {
    struct mu_error error = {0};
    if (mu_redis_address_parse(url, &ctl->address, &error) != MUSTER_OK) {
        mu_error_prefix(&error, "%s", source);
        return complain(MU_CTL_USAGE, error.text);
    }
    return MU_CTL_FINE;
}

static enum mu_ctl_exit by_config(struct mu_ctl *ctl, const struct mu_config *config) {
    const struct mu_ctl_options *options = ctl->options;
    ctl->name_space =
        mu_strdup(options->name_space != NULL ? options->name_space : config->name_space);
    ctl->connect_timeout_ms = config->redis.connect_timeout_ms;
    ctl->command_timeout_ms = config->redis.command_timeout_ms;
    if (options->url != NULL) {
        return address_of_url(ctl, options->url, "--url");
    }
    if (options->state_dir != NULL) {
        return address_of_state_dir(ctl, options->state_dir);
    }
    if (config->redis.mode == MU_REDIS_MANAGED) {
        return address_of_state_dir(ctl, config->state_dir);
    }
    return address_of_url(ctl, config->redis.url, "redis.url");
}

static enum mu_ctl_exit find(struct mu_ctl *ctl) {
    const struct mu_ctl_options *options = ctl->options;
    struct mu_error error = {0};
    struct mu_config config;
    const char *path = options->config;
    enum mu_ctl_exit status = MU_CTL_FINE;

    /* With --url or --state-dir alone nothing of this machine's configuration is meant. */
    if (path == NULL && options->url == NULL && options->state_dir == NULL &&
        access(CONFIG_DEFAULT, F_OK) == 0) {
        path = CONFIG_DEFAULT;
    }
    mu_config_init(&config);
    if (path != NULL && mu_config_load(&config, path, &error) != MUSTER_OK) {
        status = complain(MU_CTL_USAGE, error.text);
    } else {
        status = by_config(ctl, &config);
    }
    mu_config_deinit(&config);
    return status;
}

/* Sends one command that must be answered with a status; the reason of a refusal in `error`. */
static bool demand(redisContext *redis, struct mu_error *error, const char *what, int argc,
                   const char **argv) {
    redisReply *reply = redisCommandArgv(redis, argc, argv, NULL);
    bool fine = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (!fine) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "%s: %s", what,
                     reply != NULL ? reply->str : redis->errstr);
    }
    freeReplyObject(reply);
    return fine;
}

static bool log_in(const struct mu_redis_address *address, redisContext *redis,
                   const char *client_name, struct mu_error *error) {
    char number[16];
    if (address->password != NULL) {
        const char *argv[3] = {"AUTH", address->user, address->password};
        if (address->user == NULL) {
            argv[1] = address->password;
        }
        if (!demand(redis, error, "it refused the login", address->user != NULL ? 3 : 2, argv)) {
            return false;
        }
    }
    if (address->database != 0) {
        snprintf(number, sizeof number, "%u", address->database);
        if (!demand(redis, error, "it refused the database", 2,
                    (const char *[]){"SELECT", number})) {
            return false;
        }
    }
    redisReply *reply = redisCommand(redis, "CLIENT SETNAME %s", client_name);
    freeReplyObject(reply); /* a courtesy; an ACL may deny it */
    return demand(redis, error, "it is not ready", 1, (const char *[]){"PING"});
}

redisContext *mu_ctl_connect(struct mu_ctl *ctl, const char *client_name, struct mu_error *error) {
    const struct mu_redis_address *address = &ctl->address;
    struct timeval connect = {.tv_sec = (time_t)(ctl->connect_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(ctl->connect_timeout_ms % 1000 * 1000)};
    struct timeval command = {.tv_sec = (time_t)(ctl->command_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(ctl->command_timeout_ms % 1000 * 1000)};
    redisContext *redis = address->path != NULL
                              ? redisConnectUnixWithTimeout(address->path, connect)
                              : redisConnectWithTimeout(address->host, address->port, connect);
    if (redis == NULL || redis->err != 0) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "%s",
                     redis != NULL ? redis->errstr : "out of memory");
    } else {
        redisSetTimeout(redis, command);
        redisEnableKeepAlive(redis); /* fails on a unix socket: no matter */
        redis->err = 0;
        redis->errstr[0] = '\0';
        if (log_in(address, redis, client_name, error)) {
            return redis;
        }
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    return NULL;
}

enum mu_ctl_exit mu_ctl_reach(struct mu_ctl *ctl, const struct mu_ctl_options *options) {
    struct mu_error error = {0};
    memset(ctl, 0, sizeof *ctl);
    ctl->options = options;

    enum mu_ctl_exit status = find(ctl);
    if (status != MU_CTL_FINE) {
        return status;
    }
    if (!mu_id_valid(ctl->name_space, strlen(ctl->name_space))) {
        fprintf(stderr,
                "musterctl: '%s' is no namespace: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -\n",
                ctl->name_space);
        return MU_CTL_USAGE;
    }
    mu_redis_address_describe(&ctl->address, ctl->where, sizeof ctl->where);
    ctl->redis = mu_ctl_connect(ctl, "musterctl", &error);
    if (ctl->redis == NULL) {
        fprintf(stderr,
                "musterctl: Redis at %s cannot be used: %s; is it running, and is this the right "
                "one? Name it with --url, --state-dir or --config\n",
                ctl->where, error.text);
        return MU_CTL_UNREACHABLE;
    }
    return MU_CTL_FINE;
}

void mu_ctl_leave(struct mu_ctl *ctl) {
    if (ctl->redis != NULL) {
        redisFree(ctl->redis);
        ctl->redis = NULL;
    }
    mu_redis_address_deinit(&ctl->address);
    free(ctl->name_space);
    ctl->name_space = NULL;
}
