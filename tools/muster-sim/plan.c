#include "plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct mu_plan {
    struct mu_plan_options options; /* its strings are owned */
    uint32_t *sessions;             /* connections * joins */
    struct mu_plan_place *places;   /* the same, ordered by session */
    size_t *first;                  /* sessions + 1: where the places of a session begin */
};

uint64_t mu_plan_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number that depends on seed, instance, connection and purpose alone. */
static uint64_t draw(const struct mu_plan *plan, uint32_t connection, uint32_t purpose) {
    uint64_t state = plan->options.seed;
    for (const char *at = plan->options.instance; *at; at++) {
        state ^= (uint64_t)(unsigned char)*at;
        state = mu_plan_random(&state);
    }
    state ^= ((uint64_t)purpose << 32) | connection;
    return mu_plan_random(&state);
}

static uint32_t common_divisor(uint32_t a, uint32_t b) {
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The first session is drawn, the others follow at a stride that visits every session once. */
static void assign(struct mu_plan *plan, uint32_t connection) {
    uint32_t sessions = plan->options.sessions;
    uint32_t at = (uint32_t)(draw(plan, connection, 1) % sessions);
    uint32_t stride = sessions > 1 ? 1 + (uint32_t)(draw(plan, connection, 2) % (sessions - 1)) : 1;
    while (common_divisor(stride, sessions) != 1)
        stride++;
    for (uint32_t slot = 0; slot < plan->options.joins; slot++) {
        plan->sessions[(size_t)connection * plan->options.joins + slot] = at;
        at = (uint32_t)(((uint64_t)at + stride) % sessions);
    }
}

static void order_by_session(struct mu_plan *plan) {
    size_t total = (size_t)plan->options.connections * plan->options.joins;
    plan->places = mu_calloc(total ? total : 1, sizeof *plan->places);
    plan->first = mu_calloc((size_t)plan->options.sessions + 2, sizeof *plan->first);
    for (size_t i = 0; i < total; i++)
        plan->first[plan->sessions[i] + 2]++;
    for (size_t i = 2; i <= (size_t)plan->options.sessions + 1; i++)
        plan->first[i] += plan->first[i - 1];
    for (size_t i = 0; i < total; i++) {
        size_t at = plan->first[plan->sessions[i] + 1]++;
        plan->places[at].connection = (uint32_t)(i / plan->options.joins);
        plan->places[at].slot = (uint32_t)(i % plan->options.joins);
    }
}

struct mu_plan *mu_plan_create(const struct mu_plan_options *options) {
    struct mu_plan *plan = mu_calloc(1, sizeof *plan);
    plan->options = *options;
    plan->options.instance = mu_strdup(options->instance);
    plan->options.prefix = mu_strdup(options->prefix);
    plan->options.session_prefix = mu_strdup(options->session_prefix);
    size_t total = (size_t)options->connections * options->joins;
    plan->sessions = mu_calloc(total ? total : 1, sizeof *plan->sessions);
    for (uint32_t i = 0; i < options->connections; i++)
        assign(plan, i);
    order_by_session(plan);
    return plan;
}

void mu_plan_destroy(struct mu_plan **plan) {
    if (!*plan)
        return;
    free((char *)(uintptr_t)(*plan)->options.instance);
    free((char *)(uintptr_t)(*plan)->options.prefix);
    free((char *)(uintptr_t)(*plan)->options.session_prefix);
    free((*plan)->sessions);
    free((*plan)->places);
    free((*plan)->first);
    free(*plan);
    *plan = NULL;
}

uint32_t mu_plan_connections(const struct mu_plan *plan) {
    return plan->options.connections;
}

uint32_t mu_plan_sessions(const struct mu_plan *plan) {
    return plan->options.sessions;
}

uint32_t mu_plan_joins(const struct mu_plan *plan) {
    return plan->options.joins;
}

uint32_t mu_plan_session(const struct mu_plan *plan, uint32_t connection, uint32_t slot) {
    return plan->sessions[(size_t)connection * plan->options.joins + slot];
}

const struct mu_plan_place *mu_plan_places(const struct mu_plan *plan, uint32_t session,
                                           size_t *count) {
    *count = plan->first[session + 1] - plan->first[session];
    return plan->places + plan->first[session];
}

void mu_plan_connection_id(const struct mu_plan *plan, uint32_t connection, char out[MU_ID_SIZE]) {
    if (plan->options.shared_ids)
        snprintf(out, MU_ID_SIZE, "%.100s%" PRIu32, plan->options.prefix, connection + 1);
    else
        snprintf(out, MU_ID_SIZE, "%.100s-%" PRIu32, plan->options.instance, connection + 1);
}

void mu_plan_session_id(const struct mu_plan *plan, uint32_t session, char out[MU_ID_SIZE]) {
    snprintf(out, MU_ID_SIZE, "%.100s%" PRIu32, plan->options.session_prefix, session + 1);
}

/* Reads the number at the end of `id` behind `prefix` and `separator` as an index below `bound`. */
static bool find(const char *id, const char *prefix, const char *separator, uint32_t bound,
                 uint32_t *index) {
    size_t length = strlen(prefix);
    if (strncmp(id, prefix, length) != 0)
        return false;
    id += length;
    length = strlen(separator);
    if (strncmp(id, separator, length) != 0)
        return false;
    id += length;
    if (*id < '1' || *id > '9')
        return false;
    uint64_t number = 0;
    for (; *id >= '0' && *id <= '9' && number <= bound; id++)
        number = number * 10 + (uint64_t)(*id - '0');
    if (*id || number > bound)
        return false;
    *index = (uint32_t)(number - 1);
    return true;
}

bool mu_plan_find_connection(const struct mu_plan *plan, const char *id, uint32_t *connection) {
    bool shared = plan->options.shared_ids;
    return find(id, shared ? plan->options.prefix : plan->options.instance, shared ? "" : "-",
                plan->options.connections, connection);
}

bool mu_plan_find_session(const struct mu_plan *plan, const char *id, uint32_t *session) {
    return find(id, plan->options.session_prefix, "", plan->options.sessions, session);
}

bool mu_plan_user(const struct mu_plan *plan, uint32_t connection, char out[MU_ID_SIZE]) {
    if (!plan->options.users)
        return false;
    uint64_t user = draw(plan, connection, 3) % plan->options.users;
    snprintf(out, MU_ID_SIZE, "u%" PRIu64, user + 1);
    return true;
}

static void must(bool appended) {
    if (!appended)
        abort(); /* the buffers of this program have no limit */
}

void mu_plan_call_options(const struct mu_plan *plan, uint32_t connection, bool with_user,
                          struct mu_buffer *out) {
    mu_buffer_clear(out);
    char user[MU_ID_SIZE];
    if (with_user && mu_plan_user(plan, connection, user))
        must(mu_buffer_printf(out, "{\"user\":\"%s\"", user));
    int range = plan->options.priority_max - plan->options.priority_min + 1;
    int priority = plan->options.priority_min;
    if (range > 1)
        priority += (int)(draw(plan, connection, 4) % (uint64_t)range);
    if (priority)
        must(mu_buffer_printf(out, "%s\"priority\":%d", out->length ? "," : "{", priority));
    if (!plan->options.lead)
        must(mu_buffer_printf(out, "%s\"lead\":false", out->length ? "," : "{"));
    if (out->length)
        must(mu_buffer_append_text(out, "}"));
    else
        must(mu_buffer_append_text(out, ""));
}

void mu_plan_profile(const struct mu_plan *plan, uint32_t connection, uint32_t version,
                     struct mu_buffer *out) {
    mu_buffer_clear(out);
    must(mu_buffer_append_text(out, ""));
    if (!plan->options.profile_bytes)
        return;
    must(mu_buffer_printf(out, "{\"n\":%" PRIu32 ",\"v\":%" PRIu32, connection + 1, version));
    size_t frame = strlen(",\"pad\":\"\"}");
    if (out->length + frame < plan->options.profile_bytes) {
        must(mu_buffer_append_text(out, ",\"pad\":\""));
        while (out->length + 2 < plan->options.profile_bytes)
            must(mu_buffer_append_text(out, "x"));
        must(mu_buffer_append_text(out, "\""));
    }
    must(mu_buffer_append_text(out, "}"));
}
