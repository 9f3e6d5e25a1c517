/* model_resume.c - RESUME: a new connection takes the place of an old one; and CONFIGURE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

/* The last event is a change of leader: from whom. */
static void previous_leader(const struct pm_outcome *outcome, const char *previous) {
    json_object_set_new(outcome->events[outcome->event_count - 1].payload, "previous",
                        json_string(previous));
}

/* One membership passes on. */
static void take_over(struct pm_state *state, struct pm_outcome *outcome,
                      struct pm_session *session, struct pm_member *member,
                      const struct pm_record *record) {
    const char *old = member->connection;
    bool led = pm_same(session->leader, old);
    member->connection = record->connection;
    member->instance = record->instance;
    member->incarnation = record->incarnation;
    member->profile = record->profile;
    member->away = false;
    pm_lift(state, session);
    pm_session_event(state, outcome, session, "member.resumed",
                     json_pack("{s:s, s:s, s:o}", "connection", member->connection, "old", old,
                               "member", pm_member_json(member)));
    if (led && pm_eligible(state, member)) {
        /* Another connection is another leader, even under the same id. */
        session->leader = NULL;
        pm_lead(state, outcome, session, member->connection, "resumed");
        previous_leader(outcome, old);
    } else if (led)
        pm_elect(state, outcome, session, member->connection,
                 pm_reason_of_ineligible(state, member->instance, member->incarnation));
    else if (session->leader == NULL && pm_eligible(state, member))
        pm_lead(state, outcome, session, member->connection, "resumed");
}

static json_t *resume_reply(const char *connection, const char *old,
                            const struct pm_record *record) {
    json_t *list = json_array();
    for (size_t i = 0; i < record->session_count; i++)
        json_array_append_new(list, json_string(record->sessions[i]));
    return json_pack("{s:s, s:s, s:o}", "connection", connection, "resumed", old, "sessions", list);
}

void pm_op_resume(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                  struct pm_outcome *outcome) {
    const char *connection = pm_argument(call, 0);
    const char *old = pm_argument(call, 3);
    const char *owner = pm_argument(call, 4);
    const char *secret = pm_argument(call, 5);
    const char *profile = pm_argument(call, 7);
    char old_instance[140] = "";
    const char *old_incarnation = "";
    char identity[400];
    (void)seen;
    pm_check_id(outcome, connection);
    pm_check_id(outcome, old);
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    struct pm_options options =
        pm_check_options(state, outcome, pm_argument(call, 6), " user ttl resume quota ");
    pm_check_object(outcome, profile, state->profile_limit);
    const char *colon = strchr(owner, ':');
    if (colon == NULL || colon - owner > 128) {
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    } else {
        snprintf(old_instance, sizeof old_instance, "%.*s", (int)(colon - owner), owner);
        old_incarnation = colon + 1;
        pm_check_id(outcome, old_instance);
        pm_check_id(outcome, old_incarnation);
    }
    if (secret[0] == '\0' || strlen(secret) > 256)
        pm_refuse(outcome, MUSTER_BAD_TOKEN);
    if (instance == NULL)
        return;
    snprintf(identity, sizeof identity, "%s:%s/%s", old_instance, old_incarnation, old);
    struct pm_record *record = pm_record(state, instance->id, instance->incarnation, connection);
    if (record != NULL && pm_same(record->resumed, identity)) {
        if (outcome->refusals == 0)
            outcome->reply = resume_reply(connection, old, record);
        return;
    }
    if (record != NULL)
        pm_refuse(outcome, MUSTER_CONNECTION_TAKEN);
    struct pm_record *from = pm_record(state, old_instance, old_incarnation, old);
    if (from == NULL) {
        pm_refuse(outcome, MUSTER_UNKNOWN_CONNECTION);
        return;
    }
    if (!pm_same(from->secret, secret) || secret[0] == '\0')
        pm_refuse(outcome, MUSTER_BAD_TOKEN);
    if (!pm_same(from->user, options.user))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    /* The new name must be free in every session. */
    for (size_t i = 0; i < from->session_count; i++)
        if (!pm_same(connection, old) &&
            pm_member(pm_session(state, from->sessions[i]), connection) != NULL)
            pm_refuse(outcome, MUSTER_CONNECTION_TAKEN);
    if (outcome->refusals != 0)
        return;
    const struct pm_record gone = *from;
    pm_delete_record(state, from);
    record = pm_new_record(state, instance->id, instance->incarnation, connection);
    pm_set_up_record(state, record, &options, profile);
    if (profile[0] == '\0')
        record->profile = gone.profile;
    record->resumed = pm_keep(state, identity);
    if (record->holder == NULL)
        record->holder = gone.holder;
    for (size_t i = 0; i < gone.session_count; i++) {
        struct pm_session *session = pm_session(state, gone.sessions[i]);
        struct pm_member *member = pm_member(session, old);
        if (member == NULL || !pm_same(member->instance, gone.instance) ||
            !pm_same(member->incarnation, gone.incarnation))
            continue;
        record->sessions[record->session_count++] = gone.sessions[i];
        take_over(state, outcome, session, member, record);
    }
    outcome->reply = resume_reply(connection, old, record);
}

/* `limit` and `keep` of the options; null takes a limit away. */
static void check_configuration(struct pm_state *state, struct pm_outcome *outcome,
                                const char *text, long long *limit, int *keep) {
    const char *name;
    json_t *value;
    pm_check_object(outcome, text, state->profile_limit);
    json_t *object = text[0] == '\0' ? NULL : json_loads(text, JSON_ALLOW_NUL, NULL);
    if (json_is_object(object)) {
        json_object_foreach(object, name, value) {
            bool fine = false;
            if (strcmp(name, "limit") == 0) {
                *limit = json_is_null(value) ? 0 : json_integer_value(value);
                fine = json_is_null(value) ||
                       (json_is_integer(value) && *limit >= 1 && *limit <= 1000000000);
            } else if (strcmp(name, "keep") == 0) {
                *keep = json_is_true(value);
                fine = json_is_boolean(value);
            }
            if (!fine)
                pm_refuse(outcome, MUSTER_BAD_REQUEST);
        }
    }
    json_decref(object);
}

void pm_op_configure(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                     struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *meta = pm_argument(call, 2);
    long long limit = -1;
    int keep = -1;
    (void)seen;
    pm_check_id(outcome, id);
    check_configuration(state, outcome, pm_argument(call, 1), &limit, &keep);
    pm_check_object(outcome, meta, state->profile_limit);
    struct pm_session *session = pm_session(state, id);
    if (session == NULL && keep < 0)
        pm_refuse(outcome, MUSTER_UNKNOWN_SESSION);
    if (outcome->refusals != 0)
        return;
    struct pm_session wanted = {0};
    if (session != NULL)
        wanted = *session;
    if (limit >= 0)
        wanted.limit = limit;
    if (keep >= 0)
        wanted.keep = keep == 1;
    if (meta[0] != '\0')
        wanted.meta = pm_keep(state, meta);
    bool stays = wanted.keep || wanted.count > 0;
    bool changes = session == NULL || wanted.limit != session->limit ||
                   wanted.keep != session->keep || !pm_same(wanted.meta, session->meta);
    if (!stays && session != NULL) {
        pm_close(state, session);
    } else if (stays && changes) {
        if (session == NULL)
            session = pm_open(state, id);
        session->limit = wanted.limit;
        session->keep = wanted.keep;
        session->meta = wanted.meta;
    }
    outcome->reply =
        json_pack("{s:s, s:n, s:b}", "session", id, "limit", "keep", stays && wanted.keep);
    if (stays && wanted.limit != 0)
        json_object_set_new(outcome->reply, "limit", json_integer(wanted.limit));
}
