/* reloader.c - a plugin that takes a new configuration, unless its greeting is "no". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/plugin.h"

#ifndef NAME
#define NAME "reloader"
#endif

static const struct muster_config_key keys[] = {
    {"greeting", MUSTER_CONFIG_TEXT, false, "hello", 1, 16, "What it says."},
};

struct state {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const struct muster_config *first; /* stays valid over reloads */
};

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **out, struct muster_complaint *complaint) {
    struct state *self = calloc(1, sizeof *self);
    (void)complaint;
    if (self == NULL)
        return MUSTER_INTERNAL;
    *self = (struct state){plugin, host, host->config_get(plugin, NULL, "greeting")};
    *out = self;
    return MUSTER_OK;
}

static enum muster_status reload(void *state, const struct muster_config *config,
                                 struct muster_complaint *complaint) {
    const struct state *self = state;
    const struct muster_host *host = self->host;
    const char *before =
        host->config_text(self->plugin, host->config_get(self->plugin, NULL, "greeting"));
    const char *after =
        host->config_text(self->plugin, host->config_get(self->plugin, config, "greeting"));
    if (strcmp(after, "no") == 0) {
        snprintf(complaint->text, sizeof complaint->text, "it does not want to");
        return MUSTER_BAD_REQUEST;
    }
    host->log(self->plugin, MUSTER_LOG_INFO, "greeting", "first %s, before %s, after %s",
              host->config_text(self->plugin, self->first), before, after);
    return MUSTER_OK;
}

static void stop(void *state) {
    const struct state *self = state;
    self->host->stopped(self->plugin);
}

static void event(void *state, const struct muster_event *heard) {
    (void)state;
    (void)heard;
}

static const struct muster_plugin_hooks hooks = {
    .init = init, .stop = stop, .close = free, .reload = reload};
static const struct muster_observer_hooks observer = {.event = event};

MUSTER_PLUGIN(MUSTER_OBSERVER, NAME, "1", keys, 1, &hooks, NULL, NULL, NULL, &observer);
