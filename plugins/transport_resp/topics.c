/* topics.c - who hears which channel: one subscription at the host, any number of sessions.
 *
 * A topic is a channel or a pattern that at least one session is subscribed to. A message is
 * encoded once for all subscribers that say the same name and speak the same protocol.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static const char resync[] = "{\"event\":\"resync\"}";

struct resp_topic {
    struct resp_topic *next, **link; /* of the door's list */
    struct resp_subscription *subscriptions;
    bool pattern;
    char *channel; /* the host's name */
};

static int compare_topics(const void *left, const void *right) {
    const struct resp_topic *one = left;
    const struct resp_topic *other = right;
    return one->pattern != other->pattern ? (int)one->pattern - (int)other->pattern
                                          : strcmp(one->channel, other->channel);
}

static int compare_subscriptions(const void *left, const void *right) {
    const struct resp_subscription *one = left;
    const struct resp_subscription *other = right;
    if (one->session->id != other->session->id) {
        return one->session->id < other->session->id ? -1 : 1;
    }
    return one->pattern != other->pattern ? (int)one->pattern - (int)other->pattern
                                          : strcmp(one->name, other->name);
}

/* ---- topics ---- */

static struct resp_topic *find_topic(const struct resp_door *door, bool pattern,
                                     const char *channel) {
    struct resp_topic wanted = {.pattern = pattern, .channel = (char *)(uintptr_t)channel};
    struct resp_topic *const *found = tfind(&wanted, &door->topics, compare_topics);
    return found != NULL ? *found : NULL;
}

static struct resp_topic *enter_topic(struct resp_door *door, bool pattern, const char *channel) {
    struct resp_topic *topic = find_topic(door, pattern, channel);
    if (topic != NULL) {
        return topic;
    }
    topic = resp_need(calloc(1, sizeof *topic));
    topic->pattern = pattern;
    topic->channel = resp_copy(channel, strlen(channel));
    topic->next = door->topic_list;
    topic->link = &door->topic_list;
    if (topic->next != NULL) {
        topic->next->link = &topic->next;
    }
    door->topic_list = topic;
    (void)resp_need(tsearch(topic, &door->topics, compare_topics));
    if (pattern) {
        door->host->subscribe_pattern(door->plugin, channel);
    } else {
        door->host->subscribe(door->plugin, channel);
    }
    return topic;
}

static void leave_topic(struct resp_door *door, struct resp_topic *topic) {
    if (topic->subscriptions != NULL) {
        return;
    }
    if (topic->pattern) {
        door->host->unsubscribe_pattern(door->plugin, topic->channel);
    } else {
        door->host->unsubscribe(door->plugin, topic->channel);
    }
    tdelete(topic, &door->topics, compare_topics);
    *topic->link = topic->next;
    if (topic->next != NULL) {
        topic->next->link = topic->link;
    }
    free(topic->channel);
    free(topic);
}

/* ---- subscriptions ---- */

bool resp_topics_add(struct resp_session *session, bool pattern, const char *name,
                     const char *channel) {
    struct resp_door *door = session->door;
    struct resp_subscription *subscription = resp_need(calloc(1, sizeof *subscription));
    subscription->session = session;
    subscription->pattern = pattern;
    subscription->name = resp_copy(name, strlen(name));
    struct resp_subscription *const *entered =
        resp_need(tsearch(subscription, &door->subscriptions, compare_subscriptions));
    if (*entered != subscription) {
        free(subscription->name);
        free(subscription);
        return false;
    }
    struct resp_topic *topic = enter_topic(door, pattern, channel);
    subscription->topic = topic;
    subscription->beside = topic->subscriptions;
    subscription->beside_link = &topic->subscriptions;
    if (subscription->beside != NULL) {
        subscription->beside->beside_link = &subscription->beside;
    }
    topic->subscriptions = subscription;
    subscription->next = session->subscriptions;
    subscription->link = &session->subscriptions;
    if (subscription->next != NULL) {
        subscription->next->link = &subscription->next;
    }
    session->subscriptions = subscription;
    *(pattern ? &session->patterns : &session->channels) += 1;
    resp_count_add(&door->counts, RESP_COUNT_SUBSCRIPTIONS, 1);
    return true;
}

static void drop(struct resp_subscription *subscription) {
    struct resp_session *session = subscription->session;
    struct resp_door *door = session->door;
    tdelete(subscription, &door->subscriptions, compare_subscriptions);
    *subscription->link = subscription->next;
    if (subscription->next != NULL) {
        subscription->next->link = subscription->link;
    }
    *subscription->beside_link = subscription->beside;
    if (subscription->beside != NULL) {
        subscription->beside->beside_link = subscription->beside_link;
    }
    *(subscription->pattern ? &session->patterns : &session->channels) -= 1;
    resp_count_add(&door->counts, RESP_COUNT_SUBSCRIPTIONS, -1);
    leave_topic(door, subscription->topic);
    free(subscription->name);
    free(subscription);
}

bool resp_topics_remove(struct resp_session *session, bool pattern, const char *name) {
    struct resp_subscription wanted = {
        .session = session, .pattern = pattern, .name = (char *)(uintptr_t)name};
    struct resp_subscription *const *found =
        tfind(&wanted, &session->door->subscriptions, compare_subscriptions);
    if (found == NULL) {
        return false;
    }
    drop(*found);
    return true;
}

void resp_topics_remove_all(struct resp_session *session) {
    struct resp_subscription *next = NULL;
    for (struct resp_subscription *at = session->subscriptions; at != NULL; at = next) {
        next = at->next;
        drop(at);
    }
}

void resp_topics_confirm(struct resp_session *session) {
    struct resp_subscription *at = session->subscriptions;
    for (; at != NULL && !at->confirmed; at = at->next) { /* the newest stand first */
        at->confirmed = true;
    }
}

/* ---- messages ---- */

/* The last frame of either protocol, and for which name it was made. */
struct frames {
    struct resp_out out[2];
    const char *name[2];
};

/* The channel of a message of a pattern, named in the way that the client names channels. */
static const char *channel_for(const struct resp_subscription *subscription, const char *channel) {
    static const char prefix[] = "events:";
    size_t length = sizeof prefix - 1;
    bool prefixed = strncmp(subscription->name, prefix, length) == 0;
    return !prefixed && strncmp(channel, prefix, length) == 0 ? channel + length : channel;
}

static const struct resp_out *frame(struct frames *frames,
                                    const struct resp_subscription *subscription,
                                    const char *channel, const char *payload, size_t length) {
    size_t which = subscription->session->out.protocol == 3 ? 1 : 0;
    struct resp_out *out = &frames->out[which];
    if (frames->name[which] != NULL && strcmp(frames->name[which], subscription->name) == 0) {
        return out;
    }
    frames->name[which] = subscription->name;
    out->length = 0;
    out->protocol = subscription->session->out.protocol;
    resp_out_push(out, subscription->pattern ? 4 : 3);
    if (subscription->pattern) {
        const char *shown = channel_for(subscription, channel);
        resp_out_bulk(out, "pmessage", 8);
        resp_out_bulk(out, subscription->name, strlen(subscription->name));
        resp_out_bulk(out, shown, strlen(shown));
    } else {
        resp_out_bulk(out, "message", 7);
        resp_out_bulk(out, subscription->name, strlen(subscription->name));
    }
    resp_out_bulk(out, payload, length);
    return out;
}

/* Sessions that are slow are marked, and end in a later turn: the list stays as it is. */
static void deliver(const struct resp_topic *topic, const char *channel, const char *payload,
                    size_t length) {
    struct frames frames = {0};
    for (const struct resp_subscription *at = topic->subscriptions; at != NULL; at = at->beside) {
        struct resp_session *session = at->session;
        if (session->ending != RESP_OPEN || !at->confirmed) {
            continue;
        }
        const struct resp_out *out = frame(&frames, at, channel, payload, length);
        resp_out_raw(&session->out, out->data, out->length);
        resp_count_add(&session->door->counts, RESP_COUNT_PUSHES, 1);
        resp_session_wake(session);
    }
    resp_out_deinit(&frames.out[0]);
    resp_out_deinit(&frames.out[1]);
}

void resp_door_message(struct resp_door *door, const struct muster_event *event) {
    bool pattern = event->pattern != NULL;
    const struct resp_topic *topic =
        find_topic(door, pattern, pattern ? event->pattern : event->channel);
    if (topic != NULL) {
        deliver(topic, event->channel, event->payload, event->length);
    }
}

void resp_door_resync(struct resp_door *door) {
    for (const struct resp_topic *at = door->topic_list; at != NULL; at = at->next) {
        deliver(at, at->channel, resync, sizeof resync - 1);
    }
}
