/* model_state.c - texts, look-ups and derived facts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

struct pm_texts {
    char **list;
    size_t count;
    size_t room;
};

struct pm_texts *pm_texts_create(void) {
    struct pm_texts *texts = calloc(1, sizeof *texts);
    if (texts == NULL)
        abort();
    return texts;
}

void pm_texts_free(struct pm_texts **pointer) {
    struct pm_texts *texts = *pointer;
    if (texts == NULL)
        return;
    *pointer = NULL;
    for (size_t i = 0; i < texts->count; i++)
        free(texts->list[i]);
    free(texts->list);
    free(texts);
}

const char *pm_keep(struct pm_state *state, const char *text) {
    struct pm_texts *texts = state->texts;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->list[i], text) == 0)
            return texts->list[i];
    if (texts->count == texts->room) {
        texts->room = texts->room == 0 ? 64 : texts->room * 2;
        texts->list = realloc(texts->list, texts->room * sizeof *texts->list);
    }
    char *copy = strdup(text);
    if (texts->list == NULL || copy == NULL)
        abort();
    texts->list[texts->count++] = copy;
    return copy;
}

void pm_state_init(struct pm_state *state, struct pm_texts *texts, long long now) {
    memset(state, 0, sizeof *state);
    state->texts = texts;
    state->now = now;
}

void pm_outcome_clear(struct pm_outcome *outcome) {
    for (size_t i = 0; i < outcome->event_count; i++)
        json_decref(outcome->events[i].payload);
    json_decref(outcome->reply);
    outcome->reply = NULL;
    outcome->event_count = 0;
    outcome->refusals = 0;
}

bool pm_same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

struct pm_instance *pm_instance(struct pm_state *state, const char *id) {
    for (size_t i = 0; i < state->instance_count; i++)
        if (pm_same(state->instances[i].id, id))
            return &state->instances[i];
    return NULL;
}

bool pm_live(struct pm_state *state, const char *id, const char *incarnation) {
    const struct pm_instance *instance = pm_instance(state, id);
    return instance != NULL && pm_same(instance->incarnation, incarnation);
}

struct pm_ghost *pm_ghost(struct pm_state *state, const char *id, const char *incarnation) {
    for (size_t i = 0; i < state->ghost_count; i++)
        if (pm_same(state->ghosts[i].id, id) && pm_same(state->ghosts[i].incarnation, incarnation))
            return &state->ghosts[i];
    return NULL;
}

bool pm_is_buried(const struct pm_state *state, const char *id, const char *incarnation) {
    for (size_t i = 0; i < state->buried_count; i++)
        if (pm_same(state->buried[i].id, id) && pm_same(state->buried[i].incarnation, incarnation))
            return true;
    return false;
}

static bool record_is_of(const struct pm_record *record, const char *instance,
                         const char *incarnation) {
    return pm_same(record->instance, instance) && pm_same(record->incarnation, incarnation);
}

struct pm_record *pm_record(struct pm_state *state, const char *instance, const char *incarnation,
                            const char *connection) {
    for (size_t i = 0; i < state->record_count; i++)
        if (record_is_of(&state->records[i], instance, incarnation) &&
            pm_same(state->records[i].connection, connection))
            return &state->records[i];
    return NULL;
}

size_t pm_record_total(const struct pm_state *state, const char *instance,
                       const char *incarnation) {
    size_t total = 0;
    for (size_t i = 0; i < state->record_count; i++)
        total += record_is_of(&state->records[i], instance, incarnation);
    return total;
}

struct pm_session *pm_session(struct pm_state *state, const char *id) {
    for (size_t i = 0; i < state->session_count; i++)
        if (pm_same(state->sessions[i].id, id))
            return &state->sessions[i];
    return NULL;
}

struct pm_member *pm_member(struct pm_session *session, const char *connection) {
    if (session == NULL || connection == NULL)
        return NULL;
    for (size_t i = 0; i < session->count; i++)
        if (pm_same(session->members[i].connection, connection))
            return &session->members[i];
    return NULL;
}

bool pm_candidate(const struct pm_member *member) {
    return !member->never_leads && !member->away;
}

bool pm_eligible(struct pm_state *state, const struct pm_member *member) {
    const struct pm_instance *instance = pm_instance(state, member->instance);
    return pm_candidate(member) && pm_live(state, member->instance, member->incarnation) &&
           !instance->suspect && !instance->draining;
}

size_t pm_user_connections(const struct pm_session *session, const char *user) {
    size_t total = 0;
    for (size_t i = 0; i < session->count; i++)
        total += user != NULL && pm_same(session->members[i].user, user);
    return total;
}

size_t pm_led_by(struct pm_state *state, const char *instance, const char *incarnation) {
    size_t total = 0;
    for (size_t i = 0; i < state->session_count; i++) {
        struct pm_session *session = &state->sessions[i];
        const struct pm_member *leader = pm_member(session, session->leader);
        total += leader != NULL && pm_same(leader->instance, instance) &&
                 pm_same(leader->incarnation, incarnation);
    }
    return total;
}

bool pm_lease_stands(const struct pm_state *state) {
    return state->holder != NULL && state->now <= state->lease_until;
}

char *pm_member_text(const struct pm_member *member) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        abort();
    fprintf(out, "{\"connection\":\"%s\",\"instance\":\"%s\",\"incarnation\":\"%s\"",
            member->connection, member->instance, member->incarnation);
    if (member->user != NULL)
        fprintf(out, ",\"user\":\"%s\"", member->user);
    fprintf(out, ",\"joined_at\":%lld", member->joined_at);
    if (member->priority != 0)
        fprintf(out, ",\"priority\":%d", member->priority);
    if (member->never_leads)
        fputs(",\"lead\":false", out);
    if (member->away)
        fprintf(out, ",\"away\":true");
    if (member->away && !member->never_leads)
        fprintf(out, ",\"rank\":%lld", member->rank);
    fprintf(out, ",\"profile\":%s}", member->profile);
    fclose(out);
    return text;
}

json_t *pm_member_json(const struct pm_member *member) {
    char *text = pm_member_text(member);
    json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
    if (json == NULL)
        abort();
    free(text);
    return json;
}

json_t *pm_text_or_null(const char *text) {
    return text == NULL ? json_null() : json_string(text);
}

bool pm_lists(const struct pm_record *record, const char *session) {
    for (size_t i = 0; i < record->session_count; i++)
        if (pm_same(record->sessions[i], session))
            return true;
    return false;
}

void pm_unlist(struct pm_record *record, const char *session) {
    for (size_t i = 0; i < record->session_count; i++) {
        if (!pm_same(record->sessions[i], session))
            continue;
        for (size_t j = i + 1; j < record->session_count; j++)
            record->sessions[j - 1] = record->sessions[j];
        record->session_count--;
        return;
    }
}

struct pm_record *pm_new_record(struct pm_state *state, const char *instance,
                                const char *incarnation, const char *connection) {
    size_t slot = 0;
    while (slot < state->record_count && state->records[slot].connection != NULL)
        slot++;
    if (slot == PM_RECORDS)
        abort();
    if (slot == state->record_count)
        state->record_count++;
    struct pm_record *record = &state->records[slot];
    *record = (struct pm_record){.instance = pm_keep(state, instance),
                                 .incarnation = pm_keep(state, incarnation),
                                 .connection = pm_keep(state, connection),
                                 .profile = "{}",
                                 .connected_at = state->now};
    return record;
}

void pm_delete_record(struct pm_state *state, struct pm_record *record) {
    (void)state;
    memset(record, 0, sizeof *record);
}

void pm_delete_session(struct pm_state *state, struct pm_session *session) {
    *session = state->sessions[--state->session_count];
}
