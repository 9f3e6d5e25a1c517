/* plugin.h - the ABI between musterd and its plugins.
 *
 * A plugin is one shared object that exports one symbol, `muster_plugin_descriptor`, defined with
 * MUSTER_PLUGIN(). Its life: load - init(configuration) - start - stop - close. All hooks are
 * called on the one thread that runs the loop; none may block. A hook that takes longer than
 * `plugins.slow_hook` is logged and counted; one that takes longer than `plugins.watchdog` ends the
 * process with exit code 70, and the watchdog names it in the log first. That holds for callbacks
 * of the plugin's own libuv handles, too, which cannot be named. Objects are never unmapped before
 * the process ends.
 *
 * One request's way: a transport gets bytes and calls host->submit(). The host decodes, asks the
 * authenticators and the authorizers in the order of the configuration, lets Redis do it, and
 * calls the transport's reply() exactly once, later; never when host->cancel() came first.
 *
 * Versions: `abi_major` must equal the host's; `abi_minor` may be at most the host's. A struct only
 * grows at its end, and its size stands in the descriptor, so that both sides know what the other
 * one knows: a slot that lies beyond the other side's size is not there.
 *
 * Changes of the ABI:
 *   1.0  first
 *   1.1  hooks reload, subscribed; slots subscribe_pattern, unsubscribe_pattern, metrics_text,
 *        subscribe_mark;
 *        muster_event.pattern; muster_decision.quota_holder, quota_connections, quota_sessions
 *   1.2  slot restart_needed
 */
#ifndef MUSTER_PLUGIN_H
#define MUSTER_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/status.h"
#include "muster/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_ABI_MAJOR 1
#define MUSTER_ABI_MINOR 2
#define MUSTER_PLUGIN_MAGIC UINT64_C(0x6d75737465723031) /* "muster01" */
#define MUSTER_PLUGIN_SYMBOL "muster_plugin_descriptor"

#if defined(__GNUC__)
#define MUSTER_EXPORT __attribute__((visibility("default")))
#define MUSTER_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define MUSTER_EXPORT
#define MUSTER_PRINTF(format_index, first)
#endif

struct uv_loop_s;
struct muster_plugin; /* the host's side of one loaded plugin: first argument of every slot */
struct muster_config; /* a node of the plugin's configuration; the host's, valid until close */
struct muster_timer;
struct muster_metric;
struct muster_caller; /* an authenticated principal, counted by reference */

enum muster_plugin_kind {
    MUSTER_TRANSPORT = 1,
    MUSTER_AUTHENTICATOR = 2,
    MUSTER_AUTHORIZER = 4,
    MUSTER_OBSERVER = 8,
};

enum muster_log_level {
    MUSTER_LOG_DEBUG,
    MUSTER_LOG_INFO,
    MUSTER_LOG_WARN,
    MUSTER_LOG_ERROR,
};

enum muster_metric_kind { MUSTER_COUNTER, MUSTER_GAUGE };

/* A failed init or start says why here; the host puts file and plugin before it. */
struct muster_complaint {
    char text[512];
};

/* ---- configuration ---- */

enum muster_config_type {
    MUSTER_CONFIG_TEXT,
    MUSTER_CONFIG_SECRET, /* text that may be `file:/path`; never shown */
    MUSTER_CONFIG_BOOLEAN,
    MUSTER_CONFIG_INTEGER,
    MUSTER_CONFIG_SIZE,     /* bytes: 512, 4KiB, 1MiB */
    MUSTER_CONFIG_DURATION, /* ms: 250ms, 3s, 5m */
    MUSTER_CONFIG_LIST,     /* a list of texts */
    MUSTER_CONFIG_TREE,     /* anything: the plugin walks it */
};

/* One key of the plugin's `config:` mapping. The host checks all of them before init, refuses
 * unknown keys, and puts the default in place. */
struct muster_config_key {
    const char *name;
    enum muster_config_type type;
    bool required;
    const char *fallback; /* as the file would have it; NULL: none */
    /* Of numbers, durations, sizes; bytes of a text; items of a list. most 0: no upper bound. */
    uint64_t least, most;
    const char *comment; /* one sentence */
};

/* ---- what the host offers ---- */

struct muster_request {
    size_t size; /* sizeof(struct muster_request) */
    /* Either who was authenticated before (host->authenticate), or credentials of this request;
     * both NULL: anonymous. */
    struct muster_caller *caller;
    const struct muster_credentials *credentials;
    struct muster_text operation; /* in any case */
    const struct muster_text *arguments;
    size_t count;
    uint64_t timeout_ms; /* 0, or more than limits.request_timeout: limits.request_timeout */
    const char *peer;    /* for audit lines; may be NULL */
    void *context;       /* comes back in reply() */
};

/* Unless a slot says otherwise: call it only on the loop's thread (from elsewhere it is refused,
 * logged and counted), it does not block, what is passed is copied, no hook of the plugin is called
 * from inside it. */
struct muster_host {
    size_t size; /* sizeof(struct muster_host) of the daemon */
    uint32_t abi_major, abi_minor;

    /* `event` is a stable word such as "listening"; the host writes it as plugin.<name>.<event>.
     * Never log a credential or a profile. */
    void (*log)(struct muster_plugin *plugin, enum muster_log_level level, const char *event,
                const char *format, ...) MUSTER_PRINTF(4, 5);

    /* Fires after `after_ms`, then every `repeat_ms` (0: once). Stop it in either case: a timer
     * that is left is named when the plugin stops. `*timer` is cleared. */
    struct muster_timer *(*timer_start)(struct muster_plugin *plugin, uint64_t after_ms,
                                        uint64_t repeat_ms, void (*fire)(void *context),
                                        void *context);
    void (*timer_stop)(struct muster_plugin *plugin, struct muster_timer **timer);

    /* The daemon's libuv loop, for handles of the plugin's own; hold() one for each. */
    struct uv_loop_s *(*loop)(struct muster_plugin *plugin);
    /* Counts something that must be over before stop is done: a handle, a socket. `what` is a
     * static text and names it when it is left. */
    void (*hold)(struct muster_plugin *plugin, const char *what);
    void (*release)(struct muster_plugin *plugin, const char *what);

    /* Runs `work` on a thread of the pool, then `done` on the loop. OVERLOADED: the plugin has
     * `plugins.work_queue` of them under way. */
    enum muster_status (*work)(struct muster_plugin *plugin, void (*work)(void *context),
                               void (*done)(void *context), void *context);

    /* Configuration; on any thread, until close. `node` NULL: the plugin's own mapping. get: NULL
     * when the key is not there and has no default. Items are those of a list, or the values of a
     * mapping (key: their names). */
    const struct muster_config *(*config_get)(struct muster_plugin *plugin,
                                              const struct muster_config *node, const char *key);
    size_t (*config_count)(struct muster_plugin *plugin, const struct muster_config *node);
    const struct muster_config *(*config_item)(struct muster_plugin *plugin,
                                               const struct muster_config *node, size_t index);
    const char *(*config_key)(struct muster_plugin *plugin, const struct muster_config *node,
                              size_t index);
    /* The text of a scalar; NULL for a list or a mapping. */
    const char *(*config_text)(struct muster_plugin *plugin, const struct muster_config *node);
    /* Reads a scalar as a number (INTEGER, SIZE, DURATION, BOOLEAN); false: it is none. */
    bool (*config_number)(struct muster_plugin *plugin, const struct muster_config *node,
                          enum muster_config_type type, uint64_t *number);
    /* "file:line:column", or "default"; for complaints. Valid until close. */
    const char *(*config_place)(struct muster_plugin *plugin, const struct muster_config *node);

    /* A number that is exposed as muster_plugin_<plugin>_<name>. Never fails; the same name gives
     * the same metric. metric_add may be called from any thread. */
    struct muster_metric *(*metric)(struct muster_plugin *plugin, enum muster_metric_kind kind,
                                    const char *name, const char *help);
    void (*metric_add)(struct muster_metric *metric, int64_t amount);

    /* Transports. MUSTER_OK: reply() will be called once, in a later turn; *id (may be NULL) is for
     * cancel(). Anything else: it will not be called, and nothing happened (OVERLOADED: too many
     * pending; UNAVAILABLE: the daemon is ending). */
    enum muster_status (*submit)(struct muster_plugin *plugin, const struct muster_request *request,
                                 uint64_t *id);
    /* The requester is gone: reply() will not be called for it. What Redis already got goes on. */
    void (*cancel)(struct muster_plugin *plugin, uint64_t id);
    /* Asks the authenticators once for a connection that lives longer; answered in
     * authenticated(). Cancelled like a request. */
    enum muster_status (*authenticate)(struct muster_plugin *plugin,
                                       const struct muster_credentials *credentials, void *context,
                                       uint64_t *id);
    /* Asks the authorizers something that is no operation (a subscription); answered in
     * authorized(). `caller` NULL: anonymous. */
    enum muster_status (*authorize)(struct muster_plugin *plugin, struct muster_caller *caller,
                                    enum muster_action action,
                                    const struct muster_resource *resource, void *context,
                                    uint64_t *id);
    const struct muster_principal *(*caller_principal)(struct muster_plugin *plugin,
                                                       const struct muster_caller *caller);
    /* Gives up the reference that authenticated() brought. Clears the pointer. */
    void (*caller_release)(struct muster_plugin *plugin, struct muster_caller **caller);

    /* Authenticators and authorizers that answered MUSTER_LATER. */
    void (*decide)(struct muster_plugin *plugin, struct muster_handle handle,
                   const struct muster_decision *decision);

    /* Channels, named without "{<namespace>}:". Messages come to the transport's or observer's
     * message(). Publishing is given to Redis in the next turn; UNAVAILABLE while there is no link,
     * OVERLOADED when its queue is full. */
    enum muster_status (*publish)(struct muster_plugin *plugin, const char *channel,
                                  const char *payload, size_t length);
    /* Both idempotent: one unsubscribe undoes any number of subscribes. What is left when the
     * plugin stops is unsubscribed by the host. */
    void (*subscribe)(struct muster_plugin *plugin, const char *channel);
    void (*unsubscribe)(struct muster_plugin *plugin, const char *channel);

    uint64_t (*now_ms)(struct muster_plugin *plugin);   /* monotonic, read fresh; any thread */
    uint64_t (*redis_ms)(struct muster_plugin *plugin); /* Redis's time as far as known, else 0 */
    /* These four on any thread. */
    void (*random)(struct muster_plugin *plugin, void *out, size_t size);
    const char *(*name_space)(struct muster_plugin *plugin);
    const char *(*daemon_id)(struct muster_plugin *plugin);
    /* The table of operations; static storage. */
    const struct muster_operation_info *(*operations)(struct muster_plugin *plugin, size_t *count);

    /* stop() is over. The host then checks what is still open. */
    void (*stopped)(struct muster_plugin *plugin);

    /* Since 1.1 */

    /* Like subscribe(), for every channel whose name the pattern matches; `*` stands for any bytes,
     * and nothing else is special. The message says which pattern it came by; one that a channel
     * and two patterns match comes three times. */
    void (*subscribe_pattern)(struct muster_plugin *plugin, const char *pattern);
    void (*unsubscribe_pattern)(struct muster_plugin *plugin, const char *pattern);
    /* Every metric of the daemon in Prometheus' text format. `write` is called from inside. */
    void (*metrics_text)(struct muster_plugin *plugin,
                         void (*write)(void *context, const char *text, size_t length),
                         void *context);
    /* 0: Redis has confirmed everything that was subscribed so far, so no message from now on is
     * missed. Otherwise the hook subscribed() will be called with this mark, or a larger one: the
     * moment from which a transport may tell its client that it is subscribed. */
    uint64_t (*subscribe_mark)(struct muster_plugin *plugin);

    /* Since 1.2 */

    /* From inside reload(): what this key of the new mapping says cannot count before a restart. It
     * is logged once all plugins agree; config_get() goes on to find the old node. Name it each
     * time that it differs. */
    void (*restart_needed)(struct muster_plugin *plugin, const char *key);
};

/* ---- what a plugin offers ---- */

struct muster_plugin_hooks {
    /* Reads the configuration, opens nothing. `*state` is handed to every other hook. A status
     * other than OK: the plugin is refused with the complaint; no other hook is called. Required.
     */
    enum muster_status (*init)(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint);
    /* Begins to work. Failing: the daemon does not start. stop() is then not called, close() is. */
    enum muster_status (*start)(void *state, struct muster_complaint *complaint);
    /* Begins to end: no new requests; close sockets, stop timers; host->stopped() when all is over,
     * within `plugins.stop_timeout`. May call it from inside. Required. */
    void (*stop)(void *state);
    /* Frees the state. Called last, once, for every plugin whose init succeeded, except one that
     * did not stop in time: its threads and handles may still use the state. Required. */
    void (*close)(void *state);

    /* Since 1.1 */

    /* The daemon was told to read its configuration again (SIGHUP). `config` is the new mapping,
     * checked against the keys; on OK it is what config_get() finds with a NULL node from now on,
     * and the decisions that were cached are forgotten. All or nothing: with any other status the
     * plugin goes on as before, and the complaint is logged. It may read small files (rules, keys,
     * certificates). What cannot change without a restart is not refused: the plugin logs it.
     * Called between start and stop. May be NULL: then a changed mapping waits for a restart. Nodes
     * of the old mapping stay valid until close. */
    enum muster_status (*reload)(void *state, const struct muster_config *config,
                                 struct muster_complaint *complaint);
};

struct muster_transport_hooks {
    /* The answer to submit(). Required. */
    void (*reply)(void *state, void *context, const struct muster_result *result);
    /* The answer to authenticate(): on OK the caller is the transport's to release; otherwise NULL
     * and `message` says why. Required when authenticate() is used. */
    void (*authenticated)(void *state, void *context, enum muster_status status,
                          struct muster_caller *caller, const char *message);
    /* The answer to authorize(). Required when authorize() is used. */
    void (*authorized)(void *state, void *context, enum muster_status status, const char *message);
    /* A message of a channel that was subscribed. May be NULL. */
    void (*message)(void *state, const struct muster_event *event);
    /* Messages may have been lost: the daemon's own subscription stands again, or for the first
     * time. May be NULL. */
    void (*resync)(void *state);
    /* This daemon coordinates from now on, or no longer. Called after start with what holds then.
     * May be NULL. */
    void (*coordinating)(void *state, bool active);

    /* Since 1.1 */

    /* What was subscribed before subscribe_mark() gave `mark`, or less, is confirmed. While Redis
     * is away it does not come; resync() comes before it then. May be NULL. */
    void (*subscribed)(void *state, uint64_t mark);
};

struct muster_authenticator_hooks {
    /* Who is it? ALLOW with decision->principal (caller) or user and claims (end user), DENY with a
     * reason, DEFER when these are not credentials of this plugin's kind, LATER. Required. */
    enum muster_verdict (*authenticate)(void *state, struct muster_handle handle,
                                        const struct muster_credentials *credentials,
                                        struct muster_decision *decision);
};

struct muster_authorizer_hooks {
    /* May it? `decision->verdict` need not be set: the return value counts. Required. */
    enum muster_verdict (*authorize)(void *state, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision);
};

struct muster_observer_hooks {
    /* Every event of the namespace. Required. */
    void (*event)(void *state, const struct muster_event *event);
    /* Events may have been lost. May be NULL. */
    void (*resync)(void *state);
};

struct muster_plugin_descriptor {
    uint64_t magic; /* MUSTER_PLUGIN_MAGIC */
    uint32_t abi_major, abi_minor;
    uint32_t descriptor_size; /* sizeof of each struct as the plugin was compiled */
    uint32_t host_size;
    uint32_t hooks_size;
    uint32_t transport_size;
    uint32_t authenticator_size;
    uint32_t authorizer_size;
    uint32_t observer_size;
    uint32_t kinds;      /* of enum muster_plugin_kind, or'ed */
    const char *name;    /* an id, at most 64 bytes */
    const char *version; /* of the plugin */
    const struct muster_config_key *keys;
    size_t key_count;
    const struct muster_plugin_hooks *hooks;
    const struct muster_transport_hooks *transport;         /* required for its kind */
    const struct muster_authenticator_hooks *authenticator; /* ... */
    const struct muster_authorizer_hooks *authorizer;
    const struct muster_observer_hooks *observer;
};

#define MUSTER_PLUGIN_HEAD                                                                         \
    MUSTER_PLUGIN_MAGIC, MUSTER_ABI_MAJOR, MUSTER_ABI_MINOR,                                       \
        (uint32_t)sizeof(struct muster_plugin_descriptor), (uint32_t)sizeof(struct muster_host),   \
        (uint32_t)sizeof(struct muster_plugin_hooks),                                              \
        (uint32_t)sizeof(struct muster_transport_hooks),                                           \
        (uint32_t)sizeof(struct muster_authenticator_hooks),                                       \
        (uint32_t)sizeof(struct muster_authorizer_hooks),                                          \
        (uint32_t)sizeof(struct muster_observer_hooks)

/* MUSTER_PLUGIN(kinds, name, version, keys, key_count, hooks, transport, authenticator, authorizer,
 * observer) - once in a plugin, at file scope. */
#ifdef __cplusplus
#define MUSTER_PLUGIN(...)                                                                         \
    extern "C" MUSTER_EXPORT const struct muster_plugin_descriptor muster_plugin_descriptor;       \
    const struct muster_plugin_descriptor muster_plugin_descriptor = {MUSTER_PLUGIN_HEAD,          \
                                                                      __VA_ARGS__}
#else
#define MUSTER_PLUGIN(...)                                                                         \
    extern MUSTER_EXPORT const struct muster_plugin_descriptor muster_plugin_descriptor;           \
    const struct muster_plugin_descriptor muster_plugin_descriptor = {MUSTER_PLUGIN_HEAD,          \
                                                                      __VA_ARGS__}
#endif

#ifdef __cplusplus
}
#endif
#endif
