/* model_sessions.c - events, elections, leaving, burying: what several operations do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

/* ---- events ---- */

void pm_publish(struct pm_outcome *outcome, const char *channel, json_t *payload) {
    if (outcome->event_count == PM_EVENTS || payload == NULL)
        abort();
    struct pm_event *event = &outcome->events[outcome->event_count++];
    snprintf(event->channel, sizeof event->channel, "%s", channel);
    event->payload = payload;
}

void pm_instance_event(struct pm_state *state, struct pm_outcome *outcome, const char *event,
                       const char *id, const char *incarnation, size_t connections,
                       const char *reason) {
    json_t *payload = json_pack("{s:s+, s:s, s:s, s:I, s:I}", "event", "instance.", event,
                                "instance", id, "incarnation", incarnation, "at",
                                (json_int_t)state->now, "connections", (json_int_t)connections);
    if (reason != NULL)
        json_object_set_new(payload, "reason", json_string(reason));
    pm_publish(outcome, "events:instances", payload);
}

void pm_session_event(struct pm_state *state, struct pm_outcome *outcome,
                      struct pm_session *session, const char *event, json_t *more) {
    char channel[160];
    session->seq++;
    json_t *payload =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "event", event, "session", session->id, "gen",
                  session->generation, "seq", (json_int_t)session->seq, "term",
                  (json_int_t)session->term, "at", (json_int_t)state->now);
    if (more != NULL)
        json_object_update(payload, more);
    json_decref(more);
    snprintf(channel, sizeof channel, "events:session:%s", session->id);
    pm_publish(outcome, channel, payload);
}

/* ---- seq, term, leader ---- */

bool pm_lift(struct pm_state *state, struct pm_session *session) {
    if (pm_same(session->generation, state->generation))
        return false;
    session->generation = state->generation;
    if (session->seq <= state->clock)
        session->seq = state->clock + 1;
    if (session->term <= state->clock)
        session->term = state->clock + 1;
    return true;
}

struct pm_session *pm_open(struct pm_state *state, const char *id) {
    if (state->session_count == PM_SESSIONS)
        abort();
    struct pm_session *session = &state->sessions[state->session_count++];
    long long base = state->clock + 1 > state->now ? state->clock + 1 : state->now;
    memset(session, 0, sizeof *session);
    session->id = pm_keep(state, id);
    session->generation = state->generation;
    session->seq = base;
    session->term = base;
    session->opened_at = state->now;
    return session;
}

void pm_lead(struct pm_state *state, struct pm_outcome *outcome, struct pm_session *session,
             const char *leader, const char *reason) {
    const char *previous = session->leader;
    if (pm_same(leader, previous))
        return;
    pm_lift(state, session);
    session->leader = leader;
    session->term++;
    pm_session_event(
        state, outcome, session, "leader.changed",
        json_pack("{s:s?, s:s?, s:s}", "leader", leader, "previous", previous, "reason", reason));
}

void pm_elect(struct pm_state *state, struct pm_outcome *outcome, struct pm_session *session,
              const char *except, const char *reason) {
    const struct pm_member *best = NULL;
    for (size_t i = 0; i < session->count; i++) {
        const struct pm_member *member = &session->members[i];
        if (pm_same(member->connection, except) || !pm_eligible(state, member))
            continue;
        if (best == NULL || member->rank < best->rank)
            best = member;
    }
    pm_lead(state, outcome, session, best == NULL ? NULL : best->connection, reason);
}

/* ---- leaving ---- */

void pm_close(struct pm_state *state, struct pm_session *session) {
    if (session->seq > state->clock)
        state->clock = session->seq;
    if (session->term > state->clock)
        state->clock = session->term;
    pm_delete_session(state, session);
}

struct pm_stand pm_stand(const struct pm_session *session) {
    if (session == NULL)
        return (struct pm_stand){0};
    return (struct pm_stand){true,         true,          session->leader,
                             session->seq, session->term, session->count};
}

struct pm_stand pm_remove(struct pm_state *state, struct pm_outcome *outcome,
                          struct pm_session *session, const char *connection, const char *reason,
                          const char *detail) {
    struct pm_member *place = pm_member(session, connection);
    const struct pm_member gone = *place;
    bool led = pm_same(session->leader, connection);

    pm_lift(state, session);
    *place = session->members[--session->count];
    bool closes = session->count == 0 && !session->keep;
    json_t *more =
        json_pack("{s:I, s:s, s:s, s:s}", "count", (json_int_t)session->count, "connection",
                  gone.connection, "instance", gone.instance, "reason", reason);
    if (gone.user != NULL) {
        bool last = pm_user_connections(session, gone.user) == 0;
        json_object_set_new(more, "user", json_string(gone.user));
        json_object_set_new(more, "last", json_boolean(last));
    }
    if (detail != NULL)
        json_object_set_new(more, "detail", json_string(detail));
    if (closes)
        json_object_set_new(more, "closed", json_true());
    pm_session_event(state, outcome, session, "member.left", more);
    if (closes) {
        session->leader = NULL;
        struct pm_stand last = pm_stand(session);
        last.exists = false;
        pm_close(state, session);
        return last;
    }
    if (led)
        pm_elect(state, outcome, session, NULL, reason);
    return pm_stand(session);
}

void pm_forget_session(struct pm_state *state, const char *instance, const char *incarnation,
                       const char *connection, const char *session) {
    struct pm_record *record = pm_record(state, instance, incarnation, connection);
    if (record == NULL)
        return;
    pm_unlist(record, session);
    /* Of the dead only what is still to be cleaned up is kept. */
    if (record->session_count == 0 && !pm_live(state, instance, incarnation))
        pm_delete_record(state, record);
}

/* ---- instances ---- */

size_t pm_bury(struct pm_state *state, struct pm_instance *instance, const char *reason) {
    const struct pm_instance dead = *instance;
    size_t connections = pm_record_total(state, dead.id, dead.incarnation);
    bool waits = strcmp(reason, "instance-restarted") == 0 || dead.secrets;

    *instance = state->instances[--state->instance_count];
    if (state->buried_count == PM_BURIED || state->ghost_count == PM_GHOSTS)
        abort();
    state->buried[state->buried_count++] =
        (struct pm_buried){dead.id, dead.incarnation, state->now};
    if (connections > 0)
        state->ghosts[state->ghost_count++] =
            (struct pm_ghost){dead.id, dead.incarnation, pm_keep(state, reason),
                              state->now + (waits ? state->resume_grace_ms : 0)};
    return connections;
}

bool pm_heard(struct pm_state *state, struct pm_outcome *outcome, struct pm_instance *instance) {
    bool was_suspect = instance->suspect;
    instance->score = state->now;
    instance->alive_until = state->now + state->suspect_after_ms;
    instance->suspect = false;
    if (was_suspect)
        pm_instance_event(state, outcome, "up", instance->id, instance->incarnation,
                          pm_record_total(state, instance->id, instance->incarnation), NULL);
    return was_suspect;
}

const char *pm_reason_of_ineligible(struct pm_state *state, const char *id,
                                    const char *incarnation) {
    const struct pm_ghost *ghost = pm_ghost(state, id, incarnation);
    if (pm_live(state, id, incarnation))
        return pm_instance(state, id)->suspect ? "instance-suspect" : "draining";
    return ghost == NULL ? "instance-dead" : ghost->reason;
}
