/* instance.c - what an instance is now, and what became of it and of the incarnations before. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "explain/explain.h"

static void select_instance(const char *name, const json_t *entry, json_t *facts) {
    if (strncmp(mu_explain_text(entry, "event"), "instance.", 9) == 0 &&
        strcmp(mu_explain_text(entry, "instance"), name) == 0) {
        json_array_append(facts, (json_t *)(uintptr_t)entry);
    }
}

static json_t *tell_ghosts(struct mu_explain *explain) {
    struct mu_ctl *ctl = explain->ctl;
    json_t *ghosts = json_array();
    size_t length = strlen(explain->name);
    redisReply *list = mu_ask(ctl, "ZRANGE {%s}:ghosts 0 -1 WITHSCORES", ctl->name_space);
    for (size_t i = 0; i + 1 < mu_reply_count(list); i += 2) {
        const char *name = mu_reply_text(list->element[i]);
        if (strncmp(name, explain->name, length) != 0 || name[length] != ':') {
            continue;
        }
        redisReply *left = mu_ask(ctl, "HLEN {%s}:ghosts:%s", ctl->name_space, name);
        json_t *ghost = json_pack("{s:s, s:I, s:I}", "incarnation", name + length + 1,
                                  "connections", (json_int_t)(mu_reply_number(left, 1) - 1), "due",
                                  (json_int_t)mu_reply_number(list->element[i + 1], 0));
        if (ghost != NULL) {
            json_array_append_new(ghosts, ghost);
        }
        freeReplyObject(left);
    }
    freeReplyObject(list);
    return ghosts;
}

static json_t *tell_present(struct mu_explain *explain, const redisReply *fields) {
    struct mu_ctl *ctl = explain->ctl;
    redisReply *score = mu_ask(ctl, "ZSCORE {%s}:instances %s", ctl->name_space, explain->name);
    redisReply *connections =
        mu_ask(ctl, "HLEN {%s}:instance:%s:connections", ctl->name_space, explain->name);
    redisReply *leads = mu_ask(ctl, "SCARD {%s}:instance:%s:leads", ctl->name_space, explain->name);
    json_t *present = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "incarnation", mu_reply_text(mu_reply_at(fields, 0)),
        "state", mu_reply_text(mu_reply_at(fields, 1)), "draining",
        strcmp(mu_reply_text(mu_reply_at(fields, 2)), "1") == 0, "started_at",
        (json_int_t)mu_reply_number(mu_reply_at(fields, 3), 0), "last_heartbeat",
        (json_int_t)strtoll(mu_reply_text(score), NULL, 10), "connections",
        (json_int_t)mu_reply_number(connections, 0), "leads",
        (json_int_t)mu_reply_number(leads, 0));
    freeReplyObject(score);
    freeReplyObject(connections);
    freeReplyObject(leads);
    return present;
}

/* The last entry of this incarnation (NULL: of any) that is one of these words; NULL: none. */
static const json_t *last_of(const struct mu_explain *explain, const char *incarnation,
                             const char *words) {
    const json_t *history = json_object_get(explain->story, "history");
    for (size_t i = json_array_size(history); i > 0; i--) {
        const json_t *fact = json_array_get(history, i - 1);
        const char *event = mu_explain_text(fact, "event") + strlen("instance.");
        bool same =
            incarnation == NULL || strcmp(mu_explain_text(fact, "incarnation"), incarnation) == 0;
        if (same && strstr(words, event) != NULL) {
            return fact;
        }
    }
    return NULL;
}

static char *tell_event(const struct mu_explain *explain, const json_t *fact, const char *what) {
    char time[MU_TIME_SIZE];
    if (fact == NULL) {
        return mu_explain_nothing(explain, "says why", NULL);
    }
    char *why = mu_explain_why(fact);
    mu_explain_time(time, explain->now, mu_explain_number(fact, "at"));
    char *text = mu_explain_format("%s at %s%s%s.", what, time, why[0] != '\0' ? ": " : "", why);
    free(why);
    return text;
}

static char *why_it_is_so(const struct mu_explain *explain, const json_t *present) {
    const char *incarnation = mu_explain_text(present, "incarnation");
    const char *state = mu_explain_text(present, "state");
    bool suspect = strcmp(state, "up") != 0;
    bool drains = json_is_true(json_object_get(present, "draining"));
    char heard[MU_TIME_SIZE];
    char *why = NULL;
    mu_explain_time(heard, explain->now, mu_explain_number(present, "last_heartbeat"));
    if (suspect) {
        why = tell_event(explain, last_of(explain, incarnation, "suspect"), "It became suspect");
    } else if (drains) {
        why =
            tell_event(explain, last_of(explain, incarnation, "draining"), "It drains since DRAIN");
    } else if (last_of(explain, incarnation, "up") != NULL) {
        why = tell_event(explain, last_of(explain, incarnation, "up"),
                         "It was suspect, and came back");
    } else {
        why = strdup("It was not suspected since it started, as far as the journal reaches.");
    }
    char *text = mu_explain_format("Incarnation %s is %s%s, %" PRId64 " connections, leads %" PRId64
                                   " sessions; last heartbeat in Redis %s. %s",
                                   incarnation, state, drains ? " and draining" : "",
                                   mu_explain_number(present, "connections"),
                                   mu_explain_number(present, "leads"), heard, why);
    free(why);
    return text;
}

static char *why_it_is_gone(const struct mu_explain *explain) {
    const json_t *end = last_of(explain, NULL, "dead stopped");
    char time[MU_TIME_SIZE];
    if (end == NULL) {
        char *nothing = mu_explain_nothing(explain, "ended it", NULL);
        char *text = mu_explain_format("There is no such instance. %s", nothing);
        free(nothing);
        return text;
    }
    const char *reason = mu_explain_text(end, "reason");
    const char *incarnation = mu_explain_text(end, "incarnation");
    mu_explain_time(time, explain->now, mu_explain_number(end, "at"));
    if (strcmp(reason, "instance-stopped") == 0) {
        return mu_explain_format("It is gone: incarnation %s was stopped (STOP) at %s.",
                                 incarnation, time);
    }
    const char *by = mu_explain_text(end, "by_order");
    if (by[0] != '\0') {
        return mu_explain_format("It is gone: incarnation %s was buried at %s by order of %s.",
                                 incarnation, time, by);
    }
    char *why = mu_explain_why(end);
    const json_t *suspect = last_of(explain, incarnation, "suspect");
    char *before =
        suspect != NULL ? tell_event(explain, suspect, "It had become suspect") : strdup("");
    char *text = mu_explain_format("It is gone: incarnation %s was declared dead at %s%s%s. %s",
                                   incarnation, time, why[0] != '\0' ? ": " : "", why, before);
    free(before);
    free(why);
    return text;
}

void mu_explain_instance(struct mu_explain *explain) {
    struct mu_ctl *ctl = explain->ctl;
    mu_explain_history(explain, select_instance);
    redisReply *fields = mu_ask(ctl, "HMGET {%s}:instance:%s incarnation state draining started_at",
                                ctl->name_space, explain->name);
    bool exists = mu_reply_is_text(mu_reply_at(fields, 0));
    json_t *present = exists ? tell_present(explain, fields) : json_null();
    json_t *ghosts = tell_ghosts(explain);
    bool known = exists || json_array_size(ghosts) > 0 ||
                 json_array_size(json_object_get(explain->story, "history")) > 0;
    char *verdict = exists ? why_it_is_so(explain, present) : why_it_is_gone(explain);
    json_t *sentences = json_array();
    size_t i;
    json_t *ghost;
    json_array_foreach(ghosts, i, ghost) {
        char *text = mu_explain_format(
            "Of incarnation %s %" PRId64 " connections are still to be removed.",
            mu_explain_text(ghost, "incarnation"), mu_explain_number(ghost, "connections"));
        json_array_append_new(sentences, json_string(text));
        free(text);
    }
    json_object_set_new(
        explain->story, "state",
        json_pack("{s:o, s:o, s:o}", "present", present, "ghosts", ghosts, "sentences", sentences));
    json_object_set_new(explain->story, "verdict", json_string(verdict));
    json_object_set_new(explain->story, "found", json_boolean(known));
    freeReplyObject(fields);
    free(verdict);
}
