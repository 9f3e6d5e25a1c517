#include "events/events.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/table.h"
#include "registry/call.h"

struct mu_listener {
    struct mu_events *events;
    struct mu_listener_hooks hooks;
    void *context;
    size_t index;
};

/* Who listens to one channel, or to one pattern: one bit a listener. */
struct channel {
    char *name; /* relative */
    uint64_t listeners;
    UT_hash_handle hh;
};

struct mu_events {
    char *name_space;
    char prefix[MU_KEY_SIZE];  /* "{ns}:" */
    char pattern[MU_KEY_SIZE]; /* "{ns}:events:*" */
    size_t prefix_length;
    struct mu_subscriber *subscriber;
    struct mu_listener *listeners[MU_LISTENERS_MAX];
    struct channel *channels, *patterns;
};

_Static_assert(MU_CHANNEL_MAX + 1 + MU_ID_MAX + 8 < MU_KEY_SIZE, "a channel fits a key");
_Static_assert(MU_LISTENERS_MAX <= 64, "one bit a listener");

static bool name_valid(const char *name, char beside) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        if (name[i] != ':' && name[i] != beside && !mu_id_valid(&name[i], 1)) {
            return false;
        }
    }
    return length > 0 && length <= MU_CHANNEL_MAX;
}

bool mu_channel_valid(const char *channel) {
    return name_valid(channel, ':');
}

bool mu_channel_pattern_valid(const char *pattern) {
    return name_valid(pattern, '*');
}

struct mu_events *mu_events_create(const char *name_space) {
    struct mu_events *self = mu_calloc(1, sizeof *self);
    self->name_space = mu_strdup(name_space);
    mu_key(self->prefix, name_space, "%s", "");
    mu_key(self->pattern, name_space, "events:*");
    self->prefix_length = strlen(self->prefix);
    return self;
}

void mu_events_destroy(struct mu_events **events) {
    struct mu_events *self = *events;
    *events = NULL;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        assert(self->listeners[i] == NULL);
    }
    free(self->name_space);
    free(self);
}

/* ---- what goes to the subscriber ---- */

static void want(struct mu_events *self, const char *channel, bool wanted) {
    char name[MU_KEY_SIZE];
    if (self->subscriber == NULL) {
        return;
    }
    mu_key(name, self->name_space, "%s", channel);
    if (wanted) {
        mu_subscriber_share(self->subscriber, name);
    } else {
        mu_subscriber_unshare(self->subscriber, name);
    }
}

static void want_pattern(struct mu_events *self, const char *pattern, bool wanted) {
    char name[MU_KEY_SIZE];
    if (self->subscriber == NULL) {
        return;
    }
    mu_key(name, self->name_space, "%s", pattern);
    if (wanted) {
        mu_subscriber_share_pattern(self->subscriber, name);
    } else {
        mu_subscriber_unshare_pattern(self->subscriber, name);
    }
}

static bool has_observer(const struct mu_events *self) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        if (self->listeners[i] != NULL && self->listeners[i]->hooks.observed != NULL) {
            return true;
        }
    }
    return false;
}

void mu_events_attach(struct mu_events *self, struct mu_subscriber *subscriber) {
    struct channel *channel = NULL;
    struct channel *next = NULL;
    self->subscriber = subscriber;
    if (subscriber == NULL) {
        return;
    }
    HASH_ITER(hh, self->channels, channel, next) {
        want(self, channel->name, true);
    }
    HASH_ITER(hh, self->patterns, channel, next) {
        want_pattern(self, channel->name, true);
    }
    if (has_observer(self)) {
        mu_subscriber_psubscribe(subscriber, self->pattern);
    }
}

/* ---- listeners ---- */

struct mu_listener *mu_events_listen(struct mu_events *self, const struct mu_listener_hooks *hooks,
                                     void *context) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        if (self->listeners[i] != NULL) {
            continue;
        }
        struct mu_listener *listener = mu_calloc(1, sizeof *listener);
        *listener = (struct mu_listener){self, *hooks, context, i};
        self->listeners[i] = listener;
        if (hooks->observed != NULL && self->subscriber != NULL) {
            mu_subscriber_psubscribe(self->subscriber, self->pattern);
        }
        return listener;
    }
    return NULL;
}

static uint64_t bit(const struct mu_listener *listener) {
    return UINT64_C(1) << listener->index;
}

/* Frees the channel when nobody is left. */
static void drop(struct mu_events *self, struct channel *channel, uint64_t listener) {
    channel->listeners &= ~listener;
    if (channel->listeners == 0) {
        HASH_DEL(self->channels, channel);
        want(self, channel->name, false);
        free(channel->name);
        free(channel);
    }
}

static void drop_pattern(struct mu_events *self, struct channel *pattern, uint64_t listener) {
    pattern->listeners &= ~listener;
    if (pattern->listeners == 0) {
        HASH_DEL(self->patterns, pattern);
        want_pattern(self, pattern->name, false);
        free(pattern->name);
        free(pattern);
    }
}

void mu_events_leave(struct mu_listener **listener) {
    struct mu_listener *self = *listener;
    struct channel *channel = NULL;
    struct channel *next = NULL;
    *listener = NULL;
    if (self == NULL) {
        return;
    }
    HASH_ITER(hh, self->events->channels, channel, next) {
        drop(self->events, channel, bit(self));
    }
    HASH_ITER(hh, self->events->patterns, channel, next) {
        drop_pattern(self->events, channel, bit(self));
    }
    self->events->listeners[self->index] = NULL;
    free(self);
}

/* The entry of a name; `*fresh`: it was not there. */
static struct channel *enter(struct channel **table, const char *name, bool *fresh) {
    struct channel *channel;
    HASH_FIND_STR(*table, name, channel);
    *fresh = channel == NULL;
    if (channel == NULL) {
        channel = mu_calloc(1, sizeof *channel);
        channel->name = mu_strdup(name);
        HASH_ADD_KEYPTR(hh, *table, channel->name, strlen(channel->name), channel);
    }
    return channel;
}

void mu_events_subscribe(struct mu_listener *listener, const char *name) {
    struct mu_events *self = listener->events;
    bool fresh = false;
    enter(&self->channels, name, &fresh)->listeners |= bit(listener);
    if (fresh) {
        want(self, name, true);
    }
}

void mu_events_unsubscribe(struct mu_listener *listener, const char *name) {
    struct channel *channel;
    HASH_FIND_STR(listener->events->channels, name, channel);
    if (channel != NULL) {
        drop(listener->events, channel, bit(listener));
    }
}

void mu_events_subscribe_pattern(struct mu_listener *listener, const char *name) {
    struct mu_events *self = listener->events;
    bool fresh = false;
    enter(&self->patterns, name, &fresh)->listeners |= bit(listener);
    if (fresh) {
        want_pattern(self, name, true);
    }
}

void mu_events_unsubscribe_pattern(struct mu_listener *listener, const char *name) {
    struct channel *pattern;
    HASH_FIND_STR(listener->events->patterns, name, pattern);
    if (pattern != NULL) {
        drop_pattern(listener->events, pattern, bit(listener));
    }
}

size_t mu_events_channels(const struct mu_events *self) {
    return HASH_COUNT(self->channels) + HASH_COUNT(self->patterns);
}

/* ---- what comes in ---- */

static void observe(struct mu_events *self, const struct muster_event *event) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        if (listener != NULL && listener->hooks.observed != NULL) {
            listener->hooks.observed(listener->context, event);
        }
    }
}

/* Hooks may change everything: the channel is found anew for each of them. */
static void deliver(struct mu_events *self, const struct muster_event *event) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        struct channel *channel;
        if (event->pattern != NULL) {
            HASH_FIND_STR(self->patterns, event->pattern, channel);
        } else {
            HASH_FIND_STR(self->channels, event->channel, channel);
        }
        if (channel == NULL) {
            return;
        }
        if (listener != NULL && (channel->listeners & bit(listener)) != 0 &&
            listener->hooks.message != NULL) {
            listener->hooks.message(listener->context, event);
        }
    }
}

void mu_events_message(struct mu_events *self, const char *pattern, const char *channel,
                       const char *payload, size_t length) {
    if (strncmp(channel, self->prefix, self->prefix_length) != 0) {
        return;
    }
    struct muster_event event = {channel + self->prefix_length, payload, length, NULL};
    if (pattern == NULL) {
        deliver(self, &event);
        return;
    }
    if (strcmp(pattern, self->pattern) == 0) {
        observe(self, &event);
    }
    if (strncmp(pattern, self->prefix, self->prefix_length) == 0) {
        event.pattern = pattern + self->prefix_length;
        deliver(self, &event);
    }
}

void mu_events_up(struct mu_events *self) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        if (listener != NULL && listener->hooks.resync != NULL) {
            listener->hooks.resync(listener->context);
        }
    }
}
