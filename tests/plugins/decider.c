/* decider.c - an authorizer that decides as badly as its `mood` says. Moods:
 *   allow deny defer   at once
 *   later              a moment later, as it should be
 *   twice              a moment later, and again
 *   late               when the question has been over for long (`delay`)
 *   never              not at all
 *   thread             from a thread of its own; then, a moment later, as it should be
 *   after_stop         in stop(), after stopped(): for a question that it was still asked
 *   garbage            returns a verdict that is none
 *   stranger           decides a handle that it made up; then at once
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "muster/plugin.h"

struct decider {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *mood;
    uint64_t delay_ms;
    uint64_t cache_ms;
    struct muster_handle last;
};

/* A decision that is still to come. */
struct later {
    struct decider *decider;
    struct muster_timer *timer;
    struct muster_handle handle;
};

static bool is(const struct decider *self, const char *mood) {
    return strcmp(self->mood, mood) == 0;
}

static void decide(const struct decider *self, struct muster_handle handle) {
    self->host->decide(self->plugin, handle,
                       &(struct muster_decision){.verdict = MUSTER_ALLOW, .reason = NULL});
}

static void due(void *context) {
    struct later *later = context;
    const struct decider *self = later->decider;
    decide(self, later->handle);
    if (is(self, "twice")) {
        decide(self, later->handle);
    }
    self->host->timer_stop(self->plugin, &later->timer);
    free(later);
}

static void decide_later(struct decider *self, struct muster_handle handle, uint64_t after_ms) {
    struct later *later = calloc(1, sizeof *later);
    if (later == NULL) {
        return;
    }
    later->decider = self;
    later->handle = handle;
    later->timer = self->host->timer_start(self->plugin, after_ms, 0, due, later);
}

static void *decide_there(void *argument) {
    const struct decider *self = argument;
    decide(self, self->last);
    return NULL;
}

static enum muster_verdict authorize(void *state, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision) {
    struct decider *self = state;
    pthread_t thread;
    (void)principal;
    (void)action;
    (void)resource;
    self->last = handle;
    self->host->log(self->plugin, MUSTER_LOG_INFO, "asked", "%s", self->mood);
    decision->cache_ms = self->cache_ms; /* of what is decided at once */
    if (is(self, "allow")) {
        return MUSTER_ALLOW;
    }
    if (is(self, "deny")) {
        decision->reason = "not in this mood";
        return MUSTER_DENY;
    }
    if (is(self, "defer")) {
        return MUSTER_DEFER;
    }
    if (is(self, "garbage")) {
        return (enum muster_verdict)77;
    }
    if (is(self, "stranger")) {
        decide(self, (struct muster_handle){handle.slot + 1000, handle.generation});
        return MUSTER_ALLOW;
    }
    if (is(self, "thread") && pthread_create(&thread, NULL, decide_there, self) == 0) {
        pthread_join(thread, NULL);
    }
    if (!is(self, "never") && !is(self, "after_stop")) {
        decide_later(self, handle, is(self, "late") ? self->delay_ms : 1);
    }
    return MUSTER_LATER;
}

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct decider *self = calloc(1, sizeof *self);
    (void)complaint;
    if (self == NULL) {
        return MUSTER_INTERNAL;
    }
    self->plugin = plugin;
    self->host = host;
    self->mood = host->config_text(plugin, host->config_get(plugin, NULL, "mood"));
    host->config_number(plugin, host->config_get(plugin, NULL, "delay"), MUSTER_CONFIG_DURATION,
                        &self->delay_ms);
    host->config_number(plugin, host->config_get(plugin, NULL, "cache"), MUSTER_CONFIG_DURATION,
                        &self->cache_ms);
    *state = self;
    return MUSTER_OK;
}

static void stop(void *state) {
    struct decider *self = state;
    self->host->stopped(self->plugin);
    if (is(self, "after_stop")) {
        decide(self, self->last);
    }
}

static void close_(void *state) {
    free(state);
}

static const struct muster_config_key keys[] = {
    {"mood", MUSTER_CONFIG_TEXT, false, "allow", 1, 64, "How it decides."},
    {"delay", MUSTER_CONFIG_DURATION, false, "1s", 1, 60000, "How late a late decision is."},
    {"cache", MUSTER_CONFIG_DURATION, false, "0ms", 0, 86400000, "How long decisions hold."},
};

static const struct muster_plugin_hooks hooks = {.init = init, .stop = stop, .close = close_};
static const struct muster_authorizer_hooks authorizer = {.authorize = authorize};

MUSTER_PLUGIN(MUSTER_AUTHORIZER, "decider", "1", keys, sizeof keys / sizeof keys[0], &hooks, NULL,
              NULL, &authorizer, NULL);
