/* generate_presence.c - coming and going: DISCONNECT TOUCH RESUME DRAIN, and CONFIGURE. */
#include <stdlib.h>
#include <string.h>

#include "property/generate_internal.h"

static bool leads_something(struct pm_state *state, const struct pm_record *record) {
    for (size_t i = 0; i < record->session_count; i++) {
        const struct pm_session *session = pm_session(state, record->sessions[i]);
        if (session != NULL && pm_same(session->leader, record->connection))
            return true;
    }
    return false;
}

/* A connection takes the place of another, mostly with the right secret. */
static void add_resume(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                       long long wait) {
    struct pm_names names = pm_some_names(random, state);
    const struct pm_record *old = NULL;
    bool of_leader = pm_chance(random, 50);
    for (size_t i = 0, seen = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection != NULL && (!of_leader || leads_something(state, record)) &&
            (record->secret != NULL || pm_chance(random, 10)) && pm_below(random, ++seen) == 0)
            old = record;
    }
    if (old == NULL)
        return;
    /* A new name, or the old one at another instance or incarnation. */
    if (pm_chance(random, 55))
        snprintf(names.connection, sizeof names.connection, "c%zu", pm_below(random, 9) + 1);
    else
        snprintf(names.connection, sizeof names.connection, "%s", old->connection);
    if (pm_chance(random, 20)) {
        pm_steps_add(steps, wait, "suspect @epoch %s %s @score:%s", names.instance,
                     names.incarnation, names.instance);
        wait = 0;
    }
    const char *secret = old->secret != NULL && pm_chance(random, 88) ? old->secret : "secret-x";
    struct pm_step *step =
        pm_steps_add(steps, wait, "resume %s %s %s %s %s:%s %s", names.connection, names.instance,
                     names.incarnation, pm_chance(random, 97) ? old->connection : "c9",
                     old->instance, old->incarnation, secret);
    char quota[80];
    pm_bound_quota(random, state, old->holder, quota, sizeof quota);
    char options[160] = "";
    if (pm_chance(random, 92) && old->user != NULL)
        snprintf(options, sizeof options, "{\"user\":\"%s\"%s%s}", old->user,
                 pm_chance(random, 50) ? ",\"resume\":\"secret-y\"" : "", quota);
    else if (pm_chance(random, 30))
        snprintf(options, sizeof options, "{\"resume\":\"secret-z\"%s}", quota);
    pm_step_argument(step, options);
    if (pm_chance(random, 60))
        pm_step_argument(step, pm_random_object(random));
}

static void add_drain(struct pm_steps *steps, struct pm_random *random,
                      const struct pm_names *names, long long wait) {
    static const char *const paces[] = {
        "{\"rate\":100}",
        "{\"notice\":100,\"rate\":5}",
        "{\"rate\":5,\"notice\":150}",
        "{\"rate\":0}",
        "{\"notice\":200}",
        "{}",
        "{\"rate\":-1}",
        "{\"rates\":1}",
    };
    bool on = pm_chance(random, 60);
    struct pm_step *step = pm_steps_add(steps, wait, "drain %s %s %s", names->instance,
                                        names->incarnation, on ? "on" : "off");
    if (pm_chance(random, on ? 70 : 5))
        pm_step_argument(step, paces[pm_below(random, pm_chance(random, 75) ? 3 : 8)]);
}

void pm_add_presence(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                     long long wait) {
    static const char *const graces[] = {"0", "5", "30", "60", "999999"};
    struct pm_names names = pm_aimed_names(random, state);
    struct pm_step *step;
    size_t choice = pm_below(random, 20);
    if (choice < 7) {
        step = pm_steps_add(steps, wait, "disconnect %s %s %s", names.connection, names.instance,
                            names.incarnation);
        if (pm_chance(random, 80))
            pm_step_argument(step, graces[pm_below(random, 5)]);
    } else if (choice < 11) {
        step = pm_steps_add(steps, wait, "touch %s %s %s", names.instance, names.incarnation,
                            names.connection);
        for (size_t more = pm_below(random, 3); more > 0; more--) {
            snprintf(names.connection, sizeof names.connection, "c%zu", pm_below(random, 9) + 1);
            pm_step_argument(step, names.connection);
        }
    } else if (choice < 17) {
        add_resume(steps, random, state, wait);
    } else {
        add_drain(steps, random, &names, wait);
    }
}

void pm_add_configure(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    static const char *const settings[] = {
        "{\"keep\":true}",
        "{\"keep\":true,\"limit\":3}",
        "{\"keep\":false}",
        "{\"keep\":false}",
        "{\"limit\":2}",
        "{\"limit\":null}",
        "{}",
        "{\"limit\":4}",
    };
    struct pm_names names = pm_some_names(random, state);
    struct pm_step *step = pm_steps_add(steps, wait, "configure %s", names.session);
    pm_step_argument(step, settings[pm_below(random, sizeof settings / sizeof *settings)]);
    if (pm_chance(random, 30))
        pm_step_argument(step, pm_random_object(random));
}
