/* config.h - the daemon's configuration: YAML through one table of keys into a checked struct.
 *
 * Errors read `file:line:column: key: what is wrong, what is allowed`. Unknown keys (with a
 * suggestion), duplicate keys, aliases, anchors, tags, second documents and files over 256 KiB
 * are refused. Durations are `250ms 3s 5m 2h 1d`, sizes `512 4KiB 1MiB`. Text may hold `${NAME}`
 * (an environment variable; missing is an error; `$$` is a dollar sign). Secrets may be
 * `file:/path` (contents without the last newline).
 */
#ifndef MU_CONFIG_CONFIG_H
#define MU_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"

struct muster_config; /* a tree, config/tree.h */

enum mu_default_verdict { MU_DEFAULT_DENY, MU_DEFAULT_ALLOW };
enum mu_config_switch { MU_SWITCH_FALSE, MU_SWITCH_TRUE };
enum mu_redis_mode { MU_REDIS_MANAGED, MU_REDIS_EXTERNAL, MU_REDIS_SENTINEL };

struct mu_config {
    char *name_space; /* namespace */
    char *state_dir;  /* state_dir */
    struct {
        enum mu_redis_mode mode; /* redis.mode */
        /* redis.url; "" when not given, never NULL; a secret: printed without its password */
        char *url;
        struct {
            char *master;     /* redis.sentinel.master; "" when not given, like the others */
            char **addresses; /* redis.sentinel.addresses, host:port each */
            size_t address_count;
            char *user;     /* redis.sentinel.user */
            char *password; /* redis.sentinel.password, a secret */
        } sentinel;
        struct {
            uint64_t port;     /* redis.managed.port */
            char *server;      /* redis.managed.server, "redis-server" */
            char *appendfsync; /* redis.managed.appendfsync: everysec | always | no */
            /* redis.managed.on_exit: stop | keep - what a clean end of the last daemon does to it
             */
            char *on_exit;
        } managed;
        struct {
            char *ca;          /* redis.tls.ca, a file; these are "" when not given, never NULL */
            char *certificate; /* redis.tls.certificate, a file */
            char *key;         /* redis.tls.key, a file */
            char *server_name; /* redis.tls.server_name */
        } tls;
        uint64_t connect_timeout_ms; /* redis.connect_timeout 2s */
        uint64_t command_timeout_ms; /* redis.command_timeout 5s */
        uint64_t retry_min_ms;       /* redis.retry_min 50ms */
        uint64_t retry_max_ms;       /* redis.retry_max 2s */
        uint64_t queue_commands;     /* redis.queue_commands 100000 */
        uint64_t queue_bytes;        /* redis.queue_bytes 64MiB */
    } redis;
    struct {
        char *id;                 /* coordinator.id; default <host name>-<random> */
        char made_up[MU_ID_SIZE]; /* the last id that was made up, since none was given */
        char **advertise;         /* coordinator.advertise, a list of addresses */
        size_t advertise_count;
        uint64_t lease_ms; /* coordinator.lease 3s */
        uint64_t renew_ms; /* coordinator.renew 1s */
    } coordinator;
    struct {
        uint64_t heartbeat_ms;     /* detector.heartbeat 1s */
        uint64_t suspect_after_ms; /* detector.suspect_after 3s */
        uint64_t dead_after_ms;    /* detector.dead_after 10s */
        uint64_t probe_ms;         /* detector.probe 200ms */
        uint64_t resume_grace_ms;  /* detector.resume_grace 5s */
    } detector;
    struct {
        uint64_t fraction;      /* brake.fraction 0.5, in thousandths */
        uint64_t min_instances; /* brake.min_instances 2 */
        uint64_t hold_ms;       /* brake.hold 10s */
        uint64_t window_ms;     /* brake.window 1m */
    } brake;
    struct {
        uint64_t interval_ms; /* scrub.interval 100ms */
    } scrub;
    struct {
        uint64_t profile;                 /* limits.profile 4KiB, bytes */
        uint64_t sessions_per_connection; /* limits.sessions_per_connection 128 */
        uint64_t grace_ms;                /* limits.grace 5m */
        uint64_t journal;                 /* limits.journal 10000, entries; 0: none */
        uint64_t requests;                /* limits.requests 100000, pending at once */
        uint64_t request_bytes;           /* limits.request_bytes 64MiB, of all of them */
        uint64_t argument;                /* limits.argument 64KiB */
        uint64_t request_timeout_ms;      /* limits.request_timeout 5s */
    } limits;
    struct {
        char **path; /* plugins.path, directories; none: where the installation puts them */
        size_t path_count;
        struct muster_config *load; /* plugins.load; NULL: none. See mu_tree_check_plugins() */
        uint64_t slow_hook_ms;      /* plugins.slow_hook 5ms */
        uint64_t watchdog_ms;       /* plugins.watchdog 10s; 0: none */
        uint64_t stop_timeout_ms;   /* plugins.stop_timeout 5s */
        uint64_t work_queue;        /* plugins.work_queue 64, of each plugin */
    } plugins;
    struct {
        enum mu_default_verdict fallback; /* authorization.default deny */
        char **chain;                     /* authorization.chain, names of plugins */
        size_t chain_count;
        uint64_t cache_entries; /* authorization.cache_entries 10000 */
    } authorization;
    struct {
        char *listen;                       /* metrics.listen, "" when not given */
        enum mu_config_switch allow_remote; /* metrics.allow_remote false */
    } metrics;
    struct {
        enum mu_log_level level;   /* log.level info */
        enum mu_log_format format; /* log.format logfmt */
    } log;
    /* One entry a key of the table: where it was given, as errors begin ("a.yaml:3:10: " or
     * "--set "), NULL for a default. Only for daemon/config. */
    char **origins;
};

/* Defaults. `config` is uninitialised storage. */
void mu_config_init(struct mu_config *config);
void mu_config_deinit(struct mu_config *config);

/* Reads `path` over what is there. Reads a file: may block, so only at start and reload. After an
 * error the keys before the faulty one are already changed: throw the struct away. */
enum muster_status mu_config_load(struct mu_config *config, const char *path,
                                  struct mu_error *error);
/* The same from memory; `name` stands for the file in errors. For tests and for fuzzing. */
enum muster_status mu_config_parse(struct mu_config *config, const char *name, const char *text,
                                   size_t length, struct mu_error *error);
/* `assignment` is `dotted.key=value`, the value as YAML would have it; a list is `[a, b]`.
 * Errors name `--set dotted.key`. */
enum muster_status mu_config_set(struct mu_config *config, const char *assignment,
                                 struct mu_error *error);
/* What holds between keys (renew < lease, suspect_after < dead_after, heartbeat < suspect_after,
 * external demands a url, …). After load and sets. */
enum muster_status mu_config_check(const struct mu_config *config, struct mu_error *error);
/* How a key of a new configuration that counts differently was taken. */
struct mu_config_change {
    const char *key; /* dotted */
    bool applied;    /* false: it waits for a restart */
    bool secret;
    const char *value; /* the new one as YAML, masked where it is secret; valid during the call */
};
/* Takes over every changed key that may change while the daemon runs, with where it was given, and
 * tells of each changed key but plugins.load and an id that was made up. `fresh` has
 * passed mu_config_check(). */
void mu_config_adopt(struct mu_config *config, const struct mu_config *fresh,
                     void (*each)(void *context, const struct mu_config_change *change),
                     void *context);
/* coordinator.advertise as one text, parted by commas; "" when there is none. For free(). */
char *mu_config_advertised(const struct mu_config *config);
/* The whole effective configuration as YAML that loads again, secrets replaced by `***`. */
void mu_config_print(const struct mu_config *config, FILE *out);

#endif
