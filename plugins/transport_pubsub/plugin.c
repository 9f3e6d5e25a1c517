/* plugin.c - transport_pubsub: the pub/sub door. Requests on the channel `request`, answers on the
 * inbox of who asked.
 *
 * The door is open while this daemon coordinates: it is subscribed then and only then, so a
 * publisher who reaches nobody knows that there is no coordinator.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"

#define CHANNEL "request"
#define PATIENCE_MS 1000 /* stopping: how long what is pending is waited for */

static const struct muster_config_key keys[] = {
    {"max_message", MUSTER_CONFIG_SIZE, false, "256KiB", 1024, 8 << 20,
     "Largest message on the channel of requests"},
    {"max_answer", MUSTER_CONFIG_SIZE, false, "8MiB", 64 << 10, 64 << 20,
     "Largest answer; a larger one becomes TOO_LARGE"},
    {"max_pending", MUSTER_CONFIG_INTEGER, false, "10000", 1, 1000000,
     "Most requests pending at once; more are answered OVERLOADED"},
    {"max_pending_bytes", MUSTER_CONFIG_SIZE, false, "64MiB", 1 << 20, UINT64_C(4) << 30,
     "Most bytes of their messages; more are answered OVERLOADED"},
    {"max_pending_per_inbox", MUSTER_CONFIG_INTEGER, false, "4000", 1, 1000000,
     "Most requests pending at once for one inbox; more are answered OVERLOADED"},
};

static void read_limits(struct pubsub_door *door) {
    const struct {
        const struct muster_config_key *key;
        uint64_t *to;
    } limits[] = {
        {&keys[0], &door->limits.max_message},
        {&keys[1], &door->limits.max_answer},
        {&keys[2], &door->limits.max_pending},
        {&keys[3], &door->limits.max_pending_bytes},
        {&keys[4], &door->limits.max_pending_per_inbox},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct muster_config *node =
            door->host->config_get(door->plugin, NULL, limits[i].key->name);
        /* Checked by the host, and every key has a default. */
        (void)door->host->config_number(door->plugin, node, limits[i].key->type, limits[i].to);
    }
}

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct pubsub_door *door = calloc(1, sizeof *door);
    if (door == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "out of memory");
        return MUSTER_OVERLOADED;
    }
    door->plugin = plugin;
    door->host = host;
    snprintf(door->prefix, sizeof door->prefix, "{%s}:inbox:", host->name_space(plugin));
    door->operations = host->operations(plugin, &door->operation_count);
    read_limits(door);
    pubsub_counts_init(door);
    *state = door;
    return MUSTER_OK;
}

static void set_subscribed(struct pubsub_door *door, bool wanted) {
    if (wanted == door->subscribed) {
        return;
    }
    door->subscribed = wanted;
    if (wanted) {
        door->host->subscribe(door->plugin, CHANNEL);
    } else {
        door->host->unsubscribe(door->plugin, CHANNEL);
    }
    door->host->log(door->plugin, MUSTER_LOG_INFO, wanted ? "open" : "closed",
                    wanted ? "this daemon coordinates and answers requests on channel '%s'"
                           : "requests on channel '%s' are not read any more",
                    CHANNEL);
}

static void on_coordinating(void *state, bool active) {
    struct pubsub_door *door = state;
    set_subscribed(door, active && !door->stopping);
}

static void on_message(void *state, const struct muster_event *event) {
    struct pubsub_door *door = state;
    if (door->subscribed && strcmp(event->channel, CHANNEL) == 0) {
        pubsub_receive(door, event->payload, event->length);
    }
}

/* ---- the end ---- */

void pubsub_drained(struct pubsub_door *door) {
    if (door->patience != NULL) {
        door->host->timer_stop(door->plugin, &door->patience);
    }
    pubsub_counts_log(door);
    door->host->stopped(door->plugin);
}

static void on_patience_over(void *context) {
    struct pubsub_door *door = context;
    pubsub_abandon(door);
    pubsub_drained(door);
}

static void on_stop(void *state) {
    struct pubsub_door *door = state;
    set_subscribed(door, false);
    door->stopping = true;
    if (door->pending == 0) {
        pubsub_drained(door);
    } else {
        door->patience =
            door->host->timer_start(door->plugin, PATIENCE_MS, 0, on_patience_over, door);
    }
}

static void on_close(void *state) {
    struct pubsub_door *door = state;
    pubsub_forget_all(door);
    free(door);
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init,
    .stop = on_stop,
    .close = on_close,
};

static const struct muster_transport_hooks transport = {
    .reply = pubsub_replied,
    .authenticated = pubsub_authenticated,
    .message = on_message,
    .coordinating = on_coordinating,
};

MUSTER_PLUGIN(MUSTER_TRANSPORT, "transport_pubsub", MUSTER_VERSION, keys,
              sizeof keys / sizeof keys[0], &hooks, &transport, NULL, NULL, NULL);
