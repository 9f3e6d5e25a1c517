/* model_drain.c - DRAIN, and the connections that are told to move. */
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

/* Rate and notice that the options ask for. */
static void read_pace(struct pm_state *state, struct pm_outcome *outcome, const char *text,
                      long long *rate, long long *notice) {
    const char *name;
    json_t *value;
    *rate = 0;
    *notice = 30000;
    pm_check_object(outcome, text, state->profile_limit);
    json_t *object = text[0] == '\0' ? NULL : json_loads(text, JSON_ALLOW_NUL, NULL);
    json_object_foreach(object, name, value) {
        bool fine = strcmp(name, "rate") == 0     ? pm_whole_number(value, 0, 10000, rate)
                    : strcmp(name, "notice") == 0 ? pm_whole_number(value, 100, 3600000, notice)
                                                  : false;
        if (!fine)
            pm_refuse(outcome, MUSTER_BAD_REQUEST);
    }
    json_decref(object);
}

void pm_op_drain(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *incarnation = pm_argument(call, 1);
    const char *word = pm_argument(call, 2);
    const char *options = pm_argument(call, 3);
    bool on = strcmp(word, "on") == 0;
    long long rate;
    long long notice;
    (void)seen;
    if (!on && strcmp(word, "off") != 0)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    read_pace(state, outcome, options, &rate, &notice);
    if (!on && options[0] != '\0' && strcmp(options, "{}") != 0)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    struct pm_instance *instance = pm_check_own(state, outcome, id, incarnation);
    if (outcome->refusals != 0)
        return;
    size_t connections = pm_record_total(state, id, incarnation);
    bool paced = instance->rate != rate || (rate != 0 && instance->notice != notice);
    if (instance->rate == 0) {
        instance->told = 0;
        instance->rounds = 0;
        instance->told_until = 0;
        instance->told_last = NULL;
    }
    instance->rate = rate;
    instance->notice = notice;
    if (instance->draining != on || paced) {
        instance->draining = on;
        pm_instance_event(state, outcome, on ? "draining" : "undrained", id, incarnation,
                          connections, NULL);
    }
    outcome->reply = json_pack("{s:s, s:b, s:I}", "instance", id, "draining", on, "connections",
                               (json_int_t)connections);
    if (rate != 0) {
        json_object_set_new(outcome->reply, "rate", json_integer(rate));
        json_object_set_new(outcome->reply, "notice", json_integer(notice));
    }
}

/* ---- move ---- */

/* The connection of the instance that comes next behind `last`, by name; NULL: none does. */
static const char *next_behind(const struct pm_state *state, const struct pm_instance *instance,
                               const char *last) {
    const char *next = NULL;
    for (size_t i = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection == NULL || !pm_same(record->instance, instance->id) ||
            !pm_same(record->incarnation, instance->incarnation) ||
            strcmp(record->connection, last) <= 0)
            continue;
        if (next == NULL || strcmp(record->connection, next) < 0)
            next = record->connection;
    }
    return next;
}

/* Tells the next ones; how many. */
static long long tell(struct pm_state *state, struct pm_outcome *outcome,
                      struct pm_instance *instance, long long budget) {
    long long told = 0;
    json_t *list = json_array();
    const char *last = instance->told_last;
    if (last == NULL) {
        last = "";
        instance->told = 0;
    }
    const char *next = next_behind(state, instance, last);
    for (; next != NULL && told < budget; told++) {
        json_array_append_new(list, json_string(next));
        last = next;
        next = next_behind(state, instance, last);
    }
    instance->told_last = next != NULL ? last : NULL;
    instance->rounds += next == NULL;
    instance->told += told;
    if (told == 0) {
        json_decref(list);
        return 0;
    }
    instance->told_until = state->now + instance->notice;
    pm_publish(outcome, "events:instances",
               json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "event", "instance.move", "instance",
                         instance->id, "incarnation", instance->incarnation, "at",
                         (json_int_t)state->now, "until", (json_int_t)instance->told_until,
                         "connections", list));
    return told;
}

void pm_op_move(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    (void)seen;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    long long budget = pm_check_number(outcome, pm_argument(call, 3), 1, 512);
    if (instance != NULL && (!instance->draining || instance->rate == 0))
        pm_refuse(outcome, MUSTER_ALIVE);
    if (instance == NULL || outcome->refusals != 0)
        return;
    size_t leads = pm_led_by(state, instance->id, instance->incarnation);
    size_t left = pm_record_total(state, instance->id, instance->incarnation);
    bool rests = instance->told_last == NULL && (left == 0 || state->now < instance->told_until);
    long long told = leads == 0 && !rests ? tell(state, outcome, instance, budget) : 0;
    long long wait = instance->told_last == NULL && instance->told_until > state->now
                         ? instance->told_until - state->now
                         : 0;
    outcome->reply = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "instance", instance->id,
                               "told", (json_int_t)told, "left", (json_int_t)left, "leads",
                               (json_int_t)leads, "rate", (json_int_t)instance->rate, "round",
                               (json_int_t)instance->rounds, "wait", (json_int_t)wait);
}
