/* quota.c - an authorizer that allows everything, with a quota: `holder` ("": it names none),
 * `connections`, `sessions`; `how`: at once, or a moment later. The question who may lead has
 * another quota, which nobody must apply. Made as quota_old, it says that it is of ABI 1.0: then
 * what stands where 1.1 has the quota means nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "muster/plugin.h"

#ifdef QUOTA_OLD
#undef MUSTER_ABI_MINOR
#define MUSTER_ABI_MINOR 0
#define NAME "quota_old"
#else
#define NAME "quota"
#endif

struct quota {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *holder;
    uint64_t connections, sessions, cache_ms;
    bool later;
};

struct later {
    const struct quota *quota;
    struct muster_timer *timer;
    struct muster_handle handle;
    enum muster_action action;
};

static struct muster_decision decision_of(const struct quota *self, enum muster_action action) {
    if (action == MUSTER_ACTION_SESSION_LEAD) {
        return (struct muster_decision){
            .verdict = MUSTER_ALLOW, .quota_holder = "wrong", .quota_connections = 1};
    }
    return (struct muster_decision){.verdict = MUSTER_ALLOW,
                                    .cache_ms = self->cache_ms,
                                    .quota_holder = self->holder[0] != '\0' ? self->holder : NULL,
                                    .quota_connections = (uint32_t)self->connections,
                                    .quota_sessions = (uint32_t)self->sessions};
}

static void due(void *context) {
    struct later *later = context;
    const struct quota *self = later->quota;
    struct muster_decision decision = decision_of(self, later->action);
    self->host->decide(self->plugin, later->handle, &decision);
    self->host->timer_stop(self->plugin, &later->timer);
    free(later);
}

static enum muster_verdict authorize(void *state, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision) {
    struct quota *self = state;
    (void)principal;
    (void)resource;
    if (!self->later) {
        *decision = decision_of(self, action);
        return MUSTER_ALLOW;
    }
    struct later *later = calloc(1, sizeof *later);
    if (later == NULL) {
        return MUSTER_DENY;
    }
    *later = (struct later){.quota = self, .handle = handle, .action = action};
    later->timer = self->host->timer_start(self->plugin, 1, 0, due, later);
    return MUSTER_LATER;
}

static void number(const struct quota *self, const char *name, enum muster_config_type type,
                   uint64_t *out) {
    self->host->config_number(self->plugin, self->host->config_get(self->plugin, NULL, name), type,
                              out);
}

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct quota *self = calloc(1, sizeof *self);
    (void)complaint;
    if (self == NULL) {
        return MUSTER_INTERNAL;
    }
    self->plugin = plugin;
    self->host = host;
    self->holder = host->config_text(plugin, host->config_get(plugin, NULL, "holder"));
    self->later =
        strcmp(host->config_text(plugin, host->config_get(plugin, NULL, "how")), "later") == 0;
    number(self, "connections", MUSTER_CONFIG_INTEGER, &self->connections);
    number(self, "sessions", MUSTER_CONFIG_INTEGER, &self->sessions);
    number(self, "cache", MUSTER_CONFIG_DURATION, &self->cache_ms);
    *state = self;
    return MUSTER_OK;
}

static void stop(void *state) {
    const struct quota *self = state;
    self->host->stopped(self->plugin);
}

static void close_(void *state) {
    free(state);
}

static const struct muster_config_key keys[] = {
    {"holder", MUSTER_CONFIG_TEXT, false, "", 0, 200, "Whose quota."},
    {"how", MUSTER_CONFIG_TEXT, false, "now", 1, 64, "now or later."},
    {"connections", MUSTER_CONFIG_INTEGER, false, "0", 0, UINT32_MAX, "How many; 0: no bound."},
    {"sessions", MUSTER_CONFIG_INTEGER, false, "0", 0, UINT32_MAX, "In how many; 0: no bound."},
    {"cache", MUSTER_CONFIG_DURATION, false, "0s", 0, 60000, "How long it is kept."},
};

static const struct muster_plugin_hooks hooks = {.init = init, .stop = stop, .close = close_};
static const struct muster_authorizer_hooks authorizer = {.authorize = authorize};

MUSTER_PLUGIN(MUSTER_AUTHORIZER, NAME, "1", keys, sizeof keys / sizeof keys[0], &hooks, NULL, NULL,
              &authorizer, NULL);
