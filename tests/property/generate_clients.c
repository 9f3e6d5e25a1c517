/* generate_clients.c - calls of instances and their connections. */
#include <stdlib.h>
#include <string.h>

#include "property/generate_internal.h"

/* ---- steps of clients ---- */

/* Somebody of a dead incarnation comes back to one of its sessions: adopted, or another takes the
 * name. False when nobody is dead. */
bool pm_add_return(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
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
    if (pm_chance(random, 30)) {
        /* Its new instance is in trouble, or on its way out, already. */
        const char *incarnation = pm_instance(state, found->instance)->incarnation;
        if (pm_chance(random, 60))
            pm_steps_add(steps, wait, "suspect @epoch %s %s @score:%s", found->instance,
                         incarnation, found->instance);
        else
            pm_steps_add(steps, wait, "drain %s %s on", found->instance, incarnation);
        wait = 0;
    }
    struct pm_step *step =
        pm_steps_add(steps, wait, "enter %s %s %s %s", session, found->connection, found->instance,
                     pm_instance(state, found->instance)->incarnation);
    if (found->user != NULL && pm_chance(random, 90)) {
        char quota[80];
        char options[160];
        snprintf(options, sizeof options, "{\"user\":\"%s\"%s%s}", found->user,
                 pm_chance(random, 40) ? ",\"ttl\":70" : "",
                 pm_bound_quota(random, state, found->holder, quota, sizeof quota));
        pm_step_argument(step, options);
    } else if (pm_chance(random, 40)) {
        pm_step_argument(step, "{\"ttl\":70}");
    }
    return true;
}

bool pm_add_successor(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    const struct pm_record *found = NULL;
    for (size_t i = 0, seen = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection != NULL && record->ends > state->now + wait &&
            !pm_live(state, record->instance, record->incarnation) &&
            pm_instance(state, record->instance) != NULL && pm_below(random, ++seen) == 0)
            found = record;
    }
    if (found == NULL)
        return false;
    struct pm_step *step =
        pm_steps_add(steps, wait, "register %s %s %s", found->connection, found->instance,
                     pm_instance(state, found->instance)->incarnation);
    pm_step_argument(step, "{\"ttl\":90}");
    pm_steps_add(steps, found->ends - state->now - wait, "expire @epoch 64");
    return true;
}

void pm_add_start(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                  long long wait) {
    struct pm_names names = pm_some_names(random, state);
    snprintf(names.instance, sizeof names.instance, "i%zu",
             pm_below(random, PM_SOME_INSTANCES) + 1);
    const char *old = pm_dead_incarnation(random, state, names.instance);
    if (old != NULL && pm_chance(random, 15))
        snprintf(names.incarnation, sizeof names.incarnation, "%s", old);
    else if (pm_instance(state, names.instance) == NULL || pm_chance(random, 50))
        pm_fresh_incarnation(state, names.instance, names.incarnation, sizeof names.incarnation);
    struct pm_step *step =
        pm_steps_add(steps, wait, "start %s %s", names.instance, names.incarnation);
    if (pm_chance(random, 20))
        pm_step_argument(step, pm_random_object(random));
}

void pm_add_entering(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                     long long wait) {
    struct pm_names names =
        pm_chance(random, 65) ? pm_some_names(random, state) : pm_aimed_names(random, state);
    struct pm_step *step = pm_steps_add(steps, wait, "enter %s %s %s %s", names.session,
                                        names.connection, names.instance, names.incarnation);
    if (pm_chance(random, 70))
        pm_add_options(random, step, names.connection, true, true);
    if (step->count == 5 && pm_chance(random, 30))
        pm_step_argument(step, pm_random_object(random));
}

void pm_add_call_of_connection(struct pm_steps *steps, struct pm_random *random,
                               struct pm_state *state, long long wait) {
    struct pm_names names = pm_aimed_names(random, state);
    struct pm_step *step;
    switch (pm_below(random, 9)) {
    case 0:
    case 1:
        step = pm_steps_add(steps, wait, "register %s %s %s", names.connection, names.instance,
                            names.incarnation);
        if (pm_chance(random, 60))
            pm_add_options(random, step, names.connection, true, false);
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
            snprintf(names.session, sizeof names.session, "s%zu",
                     pm_below(random, PM_SOME_SESSIONS) + 1);
        step = pm_steps_add(steps, wait, "join %s %s %s %s", names.session, names.connection,
                            names.instance, names.incarnation);
        if (pm_chance(random, 50))
            pm_add_options(random, step, names.connection, false, true);
        break;
    }
}

void pm_add_call_on_member(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                           long long wait) {
    struct pm_names names = pm_aimed_names(random, state);
    struct pm_step *step;
    if (pm_chance(random, 40)) {
        step = pm_steps_add(steps, wait, "kick %s %s", names.session, names.connection);
        if (pm_chance(random, 40))
            pm_step_argument(step,
                             pm_chance(random, 50) ? "spam \"and\" more" : "gr\xc3\xbc\xc3\x9f");
        return;
    }
    step = pm_steps_add(steps, wait, "promote %s %s", names.session, names.connection);
    if (pm_chance(random, 40)) {
        char term[24];
        snprintf(term, sizeof term, "@term%s:%s", pm_chance(random, 50) ? "-" : "", names.session);
        pm_step_argument(step, term);
    }
}
