#include "coordinator/watcher.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/reply.h"
#include "registry/call.h"

void mu_watcher_subscribe(struct mu_subscriber *subscriber, const char *name_space,
                          unsigned database) {
    char name[MU_KEY_SIZE];
    char channel[MU_KEY_SIZE + 64];
    mu_subscriber_subscribe(subscriber, mu_key(name, name_space, "heartbeat"));
    mu_subscriber_may_wait(subscriber, name);
    mu_subscriber_subscribe(subscriber, mu_key(name, name_space, "events:instances"));
    mu_subscriber_subscribe(subscriber, mu_key(name, name_space, "events:coordinator"));
    mu_subscriber_subscribe(subscriber, mu_key(name, name_space, "signal"));
    snprintf(channel, sizeof channel, "__keyspace@%u__:%s", database,
             mu_key(name, name_space, "coordinator"));
    mu_subscriber_subscribe(subscriber, channel);
    snprintf(channel, sizeof channel, "__keyevent@%u__:evicted", database);
    mu_subscriber_subscribe(subscriber, channel);
}

static bool copy_id(char out[MU_ID_SIZE], const char *id, size_t length) {
    if (id == NULL || !mu_id_valid(id, length)) {
        return false;
    }
    memcpy(out, id, length);
    out[length] = '\0';
    return true;
}

/* What comes after `prefix`, or NULL. */
static const char *after(const char *text, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* What comes after `{<namespace>}:`, or NULL. */
static const char *relative(const char *channel, const char *name_space) {
    size_t length = strlen(name_space);
    return channel[0] == '{' && strncmp(channel + 1, name_space, length) == 0
               ? after(channel + 1 + length, "}:")
               : NULL;
}

/* `__keyspace@<db>__:{ns}:coordinator` with the event as payload, `__keyevent@<db>__:evicted` with
 * the key. */
static void read_key_event(const char *name_space, const char *channel, const char *payload,
                           struct mu_signal *signal) {
    const char *name = strstr(channel, "__:");
    if (name == NULL) {
        return;
    }
    name += 3;
    if (after(channel, "__keyevent@") != NULL) {
        if (strcmp(name, "evicted") == 0 && relative(payload, name_space) != NULL) {
            signal->kind = MU_SIGNAL_EVICTED;
        }
        return;
    }
    const char *key = relative(name, name_space);
    if (key != NULL && strcmp(key, "coordinator") == 0 &&
        (strcmp(payload, "del") == 0 || strcmp(payload, "expired") == 0)) {
        signal->kind = MU_SIGNAL_LEASE_GONE;
    }
}

static enum mu_signal_kind instance_event(const char *event) {
    static const struct {
        const char *event;
        enum mu_signal_kind kind;
    } table[] = {
        {"instance.started", MU_SIGNAL_STARTED},     {"instance.up", MU_SIGNAL_UP},
        {"instance.suspect", MU_SIGNAL_SUSPECT},     {"instance.draining", MU_SIGNAL_DRAINING},
        {"instance.undrained", MU_SIGNAL_UNDRAINED}, {"instance.stopped", MU_SIGNAL_GONE},
        {"instance.dead", MU_SIGNAL_GONE},
    };
    for (size_t i = 0; event != NULL && i < sizeof table / sizeof *table; i++) {
        if (strcmp(event, table[i].event) == 0) {
            return table[i].kind;
        }
    }
    return MU_SIGNAL_NONE;
}

/* `signal`: what an operator wants of the coordinator, and what doors tell it. */
static enum mu_signal_kind signal_word(const char *word) {
    static const struct {
        const char *word;
        enum mu_signal_kind kind;
    } table[] = {
        {"lifeline", MU_SIGNAL_LIFELINE},
        {"brake-release", MU_SIGNAL_BRAKE_RELEASE},
        {"flush-decisions", MU_SIGNAL_FLUSH},
        {"library", MU_SIGNAL_LIBRARY},
    };
    for (size_t i = 0; word != NULL && i < sizeof table / sizeof *table; i++) {
        if (strcmp(word, table[i].word) == 0) {
            return table[i].kind;
        }
    }
    return MU_SIGNAL_NONE;
}

/* `{"signal":"order","order":"step-down","by":"desk","epoch":17}`: functions/72_order.lua. */
static void read_order(const json_t *object, struct mu_signal *signal) {
    static const struct {
        const char *order;
        enum mu_signal_kind kind;
    } table[] = {
        {"bury", MU_SIGNAL_BURIED},
        {"reap", MU_SIGNAL_REAP},
        {"brake-release", MU_SIGNAL_BRAKE_RELEASE},
        {"step-down", MU_SIGNAL_STEP_DOWN},
        {"flush-decisions", MU_SIGNAL_FLUSH},
    };
    const char *order = mu_reply_text(object, "order");
    const char *by = mu_reply_text(object, "by");
    const char *id = mu_reply_id(object, "instance");
    const char *incarnation = mu_reply_id(object, "incarnation");
    for (size_t i = 0; order != NULL && by != NULL && i < sizeof table / sizeof *table; i++) {
        if (strcmp(order, table[i].order) == 0) {
            signal->kind = table[i].kind;
            signal->epoch = mu_reply_number(object, "epoch");
            snprintf(signal->order, sizeof signal->order, "%s", order);
            snprintf(signal->by, sizeof signal->by, "%s", by);
            copy_id(signal->instance, id, id != NULL ? strlen(id) : 0);
            copy_id(signal->incarnation, incarnation,
                    incarnation != NULL ? strlen(incarnation) : 0);
        }
    }
}

static void read_json(const char *channel, const json_t *object, struct mu_signal *signal) {
    const char *id = mu_reply_id(object, "instance");
    const char *incarnation = mu_reply_id(object, "incarnation");
    const char *event = mu_reply_text(object, "event");
    enum mu_signal_kind kind = MU_SIGNAL_NONE;
    const char *word = mu_reply_text(object, "signal");
    if (strcmp(channel, "signal") == 0 && word != NULL && strcmp(word, "order") == 0) {
        read_order(object, signal);
        return;
    }
    if (strcmp(channel, "signal") == 0) {
        kind = signal_word(word);
        if (kind != MU_SIGNAL_LIFELINE) {
            signal->kind = kind;
            return;
        }
        kind = incarnation == NULL ? MU_SIGNAL_NONE : kind;
        signal->quiet_ms = mu_reply_number(object, "quiet_ms");
        const char *daemon = mu_reply_id(object, "daemon");
        if (daemon != NULL) {
            copy_id(signal->daemon, daemon, strlen(daemon));
        }
    } else if (strcmp(channel, "heartbeat") == 0) {
        kind = incarnation == NULL ? MU_SIGNAL_NONE : MU_SIGNAL_HEARTBEAT;
    } else if (strcmp(channel, "events:instances") == 0) {
        kind = instance_event(event);
    } else if (event != NULL && strcmp(event, "coordinator.elected") == 0) {
        signal->kind = MU_SIGNAL_ELECTED;
        signal->epoch = mu_reply_number(object, "epoch");
        return;
    }
    if (kind == MU_SIGNAL_NONE || id == NULL) {
        return;
    }
    signal->kind = kind;
    copy_id(signal->instance, id, strlen(id));
    if (incarnation != NULL) {
        copy_id(signal->incarnation, incarnation, strlen(incarnation));
    }
}

/* The id that begins here, up to a quote; returns what is behind the quote, NULL: it is none. */
static const char *quoted_id(char out[MU_ID_SIZE], const char *at, const char *end) {
    const char *quote = memchr(at, '"', (size_t)(end - at));
    return quote != NULL && copy_id(out, at, (size_t)(quote - at)) ? quote + 1 : NULL;
}

/* A heartbeat in just the form in which functions/50_instances.lua publishes it. Every instance
 * sends one a second, so it is worth a way of its own. False, and nothing is known: any other text,
 * which may still be a heartbeat. */
static bool read_heartbeat(const char *payload, size_t length, struct mu_signal *signal) {
    static const char head[] = "{\"instance\":\"";
    static const char middle[] = ",\"incarnation\":\"";
    const char *end = payload + length;
    if (length < sizeof head || memcmp(payload, head, sizeof head - 1) != 0) {
        return false;
    }
    const char *at = quoted_id(signal->instance, payload + sizeof head - 1, end);
    if (at == NULL || (size_t)(end - at) < sizeof middle ||
        memcmp(at, middle, sizeof middle - 1) != 0) {
        return false;
    }
    at = quoted_id(signal->incarnation, at + sizeof middle - 1, end);
    if (at == NULL || end - at != 1 || *at != '}') {
        return false;
    }
    signal->kind = MU_SIGNAL_HEARTBEAT;
    return true;
}

static void read_other(const char *name, const char *payload, size_t length,
                       struct mu_signal *signal) {
    json_t *object = mu_reply_parse(payload, length);
    memset(signal, 0, sizeof *signal);
    if (object != NULL) {
        read_json(name, object, signal);
        json_decref(object);
    }
}

void mu_watcher_read(const char *name_space, const char *pattern, const char *channel,
                     const char *payload, size_t length, struct mu_signal *signal) {
    memset(signal, 0, sizeof *signal);
    if (pattern != NULL) {
        return; /* somebody else's, and perhaps the same message as one of ours */
    }
    if (after(channel, "__key") != NULL) {
        read_key_event(name_space, channel, payload, signal);
        return;
    }
    const char *name = relative(channel, name_space);
    if (name == NULL) {
        return;
    }
    bool heartbeat = strcmp(name, "heartbeat") == 0;
    if (heartbeat && read_heartbeat(payload, length, signal)) {
        return;
    }
    if (heartbeat || strcmp(name, "events:instances") == 0 ||
        strcmp(name, "events:coordinator") == 0 || strcmp(name, "signal") == 0) {
        read_other(name, payload, length, signal);
    }
}
