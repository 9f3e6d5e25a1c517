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
    bool pattern;
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
    struct mu_events_counts counts;
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

static void want(struct mu_events *self, const struct channel *channel, bool wanted) {
    char name[MU_KEY_SIZE];
    if (self->subscriber == NULL) {
        return;
    }
    mu_key(name, self->name_space, "%s", channel->name);
    if (channel->pattern) {
        (wanted ? mu_subscriber_share_pattern : mu_subscriber_unshare_pattern)(self->subscriber,
                                                                               name);
    } else {
        (wanted ? mu_subscriber_share : mu_subscriber_unshare)(self->subscriber, name);
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
        want(self, channel, true);
    }
    HASH_ITER(hh, self->patterns, channel, next) {
        want(self, channel, true);
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

static struct channel **table_of(struct mu_events *self, bool pattern) {
    return pattern ? &self->patterns : &self->channels;
}

/* Frees the channel when nobody is left. */
static void drop(struct mu_events *self, struct channel *channel, bool pattern, uint64_t listener) {
    channel->listeners &= ~listener;
    if (channel->listeners == 0) {
        if (pattern) {
            HASH_DEL(self->patterns, channel);
        } else {
            HASH_DEL(self->channels, channel);
        }
        want(self, channel, false);
        free(channel->name);
        free(channel);
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
        drop(self->events, channel, false, bit(self));
    }
    HASH_ITER(hh, self->events->patterns, channel, next) {
        drop(self->events, channel, true, bit(self));
    }
    self->events->listeners[self->index] = NULL;
    free(self);
}

static struct channel *find(struct mu_events *self, const char *name, bool pattern) {
    struct channel *channel;
    HASH_FIND_STR(*table_of(self, pattern), name, channel);
    return channel;
}

static void subscribe(struct mu_listener *listener, const char *name, bool pattern) {
    struct mu_events *self = listener->events;
    struct channel *channel = find(self, name, pattern);
    if (channel == NULL) {
        channel = mu_calloc(1, sizeof *channel);
        channel->name = mu_strdup(name);
        channel->pattern = pattern;
        HASH_ADD_KEYPTR(hh, *table_of(self, pattern), channel->name, strlen(channel->name),
                        channel);
        want(self, channel, true);
    }
    channel->listeners |= bit(listener);
}

static void unsubscribe(struct mu_listener *listener, const char *name, bool pattern) {
    struct channel *channel = find(listener->events, name, pattern);
    if (channel != NULL) {
        drop(listener->events, channel, pattern, bit(listener));
    }
}

void mu_events_subscribe(struct mu_listener *listener, const char *name) {
    subscribe(listener, name, false);
}

void mu_events_unsubscribe(struct mu_listener *listener, const char *name) {
    unsubscribe(listener, name, false);
}

void mu_events_subscribe_pattern(struct mu_listener *listener, const char *name) {
    subscribe(listener, name, true);
}

void mu_events_unsubscribe_pattern(struct mu_listener *listener, const char *name) {
    unsubscribe(listener, name, true);
}

uint64_t mu_events_mark(const struct mu_events *self) {
    return self->subscriber != NULL ? mu_subscriber_mark(self->subscriber) : 0;
}

size_t mu_events_channels(const struct mu_events *self) {
    return HASH_COUNT(self->channels) + HASH_COUNT(self->patterns);
}

void mu_events_counts(const struct mu_events *self, struct mu_events_counts *out) {
    *out = self->counts;
}

/* ---- what comes in ---- */

static void observe(struct mu_events *self, const struct muster_event *event) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        if (listener != NULL && listener->hooks.observed != NULL) {
            self->counts.deliveries++;
            listener->hooks.observed(listener->context, event);
        }
    }
}

/* Hooks may change everything: the channel is found anew for each of them. */
static void deliver(struct mu_events *self, const struct muster_event *event) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        const struct channel *channel = find(
            self, event->pattern != NULL ? event->pattern : event->channel, event->pattern != NULL);
        if (channel == NULL) {
            return;
        }
        if (listener != NULL && (channel->listeners & bit(listener)) != 0 &&
            listener->hooks.message != NULL) {
            self->counts.deliveries++;
            listener->hooks.message(listener->context, event);
        }
    }
}

/* Events, which a resync makes up for. Requests and heartbeats are not read again. */
static bool is_event(const char *channel) {
    return strncmp(channel, "events:", strlen("events:")) == 0;
}

void mu_events_message(struct mu_events *self, const char *pattern, const char *channel,
                       const char *payload, size_t length) {
    if (self->subscriber == NULL || strncmp(channel, self->prefix, self->prefix_length) != 0) {
        return;
    }
    struct muster_event event = {channel + self->prefix_length, payload, length, NULL};
    if (!mu_subscriber_is_up(self->subscriber) && is_event(event.channel)) {
        self->counts.passed_over++;
        return;
    }
    uint64_t before = self->counts.deliveries;
    if (pattern == NULL) {
        deliver(self, &event);
    } else {
        if (strcmp(pattern, self->pattern) == 0) {
            observe(self, &event);
        }
        if (strncmp(pattern, self->prefix, self->prefix_length) == 0) {
            event.pattern = pattern + self->prefix_length;
            deliver(self, &event);
        }
    }
    self->counts.messages += self->counts.deliveries > before ? 1 : 0;
}

void mu_events_up(struct mu_events *self) {
    self->counts.resyncs++;
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        if (listener != NULL && listener->hooks.resync != NULL) {
            listener->hooks.resync(listener->context);
        }
    }
}

void mu_events_confirmed(struct mu_events *self, uint64_t mark) {
    for (size_t i = 0; i < MU_LISTENERS_MAX; i++) {
        struct mu_listener *listener = self->listeners[i];
        if (listener != NULL && listener->hooks.confirmed != NULL) {
            listener->hooks.confirmed(listener->context, mark);
        }
    }
}
