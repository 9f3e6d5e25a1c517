/* session.c - who leads a session since when and why, and who would be next. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "explain/explain.h"

#define SHOWN 20    /* candidates */
#define LOOKED 5000 /* members, among whom those are looked for who may not lead */

static void add_fact(json_t *facts, json_t *fact, const char *name, const char *value) {
    json_object_set_new(fact, name, json_string(value));
    json_array_append_new(facts, fact);
}

/* Changes of leader here, and members whose leaving may have been one. */
static void select_session(const char *name, const json_t *entry, json_t *facts) {
    const char *event = mu_explain_text(entry, "event");
    size_t i;
    json_t *item;
    if (strcmp(event, "leader.changed") == 0) {
        json_array_foreach(json_object_get(entry, "sessions"), i, item) {
            const char *session = json_string_value(json_array_get(item, 0));
            if (session == NULL || strcmp(session, name) != 0) {
                continue;
            }
            json_t *fact = mu_explain_fact(entry, "sessions");
            json_object_set(fact, "previous", json_array_get(item, 1));
            json_object_set(fact, "leader", json_array_get(item, 2));
            json_object_set(fact, "term", json_array_get(item, 3));
            json_object_set(fact, "leader_owner", json_array_get(item, 4));
            add_fact(facts, fact, "session", name);
        }
    } else if (strcmp(event, "member.left") == 0) {
        json_array_foreach(json_object_get(entry, "members"), i, item) {
            const char *session = json_string_value(json_array_get(item, 1));
            const char *connection = json_string_value(json_array_get(item, 0));
            if (session != NULL && connection != NULL && strcmp(session, name) == 0) {
                json_t *fact = mu_explain_fact(entry, "members");
                json_object_set_new(fact, "session", json_string(name));
                add_fact(facts, fact, "connection", connection);
            }
        }
    } else if (strcmp(event, "connection.resumed") == 0) {
        json_array_foreach(json_object_get(entry, "sessions"), i, item) {
            if (strcmp(json_string_value(item), name) == 0) {
                add_fact(facts, mu_explain_fact(entry, "sessions"), "session", name);
            }
        }
    }
}

/* ---- who may lead ---- */

struct roster {
    struct mu_explain *explain;
    json_t *candidates;
    const char *leader;
    int64_t never; /* members with lead:false */
};

static void add_candidate(struct roster *roster, const char *connection, const char *instance,
                          const char *incarnation, int64_t rank, const char *hindrance) {
    size_t place = 0;
    size_t count = json_array_size(roster->candidates);
    while (place < count &&
           mu_explain_number(json_array_get(roster->candidates, place), "rank") <= rank) {
        place++;
    }
    json_t *candidate =
        json_pack("{s:s, s:s, s:s, s:I, s:b, s:s?}", "connection", connection, "instance", instance,
                  "incarnation", incarnation, "rank", (json_int_t)rank, "leads",
                  strcmp(connection, roster->leader) == 0, "hindrance", hindrance);
    if (candidate != NULL) { /* else a name that is no text */
        json_array_insert_new(roster->candidates, place, candidate);
    }
}

static void read_candidates(struct roster *roster) {
    struct mu_ctl *ctl = roster->explain->ctl;
    redisReply *list = mu_ask(ctl, "ZRANGE {%s}:session:%s:candidates 0 %d WITHSCORES",
                              ctl->name_space, roster->explain->name, SHOWN - 1);
    for (size_t i = 0; i + 1 < mu_reply_count(list); i += 2) {
        char *name = mu_explain_format("%s", mu_reply_text(list->element[i]));
        char *instance = strchr(name, '/');
        char *incarnation = instance != NULL ? strchr(instance + 1, '/') : NULL;
        if (incarnation != NULL) {
            *instance++ = *incarnation++ = '\0';
            add_candidate(roster, name, instance, incarnation,
                          (int64_t)strtod(mu_reply_text(list->element[i + 1]), NULL),
                          mu_explain_hindrance(roster->explain, instance, incarnation));
        }
        free(name);
    }
    freeReplyObject(list);
}

/* Those who are no candidates: away, or never. */
static void read_others(struct roster *roster) {
    struct mu_ctl *ctl = roster->explain->ctl;
    redisReply *all =
        mu_ask(ctl, "HGETALL {%s}:session:%s", ctl->name_space, roster->explain->name);
    for (size_t i = 0; i + 1 < mu_reply_count(all); i += 2) {
        const redisReply *text = all->element[i + 1];
        if (all->element[i]->str[0] == '#') {
            continue;
        }
        json_t *member = json_loadb(text->str, (size_t)text->len, JSON_ALLOW_NUL, NULL);
        if (json_is_false(json_object_get(member, "lead"))) {
            roster->never++;
        } else if (json_is_true(json_object_get(member, "away"))) {
            add_candidate(
                roster, mu_explain_text(member, "connection"), mu_explain_text(member, "instance"),
                mu_explain_text(member, "incarnation"), mu_explain_number(member, "rank"), "away");
        }
        json_decref(member);
    }
    freeReplyObject(all);
}

/* ---- the answer ---- */

/* The last change that the journal has; NULL: none. */
static const json_t *last_change(const struct mu_explain *explain) {
    const json_t *history = json_object_get(explain->story, "history");
    for (size_t i = json_array_size(history); i > 0; i--) {
        const json_t *fact = json_array_get(history, i - 1);
        if (strcmp(mu_explain_text(fact, "event"), "leader.changed") == 0) {
            return fact;
        }
    }
    return NULL;
}

/* A session opens with #term at its time in `sessions`, unless a floor was above that: then it is
 * known by who opened it, if the journal saw all of it and no change. */
static bool is_the_first(const struct mu_explain *explain, const json_t *change, int64_t term,
                         int64_t opened, int64_t joined) {
    const json_t *from = json_object_get(json_object_get(explain->story, "journal"), "from");
    bool seen = json_is_integer(from) && json_integer_value(from) <= opened;
    return opened > 0 && (term == opened + 1 || (change == NULL && seen && joined == opened));
}

static char *why_it_leads(const struct mu_explain *explain, const char *who, int64_t term,
                          int64_t opened, int64_t joined) {
    const json_t *change = last_change(explain);
    char time[MU_TIME_SIZE];
    if (change != NULL && mu_explain_number(change, "term") == term) {
        const char *previous = mu_explain_text(change, "previous");
        const char *reason = mu_explain_text(change, "reason");
        mu_explain_time(time, explain->now, mu_explain_number(change, "at"));
        return strcmp(reason, "promoted") == 0 || previous[0] == '\0'
                   ? mu_explain_format("%s leads since %s, term %" PRId64 ": %s.", who, time, term,
                                       mu_explain_reason(reason))
                   : mu_explain_format("%s leads since %s, term %" PRId64
                                       ", in place of %s: of that one, %s.",
                                       who, time, term, previous, mu_explain_reason(reason));
    }
    if (is_the_first(explain, change, term, opened, joined)) {
        mu_explain_time(time, explain->now, opened);
        return mu_explain_format("%s leads with term %" PRId64
                                 ": it is the first leader since the session was opened at %s.",
                                 who, term, time);
    }
    char *nothing = mu_explain_nothing(explain, "took the lead from another", MU_OWN_DOING);
    char *text = mu_explain_format("%s leads with term %" PRId64 ". %s", who, term, nothing);
    free(nothing);
    return text;
}

static char *why_nobody_leads(const struct mu_explain *explain, int64_t candidates,
                              bool leaderless) {
    const json_t *change = last_change(explain);
    char time[MU_TIME_SIZE] = "";
    if (change != NULL && mu_explain_text(change, "leader")[0] == '\0') {
        mu_explain_time(time, explain->now, mu_explain_number(change, "at"));
    }
    const char *since = time[0] != '\0' ? " since " : "";
    if (candidates == 0) {
        return mu_explain_format("Nobody leads%s%s: no member may (they are away, or joined with "
                                 "lead:false).",
                                 since, time);
    }
    return mu_explain_format("Nobody leads%s%s: of %" PRId64 " candidates nobody was eligible when "
                             "last looked at%s.",
                             since, time, candidates,
                             leaderless ? "; the coordinator looks again when an instance can lead"
                                        : ", and it does not wait in leaderless (see musterctl "
                                          "fsck)");
}

static char *why_it_is_gone(const struct mu_explain *explain) {
    const json_t *history = json_object_get(explain->story, "history");
    size_t count = json_array_size(history);
    if (count > 0) {
        return mu_explain_format("There is no such session. The last that the journal has of it is "
                                 "below; who was left then went by itself, or was the last.");
    }
    char *nothing = mu_explain_nothing(explain, "ended it",
                                       "the doing of its last client (LEAVE, UNREGISTER, JOIN "
                                       "with exclusive)");
    char *text = mu_explain_format("There is no such session. %s", nothing);
    free(nothing);
    return text;
}

/* The leader, its instance and what hinders it: the state, and the verdict. */
static char *tell_leader(struct mu_explain *explain, json_t *state, const char *leader,
                         int64_t term) {
    struct mu_ctl *ctl = explain->ctl;
    redisReply *text =
        mu_ask(ctl, "HGET {%s}:session:%s %s", ctl->name_space, explain->name, leader);
    json_t *member = mu_reply_is_text(text)
                         ? json_loadb(text->str, (size_t)text->len, JSON_ALLOW_NUL, NULL)
                         : NULL;
    const char *instance = mu_explain_text(member, "instance");
    const char *incarnation = mu_explain_text(member, "incarnation");
    json_object_set_new(state, "leader",
                        json_pack("{s:s, s:s, s:s, s:I}", "connection", leader, "instance",
                                  instance, "incarnation", incarnation, "term", (json_int_t)term));
    char *who = mu_explain_format("%s of %s (%s)", leader, instance, incarnation);
    char *verdict = why_it_leads(explain, who, term, mu_explain_number(state, "opened_at"),
                                 mu_explain_number(member, "joined_at"));
    const char *hindrance = mu_explain_hindrance(explain, instance, incarnation);
    if (hindrance != NULL) {
        char *more = mu_explain_format(
            "%s Its instance is %s: the coordinator is about to move it.", verdict, hindrance);
        free(verdict);
        verdict = more;
    }
    free(who);
    json_decref(member);
    freeReplyObject(text);
    return verdict;
}

static void add_sentence(json_t *state, char *text) {
    json_array_append_new(json_object_get(state, "sentences"), json_string(text));
    free(text);
}

static json_t *tell_state(struct mu_explain *explain, const redisReply *fields, char **verdict) {
    struct mu_ctl *ctl = explain->ctl;
    const char *leader = mu_reply_text(mu_reply_at(fields, 0));
    int64_t count = mu_reply_number(mu_reply_at(fields, 2), 0);
    redisReply *opened = mu_ask(ctl, "ZSCORE {%s}:sessions %s", ctl->name_space, explain->name);
    redisReply *waits = mu_ask(ctl, "SISMEMBER {%s}:leaderless %s", ctl->name_space, explain->name);
    redisReply *candidates =
        mu_ask(ctl, "ZCARD {%s}:session:%s:candidates", ctl->name_space, explain->name);
    redisReply *generation = mu_ask(ctl, "HGET {%s}:config generation", ctl->name_space);
    struct roster roster = {.explain = explain, .candidates = json_array(), .leader = leader};
    read_candidates(&roster);
    if (count <= LOOKED) {
        read_others(&roster);
    }
    json_t *state = json_pack("{s:I, s:I, s:o, s:n, s:[]}", "members", (json_int_t)count,
                              "opened_at", (json_int_t)mu_reply_number(opened, 0), "candidates",
                              roster.candidates, "leader", "sentences");
    *verdict = leader[0] != '\0'
                   ? tell_leader(explain, state, leader, mu_reply_number(mu_reply_at(fields, 1), 0))
                   : why_nobody_leads(explain, mu_reply_number(candidates, 0),
                                      mu_reply_number(waits, 0) == 1);
    add_sentence(state, mu_explain_format("It has %" PRId64 " members, of whom %" PRId64
                                          " could lead and %" PRId64 " never do%s.",
                                          count, mu_reply_number(candidates, 0), roster.never,
                                          count > LOOKED ? " (not counted: it is large)" : ""));
    if (strcmp(mu_reply_text(mu_reply_at(fields, 3)), mu_reply_text(generation)) != 0) {
        add_sentence(state, mu_explain_format("It was not written to in the present generation: "
                                              "its leader is not sure yet."));
    }
    freeReplyObject(opened);
    freeReplyObject(waits);
    freeReplyObject(candidates);
    freeReplyObject(generation);
    return state;
}

void mu_explain_session(struct mu_explain *explain) {
    struct mu_ctl *ctl = explain->ctl;
    char *verdict = NULL;
    mu_explain_history(explain, select_session);
    redisReply *fields = mu_ask(ctl, "HMGET {%s}:session:%s #leader #term #count #gen #seq",
                                ctl->name_space, explain->name);
    bool exists = mu_reply_is_text(mu_reply_at(fields, 4));
    bool known = exists || json_array_size(json_object_get(explain->story, "history")) > 0;
    if (exists) {
        json_object_set_new(explain->story, "state", tell_state(explain, fields, &verdict));
    } else {
        verdict = why_it_is_gone(explain);
    }
    json_object_set_new(explain->story, "verdict", json_string(verdict));
    json_object_set_new(explain->story, "found", json_boolean(known));
    freeReplyObject(fields);
    free(verdict);
}
