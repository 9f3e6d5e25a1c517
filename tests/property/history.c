/* history.c - the invariants of docs: over time and at a moment. */
#include "property/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool broken(char *text, size_t size, const char *what, const char *name) {
    snprintf(text, size, "invariant broken: %s (%s)\n", what, name);
    return false;
}

bool pm_history_follow(struct pm_history *history, const json_t *event, char *text, size_t size) {
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *session = json_string_value(json_object_get(event, "session"));
    const char *generation = json_string_value(json_object_get(event, "gen"));
    long long seq = json_integer_value(json_object_get(event, "seq"));
    long long term = json_integer_value(json_object_get(event, "term"));
    if (session == NULL)
        return true;
    if (name == NULL || generation == NULL)
        return broken(text, size, "an event without name or generation", session);
    size_t i = 0;
    while (i < history->count && strcmp(history->list[i].session, session) != 0)
        i++;
    if (i == sizeof history->list / sizeof *history->list)
        abort();
    if (i == history->count) {
        history->count++;
        snprintf(history->list[i].session, sizeof history->list[i].session, "%s", session);
    }
    bool same_opening =
        history->list[i].open && strcmp(history->list[i].generation, generation) == 0;
    if (same_opening && seq != history->list[i].seq + 1)
        return broken(text, size, "7: a seq is missing or comes twice", session);
    if (history->list[i].started && seq <= history->list[i].seq)
        return broken(text, size, "7: a seq of an earlier opening came again", session);
    if (history->list[i].started && term < history->list[i].term)
        return broken(text, size, "7: a term fell", session);
    if (strcmp(name, "leader.changed") == 0) {
        const char *leader = json_string_value(json_object_get(event, "leader"));
        if (history->list[i].started && term == history->list[i].term)
            return broken(text, size, "7: a term was given twice", session);
        snprintf(history->list[i].leader, sizeof history->list[i].leader, "%s",
                 leader == NULL ? "" : leader);
    } else if (same_opening && term != history->list[i].term) {
        return broken(text, size, "7: a term without a change of leader", session);
    }
    snprintf(history->list[i].generation, sizeof history->list[i].generation, "%s", generation);
    history->list[i].seq = seq;
    history->list[i].term = term;
    history->list[i].started = true;
    history->list[i].open = !json_is_true(json_object_get(event, "closed"));
    return true;
}

void pm_history_close(struct pm_history *history, struct pm_state *state) {
    for (size_t i = 0; i < history->count; i++)
        if (pm_session(state, history->list[i].session) == NULL)
            history->list[i].open = false;
}

/* May the leader of a session be somebody who is not eligible? Only while work is to be done. */
static bool leader_is_fine(struct pm_state *state, struct pm_session *session, bool settled,
                           char *text, size_t size) {
    const struct pm_member *leader = pm_member(session, session->leader);
    bool any = false;
    for (size_t i = 0; i < session->count; i++)
        any = any || pm_eligible(state, &session->members[i]);
    if (session->leader != NULL && leader == NULL)
        return broken(text, size, "1: the leader is no member", session->id);
    if (leader != NULL && !pm_candidate(leader))
        return broken(text, size, "1: the leader is no candidate", session->id);
    if (settled && any && (leader == NULL || !pm_eligible(state, leader)))
        return broken(text, size, "1: an eligible member, but no eligible leader", session->id);
    if (settled && !any && leader != NULL)
        return broken(text, size, "1: led by somebody who is not eligible", session->id);
    return true;
}

static bool members_are_fine(struct pm_state *state, struct pm_session *session, bool settled,
                             char *text, size_t size) {
    if (session->count == 0 && !session->keep)
        return broken(text, size, "2: a session without members", session->id);
    for (size_t i = 0; i < session->count; i++) {
        const struct pm_member *member = &session->members[i];
        const struct pm_record *record =
            pm_record(state, member->instance, member->incarnation, member->connection);
        bool listed = false;
        for (size_t j = 0; record != NULL && j < record->session_count; j++)
            listed = listed || pm_same(record->sessions[j], session->id);
        if (!listed)
            return broken(text, size, "3: a member without a record that lists the session",
                          session->id);
        if (record->away != member->away)
            return broken(text, size, "3: away here and not there", session->id);
        if (settled && !pm_live(state, member->instance, member->incarnation))
            return broken(text, size, "8: a member of a dead instance", session->id);
    }
    return true;
}

bool pm_invariants_hold(struct pm_state *state, bool settled, char *text, size_t size) {
    for (size_t i = 0; i < state->session_count; i++) {
        struct pm_session *session = &state->sessions[i];
        if (!leader_is_fine(state, session, settled, text, size) ||
            !members_are_fine(state, session, settled, text, size))
            return false;
    }
    for (size_t i = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection == NULL)
            continue;
        bool live = pm_live(state, record->instance, record->incarnation);
        if (!live && pm_ghost(state, record->instance, record->incarnation) == NULL)
            return broken(text, size, "4: a record of nobody", record->connection);
        if (live && pm_ghost(state, record->instance, record->incarnation) != NULL)
            return broken(text, size, "4: an incarnation is live and a ghost", record->instance);
        for (size_t j = 0; j < record->session_count; j++) {
            const struct pm_member *member =
                pm_member(pm_session(state, record->sessions[j]), record->connection);
            if (member == NULL || !pm_same(member->instance, record->instance) ||
                !pm_same(member->incarnation, record->incarnation))
                return broken(text, size, "3: a record lists a session that it is not in",
                              record->connection);
        }
    }
    if (settled && state->ghost_count > 0)
        return broken(text, size, "8: a ghost is left", state->ghosts[0].id);
    return true;
}
