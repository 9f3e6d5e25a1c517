#include "config/keys.h"

#include <string.h>

#include "config/config.h"

#define SECOND 1000ull
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TEXT_MAX 4096

static const char *const mode_words[] = {"managed", "external", "sentinel", NULL};
static const char *const fsync_words[] = {"everysec", "always", "no", NULL};
static const char *const exit_words[] = {"stop", "keep", NULL};
static const char *const verdict_words[] = {"deny", "allow", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const switch_words[] = {"false", "true", NULL};
static const char *const format_words[] = {"logfmt", "json", NULL};

/* Enums are stored through an int (value.c). */
_Static_assert(sizeof(enum mu_redis_mode) == sizeof(int), "enum size");
_Static_assert(sizeof(enum mu_default_verdict) == sizeof(int), "enum size");
_Static_assert(sizeof(enum mu_config_switch) == sizeof(int), "enum size");
_Static_assert(sizeof(enum mu_log_level) == sizeof(int), "enum size");
_Static_assert(sizeof(enum mu_log_format) == sizeof(int), "enum size");

#define AT(member) .offset = offsetof(struct mu_config, member)
#define RANGE(low, high) .least = (low), .most = (high)
#define LIVE .reload = MU_RELOAD_LIVE

const struct mu_config_key mu_config_keys[] = {
    {"namespace", MU_TYPE_TEXT, AT(name_space), .fallback = "muster", RANGE(1, 128),
     .comment = "Every key and channel in Redis begins with {<namespace>}:"},
    {"state_dir", MU_TYPE_TEXT, AT(state_dir), .fallback = "/var/lib/muster", RANGE(1, TEXT_MAX),
     .comment = "Where the managed Redis lives: data, socket, password"},

    {"redis.mode", MU_TYPE_ENUM, AT(redis.mode), .fallback = "managed", .words = mode_words,
     .comment = "managed: musterd runs its own redis-server; external: redis.url; sentinel: the "
                "master that redis.sentinel names"},
    {"redis.url", MU_TYPE_TEXT, AT(redis.url), .fallback = "", RANGE(0, TEXT_MAX), .secret = true,
     .comment = "The external Redis; file:/path reads it from a file"},
    {"redis.sentinel.master", MU_TYPE_TEXT, AT(redis.sentinel.master), .fallback = "",
     RANGE(0, 128), .comment = "Name of the master, as the sentinels know it"},
    {"redis.sentinel.addresses", MU_TYPE_LIST, AT(redis.sentinel.addresses), .single = true,
     .count_offset = offsetof(struct mu_config, redis.sentinel.address_count), .fallback = "[]",
     RANGE(0, 16), .comment = "The sentinels, each as host:port or [::1]:port"},
    {"redis.sentinel.user", MU_TYPE_TEXT, AT(redis.sentinel.user), .fallback = "", RANGE(0, 256),
     .comment = "User for the sentinels themselves; empty: the default user"},
    {"redis.sentinel.password", MU_TYPE_TEXT, AT(redis.sentinel.password), .fallback = "",
     RANGE(0, TEXT_MAX), .secret = true,
     .comment = "Password for the sentinels themselves; empty: none"},
    {"redis.managed.port", MU_TYPE_INTEGER, AT(redis.managed.port), .fallback = "0",
     RANGE(0, 65535), .comment = "0: unix socket only; else on loopback too, with the password"},
    {"redis.managed.server", MU_TYPE_TEXT, AT(redis.managed.server), .fallback = "redis-server",
     RANGE(1, TEXT_MAX), .comment = "Program of the managed Redis, from PATH or as a path"},
    {"redis.managed.appendfsync", MU_TYPE_WORD, AT(redis.managed.appendfsync),
     .fallback = "everysec", .words = fsync_words,
     .comment = "When the managed Redis flushes its data to disk"},
    {"redis.managed.on_exit", MU_TYPE_WORD, AT(redis.managed.on_exit), .fallback = "stop",
     .words = exit_words,
     .comment = "What a clean end of the last daemon does to the managed Redis"},
    {"redis.tls.ca", MU_TYPE_TEXT, AT(redis.tls.ca), .fallback = "", RANGE(0, TEXT_MAX),
     .comment = "For rediss://: file of the CAs to trust; none: the system's store"},
    {"redis.tls.certificate", MU_TYPE_TEXT, AT(redis.tls.certificate), .fallback = "",
     RANGE(0, TEXT_MAX), .comment = "For rediss://: file of our own certificate and its chain"},
    {"redis.tls.key", MU_TYPE_TEXT, AT(redis.tls.key), .fallback = "", RANGE(0, TEXT_MAX),
     .comment = "For rediss://: file of its key"},
    {"redis.tls.server_name", MU_TYPE_TEXT, AT(redis.tls.server_name), .fallback = "",
     RANGE(0, 253), .comment = "For rediss://: name in the server's certificate; none: the host"},
    {"redis.connect_timeout", MU_TYPE_DURATION, AT(redis.connect_timeout_ms), .fallback = "2s",
     RANGE(10, HOUR), .comment = "How long connecting to Redis may take"},
    {"redis.command_timeout", MU_TYPE_DURATION, AT(redis.command_timeout_ms), .fallback = "5s",
     RANGE(10, HOUR), .comment = "How long a command may wait for its reply"},
    {"redis.retry_min", MU_TYPE_DURATION, AT(redis.retry_min_ms), .fallback = "50ms",
     RANGE(1, HOUR), .comment = "First pause before connecting again; it doubles each time"},
    {"redis.retry_max", MU_TYPE_DURATION, AT(redis.retry_max_ms), .fallback = "2s", RANGE(1, HOUR),
     .comment = "Longest pause before connecting again"},
    {"redis.queue_commands", MU_TYPE_INTEGER, AT(redis.queue_commands), .fallback = "100000",
     RANGE(16, 10000000), .comment = "Most commands queued or awaiting a reply"},
    {"redis.queue_bytes", MU_TYPE_SIZE, AT(redis.queue_bytes), .fallback = "64MiB",
     RANGE(64 * KIB, 16 * GIB), .comment = "Most bytes of commands not yet written"},

    {"coordinator.id", MU_TYPE_TEXT, AT(coordinator.id), .fallback = "", RANGE(0, 128),
     .comment = "Name of this daemon; empty: <host name>-<random>"},
    {"coordinator.advertise", MU_TYPE_LIST, AT(coordinator.advertise),
     .count_offset = offsetof(struct mu_config, coordinator.advertise_count), .fallback = "[]",
     RANGE(0, 16), .comment = "Addresses at which others reach this daemon"},
    {"coordinator.lease", MU_TYPE_DURATION, AT(coordinator.lease_ms), .fallback = "3s",
     RANGE(100, HOUR), .comment = "How long a coordinator that fell silent keeps its office"},
    {"coordinator.renew", MU_TYPE_DURATION, AT(coordinator.renew_ms), .fallback = "1s",
     RANGE(10, HOUR), .comment = "How often the coordinator renews its lease"},

    {"detector.heartbeat", MU_TYPE_DURATION, AT(detector.heartbeat_ms), .fallback = "1s",
     RANGE(10, HOUR), LIVE, .comment = "How often an instance says that it lives"},
    {"detector.suspect_after", MU_TYPE_DURATION, AT(detector.suspect_after_ms), .fallback = "3s",
     RANGE(10, DAY), LIVE, .comment = "Silence after which an instance leads no longer"},
    {"detector.dead_after", MU_TYPE_DURATION, AT(detector.dead_after_ms), .fallback = "10s",
     RANGE(10, DAY), LIVE, .comment = "Silence after which the members of an instance leave"},
    {"detector.probe", MU_TYPE_DURATION, AT(detector.probe_ms), .fallback = "200ms",
     RANGE(10, HOUR), LIVE, .comment = "How often to look whether instances are still subscribed"},
    {"detector.resume_grace", MU_TYPE_DURATION, AT(detector.resume_grace_ms), .fallback = "5s",
     RANGE(0, DAY), LIVE,
     .comment = "How long the members of a restarted instance are kept for it"},

    {"brake.fraction", MU_TYPE_FRACTION, AT(brake.fraction), .fallback = "0.5", RANGE(0, 1000),
     LIVE,
     .comment = "More than this share of all instances silent at once: nobody is suspected or "
                "buried for a while"},
    {"brake.min_instances", MU_TYPE_INTEGER, AT(brake.min_instances), .fallback = "2",
     RANGE(1, 1000000), LIVE, .comment = "With fewer instances there is no brake"},
    {"brake.hold", MU_TYPE_DURATION, AT(brake.hold_ms), .fallback = "10s", RANGE(0, DAY), LIVE,
     .comment = "How long the brake holds; who is silent to its end goes on to die"},
    {"brake.window", MU_TYPE_DURATION, AT(brake.window_ms), .fallback = "1m", RANGE(1000, DAY),
     LIVE, .comment = "The share is of the largest number of instances in this time"},

    {"scrub.interval", MU_TYPE_DURATION, AT(scrub.interval_ms), .fallback = "100ms", RANGE(0, HOUR),
     LIVE, .comment = "Pause between two looks at the stored data; 0ms: none at all"},

    {"limits.profile", MU_TYPE_SIZE, AT(limits.profile), .fallback = "4KiB", RANGE(2, MIB), LIVE,
     .comment = "Largest profile of a connection, and largest meta"},
    {"limits.sessions_per_connection", MU_TYPE_INTEGER, AT(limits.sessions_per_connection),
     .fallback = "128", RANGE(1, 4096), LIVE, .comment = "Most sessions that one connection is in"},
    {"limits.grace", MU_TYPE_DURATION, AT(limits.grace_ms), .fallback = "5m", RANGE(0, DAY), LIVE,
     .comment = "How long a connection may be away, at most, before it is removed"},
    {"limits.journal", MU_TYPE_INTEGER, AT(limits.journal), .fallback = "10000", RANGE(0, 1000000),
     LIVE, .comment = "Entries of the journal, about; 0: there is none"},
    {"limits.requests", MU_TYPE_INTEGER, AT(limits.requests), .fallback = "100000",
     RANGE(16, 10000000), LIVE, .comment = "Most requests of plugins pending at once"},
    {"limits.request_bytes", MU_TYPE_SIZE, AT(limits.request_bytes), .fallback = "64MiB",
     RANGE(64 * KIB, 16 * GIB), LIVE, .comment = "Most bytes of all pending requests"},
    {"limits.argument", MU_TYPE_SIZE, AT(limits.argument), .fallback = "64KiB",
     RANGE(512, 16 * MIB), LIVE, .comment = "Largest argument of a request"},
    {"limits.request_timeout", MU_TYPE_DURATION, AT(limits.request_timeout_ms), .fallback = "5s",
     RANGE(10, HOUR), LIVE,
     .comment = "How long a request of a plugin may take, decisions included"},

    {"plugins.path", MU_TYPE_LIST, AT(plugins.path), .single = true,
     .count_offset = offsetof(struct mu_config, plugins.path_count), .fallback = "[]", RANGE(0, 16),
     .comment = "Directories of plugins; none: where the installation puts them"},
    {"plugins.load", MU_TYPE_TREE, AT(plugins.load), .fallback = "[]", .reload = MU_RELOAD_PLUGINS,
     .comment = "The plugins, each with its own config"},
    {"plugins.slow_hook", MU_TYPE_DURATION, AT(plugins.slow_hook_ms), .fallback = "5ms",
     RANGE(1, HOUR), LIVE,
     .comment = "A call into a plugin that takes longer is logged and counted"},
    {"plugins.watchdog", MU_TYPE_DURATION, AT(plugins.watchdog_ms), .fallback = "10s",
     RANGE(0, HOUR),
     .comment = "A call into a plugin that takes longer ends the daemon; 0ms: none"},
    {"plugins.stop_timeout", MU_TYPE_DURATION, AT(plugins.stop_timeout_ms), .fallback = "5s",
     RANGE(10, HOUR), LIVE, .comment = "How long a plugin may take to stop"},
    {"plugins.work_queue", MU_TYPE_INTEGER, AT(plugins.work_queue), .fallback = "64",
     RANGE(1, 100000), LIVE, .comment = "Most blocking calls of one plugin under way at once"},

    {"authorization.default", MU_TYPE_ENUM, AT(authorization.fallback), .fallback = "deny",
     .words = verdict_words, .comment = "What counts when no authorizer decides"},
    {"authorization.chain", MU_TYPE_LIST, AT(authorization.chain),
     .count_offset = offsetof(struct mu_config, authorization.chain_count), .fallback = "[]",
     RANGE(0, 64), .comment = "Authorizers in the order in which they are asked"},
    {"authorization.cache_entries", MU_TYPE_INTEGER, AT(authorization.cache_entries),
     .fallback = "10000", RANGE(0, 10000000), .comment = "Most decisions that are remembered"},

    {"metrics.listen", MU_TYPE_TEXT, AT(metrics.listen), .fallback = "", RANGE(0, 128),
     .comment = "Address of /metrics, /healthz and /readyz, such as 127.0.0.1:9411; empty: none"},
    {"metrics.allow_remote", MU_TYPE_ENUM, AT(metrics.allow_remote), .fallback = "false",
     .words = switch_words,
     .comment = "true: metrics.listen may be an address that other machines reach"},

    {"log.level", MU_TYPE_ENUM, AT(log.level), .fallback = "info", .words = level_words, LIVE,
     .comment = "The least that is logged"},
    {"log.format", MU_TYPE_ENUM, AT(log.format), .fallback = "logfmt", .words = format_words,
     .comment = "How a line of the log looks"},
};

const size_t mu_config_key_count = sizeof mu_config_keys / sizeof mu_config_keys[0];

size_t mu_config_key_find(const char *name) {
    size_t i = 0;

    while (i < mu_config_key_count && strcmp(mu_config_keys[i].name, name) != 0) {
        i++;
    }
    return i;
}

static bool in_section(const char *name, const char *section) {
    size_t length = strlen(section);

    return length == 0 || (strncmp(name, section, length) == 0 && name[length] == '.');
}

bool mu_config_key_is_section(const char *name) {
    for (size_t i = 0; i < mu_config_key_count; i++) {
        if (in_section(mu_config_keys[i].name, name)) {
            return true;
        }
    }
    return false;
}
