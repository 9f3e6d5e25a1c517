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

void pm_bring_back(struct pm_state *state, struct pm_outcome *outcome, struct pm_record *record) {
    (void)state;
    (void)outcome;
    (void)record;
}

void pm_op_register(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                    struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    const char *profile = pm_argument(call, 4);
    (void)seen;
    struct pm_options options = pm_check_options(state, outcome, pm_argument(call, 3), " user ");
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
        record->user = options.user;
        if (profile[0] != '\0')
            record->profile = pm_keep(state, profile);
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
