/* generate.c - what comes next. */
#include <stdlib.h>
#include <string.h>

#include "property/generate_internal.h"

const char *const pm_settings =
    "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":40,\"profile\":200,"
    "\"sessions_per_connection\":3,\"grace_ms\":80}";

const char *const pm_slower_settings =
    "{\"heartbeat_ms\":1500,\"suspect_after_ms\":3000,\"resume_grace_ms\":40,\"profile\":200,"
    "\"sessions_per_connection\":3,\"grace_ms\":80}";

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

/* An operator's. */
static void add_order(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait) {
    struct pm_names names = pm_some_names(random, state);
    size_t choice = pm_below(random, 10);
    if (choice < 4)
        pm_steps_add(steps, wait, "order desk bury %s %s", names.instance, names.incarnation);
    else if (choice < 6)
        pm_steps_add(steps, wait, "order desk reap");
    else if (choice < 7)
        pm_steps_add(steps, wait, "order desk reap %s", names.instance);
    else if (choice < 8)
        pm_steps_add(steps, wait, "order desk step-down %s", pm_chance(random, 50) ? "d9" : "d1");
    else
        pm_steps_add(steps, wait, "order desk %s",
                     pm_chance(random, 50) ? "brake-release" : "flush-decisions");
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
        pm_add_lease(steps, random, state, wait);
        return;
    }
    if (!confirmed && pm_chance(random, 60)) {
        if (state->generation == NULL || state->must_rotate || pm_chance(random, 30))
            pm_add_rotate(steps, random, state, wait);
        else
            pm_add_confirm(steps, random, state, wait);
        return;
    }
    if (pm_chance(random, 2)) {
        add_order(steps, random, state, wait);
        return;
    }
    size_t choice = pm_below(random, 100);
    size_t before = steps->count;
    struct pm_names names = pm_some_names(random, state);
    if (pm_chance(random, 3) && pm_add_successor(steps, random, state, wait))
        return;
    if (pm_chance(random, 8) && pm_add_return(steps, random, state, wait))
        return;
    if (choice < 6 || (state->instance_count == 0 && choice < 60))
        pm_add_start(steps, random, state, wait);
    else if (choice < 9)
        pm_steps_add(steps, wait, "heartbeat %s %s", names.instance, names.incarnation);
    else if (choice < 10)
        pm_steps_add(steps, wait, "stop %s %s", names.instance, names.incarnation);
    else if (choice < 13)
        pm_add_configure(steps, random, state, wait);
    else if (choice < 25)
        pm_add_presence(steps, random, state, wait);
    else if (choice < 46)
        pm_add_entering(steps, random, state, wait);
    else if (choice < 62)
        pm_add_call_of_connection(steps, random, state, wait);
    else if (choice < 69)
        pm_add_call_on_member(steps, random, state, wait);
    else if (choice < 79)
        pm_add_verdict(steps, random, state, wait);
    else if (choice < 96)
        pm_add_slice(steps, random, state, wait);
    else
        pm_add_lease(steps, random, state, wait);
    if (steps->count == before)
        pm_steps_add(steps, wait, "heartbeat %s %s", names.instance, names.incarnation);
    if (pm_chance(random, 5))
        pm_generate_damage(steps, random);
}
