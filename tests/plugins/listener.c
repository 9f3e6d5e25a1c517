/* listener.c - an observer that logs the channel of every event, and each resync. */
#include <stdlib.h>

#include "muster/plugin.h"

struct listener {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct muster_metric *events;
};

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct listener *self = calloc(1, sizeof *self);
    (void)complaint;
    if (self == NULL) {
        return MUSTER_INTERNAL;
    }
    self->plugin = plugin;
    self->host = host;
    self->events = host->metric(plugin, MUSTER_COUNTER, "events_total", "Events that it heard");
    *state = self;
    return MUSTER_OK;
}

static void stop(void *state) {
    const struct listener *self = state;
    self->host->stopped(self->plugin);
}

static void close_(void *state) {
    free(state);
}

static void event(void *state, const struct muster_event *heard) {
    const struct listener *self = state;
    self->host->metric_add(self->events, 1);
    self->host->log(self->plugin, MUSTER_LOG_INFO, "heard", "%s", heard->channel);
}

static void resync(void *state) {
    const struct listener *self = state;
    self->host->log(self->plugin, MUSTER_LOG_INFO, "resync", "events may have been lost");
}

static const struct muster_plugin_hooks hooks = {.init = init, .stop = stop, .close = close_};
static const struct muster_observer_hooks observer = {.event = event, .resync = resync};

MUSTER_PLUGIN(MUSTER_OBSERVER, "listener", "1", NULL, 0, &hooks, NULL, NULL, NULL, &observer);
