/* model_instances.c - START HEARTBEAT STOP, and the verdicts on instances. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

enum { WHY_MAX_BYTES = 512 };

static json_t *start_reply(const struct pm_state *state, const char *id, const char *incarnation) {
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:I}", "instance", id, "incarnation", incarnation,
                     "state", "up", "epoch", (json_int_t)state->epoch, "generation",
                     state->generation, "heartbeat_ms", (json_int_t)state->heartbeat_ms);
}

void pm_op_start(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *incarnation = pm_argument(call, 1);
    const char *meta = pm_argument(call, 2);
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, incarnation);
    pm_check_object(outcome, meta, state->profile_limit);
    if (pm_is_buried(state, id, incarnation))
        pm_refuse(outcome, MUSTER_STALE_INCARNATION);
    if (outcome->refusals != 0)
        return;
    struct pm_instance *instance = pm_instance(state, id);
    if (instance != NULL && pm_same(instance->incarnation, incarnation)) {
        pm_heard(state, outcome, instance);
        outcome->reply = start_reply(state, id, incarnation);
        return;
    }
    if (instance != NULL) {
        const char *old = instance->incarnation;
        size_t connections = pm_bury(state, instance, "instance-restarted");
        pm_instance_event(state, outcome, "dead", id, old, connections, "instance-restarted");
    }
    if (state->instance_count == PM_INSTANCES)
        abort();
    state->instances[state->instance_count++] = (struct pm_instance){
        .id = pm_keep(state, id),
        .incarnation = pm_keep(state, incarnation),
        .meta = meta[0] == '\0' ? NULL : pm_keep(state, meta),
        .started_at = state->now,
        .score = state->now,
        .alive_until = state->now + state->suspect_after_ms,
    };
    pm_instance_event(state, outcome, "started", id, incarnation, 0, NULL);
    outcome->reply = start_reply(state, id, incarnation);
}

void pm_op_heartbeat(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                     struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *incarnation = pm_argument(call, 1);
    (void)seen;
    struct pm_instance *instance = pm_check_own(state, outcome, id, incarnation);
    if (outcome->refusals != 0)
        return;
    pm_heard(state, outcome, instance);
    pm_publish(outcome, "heartbeat",
               json_pack("{s:s, s:s}", "instance", id, "incarnation", incarnation));
    outcome->reply =
        json_pack("{s:s, s:s, s:b, s:I, s:s, s:I}", "instance", id, "state", "up", "draining",
                  instance->draining, "epoch", (json_int_t)state->epoch, "generation",
                  state->generation, "heartbeat_ms", (json_int_t)state->heartbeat_ms);
}

void pm_op_stop(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *incarnation = pm_argument(call, 1);
    size_t connections = 0;
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, incarnation);
    if (!pm_live(state, id, incarnation) && pm_is_buried(state, id, incarnation)) {
        /* The end that was asked for is there. */
        connections = pm_record_total(state, id, incarnation);
    } else {
        struct pm_instance *instance = pm_check_own(state, outcome, id, incarnation);
        if (outcome->refusals != 0)
            return;
        connections = pm_bury(state, instance, "instance-stopped");
        pm_instance_event(state, outcome, "stopped", id, incarnation, connections,
                          "instance-stopped");
    }
    outcome->reply = json_pack("{s:s, s:b, s:I}", "instance", id, "stopped", true, "connections",
                               (json_int_t)connections);
}

/* ---- verdicts ---- */

void pm_op_beats(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    json_int_t beats = 0;
    (void)seen;
    pm_check_fence(state, outcome, pm_argument(call, 0));
    if (call->count % 2 == 0)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    for (size_t i = 1; i < call->count; i++)
        pm_check_id(outcome, call->arguments[i]);
    if (outcome->refusals != 0)
        return;
    json_t *up = json_array();
    json_t *unknown = json_array();
    for (size_t i = 1; i < call->count; i += 2) {
        const char *id = call->arguments[i];
        if (!pm_live(state, id, call->arguments[i + 1])) {
            json_array_append_new(unknown, json_string(id));
            continue;
        }
        beats++;
        if (pm_heard(state, outcome, pm_instance(state, id)))
            json_array_append_new(up, json_string(id));
    }
    outcome->reply = json_pack("{s:I, s:o, s:o}", "beats", beats, "up", up, "unknown", unknown);
}

/* The instance that a verdict is about, still as silent as it was seen. */
static struct pm_instance *check_silent(struct pm_state *state, const struct pm_call *call,
                                        struct pm_outcome *outcome) {
    pm_check_fence(state, outcome, pm_argument(call, 0));
    struct pm_instance *instance =
        pm_check_own(state, outcome, pm_argument(call, 1), pm_argument(call, 2));
    long long score = pm_check_number(outcome, pm_argument(call, 3), 0, INT64_C(9007199254740991));
    if (instance != NULL && instance->score != score)
        pm_refuse(outcome, MUSTER_ALIVE);
    return instance;
}

void pm_op_suspect(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                   struct pm_outcome *outcome) {
    (void)seen;
    struct pm_instance *instance = check_silent(state, call, outcome);
    pm_check_object(outcome, pm_argument(call, 4), WHY_MAX_BYTES);
    if (outcome->refusals != 0)
        return;
    if (!instance->suspect) {
        instance->suspect = true;
        pm_instance_event(state, outcome, "suspect", instance->id, instance->incarnation,
                          pm_record_total(state, instance->id, instance->incarnation), NULL);
    }
    outcome->reply =
        json_pack("{s:s, s:s, s:I}", "instance", instance->id, "state", "suspect", "leads",
                  (json_int_t)pm_led_by(state, instance->id, instance->incarnation));
}

void pm_op_bury(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                struct pm_outcome *outcome) {
    (void)seen;
    struct pm_instance *instance = check_silent(state, call, outcome);
    const char *reason = pm_argument(call, 4);
    pm_check_object(outcome, pm_argument(call, 5), WHY_MAX_BYTES);
    if (strcmp(reason, "instance-dead") != 0)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    if (outcome->refusals != 0)
        return;
    const char *id = instance->id;
    const char *incarnation = instance->incarnation;
    size_t leads = pm_led_by(state, id, incarnation);
    size_t connections = pm_bury(state, instance, reason);
    pm_instance_event(state, outcome, "dead", id, incarnation, connections, reason);
    outcome->reply =
        json_pack("{s:s, s:s, s:b, s:I, s:I}", "instance", id, "incarnation", incarnation, "buried",
                  true, "connections", (json_int_t)connections, "leads", (json_int_t)leads);
}
