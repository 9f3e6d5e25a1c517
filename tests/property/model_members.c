/* model_members.c - ENTER JOIN LEAVE KICK PROMOTE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

static json_t *join_reply(const struct pm_session *session, const char *connection, bool joined,
                          bool adopted) {
    json_t *reply =
        json_pack("{s:s, s:s, s:b, s:s, s:I, s:s?, s:I, s:I}", "session", session->id, "connection",
                  connection, "joined", joined, "gen", session->generation, "seq",
                  (json_int_t)session->seq, "leader", session->leader, "term",
                  (json_int_t)session->term, "count", (json_int_t)session->count);
    if (adopted)
        json_object_set_new(reply, "adopted", json_true());
    return reply;
}

static bool owns(const struct pm_member *member, const char *instance, const char *incarnation) {
    return member != NULL && pm_same(member->instance, instance) &&
           pm_same(member->incarnation, incarnation);
}

/* The member's place passes to a connection of the same name, of the instance's new incarnation. */
static void adopt(struct pm_state *state, struct pm_outcome *outcome, struct pm_session *session,
                  struct pm_member *member, struct pm_record *record) {
    bool was_away = member->away;
    bool changed = !pm_same(member->profile, record->profile);

    struct pm_record *old =
        pm_record(state, member->instance, member->incarnation, member->connection);
    if (old != NULL && old->holder != NULL) {
        old->passed_on = true;
        if (record->holder == NULL)
            record->holder = old->holder;
    }
    pm_forget_session(state, member->instance, member->incarnation, member->connection,
                      session->id);
    member->instance = record->instance;
    member->incarnation = record->incarnation;
    member->profile = record->profile;
    member->away = false;
    bool lifted = pm_lift(state, session);
    if (was_away)
        pm_session_event(state, outcome, session, "member.resumed",
                         json_pack("{s:s, s:s, s:o}", "connection", member->connection, "old",
                                   member->connection, "member", pm_member_json(member)));
    else if (changed || lifted)
        pm_session_event(state, outcome, session, "member.updated",
                         json_pack("{s:o}", "member", pm_member_json(member)));
    if (pm_same(session->leader, member->connection)) {
        if (!pm_eligible(state, member))
            pm_elect(state, outcome, session, member->connection,
                     pm_reason_of_ineligible(state, member->instance, member->incarnation));
    } else if (session->leader == NULL && pm_eligible(state, member)) {
        pm_lead(state, outcome, session, member->connection,
                was_away ? "resumed" : "eligible-again");
    }
}

static void add_member(struct pm_state *state, struct pm_outcome *outcome,
                       struct pm_session *session, const struct pm_record *record,
                       const struct pm_options *options) {
    if (session->count == PM_MEMBERS)
        abort();
    pm_lift(state, session);
    struct pm_member *member = &session->members[session->count++];
    *member = (struct pm_member){
        .connection = record->connection,
        .instance = record->instance,
        .incarnation = record->incarnation,
        .user = record->user,
        .profile = record->profile,
        .joined_at = state->now,
        .priority = options->priority,
        .never_leads = options->never_leads,
        .rank = (1023LL - options->priority) * (1LL << 42) + session->seq + 1,
    };
    json_t *more = json_pack("{s:I, s:o}", "count", (json_int_t)session->count, "member",
                             pm_member_json(member));
    if (member->user != NULL)
        json_object_set_new(more, "first",
                            json_boolean(pm_user_connections(session, member->user) == 1));
    pm_session_event(state, outcome, session, "member.joined", more);
    if (session->leader == NULL && pm_eligible(state, member))
        pm_lead(state, outcome, session, member->connection, "first");
}

enum joining { JOIN_REPEATED, JOIN_ADOPTS, JOIN_NEW };

/* What joining would be, and whether it must be refused. `record` NULL: the connection would be
 * registered first, as `user`. */
static enum joining check_join(struct pm_state *state, struct pm_outcome *outcome,
                               struct pm_session *session, const struct pm_member *member,
                               const struct pm_call *call, const struct pm_record *record,
                               const char *user, const struct pm_options *options) {
    const char *instance = pm_argument(call, 2);
    long long count = session == NULL ? 0 : (long long)session->count;
    if (owns(member, instance, pm_argument(call, 3)))
        return JOIN_REPEATED;
    if (member != NULL && pm_live(state, member->instance, member->incarnation))
        pm_refuse(outcome, MUSTER_CONNECTION_TAKEN);
    if (record != NULL && !options->exclusive &&
        record->session_count >= (size_t)state->sessions_limit)
        pm_refuse(outcome, MUSTER_TOO_MANY_SESSIONS);
    if (member != NULL && pm_same(member->instance, instance) && pm_same(member->user, user))
        return JOIN_ADOPTS;
    if (member != NULL)
        count--;
    if ((options->limit != 0 && count >= options->limit) ||
        (session != NULL && session->limit != 0 && count >= session->limit))
        pm_refuse(outcome, MUSTER_SESSION_FULL);
    return JOIN_NEW;
}

static void leave_others(struct pm_state *state, struct pm_outcome *outcome,
                         struct pm_record *record, const char *stays) {
    const struct pm_record before = *record;
    for (size_t i = 0; i < before.session_count; i++) {
        struct pm_session *session = pm_session(state, before.sessions[i]);
        if (pm_same(before.sessions[i], stays))
            continue;
        pm_unlist(record, before.sessions[i]);
        if (owns(pm_member(session, before.connection), before.instance, before.incarnation))
            pm_remove(state, outcome, session, before.connection, "exclusive", NULL);
    }
}

static void join(struct pm_state *state, struct pm_outcome *outcome, enum joining kind,
                 const char *id, struct pm_record *record, const struct pm_options *options) {
    const char *connection = record->connection;
    if (options->exclusive)
        leave_others(state, outcome, record, id);
    pm_bring_back(state, outcome, record);
    /* Looked up only now: sessions that ended may have moved it. */
    struct pm_session *session = pm_session(state, id);
    if (kind != JOIN_REPEATED && !pm_lists(record, id))
        record->sessions[record->session_count++] = pm_keep(state, id);
    if (kind != JOIN_REPEATED && options->holder != NULL)
        record->holder = options->holder;
    if (kind == JOIN_ADOPTS) {
        adopt(state, outcome, session, pm_member(session, connection), record);
    } else if (kind == JOIN_NEW) {
        const struct pm_member *old = pm_member(session, connection);
        if (old != NULL) {
            pm_forget_session(state, old->instance, old->incarnation, connection, id);
            pm_remove(state, outcome, session, connection, "superseded", NULL);
        }
        session = pm_session(state, id);
        if (session == NULL)
            session = pm_open(state, id);
        add_member(state, outcome, session, record, options);
    }
    outcome->reply = join_reply(session, connection, kind == JOIN_NEW, kind == JOIN_ADOPTS);
}

void pm_op_enter(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *connection = pm_argument(call, 1);
    const char *profile = pm_argument(call, 5);
    (void)seen;
    struct pm_options options =
        pm_check_options(state, outcome, pm_argument(call, 4),
                         " user ttl resume priority lead limit exclusive quota ");
    pm_check_id(outcome, id);
    pm_check_id(outcome, connection);
    pm_check_object(outcome, profile, state->profile_limit);
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 2), pm_argument(call, 3));
    if (instance == NULL)
        return;
    struct pm_record *record = pm_record(state, instance->id, instance->incarnation, connection);
    if (record != NULL && options.user != NULL && !pm_same(options.user, record->user))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    struct pm_session *session = pm_session(state, id);
    struct pm_member *member = pm_member(session, connection);
    enum joining kind = check_join(state, outcome, session, member, call, record,
                                   record != NULL ? record->user : options.user, &options);
    if (record == NULL && instance->draining && kind != JOIN_ADOPTS)
        pm_refuse(outcome, MUSTER_DRAINING);
    if (outcome->refusals != 0)
        return;
    if (record == NULL) {
        record = pm_new_record(state, instance->id, instance->incarnation, connection);
        pm_set_up_record(state, record, &options, profile);
    }
    join(state, outcome, kind, id, record, &options);
}

void pm_op_join(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *connection = pm_argument(call, 1);
    (void)seen;
    struct pm_options options = pm_check_options(state, outcome, pm_argument(call, 4),
                                                 " priority lead limit exclusive quota ");
    pm_check_id(outcome, id);
    pm_check_id(outcome, connection);
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 2), pm_argument(call, 3));
    if (instance == NULL)
        return;
    struct pm_record *record = pm_record(state, instance->id, instance->incarnation, connection);
    if (record == NULL) {
        pm_refuse(outcome, MUSTER_UNKNOWN_CONNECTION);
        return;
    }
    struct pm_session *session = pm_session(state, id);
    enum joining kind = check_join(state, outcome, session, pm_member(session, connection), call,
                                   record, record->user, &options);
    if (outcome->refusals != 0)
        return;
    join(state, outcome, kind, id, record, &options);
}

static json_t *left_reply(const char *session, const char *connection, bool left,
                          const struct pm_stand *stand) {
    json_t *reply = json_pack("{s:s, s:s, s:b, s:n, s:s?, s:n, s:I}", "session", session,
                              "connection", connection, "left", left, "seq", "leader",
                              stand->leader, "term", "count", (json_int_t)stand->count);
    if (stand->known) {
        json_object_set_new(reply, "seq", json_integer(stand->seq));
        json_object_set_new(reply, "term", json_integer(stand->term));
    }
    return reply;
}

/* Ends the membership, whoever asked. */
static void end_membership(struct pm_state *state, struct pm_outcome *outcome,
                           struct pm_session *session, const struct pm_member *member,
                           const char *reason, const char *detail) {
    const char *id = session->id;
    const char *connection = member->connection;
    pm_forget_session(state, member->instance, member->incarnation, connection, id);
    struct pm_stand stand = pm_remove(state, outcome, session, connection, reason, detail);
    outcome->reply = left_reply(id, connection, true, &stand);
}

void pm_op_leave(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *connection = pm_argument(call, 1);
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, connection);
    pm_check_own(state, outcome, pm_argument(call, 2), pm_argument(call, 3));
    if (outcome->refusals != 0)
        return;
    struct pm_session *session = pm_session(state, id);
    struct pm_member *member = pm_member(session, connection);
    if (owns(member, pm_argument(call, 2), pm_argument(call, 3))) {
        end_membership(state, outcome, session, member, "left", NULL);
        return;
    }
    struct pm_stand stand = pm_stand(session);
    outcome->reply = left_reply(id, connection, false, &stand);
}

void pm_op_kick(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *connection = pm_argument(call, 1);
    const char *detail = pm_argument(call, 2);
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, connection);
    if (strlen(detail) > 256)
        pm_refuse(outcome, MUSTER_TOO_LARGE);
    json_t *valid = json_string(detail); /* NULL unless it is UTF-8 */
    if (valid == NULL)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    json_decref(valid);
    if (outcome->refusals != 0)
        return;
    struct pm_session *session = pm_session(state, id);
    struct pm_member *member = pm_member(session, connection);
    if (member != NULL) {
        end_membership(state, outcome, session, member, "kicked",
                       detail[0] == '\0' ? NULL : detail);
        return;
    }
    struct pm_stand stand = pm_stand(session);
    outcome->reply = left_reply(id, connection, false, &stand);
}

void pm_op_promote(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                   struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *connection = pm_argument(call, 1);
    const char *term = pm_argument(call, 2);
    long long expected = -1;
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, connection);
    if (term[0] != '\0')
        expected = pm_check_number(outcome, term, 0, INT64_C(9007199254740991));
    struct pm_session *session = pm_session(state, id);
    struct pm_member *member = pm_member(session, connection);
    if (member == NULL) {
        pm_refuse(outcome, MUSTER_NOT_MEMBER);
        return;
    }
    const char *previous = session->leader;
    if (!pm_same(previous, member->connection)) {
        if (expected >= 0 && expected != session->term)
            pm_refuse(outcome, MUSTER_STALE_TERM);
        if (!pm_eligible(state, member))
            pm_refuse(outcome, MUSTER_NOT_ELIGIBLE);
        if (outcome->refusals != 0)
            return;
        pm_lead(state, outcome, session, member->connection, "promoted");
    }
    if (outcome->refusals != 0)
        return;
    outcome->reply = json_pack("{s:s, s:s, s:s?, s:I, s:I}", "session", session->id, "leader",
                               member->connection, "previous", previous, "term",
                               (json_int_t)session->term, "seq", (json_int_t)session->seq);
}
