/* reach.c - from --url, --state-dir, --door or the configuration to where things are, and to a
 * connection to Redis that is logged in. */
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "config/config.h"
#include "config/tree.h"
#include "redis/managed.h"
#include "redis/tls.h"
#include "redis/tls_pipe.h"
#include "sentinel.h"

static enum mu_ctl_exit complain(enum mu_ctl_exit status, const char *text) {
    fprintf(stderr, "musterctl: %s\n", text);
    return status;
}

static enum mu_ctl_exit address_of_state_dir(struct mu_ctl *ctl, struct mu_error *error) {
    struct mu_error why = {0};
    if (mu_managed_address(ctl->state_dir, &ctl->address, &why) != MUSTER_OK) {
        mu_error_set(error, why.status,
                     "no Redis of muster's own in %s: %s; is musterd running with this state "
                     "directory? Name another with --state-dir, or a Redis with --url",
                     ctl->state_dir, why.text);
        return MU_CTL_UNREACHABLE;
    }
    return MU_CTL_FINE;
}

static enum mu_ctl_exit address_of_url(struct mu_ctl *ctl, struct mu_error *error) {
    if (mu_redis_address_parse(ctl->url, &ctl->address, error) != MUSTER_OK) {
        mu_error_prefix(error, "%s", ctl->source);
        return MU_CTL_USAGE;
    }
    return MU_CTL_FINE;
}

static enum mu_ctl_exit set_tls(struct mu_ctl *ctl, struct mu_error *error) {
    struct mu_redis_tls_options tls = {.ca = ctl->tls.ca,
                                       .certificate = ctl->tls.certificate,
                                       .key = ctl->tls.key,
                                       .server_name = ctl->tls.server_name};
    if (mu_redis_address_set_tls(&ctl->address, &tls, error) != MUSTER_OK ||
        mu_tls_check(&ctl->address, error) != MUSTER_OK) {
        mu_error_prefix(error, "--tls-… or redis.tls");
        return MU_CTL_USAGE;
    }
    return MU_CTL_FINE;
}

/* An option, or else what the configuration says. NULL when neither does. */
static char *either(const char *option, const char *configured) {
    const char *text = option != NULL ? option : configured;
    return text != NULL && text[0] != '\0' ? mu_strdup(text) : NULL;
}

/* The configuration's TLS belongs to its redis.url, not to a place that an option names. */
static void choose_tls(struct mu_ctl *ctl, const struct mu_config *config) {
    const struct mu_ctl_options *options = ctl->options;
    const struct mu_redis_tls_options *tls = &options->tls;
    bool elsewhere =
        options->url != NULL || options->state_dir != NULL || options->sentinels != NULL;
    ctl->tls.ca = either(tls->ca, elsewhere ? NULL : config->redis.tls.ca);
    ctl->tls.certificate =
        either(tls->certificate, elsewhere ? NULL : config->redis.tls.certificate);
    ctl->tls.key = either(tls->key, elsewhere ? NULL : config->redis.tls.key);
    ctl->tls.server_name =
        either(tls->server_name, elsewhere ? NULL : config->redis.tls.server_name);
}

/* Is `name` of plugins.load this plugin, by its name or as a path to it? */
static bool is_resp(const char *name) {
    const char *slash = strrchr(name, '/');
    const char *base = slash != NULL ? slash + 1 : name;
    return strcmp(base, "transport_resp") == 0 || strcmp(base, "transport_resp.so") == 0;
}

/* The first unix socket that transport_resp listens on, or else its first address. */
static const char *door_of(const struct mu_config *config) {
    const struct muster_config *load = config->plugins.load;
    const char *found = NULL;
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        const struct muster_config *name = mu_tree_get(load->items[i], "name");
        const struct muster_config *given = mu_tree_get(load->items[i], "config");
        const struct muster_config *listen = mu_tree_get(given, "listen");
        if (name->text == NULL || !is_resp(name->text) || listen == NULL) {
            continue;
        }
        for (size_t k = 0; k < listen->count; k++) {
            const char *address = listen->items[k]->text;
            bool is_unix = address != NULL && strncmp(address, "unix:", 5) == 0;
            if (is_unix) {
                return address;
            }
            found = found == NULL ? address : found;
        }
        found = found == NULL ? listen->text : found; /* one address needs no list */
    }
    return found;
}

static enum mu_ctl_exit by_sentinels(struct mu_ctl *ctl, struct mu_sentinel_names *names) {
    struct mu_error error = {0};
    names->tls = (struct mu_redis_tls_options){.ca = ctl->tls.ca,
                                               .certificate = ctl->tls.certificate,
                                               .key = ctl->tls.key,
                                               .server_name = ctl->tls.server_name};
    if (mu_sentinel_places_read(names, &ctl->places, &error) != MUSTER_OK) {
        return complain(MU_CTL_USAGE, error.text);
    }
    ctl->master = mu_strdup(names->master);
    return MU_CTL_FINE;
}

static enum mu_ctl_exit sentinels_of_options(struct mu_ctl *ctl) {
    const struct mu_ctl_options *options = ctl->options;
    return by_sentinels(ctl, &(struct mu_sentinel_names){.master = options->master,
                                                         .list = options->sentinels,
                                                         .url = options->url});
}

static enum mu_ctl_exit sentinels_of_config(struct mu_ctl *ctl, const struct mu_config *config) {
    return by_sentinels(ctl, &(struct mu_sentinel_names){
                                 .master = config->redis.sentinel.master,
                                 .addresses = (const char *const *)config->redis.sentinel.addresses,
                                 .count = config->redis.sentinel.address_count,
                                 .user = config->redis.sentinel.user,
                                 .password = config->redis.sentinel.password,
                                 .url = config->redis.url,
                             });
}

static enum mu_ctl_exit by_config(struct mu_ctl *ctl, const struct mu_config *config) {
    const struct mu_ctl_options *options = ctl->options;
    const char *door = options->door != NULL ? options->door : door_of(config);
    ctl->name_space =
        mu_strdup(options->name_space != NULL ? options->name_space : config->name_space);
    ctl->connect_timeout_ms = config->redis.connect_timeout_ms;
    ctl->command_timeout_ms = config->redis.command_timeout_ms;
    ctl->door = door != NULL ? mu_strdup(door) : NULL;
    choose_tls(ctl, config);
    if (options->sentinels != NULL) {
        return sentinels_of_options(ctl);
    }
    if (options->url != NULL) {
        ctl->url = mu_strdup(options->url);
        ctl->source = "--url";
    } else if (options->state_dir != NULL) {
        ctl->state_dir = mu_strdup(options->state_dir);
    } else if (config->redis.mode == MU_REDIS_MANAGED) {
        ctl->state_dir = mu_strdup(config->state_dir);
    } else if (config->redis.mode == MU_REDIS_SENTINEL) {
        return sentinels_of_config(ctl, config);
    } else {
        ctl->url = mu_strdup(config->redis.url);
        ctl->source = "redis.url";
    }
    return MU_CTL_FINE;
}

enum mu_ctl_exit mu_ctl_find(struct mu_ctl *ctl, const struct mu_ctl_options *options) {
    struct mu_error error = {0};
    struct mu_config config;
    const char *path = options->config;
    enum mu_ctl_exit status = MU_CTL_FINE;

    memset(ctl, 0, sizeof *ctl);
    ctl->options = options;
    /* With --url, --sentinel or --state-dir alone nothing of this machine's configuration is meant.
     */
    if (path == NULL && options->url == NULL && options->sentinels == NULL &&
        options->state_dir == NULL && access(MU_CTL_CONFIG_DEFAULT, F_OK) == 0) {
        path = MU_CTL_CONFIG_DEFAULT;
    }
    mu_config_init(&config);
    if (path != NULL && mu_config_load(&config, path, &error) != MUSTER_OK) {
        status = complain(MU_CTL_USAGE, error.text);
    } else {
        status = by_config(ctl, &config);
    }
    mu_config_deinit(&config);
    if (status == MU_CTL_FINE && !mu_id_valid(ctl->name_space, strlen(ctl->name_space))) {
        fprintf(stderr,
                "musterctl: '%s' is no namespace: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -\n",
                ctl->name_space);
        status = MU_CTL_USAGE;
    }
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
    if (ctl->places.count > 0 && !mu_ctl_find_master(ctl, error)) {
        return NULL;
    }
    return mu_ctl_connect_to(ctl, &ctl->address, client_name, error);
}

redisContext *mu_ctl_connect_to(const struct mu_ctl *ctl, const struct mu_redis_address *address,
                                const char *client_name, struct mu_error *error) {
    struct timeval connect = {.tv_sec = (time_t)(ctl->connect_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(ctl->connect_timeout_ms % 1000 * 1000)};
    struct timeval command = {.tv_sec = (time_t)(ctl->command_timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(ctl->command_timeout_ms % 1000 * 1000)};
    redisContext *redis = NULL;
    if (address->tls) {
        redis = mu_tls_pipe_connect(address, ctl->connect_timeout_ms, error);
    } else if (address->path != NULL) {
        redis = redisConnectUnixWithTimeout(address->path, connect);
    } else {
        redis = redisConnectWithTimeout(address->host, address->port, connect);
    }
    if (redis == NULL && address->tls) {
        return NULL;
    }
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

enum mu_ctl_exit mu_ctl_try(struct mu_ctl *ctl, struct mu_error *error) {
    struct mu_error why = {0};
    enum mu_ctl_exit status = MU_CTL_FINE;
    if (ctl->places.count > 0) {
        snprintf(ctl->where, sizeof ctl->where, "(the master '%s')", ctl->master);
    } else {
        status = ctl->url != NULL ? address_of_url(ctl, error) : address_of_state_dir(ctl, error);
        status = status == MU_CTL_FINE ? set_tls(ctl, error) : status;
        mu_redis_address_describe(&ctl->address, ctl->where, sizeof ctl->where);
    }
    if (status != MU_CTL_FINE) {
        return status;
    }
    ctl->redis = mu_ctl_connect(ctl, "musterctl", &why);
    if (ctl->redis == NULL) {
        mu_error_set(error, why.status,
                     "Redis at %s cannot be used: %s; is it running, and is this the right one? "
                     "Name it with --url, --sentinel, --state-dir or --config",
                     ctl->where, why.text);
        return MU_CTL_UNREACHABLE;
    }
    mu_redis_address_describe(&ctl->address, ctl->where, sizeof ctl->where);
    return MU_CTL_FINE;
}

enum mu_ctl_exit mu_ctl_reach(struct mu_ctl *ctl) {
    struct mu_error error = {0};
    enum mu_ctl_exit status = mu_ctl_try(ctl, &error);
    return status == MU_CTL_FINE ? status : complain(status, error.text);
}

void mu_ctl_leave(struct mu_ctl *ctl) {
    if (ctl->redis != NULL) {
        redisFree(ctl->redis);
        ctl->redis = NULL;
    }
    mu_redis_address_deinit(&ctl->address);
    mu_sentinel_places_deinit(&ctl->places);
    free(ctl->master);
    ctl->master = NULL;
    free(ctl->name_space);
    free(ctl->url);
    free(ctl->tls.ca);
    free(ctl->tls.certificate);
    free(ctl->tls.key);
    free(ctl->tls.server_name);
    memset(&ctl->tls, 0, sizeof ctl->tls);
    free(ctl->state_dir);
    free(ctl->door);
    ctl->name_space = ctl->url = ctl->state_dir = ctl->door = NULL;
}
