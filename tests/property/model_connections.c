/* model_connections.c - REGISTER UPDATE UNREGISTER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

/* The member of `session` that is this record's, or NULL. */
static struct pm_member *own_member(struct pm_session *session, const struct pm_record *record) {
    struct pm_member *member = pm_member(session, record->connection);
    bool own = member != NULL && pm_same(member->instance, record->instance) &&
               pm_same(member->incarnation, record->incarnation);
    return own ? member : NULL;
}

/* When the ttl ends, counted from now; 0 without one. */
static long long ttl_end(const struct pm_state *state, const struct pm_record *record) {
    return record->ttl == 0 ? 0 : state->now + record->ttl;
}

void pm_bring_back(struct pm_state *state, struct pm_outcome *outcome, struct pm_record *record) {
    if (!record->away)
        return;
    record->away = false;
    record->until = 0;
    record->ends = ttl_end(state, record);
    for (size_t i = 0; i < record->session_count; i++) {
        struct pm_session *session = pm_session(state, record->sessions[i]);
        struct pm_member *member = own_member(session, record);
        if (member == NULL)
            continue;
        member->away = false;
        pm_lift(state, session);
        pm_session_event(state, outcome, session, "member.resumed",
                         json_pack("{s:s, s:s, s:o}", "connection", member->connection, "old",
                                   member->connection, "member", pm_member_json(member)));
        if (session->leader == NULL && pm_eligible(state, member))
            pm_lead(state, outcome, session, member->connection, "resumed");
    }
}

/* Takes the options of a registration over. */
void pm_set_up_record(struct pm_state *state, struct pm_record *record,
                      const struct pm_options *options, const char *profile) {
    record->user = options->user;
    record->holder = options->holder;
    record->ttl = options->ttl;
    record->secret = options->secret;
    record->ends = ttl_end(state, record);
    if (profile[0] != '\0')
        record->profile = pm_keep(state, profile);
    if (options->secret != NULL)
        pm_instance(state, record->instance)->secrets = true;
}

void pm_op_register(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                    struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    const char *profile = pm_argument(call, 4);
    (void)seen;
    struct pm_options options =
        pm_check_options(state, outcome, pm_argument(call, 3), " user ttl resume quota ");
    pm_check_object(outcome, profile, state->profile_limit);
    pm_check_id(outcome, connection);
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    struct pm_record *record =
        pm_record(state, pm_argument(call, 1), pm_argument(call, 2), connection);
    if (record != NULL && options.user != NULL && !pm_same(options.user, record->user))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    if (record == NULL && instance != NULL && instance->draining)
        pm_refuse(outcome, MUSTER_DRAINING);
    if (outcome->refusals != 0 || instance == NULL)
        return;
    bool fresh = record == NULL;
    if (fresh) {
        record = pm_new_record(state, instance->id, instance->incarnation, connection);
        pm_set_up_record(state, record, &options, profile);
    } else {
        pm_bring_back(state, outcome, record);
    }
    outcome->reply = json_pack("{s:s, s:b}", "connection", connection, "registered", fresh);
}

void pm_op_update(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                  struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    const char *profile = pm_argument(call, 3);
    json_int_t sessions = 0;
    (void)seen;
    pm_check_object(outcome, profile, state->profile_limit);
    pm_check_id(outcome, connection);
    pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    struct pm_record *record =
        pm_record(state, pm_argument(call, 1), pm_argument(call, 2), connection);
    if (record == NULL)
        pm_refuse(outcome, MUSTER_UNKNOWN_CONNECTION);
    if (outcome->refusals != 0 || record == NULL)
        return;
    profile = pm_keep(state, profile[0] == '\0' ? "{}" : profile);
    bool changed = !pm_same(record->profile, profile);
    record->profile = profile;
    for (size_t i = 0; i < record->session_count; i++) {
        struct pm_session *session = pm_session(state, record->sessions[i]);
        struct pm_member *member = own_member(session, record);
        if (member == NULL)
            continue;
        sessions++;
        if (!changed)
            continue;
        member->profile = profile;
        pm_lift(state, session);
        pm_session_event(state, outcome, session, "member.updated",
                         json_pack("{s:o}", "member", pm_member_json(member)));
    }
    outcome->reply = json_pack("{s:s, s:b, s:I}", "connection", connection, "updated", changed,
                               "sessions", sessions);
}

void pm_op_unregister(struct pm_state *state, const struct pm_call *call,
                      const struct pm_seen *seen, struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    (void)seen;
    pm_check_id(outcome, connection);
    pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    if (outcome->refusals != 0)
        return;
    struct pm_record *record =
        pm_record(state, pm_argument(call, 1), pm_argument(call, 2), connection);
    json_t *list = json_array();
    if (record != NULL) {
        const struct pm_record gone = *record;
        pm_delete_record(state, record);
        for (size_t i = 0; i < gone.session_count; i++) {
            struct pm_session *session = pm_session(state, gone.sessions[i]);
            if (own_member(session, &gone) == NULL)
                continue;
            struct pm_stand stand =
                pm_remove(state, outcome, session, gone.connection, "unregistered", NULL);
            json_array_append_new(list,
                                  json_pack("{s:s, s:s?, s:I, s:I}", "session", gone.sessions[i],
                                            "leader", stand.leader, "term", (json_int_t)stand.term,
                                            "count", (json_int_t)stand.count));
        }
    }
    outcome->reply = json_pack("{s:s, s:b, s:o}", "connection", connection, "unregistered",
                               record != NULL, "sessions", list);
}

void pm_op_touch(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    json_int_t touched = 0;
    (void)seen;
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 0), pm_argument(call, 1));
    for (size_t i = 2; i < call->count; i++)
        pm_check_id(outcome, call->arguments[i]);
    if (outcome->refusals != 0 || instance == NULL)
        return;
    json_t *unknown = json_array();
    for (size_t i = 2; i < call->count; i++) {
        bool again = false;
        for (size_t j = 2; j < i && !again; j++)
            again = pm_same(call->arguments[j], call->arguments[i]);
        if (again)
            continue;
        struct pm_record *record =
            pm_record(state, instance->id, instance->incarnation, call->arguments[i]);
        if (record == NULL) {
            json_array_append_new(unknown, json_string(call->arguments[i]));
            continue;
        }
        touched++;
        pm_bring_back(state, outcome, record);
        record->ends = ttl_end(state, record);
    }
    outcome->reply = json_pack("{s:I, s:o}", "touched", touched, "unknown", unknown);
}

void pm_op_disconnect(struct pm_state *state, const struct pm_call *call,
                      const struct pm_seen *seen, struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    const char *text = pm_argument(call, 3);
    long long grace = state->grace_limit;
    (void)seen;
    pm_check_id(outcome, connection);
    pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    if (text[0] != '\0')
        grace = pm_check_number(outcome, text, 0, INT64_C(9007199254740991));
    struct pm_record *record =
        pm_record(state, pm_argument(call, 1), pm_argument(call, 2), connection);
    if (record == NULL)
        pm_refuse(outcome, MUSTER_UNKNOWN_CONNECTION);
    if (outcome->refusals != 0 || record == NULL)
        return;
    if (!record->away) {
        record->away = true;
        record->until = record->ends =
            state->now + (grace < state->grace_limit ? grace : state->grace_limit);
        for (size_t i = 0; i < record->session_count; i++) {
            struct pm_session *session = pm_session(state, record->sessions[i]);
            struct pm_member *member = own_member(session, record);
            if (member == NULL)
                continue;
            member->away = true;
            pm_lift(state, session);
            pm_session_event(state, outcome, session, "member.away",
                             json_pack("{s:s, s:I}", "connection", connection, "until",
                                       (json_int_t)record->until));
            if (pm_same(session->leader, connection))
                pm_elect(state, outcome, session, NULL, "away");
        }
    }
    outcome->reply = json_pack("{s:s, s:b, s:I}", "connection", connection, "away", true, "until",
                               (json_int_t)record->until);
}
