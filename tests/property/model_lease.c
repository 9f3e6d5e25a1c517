/* model_lease.c - acquire renew release confirm rotate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

#define NUMBER_MAX INT64_C(9007199254740991)

static void coordinator_event(const struct pm_state *state, struct pm_outcome *outcome,
                              const char *event, const char *id, long long epoch) {
    pm_publish(outcome, "events:coordinator",
               json_pack("{s:s+, s:s, s:I, s:I}", "event", "coordinator.", event, "id", id, "epoch",
                         (json_int_t)epoch, "at", (json_int_t)state->now));
}

#define TICKS 1000
#define AHEAD_MS 20000

/* The last digits of an epoch. */
static long long digits(const char *nonce) {
    unsigned sum = 0;
    for (const char *at = nonce; *at != '\0'; at++)
        sum = (sum * 31 + (unsigned char)*at) % TICKS;
    return sum;
}

static long long most(long long a, long long b) {
    return a > b ? a : b;
}

static bool is_confirmed(const struct pm_state *state) {
    return state->generation != NULL && pm_same(state->generation, state->confirmed);
}

void pm_op_acquire(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                   struct pm_outcome *outcome) {
    const char *id = pm_argument(call, 0);
    const char *nonce = pm_argument(call, 1);
    const char *advertise = pm_argument(call, 4);
    const char *run = call->count > 6 ? pm_argument(call, 6) : NULL;
    char lease[512] = "";
    (void)seen;
    pm_check_id(outcome, id);
    pm_check_id(outcome, nonce);
    long long ttl = pm_check_number(outcome, pm_argument(call, 2), 1, 3600000);
    long long floor = pm_check_number(outcome, pm_argument(call, 3), 0, NUMBER_MAX);
    if (outcome->refusals != 0)
        return;
    bool stands = pm_lease_stands(state);
    if (stands)
        snprintf(lease, sizeof lease, "%s/%s/%lld/%lld/%s", state->holder, state->nonce,
                 state->lease_epoch, state->renewals, state->advertise);
    bool own = stands && pm_same(state->holder, id) && pm_same(state->nonce, nonce);
    if (stands && !own && strcmp(lease, pm_argument(call, 5)) != 0) {
        outcome->reply = json_pack("{s:b, s:s, s:I}", "acquired", false, "holder", lease, "ttl",
                                   (json_int_t)(state->lease_until - state->now));
        return;
    }
    if (!own) {
        bool other = run != NULL && !pm_same(run, state->run);
        if (state->epoch == 0 || state->epoch + 1 < floor || other) {
            state->confirmed = NULL;
            state->run = other ? state->run : NULL;
        }
        if (is_confirmed(state))
            state->epoch = most(state->epoch + 1, state->now * TICKS + digits(nonce));
        else
            state->epoch = most(most((state->now + AHEAD_MS) * TICKS, state->epoch), floor) + 1 +
                           digits(nonce);
        state->holder = pm_keep(state, id);
        state->nonce = pm_keep(state, nonce);
        state->advertise = pm_keep(state, advertise);
        state->lease_epoch = state->epoch;
        state->renewals = 0;
        state->lease_until = state->now + ttl;
        coordinator_event(state, outcome, "elected", id, state->epoch);
    }
    outcome->reply =
        json_pack("{s:b, s:I, s:s?, s:s?, s:b, s:I}", "acquired", true, "epoch",
                  (json_int_t)state->lease_epoch, "generation", state->generation, "run",
                  state->run, "confirmed", is_confirmed(state), "now", (json_int_t)state->now);
}

static void check_own_lease(const struct pm_state *state, struct pm_outcome *outcome,
                            const struct pm_call *call) {
    const char *nonce = pm_argument(call, 1);
    pm_check_id(outcome, nonce);
    pm_check_fence(state, outcome, pm_argument(call, 0));
    if (!pm_same(state->nonce, nonce))
        pm_refuse(outcome, MUSTER_STALE_EPOCH);
}

void pm_op_renew(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                 struct pm_outcome *outcome) {
    (void)seen;
    check_own_lease(state, outcome, call);
    long long ttl = pm_check_number(outcome, pm_argument(call, 2), 1, 3600000);
    if (outcome->refusals != 0)
        return;
    state->renewals++;
    state->lease_until = state->now + ttl;
    outcome->reply = json_pack("{s:I, s:I, s:b, s:I}", "epoch", (json_int_t)state->lease_epoch,
                               "renewals", (json_int_t)state->renewals, "confirmed",
                               is_confirmed(state), "now", (json_int_t)state->now);
}

void pm_op_release(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                   struct pm_outcome *outcome) {
    (void)seen;
    check_own_lease(state, outcome, call);
    if (outcome->refusals != 0)
        return;
    coordinator_event(state, outcome, "released", state->holder, state->lease_epoch);
    state->holder = NULL;
    outcome->reply = json_pack("{s:b}", "released", true);
}

static long long setting(struct pm_outcome *outcome, const json_t *object, const char *name,
                         long long least) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < least)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    return json_integer_value(value);
}

/* Checks all, and takes it over when the call is not to be refused for other reasons either. */
static void take_settings(struct pm_state *state, struct pm_outcome *outcome,
                          const char *generation, const char *run, const char *text) {
    pm_check_object(outcome, text, 4096);
    json_t *object = json_loads(text, 0, NULL);
    long long heartbeat = setting(outcome, object, "heartbeat_ms", 1);
    long long suspect = setting(outcome, object, "suspect_after_ms", 1);
    long long grace = setting(outcome, object, "resume_grace_ms", 0);
    long long profile = setting(outcome, object, "profile", 2);
    long long sessions = setting(outcome, object, "sessions_per_connection", 1);
    long long away = setting(outcome, object, "grace_ms", 0);
    json_decref(object);
    if (outcome->refusals != 0)
        return;
    state->heartbeat_ms = heartbeat;
    state->suspect_after_ms = suspect;
    state->resume_grace_ms = grace;
    state->grace_limit = away;
    state->profile_limit = profile;
    state->sessions_limit = sessions;
    state->generation = pm_keep(state, generation);
    state->run = pm_keep(state, run);
    state->confirmed = state->generation;
}

void pm_op_confirm(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                   struct pm_outcome *outcome) {
    const char *generation = pm_argument(call, 1);
    (void)seen;
    pm_check_id(outcome, generation);
    pm_check_id(outcome, pm_argument(call, 2));
    pm_check_fence(state, outcome, pm_argument(call, 0));
    if (!pm_same(state->generation, generation))
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
    long long heartbeat_ms = state->heartbeat_ms;
    take_settings(state, outcome, generation, pm_argument(call, 2), pm_argument(call, 3));
    if (outcome->refusals != 0)
        return;
    if (state->heartbeat_ms != heartbeat_ms)
        pm_publish(outcome, "events:coordinator",
                   json_pack("{s:s, s:I}", "event", "survey", "at", (json_int_t)state->now));
    outcome->reply = json_pack("{s:s, s:b}", "generation", generation, "confirmed", true);
}

void pm_op_rotate(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
                  struct pm_outcome *outcome) {
    const char *generation = pm_argument(call, 1);
    (void)seen;
    pm_check_id(outcome, generation);
    pm_check_id(outcome, pm_argument(call, 3));
    pm_check_fence(state, outcome, pm_argument(call, 0));
    long long floor = pm_check_number(outcome, pm_argument(call, 2), 0, NUMBER_MAX / TICKS);
    take_settings(state, outcome, generation, pm_argument(call, 3), pm_argument(call, 4));
    if (outcome->refusals != 0)
        return;
    state->must_rotate = false;
    state->clock = state->clock < floor ? floor : state->clock;
    state->clock = state->clock < state->now ? state->now : state->clock;
    state->epoch = most(state->epoch, floor * TICKS);
    pm_publish(outcome, "events:coordinator",
               json_pack("{s:s, s:s, s:I, s:I}", "event", "generation.changed", "generation",
                         generation, "epoch", (json_int_t)state->lease_epoch, "at",
                         (json_int_t)state->now));
    outcome->reply = json_pack("{s:s, s:I, s:I}", "generation", generation, "clock",
                               (json_int_t)state->clock, "epoch", (json_int_t)state->epoch);
}
