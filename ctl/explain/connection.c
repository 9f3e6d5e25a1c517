/* connection.c - where a connection is, or why it is nowhere. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "explain/explain.h"

#define BATCH 500       /* records asked for at once */
#define SESSIONS_MAX 64 /* shown of one record */

/* ---- the journal ---- */

static void select_left(const char *name, const json_t *entry, json_t *facts) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(entry, "members"), i, item) {
        const char *connection = json_string_value(json_array_get(item, 0));
        if (connection != NULL && strcmp(connection, name) == 0) {
            json_t *fact = mu_explain_fact(entry, "members");
            json_object_set_new(fact, "connection", json_string(name));
            json_object_set(fact, "session", json_array_get(item, 1));
            json_array_append_new(facts, fact);
        }
    }
}

static void select_led(const char *name, const json_t *entry, json_t *facts) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(entry, "sessions"), i, item) {
        const char *previous = json_string_value(json_array_get(item, 1));
        const char *leader = json_string_value(json_array_get(item, 2));
        if ((previous == NULL || strcmp(previous, name) != 0) &&
            (leader == NULL || strcmp(leader, name) != 0)) {
            continue;
        }
        json_t *fact = mu_explain_fact(entry, "sessions");
        json_object_set(fact, "session", json_array_get(item, 0));
        json_object_set(fact, "previous", json_array_get(item, 1));
        json_object_set(fact, "leader", json_array_get(item, 2));
        json_object_set(fact, "term", json_array_get(item, 3));
        json_object_set(fact, "leader_owner", json_array_get(item, 4));
        json_array_append_new(facts, fact);
    }
}

static void select_connection(const char *name, const json_t *entry, json_t *facts) {
    const char *event = mu_explain_text(entry, "event");
    if (strcmp(event, "member.left") == 0) {
        select_left(name, entry, facts);
    } else if (strcmp(event, "leader.changed") == 0) {
        select_led(name, entry, facts);
    } else if (strcmp(event, "connection.resumed") == 0 &&
               (strcmp(mu_explain_text(entry, "connection"), name) == 0 ||
                strcmp(mu_explain_text(entry, "old"), name) == 0)) {
        json_array_append(facts, (json_t *)(uintptr_t)entry);
    }
}

/* ---- the present ---- */

/* The parts of a record (docs/ARCHITECTURE.md, What is stored), of a copy that they point into. */
struct record {
    char *copy;
    char *connected_at, *user, *ttl, *until, *resumed, *sessions;
};

static bool split(struct record *record, const char *text) {
    char **parts[] = {&record->connected_at, &record->user,    &record->ttl, &record->until, NULL,
                      &record->resumed,      &record->sessions};
    record->copy = mu_explain_format("%s", text);
    char *at = record->copy;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *slash = strchr(at, '/');
        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
        if (parts[i] != NULL) {
            *parts[i] = at;
        }
        at = slash + 1;
    }
    record->user[strcspn(record->user, ":")] = '\0'; /* the holder of a quota is no matter here */
    return true;
}

/* The sessions of a record, each with whether it leads there. */
static json_t *tell_sessions(struct mu_explain *explain, char *sessions) {
    struct mu_ctl *ctl = explain->ctl;
    json_t *list = json_array();
    char *rest = NULL;
    for (char *id = strtok_r(sessions, ",", &rest);
         id != NULL && json_array_size(list) < SESSIONS_MAX; id = strtok_r(NULL, ",", &rest)) {
        redisReply *leader = mu_ask(ctl, "HGET {%s}:session:%s #leader", ctl->name_space, id);
        json_t *item = json_pack("{s:s, s:b}", "session", id, "leads",
                                 strcmp(mu_reply_text(leader), explain->name) == 0);
        if (item != NULL) {
            json_array_append_new(list, item);
        }
        freeReplyObject(leader);
    }
    return list;
}

/* A record of it: of the instance `owner`, or of the ghost, "<instance>:<incarnation>". */
static void found(struct mu_explain *explain, json_t *places, const char *owner, bool ghost,
                  double due, const redisReply *text) {
    struct mu_ctl *ctl = explain->ctl;
    struct record record = {0};
    char *incarnation = NULL;
    char *instance = mu_explain_format("%s", owner);
    char *colon = strchr(instance, ':');
    if (colon != NULL) {
        *colon = '\0';
        incarnation = mu_explain_format("%s", colon + 1);
    } else {
        redisReply *reply =
            mu_ask(ctl, "HGET {%s}:instance:%s incarnation", ctl->name_space, instance);
        incarnation = mu_explain_format("%s", mu_reply_text(reply));
        freeReplyObject(reply);
    }
    redisReply *deadline = mu_ask(ctl, "ZSCORE {%s}:deadlines %s/%s/%s", ctl->name_space, instance,
                                  incarnation, explain->name);
    json_t *place = json_pack("{s:s, s:s, s:b}", "instance", instance, "incarnation", incarnation,
                              "ghost", ghost);
    bool readable = split(&record, text->str);
    if (place != NULL && readable) {
        json_object_set_new(place, "connected_at",
                            json_integer(strtoll(record.connected_at, NULL, 10)));
        json_object_set_new(place, "user", json_string(record.user));
        json_object_set_new(place, "resumed", json_string(record.resumed));
        json_object_set_new(place, "away_until",
                            record.until[0] != '\0' ? json_integer(strtoll(record.until, NULL, 10))
                                                    : json_null());
        json_object_set_new(place, "deadline",
                            mu_reply_is_text(deadline) ? json_integer(mu_reply_number(deadline, 0))
                                                       : json_null());
        json_object_set_new(place, "sessions", tell_sessions(explain, record.sessions));
    }
    if (place != NULL) {
        json_object_set_new(place, "due", ghost ? json_integer((json_int_t)due) : json_null());
        json_array_append_new(places, place);
    }
    freeReplyObject(deadline);
    free(record.copy);
    free(instance);
    free(incarnation);
}

/* Asks all owners of `list` (a zset) for a record. */
static void look_for(struct mu_explain *explain, const char *list, const char *key, bool ghosts,
                     json_t *places) {
    struct mu_ctl *ctl = explain->ctl;
    redisReply *owners = mu_ask(ctl, "ZRANGE {%s}:%s 0 -1 WITHSCORES", ctl->name_space, list);
    size_t count = mu_reply_count(owners) / 2;
    redisReply **replies = calloc(BATCH, sizeof *replies);
    for (size_t from = 0; replies != NULL && from < count && !ctl->lost; from += BATCH) {
        size_t size = count - from < BATCH ? count - from : BATCH;
        for (size_t i = 0; i < size; i++) {
            mu_send(ctl, key, ctl->name_space, owners->element[2 * (from + i)]->str, explain->name);
        }
        for (size_t i = 0; i < size; i++) {
            replies[i] = mu_receive(ctl);
        }
        for (size_t i = 0; i < size; i++) {
            const redisReply *const *owner =
                (const redisReply *const *)&owners->element[2 * (from + i)];
            if (mu_reply_is_text(replies[i])) {
                found(explain, places, owner[0]->str, ghosts, strtod(mu_reply_text(owner[1]), NULL),
                      replies[i]);
            }
            freeReplyObject(replies[i]);
        }
    }
    free(replies);
    freeReplyObject(owners);
}

/* ---- the answer ---- */

static void add_sentence(json_t *sentences, char *text) {
    json_array_append_new(sentences, json_string(text));
    free(text);
}

static void tell_place(const struct mu_explain *explain, const json_t *place, json_t *sentences) {
    const json_t *away = json_object_get(place, "away_until");
    const json_t *deadline = json_object_get(place, "deadline");
    const char *resumed = mu_explain_text(place, "resumed");
    char time[MU_TIME_SIZE];
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(place, "sessions"), i, item) {
        add_sentence(
            sentences,
            mu_explain_format("It is in session %s%s.", mu_explain_text(item, "session"),
                              json_is_true(json_object_get(item, "leads")) ? ", and leads" : ""));
    }
    if (json_is_integer(away)) {
        add_sentence(sentences,
                     mu_explain_format("It is away (DISCONNECT) and will be removed in %.1f s, "
                                       "unless it comes back.",
                                       (double)(json_integer_value(away) - explain->now) / 1000));
    } else if (json_is_integer(deadline)) {
        add_sentence(sentences, mu_explain_format(
                                    "Its ttl ends in %.1f s, unless there is a TOUCH.",
                                    (double)(json_integer_value(deadline) - explain->now) / 1000));
    }
    if (resumed[0] != '\0') {
        size_t length = strlen(resumed); /* <i>:<inc>:<connection>:<hash>; the hash is a secret's */
        const char *hash = strrchr(resumed, ':');
        length = hash != NULL ? (size_t)(hash - resumed) : length;
        add_sentence(sentences,
                     mu_explain_format("It resumed %.*s (RESUME).", (int)length, resumed));
    }
    if (json_is_integer(json_object_get(place, "connected_at"))) {
        mu_explain_time(time, explain->now, mu_explain_number(place, "connected_at"));
        add_sentence(sentences, mu_explain_format("It was registered at %s.", time));
    }
}

static char *where_it_is(const struct mu_explain *explain, const json_t *place) {
    bool ghost = json_is_true(json_object_get(place, "ghost"));
    double wait = (double)(mu_explain_number(place, "due") - explain->now) / 1000;
    const char *instance = mu_explain_text(place, "instance");
    const char *incarnation = mu_explain_text(place, "incarnation");
    return ghost
               ? mu_explain_format("Its instance %s (%s) is gone; the connection is still to be "
                                   "removed, %s%.1f s%s.",
                                   instance, incarnation,
                                   wait > 0 ? "not before " : "which is due since ",
                                   wait > 0 ? wait : -wait, wait > 0 ? " from now" : "")
               : mu_explain_format("It is registered at instance %s (%s).", instance, incarnation);
}

/* Does this entry end the connection, and not only a membership? */
static bool ends(const struct mu_explain *explain, const json_t *fact) {
    const char *event = mu_explain_text(fact, "event");
    const char *reason = mu_explain_text(fact, "reason");
    if (strcmp(event, "connection.resumed") == 0) {
        return strcmp(mu_explain_text(fact, "old"), explain->name) == 0;
    }
    return strcmp(event, "member.left") == 0 && strcmp(reason, "kicked") != 0;
}

static const json_t *last_end(const struct mu_explain *explain) {
    const json_t *history = json_object_get(explain->story, "history");
    for (size_t i = json_array_size(history); i > 0; i--) {
        const json_t *fact = json_array_get(history, i - 1);
        if (ends(explain, fact)) {
            return fact;
        }
    }
    return NULL;
}

/* What became of the instance, after a sentence about the connection. Takes `text`. */
static char *with_reasons(const struct mu_explain *explain, const json_t *fact, char *text) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(fact, "because"), i, entry) {
        char time[MU_TIME_SIZE];
        char *why = mu_explain_why(entry);
        mu_explain_time(time, explain->now, mu_explain_number(entry, "at"));
        char *more = mu_explain_format("%s Instance %s (%s): %s at %s%s%s.", text,
                                       mu_explain_text(entry, "instance"),
                                       mu_explain_text(entry, "incarnation"),
                                       mu_explain_text(entry, "event") + strlen("instance."), time,
                                       why[0] != '\0' ? ", " : "", why);
        free(why);
        free(text);
        text = more;
    }
    return text;
}

static char *why_it_is_gone(const struct mu_explain *explain) {
    const json_t *end = last_end(explain);
    char time[MU_TIME_SIZE];
    if (end == NULL) {
        char *nothing = mu_explain_nothing(explain, "ended it", MU_OWN_DOING);
        char *text = mu_explain_format(
            "It is registered nowhere, with no instance and no ghost. %s", nothing);
        free(nothing);
        return text;
    }
    mu_explain_time(time, explain->now, mu_explain_number(end, "at"));
    char *text = strcmp(mu_explain_text(end, "event"), "connection.resumed") == 0
                     ? mu_explain_format(
                           "It is registered nowhere. By the journal it ended at %s: %s (%s) "
                           "resumed it and took its place (RESUME).",
                           time, mu_explain_text(end, "connection"), mu_explain_text(end, "owner"))
                     : mu_explain_format(
                           "It is registered nowhere. By the journal it was of instance %s and "
                           "ended at %s: %s.",
                           mu_explain_text(end, "owner"), time,
                           mu_explain_reason(mu_explain_text(end, "reason")));
    return with_reasons(explain, end, text);
}

void mu_explain_connection(struct mu_explain *explain) {
    json_t *places = json_array();
    json_t *sentences = json_array();
    mu_explain_history(explain, select_connection);
    look_for(explain, "instances", "HGET {%s}:instance:%s:connections %s", false, places);
    look_for(explain, "ghosts", "HGET {%s}:ghosts:%s %s", true, places);
    bool here = json_array_size(places) > 0;
    bool known = here || json_array_size(json_object_get(explain->story, "history")) > 0;
    char *verdict =
        here ? where_it_is(explain, json_array_get(places, 0)) : why_it_is_gone(explain);
    size_t i;
    json_t *place;
    json_array_foreach(places, i, place) {
        if (i > 0) {
            add_sentence(sentences, where_it_is(explain, place));
        }
        tell_place(explain, place, sentences);
        json_object_del(place, "resumed"); /* the hash in it is nobody's business */
    }
    json_object_set_new(explain->story, "state",
                        json_pack("{s:o, s:o}", "places", places, "sentences", sentences));
    json_object_set_new(explain->story, "verdict", json_string(verdict));
    json_object_set_new(explain->story, "found", json_boolean(known));
    free(verdict);
}
