/* generate.c - what comes next. */
#include "property/generate.h"

#include <stdlib.h>
#include <string.h>

const char *const pm_settings =
    "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":40,\"profile\":200,"
    "\"sessions_per_connection\":3,\"grace_ms\":60}";

size_t pm_below(struct pm_random *random, size_t limit) {
    random->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t mixed = random->state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((mixed ^ mixed >> 31) % limit);
}

bool pm_chance(struct pm_random *random, size_t percent) {
    return pm_below(random, 100) < percent;
}

/* ---- names ---- */

enum { INSTANCES = 3, CONNECTIONS = 6, SESSIONS = 5 };

struct names {
    char instance[8];
    char incarnation[24];
    char connection[8];
    char session[8];
};

/* The incarnation that the instance's next START would have. */
static void fresh_incarnation(struct pm_state *state, const char *instance, char *name,
                              size_t size) {
    size_t used = pm_instance(state, instance) != NULL;
    for (size_t i = 0; i < state->buried_count; i++)
        used += pm_same(state->buried[i].id, instance);
    snprintf(name, size, "r%zu", used + 1);
}

static const char *buried_incarnation(struct pm_random *random, const struct pm_state *state,
                                      const char *instance) {
    const char *found = NULL;
    for (size_t i = 0, seen = 0; i < state->buried_count; i++)
        if (pm_same(state->buried[i].id, instance) && pm_below(random, ++seen) == 0)
            found = state->buried[i].incarnation;
    return found;
}

/* Mostly the registered incarnation, sometimes one that is dead or was never there. */
static void some_incarnation(struct pm_random *random, struct pm_state *state,
                             struct names *names) {
    const struct pm_instance *instance = pm_instance(state, names->instance);
    const char *old = buried_incarnation(random, state, names->instance);
    if (instance != NULL && pm_chance(random, 93))
        snprintf(names->incarnation, sizeof names->incarnation, "%s", instance->incarnation);
    else if (old != NULL && pm_chance(random, 80))
        snprintf(names->incarnation, sizeof names->incarnation, "%s", old);
    else
        snprintf(names->incarnation, sizeof names->incarnation, "r999");
}

/* Somebody who calls: any names, or (often) those of a present member. */
static struct names some_names(struct pm_random *random, struct pm_state *state) {
    struct names names;
    size_t connection = pm_below(random, CONNECTIONS) + 1;
    snprintf(names.session, sizeof names.session, "s%zu", pm_below(random, SESSIONS) + 1);
    snprintf(names.connection, sizeof names.connection, "c%zu", connection);
    /* Half of the connections have a home, so that they meet themselves again. */
    snprintf(names.instance, sizeof names.instance, "i%zu",
             (pm_chance(random, 70) ? connection % INSTANCES : pm_below(random, INSTANCES)) + 1);
    if (state->instance_count > 0 && pm_instance(state, names.instance) == NULL &&
        pm_chance(random, 85))
        snprintf(names.instance, sizeof names.instance, "%s",
                 state->instances[pm_below(random, state->instance_count)].id);
    some_incarnation(random, state, &names);
    return names;
}

static void aim_at_member(struct pm_random *random, struct pm_state *state, struct names *names) {
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

static void aim_at_record(struct pm_random *random, struct pm_state *state, struct names *names) {
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

static struct names aimed_names(struct pm_random *random, struct pm_state *state) {
    struct names names = some_names(random, state);
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
}

static void add_options(struct pm_random *random, struct pm_step *step, const char *connection,
                        bool user, bool join) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        abort();
    if (user)
        add_user(random, out, connection);
    if (join)
        add_join_options(random, out);
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

/* ---- steps of clients ---- */

/* Somebody of a dead incarnation comes back to one of its sessions: adopted, or another takes the
 * name. False when nobody is dead. */
static bool add_return(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                       long long wait) {
    const struct pm_record *found = NULL;
    for (size_t i = 0, seen = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection != NULL && record->session_count > 0 &&
            !pm_live(state, record->instance, record->incarnation) &&
            pm_instance(state, record->instance) != NULL && pm_below(random, ++seen) == 0)
            found = record;
    }
    if (found == NULL)
        return false;
    const char *session = found->sessions[pm_below(random, found->session_count)];
    struct pm_step *step =
        pm_steps_add(steps, wait, "enter %s %s %s %s", session, found->connection, found->instance,
                     pm_instance(state, found->instance)->incarnation);
    if (found->user != NULL && pm_chance(random, 90)) {
        char options[80];
        snprintf(options, sizeof options, "{\"user\":\"%s\"}", found->user);
        pm_step_argument(step, options);
    }
    return true;
}

static void add_start(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    struct names names = some_names(random, state);
    snprintf(names.instance, sizeof names.instance, "i%zu", pm_below(random, INSTANCES) + 1);
    const char *old = buried_incarnation(random, state, names.instance);
    if (old != NULL && pm_chance(random, 15))
        snprintf(names.incarnation, sizeof names.incarnation, "%s", old);
    else if (pm_instance(state, names.instance) == NULL || pm_chance(random, 50))
        fresh_incarnation(state, names.instance, names.incarnation, sizeof names.incarnation);
    struct pm_step *step =
        pm_steps_add(steps, wait, "start %s %s", names.instance, names.incarnation);
    if (pm_chance(random, 20))
        pm_step_argument(step, pm_random_object(random));
}

static void add_entering(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                         long long wait) {
    struct names names =
        pm_chance(random, 65) ? some_names(random, state) : aimed_names(random, state);
    struct pm_step *step = pm_steps_add(steps, wait, "enter %s %s %s %s", names.session,
                                        names.connection, names.instance, names.incarnation);
    if (pm_chance(random, 70))
        add_options(random, step, names.connection, true, true);
    if (step->count == 5 && pm_chance(random, 30))
        pm_step_argument(step, pm_random_object(random));
}

static void add_call_of_connection(struct pm_steps *steps, struct pm_random *random,
                                   struct pm_state *state, long long wait) {
    struct names names = aimed_names(random, state);
    struct pm_step *step;
    switch (pm_below(random, 9)) {
    case 0:
    case 1:
        step = pm_steps_add(steps, wait, "register %s %s %s", names.connection, names.instance,
                            names.incarnation);
        if (pm_chance(random, 60))
            add_options(random, step, names.connection, true, false);
        if (step->count == 4 && pm_chance(random, 50))
            pm_step_argument(step, pm_random_object(random));
        break;
    case 2:
        step = pm_steps_add(steps, wait, "update %s %s %s", names.connection, names.instance,
                            names.incarnation);
        pm_step_argument(step, pm_random_object(random));
        break;
    case 3:
        pm_steps_add(steps, wait, "unregister %s %s %s", names.connection, names.instance,
                     names.incarnation);
        break;
    case 4:
    case 5:
        pm_steps_add(steps, wait, "leave %s %s %s %s", names.session, names.connection,
                     names.instance, names.incarnation);
        break;
    default:
        if (pm_chance(random, 60))
            snprintf(names.session, sizeof names.session, "s%zu", pm_below(random, SESSIONS) + 1);
        step = pm_steps_add(steps, wait, "join %s %s %s %s", names.session, names.connection,
                            names.instance, names.incarnation);
        if (pm_chance(random, 50))
            add_options(random, step, names.connection, false, true);
        break;
    }
}

static void add_call_on_member(struct pm_steps *steps, struct pm_random *random,
                               struct pm_state *state, long long wait) {
    struct names names = aimed_names(random, state);
    struct pm_step *step;
    if (pm_chance(random, 45)) {
        step = pm_steps_add(steps, wait, "kick %s %s", names.session, names.connection);
        if (pm_chance(random, 40))
            pm_step_argument(step,
                             pm_chance(random, 50) ? "spam \"and\" more" : "gr\xc3\xbc\xc3\x9f");
        return;
    }
    step = pm_steps_add(steps, wait, "promote %s %s", names.session, names.connection);
    if (pm_chance(random, 40)) {
        char term[24];
        snprintf(term, sizeof term, "@term%s:%s", pm_chance(random, 30) ? "-" : "", names.session);
        pm_step_argument(step, term);
    }
}

/* ---- steps of the coordinator ---- */

static const char *some_epoch(struct pm_random *random) {
    return pm_chance(random, 95) ? "@epoch" : pm_chance(random, 70) ? "@epoch-" : "7";
}

static void add_verdict(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                        long long wait) {
    struct names names = some_names(random, state);
    const char *epoch = some_epoch(random);
    const char *late = pm_chance(random, 10) ? "-" : "";
    size_t choice = pm_below(random, 10);
    if (choice < 3) {
        struct pm_step *step =
            pm_steps_add(steps, wait, "beats %s %s %s", epoch, names.instance, names.incarnation);
        if (pm_chance(random, 50)) {
            names = some_names(random, state);
            pm_step_argument(step, names.instance);
            pm_step_argument(step, names.incarnation);
        }
    } else if (choice < 7) {
        pm_steps_add(steps, wait, "suspect %s %s %s @score%s:%s", epoch, names.instance,
                     names.incarnation, late, names.instance);
    } else {
        pm_steps_add(steps, wait, "bury %s %s %s @score%s:%s instance-dead", epoch, names.instance,
                     names.incarnation, late, names.instance);
    }
}

static void some_ghost(struct pm_random *random, const struct pm_state *state, char *name,
                       size_t size) {
    if (state->ghost_count > 0 && pm_chance(random, 92)) {
        const struct pm_ghost *ghost = &state->ghosts[pm_below(random, state->ghost_count)];
        snprintf(name, size, "%s:%s", ghost->id, ghost->incarnation);
    } else if (state->buried_count > 0 && pm_chance(random, 50)) {
        const struct pm_buried *buried = &state->buried[pm_below(random, state->buried_count)];
        snprintf(name, size, "%s:%s", buried->id, buried->incarnation);
    } else {
        snprintf(name, size, "i%zu:r1", pm_below(random, INSTANCES) + 1);
    }
}

static void add_slice(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    char ghost[40];
    const char *epoch = some_epoch(random);
    size_t budget = pm_chance(random, 70) ? pm_below(random, 2) + 1 : 64;
    size_t choice = pm_below(random, 10);
    some_ghost(random, state, ghost, sizeof ghost);
    if (choice < 4) {
        if (pm_chance(random, 50) || state->ghost_count == 0)
            snprintf(ghost, sizeof ghost, "i%zu", pm_below(random, INSTANCES) + 1);
        pm_steps_add(steps, wait, "elect %s %s %zu", epoch, ghost, budget);
    } else if (choice < 6) {
        pm_steps_add(steps, wait, "sweep %s %s %zu", epoch,
                     pm_chance(random, 50) ? "0" : "@cursor:sweep", budget);
    } else {
        pm_steps_add(steps, wait, "reap %s %s @cursor:%s %zu", epoch, ghost, ghost, budget);
    }
}

static void add_settings(struct pm_steps *steps, struct pm_step *step) {
    (void)steps;
    pm_step_argument(step, pm_settings);
}

static void add_rotate(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                       long long wait) {
    long long number = state->generation == NULL ? 1 : atoll(state->generation + 4) + 1;
    add_settings(steps, pm_steps_add(steps, wait, "rotate %s gen-%lld %s run-1", some_epoch(random),
                                     number, pm_chance(random, 50) ? "0" : "@ahead"));
}

static void add_confirm(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                        long long wait) {
    const char *generation = state->generation == NULL ? "gen-1" : state->generation;
    add_settings(steps, pm_steps_add(steps, wait, "confirm %s %s run-1", some_epoch(random),
                                     pm_chance(random, 90) ? generation : "gen-0"));
}

static void add_lease(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    const char *holder = pm_chance(random, 50) ? "node-a" : "node-b";
    const char *nonce = state->nonce == NULL || pm_chance(random, 10) ? "other" : state->nonce;
    size_t choice = pm_below(random, 10);
    if (choice < 3 || !pm_lease_stands(state)) {
        struct pm_step *step = pm_steps_add(
            steps, wait, "acquire %s n%zu %s %s", holder, pm_below(random, 3),
            pm_chance(random, 80) ? "600000" : "20", pm_chance(random, 80) ? "0" : "@ahead");
        if (pm_chance(random, 50))
            pm_step_argument(step, pm_chance(random, 50) ? "" : "tcp://127.0.0.1:7411");
        if (step->count == 5 && pm_chance(random, 50))
            pm_step_argument(step, "@lease");
    } else if (choice < 5) {
        pm_steps_add(steps, wait, "renew %s %s 600000", some_epoch(random), nonce);
    } else if (choice < 6) {
        pm_steps_add(steps, wait, "release %s %s", some_epoch(random), nonce);
    } else if (choice < 8) {
        add_confirm(steps, random, state, wait);
    } else if (choice < 9) {
        add_rotate(steps, random, state, wait);
    } else {
        pm_steps_add(steps, wait, "reload");
    }
}

/* ---- all together ---- */

static long long some_wait(struct pm_random *random) {
    size_t choice = pm_below(random, 100);
    if (choice < 55)
        return 0;
    if (choice < 90)
        return (long long)pm_below(random, 4) + 1;
    if (choice < 99)
        return (long long)pm_below(random, 60);
    return 4000;
}

void pm_generate(struct pm_steps *steps, struct pm_random *random, struct pm_state *state) {
    long long wait = some_wait(random);
    bool confirmed = state->generation != NULL && pm_same(state->generation, state->confirmed);
    if (steps->count > 0 && pm_chance(random, 7)) {
        size_t back = pm_below(random, steps->count < 8 ? steps->count : 8) + 1;
        pm_steps_copy(steps, &steps->list[steps->count - back]);
        return;
    }
    if (!pm_lease_stands(state) && pm_chance(random, 60)) {
        add_lease(steps, random, state, wait);
        return;
    }
    if (!confirmed && pm_chance(random, 60)) {
        if (state->generation == NULL || pm_chance(random, 30))
            add_rotate(steps, random, state, wait);
        else
            add_confirm(steps, random, state, wait);
        return;
    }
    size_t choice = pm_below(random, 100);
    struct names names = some_names(random, state);
    if (pm_chance(random, 8) && add_return(steps, random, state, wait))
        return;
    if (choice < 6 || (state->instance_count == 0 && choice < 60))
        add_start(steps, random, state, wait);
    else if (choice < 9)
        pm_steps_add(steps, wait, "heartbeat %s %s", names.instance, names.incarnation);
    else if (choice < 10)
        pm_steps_add(steps, wait, "stop %s %s", names.instance, names.incarnation);
    else if (choice < 38)
        add_entering(steps, random, state, wait);
    else if (choice < 60)
        add_call_of_connection(steps, random, state, wait);
    else if (choice < 69)
        add_call_on_member(steps, random, state, wait);
    else if (choice < 79)
        add_verdict(steps, random, state, wait);
    else if (choice < 97)
        add_slice(steps, random, state, wait);
    else
        add_lease(steps, random, state, wait);
    if (pm_chance(random, 5))
        pm_generate_damage(steps, random);
}
