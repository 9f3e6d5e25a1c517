/* internal.h - one loaded plugin, as the files of this folder share it. */
#ifndef MU_PLUGIN_INTERNAL_H
#define MU_PLUGIN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/table.h"
#include "config/tree.h"
#include "plugin/plugins.h"
#include "plugin/schema.h"
#include "plugin/watch.h"

/* Faults of a plugin while it runs: counted each time, said once a second. */
enum mu_fault {
    MU_FAULT_SLOW,
    MU_FAULT_FOREIGN,
    MU_FAULT_TWICE,
    MU_FAULT_LATE,
    MU_FAULT_NOT_YOURS,
    MU_FAULT_MISUSE,
    MU_FAULTS
};

enum mu_plugin_life {
    MU_PLUGIN_LOADED,
    MU_PLUGIN_READY, /* init succeeded */
    MU_PLUGIN_STARTED,
    MU_PLUGIN_STOPPING,
    MU_PLUGIN_STOPPED,
    MU_PLUGIN_ABANDONED, /* its stop was not over in time and it may still run */
};

struct mu_fault_state {
    struct muster_metric *count;
    uint64_t said_at;  /* ms; 0: never */
    uint64_t unspoken; /* since then */
};

/* A request, authentication or authorization whose answer is due. */
struct mu_asked {
    uint64_t id;
    struct muster_plugin *plugin;
    void *context;
    UT_hash_handle hh;
};

/* What hold() counts. */
struct mu_held {
    const char *what;
    size_t count;
    UT_hash_handle hh;
};

struct muster_timer {
    uv_timer_t handle;
    struct muster_plugin *plugin;
    void (*fire)(void *context);
    void *context;
    struct muster_timer *previous, *next;
};

struct muster_plugin {
    void *object; /* of dlopen(); never closed */
    struct mu_plugins *owner;
    char *name;
    char *file;
    char version[64];
    char *entry; /* the name of its entry in the configuration */
    char *place; /* of that entry */
    enum mu_plugin_life life;
    bool said_stopped; /* it called stopped() */
    void *state;
    uint32_t kinds;
    uint32_t abi_minor; /* what it does not know of is not read */
    struct muster_plugin_hooks hooks;
    struct muster_transport_hooks transport;
    struct muster_authenticator_hooks authenticator;
    struct muster_authorizer_hooks authorizer;
    struct muster_observer_hooks observer;
    struct mu_schema schema;
    struct muster_config *config;
    struct muster_config **retired; /* that were in place before a reload */
    size_t retired_count;
    bool reloading;       /* its reload() is being called */
    const char **waiting; /* keys of which it said there that they wait for a restart */
    size_t waiting_count;
    struct mu_listener *listener;
    struct mu_asked *asked;
    struct mu_held *held;
    struct muster_timer *timers;
    size_t timer_count, works, callers, holds;
    struct mu_fault_state faults[MU_FAULTS];
    struct muster_metric *requests, *refused, *publish_failed;
    /* Written by any thread, said by the loop's. */
    _Atomic uint64_t foreign;
    _Atomic(const char *) foreign_slot;
};

struct mu_plugins {
    struct mu_plugins_options options;
    pthread_t thread; /* the loop's */
    struct muster_plugin *list[MU_PLUGINS_MAX];
    size_t count;
    struct mu_requests *requests; /* NULL: none yet, or no more */
    struct mu_link *link;
    struct mu_watch *watch;
    bool active; /* coordinating */
    uv_async_t wake;
    uv_timer_t deadline;
    unsigned handles;           /* open ones of wake, deadline, watch */
    pthread_mutex_t wake_mutex; /* foreign threads may call while it is closed */
    bool can_wake;
    int phase; /* of the stop; 0: none */
    bool unclean;
    void (*done)(void *context); /* of stop, then of close */
    void *context;
};

/* ---- load.c: from an entry to a checked file ---- */

/* The file that an entry's name stands for. */
enum muster_status mu_plugin_find(const struct mu_config *config, const char *name, char **file,
                                  struct mu_error *error);
/* May it be loaded: nobody but root and the daemon's user may have written it. */
enum muster_status mu_plugin_check_file(const char *file, struct mu_error *error);
/* dlopen, and the descriptor into `plugin`. */
enum muster_status mu_plugin_open(struct muster_plugin *plugin, struct mu_error *error);

/* ---- descriptor.c ---- */

/* `size` is that of the symbol, 0 when it is not known. */
enum muster_status mu_descriptor_take(struct muster_plugin *plugin, const void *symbol, size_t size,
                                      struct mu_error *error);

/* ---- host.c ---- */

const struct muster_host *mu_host(void);
/* Closes every timer that is left. */
void mu_host_drop_timers(struct muster_plugin *plugin);
/* Forgets the requests whose answers are due, and the holds. */
void mu_host_drop_requests(struct muster_plugin *plugin);
void mu_host_drop_holds(struct muster_plugin *plugin);

/* ---- slots of host_requests.c ---- */

enum muster_status mu_host_submit(struct muster_plugin *plugin,
                                  const struct muster_request *request, uint64_t *id);
void mu_host_cancel(struct muster_plugin *plugin, uint64_t id);
enum muster_status mu_host_authenticate(struct muster_plugin *plugin,
                                        const struct muster_credentials *credentials, void *context,
                                        uint64_t *id);
enum muster_status mu_host_authorize(struct muster_plugin *plugin, struct muster_caller *caller,
                                     enum muster_action action,
                                     const struct muster_resource *resource, void *context,
                                     uint64_t *id);
const struct muster_principal *mu_host_caller_principal(struct muster_plugin *plugin,
                                                        const struct muster_caller *caller);
void mu_host_caller_release(struct muster_plugin *plugin, struct muster_caller **caller);
/* What of a decision the plugin knows of: it may be older than we are. `out` may be `decision`. */
void mu_plugin_read_decision(const struct muster_plugin *plugin,
                             const struct muster_decision *decision, struct muster_decision *out);
void mu_host_decide(struct muster_plugin *plugin, struct muster_handle handle,
                    const struct muster_decision *decision);
enum muster_status mu_host_publish(struct muster_plugin *plugin, const char *channel,
                                   const char *payload, size_t length);
void mu_host_subscribe(struct muster_plugin *plugin, const char *channel);
void mu_host_unsubscribe(struct muster_plugin *plugin, const char *channel);
void mu_host_subscribe_pattern(struct muster_plugin *plugin, const char *pattern);
uint64_t mu_host_subscribe_mark(struct muster_plugin *plugin);
void mu_host_unsubscribe_pattern(struct muster_plugin *plugin, const char *pattern);

/* ---- reload.c ---- */

void mu_host_restart_needed(struct muster_plugin *plugin, const char *key);

/* ---- faults.c ---- */

void mu_plugin_add_metrics(struct muster_plugin *plugin);
void mu_plugin_fault(struct muster_plugin *plugin, enum mu_fault fault, const char *format, ...)
    MU_PRINTF(3, 4);
/* Is this the loop's thread? Otherwise it is counted. */
bool mu_plugin_here(struct muster_plugin *plugin, const char *slot);
void mu_plugin_say_foreign(struct muster_plugin *plugin);
/* Around each call into a plugin. */
void mu_plugin_enter(struct muster_plugin *plugin, struct mu_watched *call, const char *hook);
void mu_plugin_leave(struct muster_plugin *plugin, const struct mu_watched *call);

#define MU_CALL(plugin, name, statement)                                                           \
    do {                                                                                           \
        struct mu_watched mu_call_;                                                                \
        mu_plugin_enter((plugin), &mu_call_, (name));                                              \
        statement;                                                                                 \
        mu_plugin_leave((plugin), &mu_call_);                                                      \
    } while (0)

/* ---- links.c: what asks the plugin ---- */

/* Adds it to the listeners of events. */
enum muster_status mu_plugin_listen(struct muster_plugin *plugin, struct mu_error *error);
/* Adds authenticators in their order, and the configured chain. */
enum muster_status mu_plugins_chain(struct mu_plugins *plugins, struct mu_error *error);

/* ---- plugins.c ---- */

/* Something of a stopping plugin was finished. */
void mu_plugin_settle(struct muster_plugin *plugin);
/* It may be called: between init and the end of stop. */
bool mu_plugin_alive(const struct muster_plugin *plugin);

#endif
