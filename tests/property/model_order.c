/* model_order.c - what an operator orders. */
#include <string.h>

#include "property/model_internal.h"

static void tell(struct pm_outcome *outcome, const char *order, const char *by, json_t *rest) {
    json_t *payload = json_pack("{s:s, s:s, s:s}", "signal", "order", "order", order, "by", by);
    json_object_update(payload, rest);
    json_decref(rest);
    pm_publish(outcome, "signal", payload);
}

static json_t *bury(struct pm_state *state, struct pm_outcome *outcome,
                    const struct pm_call *call) {
    const char *id = pm_argument(call, 2);
    const char *incarnation = pm_argument(call, 3);
    size_t connections = 0;
    size_t leads = 0;
    if (call->count < 4) {
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
        return NULL;
    }
    if (!pm_live(state, id, incarnation) && pm_is_buried(state, id, incarnation)) {
        connections = pm_record_total(state, id, incarnation);
        leads = pm_led_by(state, id, incarnation);
    } else {
        struct pm_instance *instance = pm_check_own(state, outcome, id, incarnation);
        if (outcome->refusals != 0)
            return NULL;
        leads = pm_led_by(state, id, incarnation);
        connections = pm_bury(state, instance, "instance-dead");
        pm_instance_event(state, outcome, "dead", id, incarnation, connections, "instance-dead");
        tell(outcome, "bury", pm_argument(call, 0),
             json_pack("{s:s, s:s}", "instance", id, "incarnation", incarnation));
    }
    return json_pack("{s:s, s:s, s:I, s:I}", "instance", id, "incarnation", incarnation,
                     "connections", (json_int_t)connections, "leads", (json_int_t)leads);
}

static json_t *reap(struct pm_state *state, struct pm_outcome *outcome,
                    const struct pm_call *call) {
    const char *id = call->count > 2 ? pm_argument(call, 2) : NULL;
    json_int_t ghosts = 0;
    for (size_t i = 0; i < state->ghost_count; i++) {
        struct pm_ghost *ghost = &state->ghosts[i];
        if (ghost->due > state->now && (id == NULL || strcmp(ghost->id, id) == 0)) {
            ghost->due = state->now;
            ghosts++;
        }
    }
    if (ghosts > 0 && id != NULL)
        tell(outcome, "reap", pm_argument(call, 0),
             json_pack("{s:s, s:I}", "instance", id, "ghosts", ghosts));
    else if (ghosts > 0)
        tell(outcome, "reap", pm_argument(call, 0), json_pack("{s:I}", "ghosts", ghosts));
    return json_pack("{s:I, s:b}", "ghosts", ghosts, "more", 0);
}

/* There are no daemons here who could take over. */
static json_t *step_down(struct pm_state *state, struct pm_outcome *outcome,
                         const struct pm_call *call) {
    if (!pm_lease_stands(state) || call->count < 3 ||
        strcmp(pm_argument(call, 2), state->holder) == 0) {
        pm_refuse(outcome, MUSTER_UNAVAILABLE);
        return NULL;
    }
    return json_pack("{s:s, s:I, s:b}", "coordinator", state->holder, "epoch",
                     (json_int_t)state->lease_epoch, "told", 0);
}

void pm_op_order(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    static const struct {
        const char *order;
        size_t most;
    } orders[] = {
        {"bury", 4}, {"reap", 3}, {"brake-release", 2}, {"step-down", 3}, {"flush-decisions", 2}};
    const char *by = pm_argument(call, 0);
    const char *order = pm_argument(call, 1);
    size_t index = 0;
    json_t *rest = NULL;
    (void)seen;
    while (index < 5 && strcmp(orders[index].order, order) != 0)
        index++;
    if (by[0] == '\0' || strlen(by) > 400 || index == 5 || call->count > orders[index].most)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    for (size_t i = 2; i < call->count; i++)
        pm_check_id(outcome, pm_argument(call, i));
    if (outcome->refusals != 0)
        return;
    if (index == 0) {
        rest = bury(state, outcome, call);
    } else if (index == 1) {
        rest = reap(state, outcome, call);
    } else if (index == 2) {
        rest = json_pack("{s:b}", "engaged", 0);
    } else if (index == 3) {
        rest = step_down(state, outcome, call);
    } else {
        tell(outcome, order, by, json_object());
        rest = json_pack("{s:I}", "daemons", (json_int_t)1); /* it is we who listen */
    }
    if (rest == NULL)
        return;
    outcome->reply = json_pack("{s:s}", "order", order);
    json_object_update(outcome->reply, rest);
    json_decref(rest);
}
