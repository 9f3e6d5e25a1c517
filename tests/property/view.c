/* view.c - lines of the model, and comparing. */
#include "property/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/view_lines.h"

void pm_view_clear(struct pm_view *view) {
    for (size_t i = 0; i < view->count; i++)
        free(view->lines[i]);
    free(view->lines);
    *view = (struct pm_view){0};
}

void pm_view_add(struct pm_view *view, const char *format, ...) {
    va_list arguments;
    if (view->count == view->room) {
        view->room = view->room == 0 ? 128 : view->room * 2;
        view->lines = realloc(view->lines, view->room * sizeof *view->lines);
        if (view->lines == NULL)
            abort();
    }
    va_start(arguments, format);
    if (vasprintf(&view->lines[view->count], format, arguments) < 0)
        abort();
    va_end(arguments);
    view->count++;
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pm_view_sort(struct pm_view *view) {
    if (view->count > 0)
        qsort(view->lines, view->count, sizeof *view->lines, compare_lines);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void pm_view_add_record(struct pm_view *view, const struct pm_record *record) {
    const char *names[PM_SESSIONS];
    char sessions[PM_SESSIONS * 130 + 2] = ",";
    size_t length = 1;
    for (size_t i = 0; i < record->session_count; i++)
        names[i] = record->sessions[i];
    if (record->session_count > 0)
        qsort(names, record->session_count, sizeof *names, compare_names);
    for (size_t i = 0; i < record->session_count; i++)
        length += (size_t)snprintf(sessions + length, sizeof sessions - length, "%s,", names[i]);
    pm_view_add(view,
                "record %s/%s/%s = sessions=%s connected=%lld user=%s ttl=%lld until=%lld "
                "secret=%d holder=%s%s profile=%s",
                record->instance, record->incarnation, record->connection, sessions,
                record->connected_at, record->user == NULL ? "" : record->user, record->ttl,
                record->until, record->secret != NULL, record->holder == NULL ? "" : record->holder,
                record->passed_on ? " (passed on)" : "", record->profile);
}

struct pm_view_record pm_view_record(char *const *lines, size_t count, const char *instance,
                                     const char *incarnation, const char *connection) {
    struct pm_view_record found = {0};
    char start[600];
    int length = snprintf(start, sizeof start, "record %s/%s/%s = sessions=", instance, incarnation,
                          connection);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(lines[i], start, (size_t)length) != 0)
            continue;
        found.found = true;
        found.sessions = lines[i] + length;
        found.length = strcspn(found.sessions, " ");
    }
    return found;
}

bool pm_view_lists(const struct pm_view_record *record, const char *session) {
    char name[200];
    int length = snprintf(name, sizeof name, ",%s,", session);
    return record->found && memmem(record->sessions, record->length, name, (size_t)length) != NULL;
}

static void add_instances(struct pm_view *view, struct pm_state *state) {
    for (size_t i = 0; i < state->instance_count; i++) {
        const struct pm_instance *instance = &state->instances[i];
        const char *id = instance->id;
        pm_view_add(view, "instances %s = %lld", id, instance->score);
        pm_view_add(view, "instance:%s incarnation = %s", id, instance->incarnation);
        pm_view_add(view, "instance:%s state = %s", id, instance->suspect ? "suspect" : "up");
        pm_view_add(view, "instance:%s draining = %d", id, instance->draining);
        if (instance->rate != 0) {
            pm_view_add(view, "instance:%s drain_rate = %lld", id, instance->rate);
            pm_view_add(view, "instance:%s drain_notice = %lld", id, instance->notice);
            pm_view_add(view, "instance:%s drain_told = %lld", id, instance->told);
            pm_view_add(view, "instance:%s drain_rounds = %lld", id, instance->rounds);
            pm_view_add(view, "instance:%s drain_until = %lld", id, instance->told_until);
            pm_view_add(view, "instance:%s drain_cursor = %s%s", id,
                        instance->told_last != NULL ? "=" : "-",
                        instance->told_last != NULL ? instance->told_last : "");
        }
        pm_view_add(view, "instance:%s started_at = %lld", id, instance->started_at);
        if (instance->secrets)
            pm_view_add(view, "instance:%s secrets = 1", id);
        if (instance->meta != NULL)
            pm_view_add(view, "instance:%s meta = %s", id, instance->meta);
        if (instance->alive_until >= state->now)
            pm_view_add(view, "instance:%s:alive = %s until %lld", id, instance->incarnation,
                        instance->alive_until);
    }
    for (size_t i = 0; i < state->ghost_count; i++) {
        const struct pm_ghost *ghost = &state->ghosts[i];
        pm_view_add(view, "ghosts %s:%s = %lld", ghost->id, ghost->incarnation, ghost->due);
        pm_view_add(view, "ghosts:%s:%s #reason = %s", ghost->id, ghost->incarnation,
                    ghost->reason);
    }
    for (size_t i = 0; i < state->buried_count; i++)
        pm_view_add(view, "buried %s:%s = %lld", state->buried[i].id, state->buried[i].incarnation,
                    state->buried[i].at);
    for (size_t i = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection == NULL)
            continue;
        pm_view_add_record(view, record);
        if (record->ends != 0 && pm_live(state, record->instance, record->incarnation))
            pm_view_add(view, "deadlines %s/%s/%s = %lld", record->instance, record->incarnation,
                        record->connection, record->ends);
    }
}

static void add_members(struct pm_view *view, struct pm_session *session) {
    for (size_t i = 0; i < session->count; i++) {
        const struct pm_member *member = &session->members[i];
        char *text = pm_member_text(member);
        pm_view_add(view, "session:%s %s = %s", session->id, member->connection, text);
        free(text);
        if (pm_candidate(member))
            pm_view_add(view, "session:%s:candidates %s/%s/%s = %lld", session->id,
                        member->connection, member->instance, member->incarnation, member->rank);
        bool told = member->user == NULL;
        for (size_t j = 0; j < i && !told; j++)
            told = pm_same(session->members[j].user, member->user);
        if (!told)
            pm_view_add(view, "session:%s:users %s = %zu", session->id, member->user,
                        pm_user_connections(session, member->user));
    }
}

static void add_session(struct pm_view *view, struct pm_state *state, struct pm_session *session) {
    const char *id = session->id;
    size_t anonymous = 0;
    size_t candidates = 0;
    for (size_t i = 0; i < session->count; i++) {
        anonymous += session->members[i].user == NULL;
        candidates += pm_candidate(&session->members[i]);
    }
    pm_view_add(view, "sessions %s = %lld", id, session->opened_at);
    pm_view_add(view, "session:%s #seq = %lld", id, session->seq);
    pm_view_add(view, "session:%s #term = %lld", id, session->term);
    pm_view_add(view, "session:%s #leader = %s", id,
                session->leader == NULL ? "" : session->leader);
    pm_view_add(view, "session:%s #count = %zu", id, session->count);
    pm_view_add(view, "session:%s #anonymous = %zu", id, anonymous);
    pm_view_add(view, "session:%s #gen = %s", id, session->generation);
    if (session->limit != 0)
        pm_view_add(view, "session:%s #limit = %lld", id, session->limit);
    if (session->keep)
        pm_view_add(view, "session:%s #keep = 1", id);
    if (session->meta != NULL)
        pm_view_add(view, "session:%s #meta = %s", id, session->meta);
    add_members(view, session);

    const struct pm_member *leader = pm_member(session, session->leader);
    if (leader == NULL && candidates > 0)
        pm_view_add(view, "leaderless %s", id);
    if (leader == NULL)
        return;
    if (pm_live(state, leader->instance, leader->incarnation))
        pm_view_add(view, "instance:%s:leads %s", leader->instance, id);
    else
        pm_view_add(view, "ghosts:%s:%s:leads %s", leader->instance, leader->incarnation, id);
}

/* Each holder once, and no holder of nothing. */
static void add_held(struct pm_view *view, const struct pm_state *state) {
    for (size_t i = 0; i < state->record_count; i++) {
        const char *holder = state->records[i].holder;
        bool told = holder == NULL;
        for (size_t j = 0; j < i && !told; j++)
            told = pm_same(state->records[j].holder, holder);
        if (told)
            continue;
        struct pm_held held = pm_held(state, holder);
        if (held.connections > 0)
            pm_view_add(view, "held:connections %s = %lld", holder, held.connections);
        if (held.sessions > 0)
            pm_view_add(view, "held:sessions %s = %lld", holder, held.sessions);
    }
}

void pm_view_of_model(struct pm_view *view, struct pm_state *state) {
    if (state->clock != 0)
        pm_view_add(view, "clock = %lld", state->clock);
    if (state->epoch != 0)
        pm_view_add(view, "epoch = %lld", state->epoch);
    if (pm_lease_stands(state))
        pm_view_add(view, "coordinator = %s/%s/%lld/%lld/%s until %lld", state->holder,
                    state->nonce, state->lease_epoch, state->renewals, state->advertise,
                    state->lease_until);
    if (state->generation != NULL) {
        pm_view_add(view, "config generation = %s", state->generation);
        if (state->run != NULL)
            pm_view_add(view, "config run = %s", state->run);
    }
    add_instances(view, state);
    add_held(view, state);
    for (size_t i = 0; i < state->session_count; i++)
        add_session(view, state, &state->sessions[i]);
    pm_view_sort(view);
}

bool pm_view_differs(const struct pm_view *wanted, const struct pm_view *real, char *text,
                     size_t size) {
    size_t i = 0;
    size_t j = 0;
    size_t used = 0;
    int told = 0;
    text[0] = '\0';
    while ((i < wanted->count || j < real->count) && told < 12 && used + 1 < size) {
        int order = i == wanted->count ? 1
                    : j == real->count ? -1
                                       : strcmp(wanted->lines[i], real->lines[j]);
        if (order == 0) {
            i++;
            j++;
            continue;
        }
        int length = order < 0
                         ? snprintf(text + used, size - used, "  wanted: %s\n", wanted->lines[i++])
                         : snprintf(text + used, size - used, "  stands: %s\n", real->lines[j++]);
        used += (size_t)length;
        told++;
    }
    return told > 0;
}
