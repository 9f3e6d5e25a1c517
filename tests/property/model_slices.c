/* model_slices.c - elect sweep reap: the coordinator's work in slices.
 *
 * Which sessions or records a slice takes is the functions' choice, within bounds. The model reads
 * the choice from the events that were published (and, where nothing is published, from the data),
 * checks that it was legal, and then does the same itself: the comparison that follows is as
 * strict as for any other call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"
#include "property/view.h"

static void illegal(const struct pm_seen *seen, const char *what, const char *name) {
    if (seen->illegal[0] == '\0')
        snprintf(seen->illegal, seen->size, "%s (%s)", what, name);
}

/* The session of a seen event of this name, or NULL. */
static const char *seen_session(const struct pm_seen *seen, size_t index, const char *event) {
    const json_t *payload = seen->outcome->events[index].payload;
    const char *name = json_string_value(json_object_get(payload, "event"));
    if (name == NULL || strcmp(name, event) != 0)
        return NULL;
    return json_string_value(json_object_get(payload, "session"));
}

static json_int_t seen_number(const struct pm_seen *seen, const char *name) {
    return json_integer_value(json_object_get(seen->outcome->reply, name));
}

/* "<instance>:<incarnation>" in two kept texts; false when it is none. */
static bool split_ghost(struct pm_state *state, const char *name, const char **id,
                        const char **incarnation) {
    const char *colon = strchr(name, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return false;
    char *copy = strndup(name, (size_t)(colon - name));
    *id = pm_keep(state, copy);
    *incarnation = pm_keep(state, colon + 1);
    free(copy);
    return true;
}

void pm_op_elect(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    const char *owner = pm_argument(call, 1);
    const char *id = owner;
    const char *incarnation = NULL;
    json_int_t moved = 0;
    json_int_t leaderless = 0;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    long long budget = pm_check_number(outcome, pm_argument(call, 2), 1, 512);
    bool ghost = split_ghost(state, owner, &id, &incarnation);
    pm_check_id(outcome, id);
    if (ghost)
        pm_check_id(outcome, incarnation);
    const struct pm_instance *instance = pm_instance(state, id);
    if (ghost && pm_live(state, id, incarnation))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    if (!ghost && instance != NULL && !instance->suspect && !instance->draining)
        pm_refuse(outcome, MUSTER_ALIVE);
    if (outcome->refusals != 0)
        return;
    if (!ghost && instance != NULL)
        incarnation = instance->incarnation;

    const char *reason = pm_reason_of_ineligible(state, id, incarnation);
    size_t led = pm_led_by(state, id, incarnation);
    for (size_t i = 0; i < seen->outcome->event_count; i++) {
        const char *name = seen_session(seen, i, "leader.changed");
        struct pm_session *session = pm_session(state, name);
        const struct pm_member *leader =
            session == NULL ? NULL : pm_member(session, session->leader);
        if (leader == NULL || !pm_same(leader->instance, id) ||
            !pm_same(leader->incarnation, incarnation)) {
            illegal(seen, "elect moved a session that the owner does not lead",
                    name == NULL ? "?" : name);
            continue;
        }
        pm_elect(state, outcome, session, session->leader, reason);
        *(session->leader == NULL ? &leaderless : &moved) += 1;
    }
    size_t wanted = led < (size_t)budget ? led : (size_t)budget;
    if ((size_t)(moved + leaderless) != wanted)
        illegal(seen, "elect did less or more than its budget", owner);
    outcome->reply = json_pack("{s:s, s:I, s:I, s:i, s:i, s:I, s:[]}", "owner", owner, "moved",
                               moved, "leaderless", leaderless, "waiting", 0, "damaged", 0, "left",
                               (json_int_t)pm_led_by(state, id, incarnation), "undecided");
}

static bool has_candidates(const struct pm_session *session) {
    for (size_t i = 0; i < session->count; i++)
        if (pm_candidate(&session->members[i]))
            return true;
    return false;
}

static size_t leaderless_total(const struct pm_state *state) {
    size_t total = 0;
    for (size_t i = 0; i < state->session_count; i++)
        total += state->sessions[i].leader == NULL && has_candidates(&state->sessions[i]);
    return total;
}

void pm_op_sweep(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    json_int_t elected = 0;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    pm_check_number(outcome, pm_argument(call, 2), 1, 512);
    const char *cursor = pm_argument(call, 1);
    /* The form with `-`, a session and a rank goes on with one undecided among more than 500
     * candidates: not at the size of this test. */
    if (call->count != 3 || cursor[0] == '\0' || strspn(cursor, "0123456789") != strlen(cursor))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    if (outcome->refusals != 0)
        return;
    size_t before = leaderless_total(state);
    for (size_t i = 0; i < seen->outcome->event_count; i++) {
        struct pm_session *session = pm_session(state, seen_session(seen, i, "leader.changed"));
        if (session == NULL || session->leader != NULL) {
            illegal(seen, "sweep touched a session that is led", seen->outcome->events[i].channel);
            continue;
        }
        pm_elect(state, outcome, session, NULL, "eligible-again");
        elected++;
    }
    json_int_t looked = seen_number(seen, "looked");
    const char *next = json_string_value(json_object_get(seen->outcome->reply, "cursor"));
    if (looked < elected || looked > (json_int_t)before)
        illegal(seen, "sweep looked at a number of sessions that cannot be", "looked");
    if (strcmp(cursor, "0") == 0 && next != NULL && strcmp(next, "0") == 0 &&
        looked != (json_int_t)before)
        illegal(seen, "a sweep in one slice did not look at all", "looked");
    outcome->reply =
        json_pack("{s:s?, s:I, s:I, s:i, s:I, s:[]}", "cursor", next, "looked", looked, "elected",
                  elected, "damaged", 0, "left", (json_int_t)leaderless_total(state), "undecided");
}

/* Ends the memberships whose end was published. */
static json_int_t reap_published(struct pm_state *state, const struct pm_seen *seen,
                                 struct pm_outcome *outcome, const struct pm_ghost *ghost) {
    json_int_t removed = 0;
    for (size_t i = 0; i < seen->outcome->event_count; i++) {
        const json_t *payload = seen->outcome->events[i].payload;
        struct pm_session *session = pm_session(state, seen_session(seen, i, "member.left"));
        const char *name = json_string_value(json_object_get(payload, "connection"));
        const struct pm_member *member = pm_member(session, name);
        if (session == NULL)
            continue; /* another event */
        struct pm_record *record =
            name == NULL ? NULL : pm_record(state, ghost->id, ghost->incarnation, name);
        if (member == NULL || !pm_same(member->instance, ghost->id) ||
            !pm_same(member->incarnation, ghost->incarnation) || record == NULL ||
            !pm_lists(record, session->id)) {
            illegal(seen, "reap removed a member that is not the ghost's", session->id);
            continue;
        }
        pm_unlist(record, session->id);
        pm_remove(state, outcome, session, member->connection, ghost->reason, NULL);
        removed++;
    }
    return removed;
}

/* Follows what left the ghost's records without an event: memberships that somebody took over, and
 * whole records. Returns how many records are gone; *units counts what cost budget. */
static json_int_t reap_silently(struct pm_state *state, const struct pm_seen *seen,
                                const struct pm_ghost *ghost, json_int_t *units) {
    json_int_t gone = 0;
    for (size_t i = 0; i < state->record_count; i++) {
        struct pm_record *record = &state->records[i];
        if (record->connection == NULL || !pm_same(record->instance, ghost->id) ||
            !pm_same(record->incarnation, ghost->incarnation))
            continue;
        struct pm_view_record stands = pm_view_record(seen->lines, seen->line_count, ghost->id,
                                                      ghost->incarnation, record->connection);
        for (size_t s = record->session_count; s-- > 0;) {
            const char *session = record->sessions[s];
            const struct pm_member *member =
                pm_member(pm_session(state, session), record->connection);
            if (pm_view_lists(&stands, session))
                continue;
            if (member != NULL && pm_same(member->instance, ghost->id) &&
                pm_same(member->incarnation, ghost->incarnation)) {
                illegal(seen, "reap forgot a membership that stands", session);
                continue;
            }
            pm_unlist(record, session);
            *units += 1;
        }
        if (stands.found)
            continue;
        if (record->session_count > 0)
            illegal(seen, "reap dropped a record with sessions", record->connection);
        pm_delete_record(state, record);
        gone++;
    }
    return gone;
}

static void end_ghost(struct pm_state *state, struct pm_ghost *ghost) {
    *ghost = state->ghosts[--state->ghost_count];
}

void pm_op_reap(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    const char *name = pm_argument(call, 1);
    const char *cursor = pm_argument(call, 2);
    const char *id = "";
    const char *incarnation = "";
    json_int_t removed = 0;
    json_int_t connections = 0;
    json_int_t units = 0;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    if (!split_ghost(state, name, &id, &incarnation)) {
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    } else {
        pm_check_id(outcome, id);
        pm_check_id(outcome, incarnation);
    }
    if (cursor[0] == '\0' || strspn(cursor, "0123456789") != strlen(cursor))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    long long budget = pm_check_number(outcome, pm_argument(call, 3), 1, 4096);
    if (outcome->refusals != 0)
        return;
    struct pm_ghost *ghost = pm_ghost(state, id, incarnation);
    if (ghost != NULL && ghost->due > state->now + state->resume_grace_ms)
        ghost->due = state->now + state->resume_grace_ms;
    long long early = ghost != NULL && ghost->due > state->now ? ghost->due - state->now : 0;
    size_t before = pm_record_total(state, id, incarnation);
    const char *next = json_string_value(json_object_get(seen->outcome->reply, "cursor"));
    if (ghost != NULL && early == 0) {
        removed = reap_published(state, seen, outcome, ghost);
        units = removed;
        connections = reap_silently(state, seen, ghost, &units);
        if (units > budget)
            illegal(seen, "reap took more memberships than its budget", name);
        /* It may have met nothing yet: then there is more to scan. */
        if (strcmp(cursor, "0") == 0 && units + connections == 0 && before > 0 &&
            pm_same(next, "0"))
            illegal(seen, "reap did nothing", name);
    }
    size_t left = ghost == NULL ? 0 : pm_record_total(state, id, incarnation);
    bool done = left == 0 && early == 0;
    if (done && ghost != NULL)
        end_ghost(state, ghost);
    outcome->reply =
        json_pack("{s:s, s:I, s:I, s:i, s:i, s:s?, s:I, s:b}", "ghost", name, "removed", removed,
                  "connections", connections, "waiting", 0, "quarantined", 0, "cursor", next,
                  "left", (json_int_t)left, "done", done);
    if (early > 0)
        json_object_set_new(outcome->reply, "early", json_integer(early));
}

/* ---- deadlines ---- */

/* The due record that has this connection in this session, or NULL. */
static struct pm_record *due_record(struct pm_state *state, const char *session,
                                    const char *connection) {
    const struct pm_member *member = pm_member(pm_session(state, session), connection);
    struct pm_record *record = member == NULL ? NULL
                                              : pm_record(state, member->instance,
                                                          member->incarnation, member->connection);
    bool due = record != NULL && record->ends != 0 && record->ends <= state->now &&
               pm_live(state, record->instance, record->incarnation);
    return due ? record : NULL;
}

/* Ends a connection whose time is over, in all its sessions. */
static void end_record(struct pm_state *state, struct pm_outcome *outcome,
                       struct pm_record *record) {
    const struct pm_record gone = *record;
    pm_delete_record(state, record);
    for (size_t i = 0; i < gone.session_count; i++) {
        struct pm_session *session = pm_session(state, gone.sessions[i]);
        const struct pm_member *member = pm_member(session, gone.connection);
        if (member != NULL && pm_same(member->instance, gone.instance) &&
            pm_same(member->incarnation, gone.incarnation))
            pm_remove(state, outcome, session, gone.connection,
                      gone.away ? "disconnected" : "expired", NULL);
    }
}

/* Due entries of `deadlines` that really are left, and when the first entry of all is due. */
static json_int_t deadlines_left(const struct pm_seen *seen, long long now, json_t **next) {
    json_int_t left = 0;
    long long first = -1;
    for (size_t i = 0; i < seen->line_count; i++) {
        const char *equals = strstr(seen->lines[i], " = ");
        if (strncmp(seen->lines[i], "deadlines ", 10) != 0 || equals == NULL)
            continue;
        long long ends = strtoll(equals + 3, NULL, 10);
        left += ends <= now;
        first = first < 0 || ends < first ? ends : first;
    }
    *next = first < 0 ? json_null() : json_integer(first > now ? first - now : 0);
    return left;
}

void pm_op_expire(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                  struct pm_outcome *outcome) {
    json_int_t expired = 0;
    json_t *next = NULL;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    long long budget = pm_check_number(outcome, pm_argument(call, 1), 1, 4096);
    if (outcome->refusals != 0)
        return;
    for (size_t i = 0; i < seen->outcome->event_count; i++) {
        const json_t *payload = seen->outcome->events[i].payload;
        const char *session = seen_session(seen, i, "member.left");
        const char *name = json_string_value(json_object_get(payload, "connection"));
        struct pm_record *record = due_record(state, session, name);
        if (record == NULL)
            continue; /* told already with its first session, or compared as a difference later */
        end_record(state, outcome, record);
        expired++;
    }
    size_t removed = 0;
    for (size_t i = 0; i < outcome->event_count; i++)
        removed += pm_same(json_string_value(json_object_get(outcome->events[i].payload, "event")),
                           "member.left");
    for (size_t i = 0; i < state->record_count; i++) {
        struct pm_record *record = &state->records[i];
        if (record->connection == NULL || record->ends == 0 || record->ends > state->now ||
            record->session_count > 0 || !pm_live(state, record->instance, record->incarnation))
            continue;
        struct pm_view_record stands =
            pm_view_record(seen->lines, seen->line_count, record->instance, record->incarnation,
                           record->connection);
        if (stands.found)
            continue;
        pm_delete_record(state, record);
        expired++;
    }
    json_int_t dropped = seen_number(seen, "dropped");
    json_int_t left = deadlines_left(seen, state->now, &next);
    if (expired + dropped > budget)
        illegal(seen, "expire took more than its budget", "expire");
    if (expired + dropped == 0 && left > 0)
        illegal(seen, "expire did nothing", "expire");
    outcome->reply = json_pack("{s:I, s:I, s:I, s:i, s:I, s:o}", "expired", expired, "removed",
                               (json_int_t)removed, "dropped", dropped, "damaged", 0, "left", left,
                               "next", next);
}
