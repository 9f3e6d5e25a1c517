/* subscribe.c - SUBSCRIBE and its like.
 *
 * The happy path: the names of one command are read - the authorizers are asked about all of them
 * at once; meanwhile nothing else of this session is looked at - all were allowed: subscribed -
 * Redis has confirmed it to the host - confirmed to the client, one by one: what is published from
 * then on reaches it.
 *
 * Ways to fail: a name is none, one is denied, or there would be too many (one error for the whole
 * command, and nothing is subscribed: clients count confirmations, and Redis does the same when
 * its access list denies a channel); the session ends first (cancelled); Redis is away for
 * CONFIRM_MOST_MS, so that the client is told without it, and gets a `resync` once it is back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define CHANNEL_MAX 200 /* bytes: "events:session:" and an id of 128 fit well */
#define CONFIRM_MOST_MS 5000

struct asked {
    struct resp_ask ask; /* first: the host's context is a pointer to it */
    struct resp_group *group;
    char *name, *channel;
    size_t total; /* subscriptions of the session with this one */
};

struct resp_group {
    struct resp_session *session;
    bool pattern;
    size_t count, waiting;
    enum muster_status status; /* OK: nobody has denied yet */
    /* Subscribed, and to be confirmed at this mark. In the door's list while `link` is set. */
    uint64_t mark, since;
    struct resp_group *next, **link;
    char *refusal;
    struct asked asked[];
};

/* ---- names ---- */

static const char *after(const char *text, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool is_id(const char *text, bool pattern) {
    size_t length = strlen(text);
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._~@|+=-*";
    return length >= 1 && length <= 128 && strspn(text, letters) == length &&
           (pattern || strchr(text, '*') == NULL);
}

/* The host's name of a channel, and what the authorizers are asked about. Only forms whose meaning
 * is plain: a pattern like `s*` would match every session, and look like some of them. */
static bool read_name(const struct muster_text *text, bool pattern, char *channel) {
    const char *name = text->data;
    if (strlen(name) != text->length || text->length > CHANNEL_MAX - 16) {
        return false;
    }
    if (after(name, "events:") != NULL) {
        name = after(name, "events:");
    }
    const char *id = after(name, "session:");
    if (id != NULL ? !is_id(id, pattern)
                   : strcmp(name, "instances") != 0 && strcmp(name, "coordinator") != 0 &&
                         (!pattern || strcmp(name, "*") != 0)) {
        return false;
    }
    snprintf(channel, CHANNEL_MAX, "events:%s", name);
    return true;
}

/* ---- confirmations ---- */

static void confirm(struct resp_session *session, const char *what, const char *name,
                    size_t total) {
    struct resp_out *out = &session->out;
    resp_out_push(out, 3);
    resp_out_bulk(out, what, strlen(what));
    if (name != NULL) {
        resp_out_bulk(out, name, strlen(name));
    } else {
        resp_out_null(out);
    }
    resp_out_integer(out, (long long)total);
}

static size_t total(const struct resp_session *session) {
    return session->channels + session->patterns;
}

/* ---- subscribing ---- */

static void unlist(struct resp_group *group) {
    if (group->link == NULL) {
        return;
    }
    *group->link = group->next;
    if (group->next != NULL) {
        group->next->link = group->link;
    } else {
        group->session->door->unconfirmed_last = group->link;
    }
    group->link = NULL;
}

static void free_group(struct resp_group *group) {
    unlist(group);
    for (size_t i = 0; i < group->count; i++) {
        free(group->asked[i].name);
        free(group->asked[i].channel);
    }
    free(group->refusal);
    free(group);
}

void resp_group_drop(struct resp_session *session) {
    struct resp_group *group = session->group;
    session->group = NULL;
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        if (group->asked[i].ask.id != 0) {
            session->door->host->cancel(session->door->plugin, group->asked[i].ask.id);
        }
    }
    if (group != NULL) {
        free_group(group);
    }
}

/* The client is told; the group is over. */
static void confirm_all(struct resp_group *group) {
    struct resp_session *session = group->session;
    session->group = NULL;
    for (size_t i = 0; i < group->count; i++) {
        const struct asked *asked = &group->asked[i];
        confirm(session, group->pattern ? "psubscribe" : "subscribe", asked->name, asked->total);
    }
    resp_topics_confirm(session);
    free_group(group);
}

/* Everybody who was asked has answered. */
static void finish(struct resp_group *group) {
    struct resp_session *session = group->session;
    struct resp_door *door = session->door;
    if (group->status != MUSTER_OK) {
        session->group = NULL;
        resp_count_add(&door->counts, RESP_COUNT_SUBSCRIPTIONS_REFUSED, 1);
        resp_out_error(&session->out, resp_status_code(group->status), group->refusal);
        free_group(group);
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct asked *asked = &group->asked[i];
        (void)resp_topics_add(session, group->pattern, asked->name, asked->channel);
        asked->total = total(session);
    }
    group->mark = door->host->subscribe_mark(door->plugin);
    if (group->mark == 0) {
        confirm_all(group);
        return;
    }
    session->group = group;
    group->since = door->host->now_ms(door->plugin);
    group->link = door->unconfirmed_last;
    *door->unconfirmed_last = group;
    door->unconfirmed_last = &group->next;
}

static void confirm_first(struct resp_door *door) {
    struct resp_session *session = door->unconfirmed->session;
    confirm_all(door->unconfirmed);
    resp_session_wake(session);
}

void resp_door_subscribed(struct resp_door *door, uint64_t mark) {
    while (door->unconfirmed != NULL && door->unconfirmed->mark <= mark) {
        confirm_first(door);
    }
    if (door->unsure != 0 && door->unsure <= mark) {
        door->unsure = 0;
        resp_door_resync(door);
    }
}

void resp_groups_sweep(struct resp_door *door) {
    uint64_t now = door->host->now_ms(door->plugin);
    while (door->unconfirmed != NULL && now - door->unconfirmed->since >= CONFIRM_MOST_MS) {
        door->unsure = door->unconfirmed->mark;
        confirm_first(door);
    }
}

/* The first refusal is the one that is told. */
static void refuse(struct resp_group *group, const struct asked *asked, enum muster_status status,
                   const char *message) {
    if (group->status == MUSTER_OK) {
        char text[512];
        snprintf(text, sizeof text, "subscription to '%s': %s", asked->name,
                 message != NULL && message[0] != '\0' ? message : "not allowed");
        group->status = status;
        group->refusal = resp_copy(text, strlen(text));
    }
}

void resp_group_authorized(struct resp_ask *ask, enum muster_status status, const char *message) {
    struct asked *asked = (struct asked *)ask;
    struct resp_group *group = asked->group;
    struct resp_session *session = ask->session;
    ask->id = 0;
    if (status != MUSTER_OK) {
        refuse(group, asked, status, message);
    }
    if (--group->waiting == 0) {
        finish(group);
        resp_session_wake(session);
    }
}

static void ask_all(struct resp_group *group) {
    struct resp_session *session = group->session;
    const struct resp_door *door = session->door;
    for (size_t i = 0; i < group->count; i++) {
        struct asked *asked = &group->asked[i];
        const char *name = asked->channel + strlen("events:");
        const char *id = after(name, "session:");
        const struct muster_resource resource = {.session = id != NULL ? id : name};
        enum muster_status status =
            door->host->authorize(door->plugin, session->caller, MUSTER_ACTION_EVENTS_SUBSCRIBE,
                                  &resource, &asked->ask, &asked->ask.id);
        if (status == MUSTER_OK) {
            group->waiting++;
        } else {
            asked->ask.id = 0;
            refuse(group, asked, status, "the daemon takes no questions now");
            break;
        }
    }
    if (group->waiting == 0) {
        finish(group);
    } else {
        session->group = group;
    }
}

static void subscribe(struct resp_session *session, bool pattern,
                      const struct muster_text *arguments, size_t count) {
    struct resp_door *door = session->door;
    if (session->channels + session->patterns + count > door->settings.max_subscriptions) {
        resp_count_add(&door->counts, RESP_COUNT_SUBSCRIPTIONS_REFUSED, 1);
        resp_out_error(&session->out, resp_status_code(MUSTER_OVERLOADED),
                       "this socket would have more than max_subscriptions");
        return;
    }
    struct resp_group *group = resp_need(calloc(1, sizeof *group + count * sizeof group->asked[0]));
    group->session = session;
    group->pattern = pattern;
    for (size_t i = 0; i < count; i++) {
        char channel[CHANNEL_MAX];
        if (!read_name(&arguments[i], pattern, channel)) {
            free_group(group);
            resp_bad(
                session, "'%.*s' is no %s; there are session:<session>, instances, coordinator%s",
                (int)(arguments[i].length < 160 ? arguments[i].length : 160), arguments[i].data,
                pattern ? "pattern" : "channel", pattern ? ", session:<text with *> and *" : "");
            return;
        }
        struct asked *asked = &group->asked[group->count++];
        asked->ask.kind = RESP_ASK_SUBSCRIPTION;
        asked->ask.session = session;
        asked->group = group;
        asked->name = resp_copy(arguments[i].data, arguments[i].length);
        asked->channel = resp_copy(channel, strlen(channel));
    }
    ask_all(group);
}

RESP_COMMAND(subscribe) {
    subscribe(session, false, arguments, count);
}

RESP_COMMAND(psubscribe) {
    subscribe(session, true, arguments, count);
}

/* ---- unsubscribing ---- */

static void unsubscribe(struct resp_session *session, bool pattern,
                        const struct muster_text *arguments, size_t count) {
    const char *what = pattern ? "punsubscribe" : "unsubscribe";
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        (void)resp_topics_remove(session, pattern, arguments[i].data);
        confirm(session, what, arguments[i].data, total(session));
    }
    struct resp_subscription *next = NULL;
    for (struct resp_subscription *at = session->subscriptions; at != NULL && count == 0;
         at = next) {
        next = at->next;
        if (at->pattern == pattern) {
            char *name = resp_copy(at->name, strlen(at->name));
            (void)resp_topics_remove(session, pattern, name);
            confirm(session, what, name, total(session));
            free(name);
            any = true;
        }
    }
    if (count == 0 && !any) {
        confirm(session, what, NULL, total(session));
    }
}

RESP_COMMAND(unsubscribe) {
    unsubscribe(session, false, arguments, count);
}

RESP_COMMAND(punsubscribe) {
    unsubscribe(session, true, arguments, count);
}
