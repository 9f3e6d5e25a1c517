/* model_quota.c - who holds how much, by counting. */
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

struct pm_held pm_held(const struct pm_state *state, const char *holder) {
    struct pm_held held = {0};
    for (size_t i = 0; i < state->record_count; i++) {
        const struct pm_record *record = &state->records[i];
        if (record->connection == NULL || record->holder == NULL ||
            !pm_same(record->holder, holder))
            continue;
        held.connections += record->passed_on ? 0 : 1;
        held.sessions += (long long)record->session_count;
    }
    return held;
}

static bool exceeds(long long before, long long after, long long bound) {
    return bound != 0 && after > before && after > bound;
}

void pm_check_quota(const struct pm_state *before, const struct pm_state *after,
                    struct pm_outcome *outcome, const struct pm_options *options) {
    if (options->holder == NULL)
        return;
    struct pm_held had = pm_held(before, options->holder);
    struct pm_held has = pm_held(after, options->holder);
    if (exceeds(had.connections, has.connections, options->most_connections) ||
        exceeds(had.sessions, has.sessions, options->most_sessions))
        pm_refuse(outcome, MUSTER_RATE_LIMITED);
}

/* The option `quota`; false when it is none. */
bool pm_take_quota(struct pm_state *state, struct pm_outcome *outcome, struct pm_options *options,
                   const json_t *value) {
    const json_t *holder = json_object_get(value, "holder");
    const char *name;
    json_t *bound;
    if (!json_is_string(holder))
        return false;
    options->holder = pm_keep(state, json_string_value(holder));
    pm_check_id(outcome, options->holder);
    json_object_foreach((json_t *)(uintptr_t)value, name, bound) {
        long long *most = strcmp(name, "connections") == 0 ? &options->most_connections
                          : strcmp(name, "sessions") == 0  ? &options->most_sessions
                                                           : NULL;
        if (strcmp(name, "holder") == 0)
            continue;
        if (most == NULL || !pm_whole_number(bound, 1, INT64_C(4294967295), most))
            return false;
    }
    return true;
}
