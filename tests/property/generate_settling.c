/* generate_settling.c - what a coordinator does until nothing is left to do. */
#include <string.h>

#include "property/generate.h"

static bool has_work(struct pm_state *state, const struct pm_session *session) {
    if (session->leader != NULL)
        return false;
    for (size_t i = 0; i < session->count; i++)
        if (pm_eligible(state, &session->members[i]))
            return true;
    return false;
}

/* Leaderships of instances and ghosts that may not lead. */
static bool settle_leads(struct pm_steps *steps, struct pm_state *state) {
    for (size_t i = 0; i < state->instance_count; i++) {
        const struct pm_instance *instance = &state->instances[i];
        if ((instance->suspect || instance->draining) &&
            pm_led_by(state, instance->id, instance->incarnation) > 0) {
            pm_steps_add(steps, 0, "elect @epoch %s 512", instance->id);
            return true;
        }
    }
    for (size_t i = 0; i < state->ghost_count; i++) {
        const struct pm_ghost *ghost = &state->ghosts[i];
        if (pm_led_by(state, ghost->id, ghost->incarnation) > 0) {
            pm_steps_add(steps, 0, "elect @epoch %s:%s 512", ghost->id, ghost->incarnation);
            return true;
        }
    }
    return false;
}

bool pm_generate_settling(struct pm_steps *steps, struct pm_state *state) {
    if (steps->count > 0 && strcmp(steps->list[steps->count - 1].function, "settled") == 0)
        return false;
    if (!pm_lease_stands(state)) {
        pm_steps_add(steps, 0, "acquire node-a settling 600000 0");
        return true;
    }
    if (state->generation == NULL || !pm_same(state->generation, state->confirmed)) {
        struct pm_step *step =
            state->generation == NULL || state->must_rotate
                ? pm_steps_add(steps, 0, "rotate @epoch gen-settling @floor run-1")
                : pm_steps_add(steps, 0, "confirm @epoch %s run-1", state->generation);
        pm_step_argument(step, pm_settings);
        return true;
    }
    if (settle_leads(steps, state))
        return true;
    if (state->ghost_count > 0) {
        const struct pm_ghost *ghost = &state->ghosts[0];
        long long early = ghost->due > state->now ? ghost->due - state->now : 0;
        pm_steps_add(steps, early, "reap @epoch %s:%s @cursor:%s:%s 3", ghost->id,
                     ghost->incarnation, ghost->id, ghost->incarnation);
        return true;
    }
    for (size_t i = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection == NULL || record->ends == 0 || record->ends > state->now ||
            !pm_live(state, record->instance, record->incarnation))
            continue;
        pm_steps_add(steps, 0, "expire @epoch 64");
        return true;
    }
    for (size_t i = 0; i < state->session_count; i++) {
        if (!has_work(state, &state->sessions[i]))
            continue;
        pm_steps_add(steps, 0, "sweep @epoch 0 512");
        return true;
    }
    pm_steps_add(steps, 0, "settled");
    return true;
}
