/* generate_lead.c - calls of a coordinator, present or past. */
#include <stdlib.h>
#include <string.h>

#include "property/generate_internal.h"

/* ---- steps of the coordinator ---- */

static const char *some_epoch(struct pm_random *random) {
    return pm_chance(random, 95) ? "@epoch" : pm_chance(random, 70) ? "@epoch-" : "7";
}

void pm_add_verdict(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                    long long wait) {
    struct pm_names names = pm_some_names(random, state);
    const char *epoch = some_epoch(random);
    const char *late = pm_chance(random, 10) ? "-" : "";
    size_t choice = pm_below(random, 10);
    if (choice < 3) {
        struct pm_step *step =
            pm_steps_add(steps, wait, "beats %s %s %s", epoch, names.instance, names.incarnation);
        if (pm_chance(random, 50)) {
            names = pm_some_names(random, state);
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
        snprintf(name, size, "i%zu:r1", pm_below(random, PM_SOME_INSTANCES) + 1);
    }
}

/* How long it is until the ttl or the grace of some connection ends, of a dead one as well. */
static long long until_some_end(struct pm_random *random, const struct pm_state *state) {
    long long wait = 0;
    for (size_t i = 0, seen = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection != NULL && record->ends > state->now &&
            pm_below(random, ++seen) == 0)
            wait = record->ends - state->now;
    }
    return wait;
}

/* Mostly of an instance that drains at a rate, if there is one. */
static bool add_move(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                     long long wait) {
    struct pm_names names = pm_some_names(random, state);
    bool found = pm_chance(random, 10);
    for (size_t i = 0; i < state->instance_count; i++) {
        const struct pm_instance *instance = &state->instances[i];
        if (instance->rate == 0 || found)
            continue;
        snprintf(names.instance, sizeof names.instance, "%s", instance->id);
        snprintf(names.incarnation, sizeof names.incarnation, "%s", instance->incarnation);
        found = pm_chance(random, 70);
    }
    if (found && pm_chance(random, 60))
        pm_steps_add(steps, wait, "elect %s %s 64", some_epoch(random), names.instance);
    for (size_t more = found ? pm_below(random, 3) + 1 : 0; more > 0; more--)
        pm_steps_add(steps, pm_chance(random, 15) ? 100 : 0, "move %s %s %s %zu",
                     some_epoch(random), names.instance, names.incarnation,
                     pm_chance(random, 95) ? pm_below(random, 4) + 1 : 0);
    return found;
}

void pm_add_slice(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                  long long wait) {
    char ghost[40];
    const char *epoch = some_epoch(random);
    size_t budget = pm_chance(random, 70) ? pm_below(random, 2) + 1 : 64;
    size_t choice = pm_below(random, 10);
    some_ghost(random, state, ghost, sizeof ghost);
    if (pm_chance(random, 15) && add_move(steps, random, state, wait))
        return;
    if (choice < 4) {
        if (pm_chance(random, 50) || state->ghost_count == 0)
            snprintf(ghost, sizeof ghost, "i%zu", pm_below(random, PM_SOME_INSTANCES) + 1);
        pm_steps_add(steps, wait, "elect %s %s %zu", epoch, ghost, budget);
    } else if (choice < 5) {
        if (pm_chance(random, 40))
            wait = until_some_end(random, state);
        pm_steps_add(steps, wait, "expire %s %zu", epoch, budget);
    } else if (choice < 6) {
        pm_steps_add(steps, wait, "sweep %s %s %zu", epoch,
                     pm_chance(random, 50) ? "0" : "@cursor:sweep", budget);
    } else {
        pm_steps_add(steps, wait, "reap %s %s @cursor:%s %zu", epoch, ghost, ghost, budget);
    }
}

/* Now and then another heartbeat interval, which everybody is asked to hear of. */
static void add_settings(struct pm_random *random, struct pm_step *step) {
    pm_step_argument(step, pm_chance(random, 25) ? pm_slower_settings : pm_settings);
}

void pm_add_rotate(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                   long long wait) {
    add_settings(random, pm_steps_add(steps, wait, "rotate %s gen-%lld-%zu %s run-1",
                                      some_epoch(random), state->now, steps->count,
                                      pm_chance(random, 80) ? "@floor" : "@ahead"));
}

void pm_add_confirm(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                    long long wait) {
    const char *generation = state->generation == NULL ? "gen-1" : state->generation;
    add_settings(random, pm_steps_add(steps, wait, "confirm %s %s run-1", some_epoch(random),
                                      pm_chance(random, 90) ? generation : "gen-0"));
}

void pm_add_lease(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                  long long wait) {
    const char *holder = pm_chance(random, 50) ? "node-a" : "node-b";
    const char *nonce = state->nonce == NULL || pm_chance(random, 10) ? "other" : state->nonce;
    size_t choice = pm_below(random, 10);
    if (choice < 2 || !pm_lease_stands(state)) {
        struct pm_step *step = pm_steps_add(
            steps, wait, "acquire %s n%zu %s %s", holder, pm_below(random, 3),
            pm_chance(random, 80) ? "600000" : "20", pm_chance(random, 90) ? "0" : "@epoch+");
        if (pm_chance(random, 50))
            pm_step_argument(step, pm_chance(random, 50) ? "" : "tcp://127.0.0.1:7411");
        if (step->count == 5 && pm_chance(random, 50))
            pm_step_argument(step, "@lease");
        if (step->count == 6 && pm_chance(random, 50))
            pm_step_argument(step, pm_chance(random, 80) ? "run-1" : "run-2");
    } else if (choice < 3) {
        pm_steps_add(steps, wait, "renew %s %s 600000", some_epoch(random), nonce);
    } else if (choice < 4) {
        pm_steps_add(steps, wait, "release %s %s", some_epoch(random), nonce);
    } else if (choice < 5) {
        pm_add_confirm(steps, random, state, wait);
    } else if (choice < 6) {
        pm_add_rotate(steps, random, state, wait);
    } else {
        static const char *const kinds[] = {"reload", "reload",     "remember",
                                            "return", "set-back 3", "set-back 5000"};
        pm_steps_add(steps, wait, "%s", kinds[pm_below(random, 6)]);
    }
}
