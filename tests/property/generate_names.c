/* generate_names.c - who calls, and with which options. */
#include <stdlib.h>
#include <string.h>

#include "property/generate_internal.h"

/* ---- names ---- */

/* The incarnation that the instance's next START would have. */
void pm_fresh_incarnation(struct pm_state *state, const char *instance, char *name, size_t size) {
    size_t used = pm_instance(state, instance) != NULL;
    for (size_t i = 0; i < state->buried_count; i++)
        used += pm_same(state->buried[i].id, instance);
    snprintf(name, size, "r%zu", used + 1);
}

const char *pm_dead_incarnation(struct pm_random *random, const struct pm_state *state,
                                const char *instance) {
    const char *found = NULL;
    for (size_t i = 0, seen = 0; i < state->buried_count; i++)
        if (pm_same(state->buried[i].id, instance) && pm_below(random, ++seen) == 0)
            found = state->buried[i].incarnation;
    return found;
}

/* Mostly the registered incarnation, sometimes one that is dead or was never there. */
static void some_incarnation(struct pm_random *random, struct pm_state *state,
                             struct pm_names *names) {
    const struct pm_instance *instance = pm_instance(state, names->instance);
    const char *old = pm_dead_incarnation(random, state, names->instance);
    if (instance != NULL && pm_chance(random, 93))
        snprintf(names->incarnation, sizeof names->incarnation, "%s", instance->incarnation);
    else if (old != NULL && pm_chance(random, 80))
        snprintf(names->incarnation, sizeof names->incarnation, "%s", old);
    else
        snprintf(names->incarnation, sizeof names->incarnation, "r999");
}

/* Somebody who calls: any names, or (often) those of a present member. */
struct pm_names pm_some_names(struct pm_random *random, struct pm_state *state) {
    struct pm_names names;
    size_t connection = pm_below(random, PM_SOME_CONNECTIONS) + 1;
    snprintf(names.session, sizeof names.session, "s%zu", pm_below(random, PM_SOME_SESSIONS) + 1);
    snprintf(names.connection, sizeof names.connection, "c%zu", connection);
    /* Half of the connections have a home, so that they meet themselves again. */
    snprintf(names.instance, sizeof names.instance, "i%zu",
             (pm_chance(random, 70) ? connection % PM_SOME_INSTANCES
                                    : pm_below(random, PM_SOME_INSTANCES)) +
                 1);
    if (state->instance_count > 0 && pm_instance(state, names.instance) == NULL &&
        pm_chance(random, 85))
        snprintf(names.instance, sizeof names.instance, "%s",
                 state->instances[pm_below(random, state->instance_count)].id);
    some_incarnation(random, state, &names);
    return names;
}

static void aim_at_member(struct pm_random *random, struct pm_state *state,
                          struct pm_names *names) {
    if (state->session_count == 0)
        return;
    const struct pm_session *session = &state->sessions[pm_below(random, state->session_count)];
    if (session->count == 0)
        return;
    const struct pm_member *member = &session->members[pm_below(random, session->count)];
    snprintf(names->session, sizeof names->session, "%s", session->id);
    snprintf(names->connection, sizeof names->connection, "%s", member->connection);
    snprintf(names->instance, sizeof names->instance, "%s", member->instance);
    snprintf(names->incarnation, sizeof names->incarnation, "%s", member->incarnation);
}

static void aim_at_record(struct pm_random *random, struct pm_state *state,
                          struct pm_names *names) {
    const struct pm_record *record =
        state->record_count == 0 ? NULL : &state->records[pm_below(random, state->record_count)];
    if (record == NULL || record->connection == NULL)
        return;
    snprintf(names->connection, sizeof names->connection, "%s", record->connection);
    snprintf(names->instance, sizeof names->instance, "%s", record->instance);
    if (pm_chance(random, 50))
        snprintf(names->incarnation, sizeof names->incarnation, "%s", record->incarnation);
    else
        some_incarnation(random, state, names);
}

struct pm_names pm_aimed_names(struct pm_random *random, struct pm_state *state) {
    struct pm_names names = pm_some_names(random, state);
    size_t choice = pm_below(random, 10);
    if (choice < 5)
        aim_at_member(random, state, &names);
    else if (choice < 7)
        aim_at_record(random, state, &names);
    return names;
}

/* ---- options ---- */

static void add_user(struct pm_random *random, FILE *out, const char *connection) {
    const char *user = connection[1] <= '2' ? "u1" : connection[1] == '3' ? "u2" : "";
    if (pm_chance(random, 10))
        user = pm_chance(random, 50) ? "u2" : "";
    if (user[0] != '\0')
        fprintf(out, ",\"user\":\"%s\"", user);
}

static void add_join_options(struct pm_random *random, FILE *out) {
    if (pm_chance(random, 25))
        fprintf(out, ",\"priority\":%d", (int)pm_below(random, 5) - 2);
    if (pm_chance(random, 10))
        fprintf(out, ",\"lead\":%s", pm_chance(random, 80) ? "false" : "true");
    if (pm_chance(random, 8))
        fprintf(out, ",\"limit\":%zu", pm_below(random, 4) + 1);
    if (pm_chance(random, 8))
        fprintf(out, ",\"exclusive\":%s", pm_chance(random, 90) ? "true" : "false");
}

static void add_register_options(struct pm_random *random, FILE *out, const char *connection) {
    add_user(random, out, connection);
    if (pm_chance(random, 22))
        fprintf(out, ",\"ttl\":%zu", pm_below(random, 60) + 1);
    if (pm_chance(random, 35))
        fprintf(out, ",\"resume\":\"secret-%c\"", connection[1]);
}

static void add_quota(struct pm_random *random, FILE *out) {
    fprintf(out, ",\"quota\":{\"holder\":\"h%zu\"", pm_below(random, 3) + 1);
    if (pm_chance(random, 70))
        fprintf(out, ",\"connections\":%zu", pm_below(random, 3) + 1);
    if (pm_chance(random, 60))
        fprintf(out, ",\"sessions\":%zu", pm_below(random, 4) + 1);
    fputc('}', out);
}

/* Just as much as the holder has already, so that the call may add nothing; or any bounds. */
const char *pm_bound_quota(struct pm_random *random, const struct pm_state *state,
                           const char *holder, char *text, size_t size) {
    struct pm_held held = pm_held(state, holder);
    text[0] = '\0';
    if (!pm_chance(random, 40))
        return text;
    if (holder == NULL || held.connections == 0 || held.sessions == 0)
        snprintf(text, size, ",\"quota\":{\"holder\":\"h1\",\"connections\":2,\"sessions\":3}");
    else
        snprintf(text, size,
                 ",\"quota\":{\"holder\":\"%s\",\"connections\":%lld,\"sessions\":%lld}", holder,
                 held.connections, held.sessions);
    return text;
}

void pm_add_options(struct pm_random *random, struct pm_step *step, const char *connection,
                    bool user, bool join) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        abort();
    if (user)
        add_register_options(random, out, connection);
    if (join)
        add_join_options(random, out);
    if (pm_chance(random, 40))
        add_quota(random, out);
    fputc('}', out);
    fclose(out);
    if (text[0] == ',')
        text[0] = '{';
    if (text[0] == '}')
        pm_step_argument(step, pm_chance(random, 50) ? "" : "{}");
    else
        pm_step_argument(step, text);
    free(text);
}
