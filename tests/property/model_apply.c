/* model_apply.c - which function is which, how many arguments each takes, and what all share. */
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

struct entry {
    const char *function;
    size_t least;
    size_t most;
    pm_operation *run;
    bool unconfirmed; /* served before the data is confirmed */
    size_t options;   /* which argument holds options with a quota; 0: none does */
};

static const struct entry table[] = {
    {"start", 2, 3, pm_op_start, false, 0},
    {"heartbeat", 2, 2, pm_op_heartbeat, false, 0},
    {"stop", 2, 2, pm_op_stop, false, 0},
    {"drain", 3, 4, pm_op_drain, false, 0},
    {"order", 2, 4, pm_op_order, false, 0},
    {"register", 3, 5, pm_op_register, false, 3},
    {"update", 4, 4, pm_op_update, false, 0},
    {"unregister", 3, 3, pm_op_unregister, false, 0},
    {"touch", 3, PM_ARGUMENTS, pm_op_touch, false, 0},
    {"disconnect", 3, 4, pm_op_disconnect, false, 0},
    {"resume", 6, 8, pm_op_resume, false, 6},
    {"enter", 4, 6, pm_op_enter, false, 4},
    {"join", 4, 5, pm_op_join, false, 4},
    {"leave", 4, 4, pm_op_leave, false, 0},
    {"kick", 2, 3, pm_op_kick, false, 0},
    {"promote", 2, 3, pm_op_promote, false, 0},
    {"configure", 2, 3, pm_op_configure, false, 0},
    {"acquire", 4, 7, pm_op_acquire, true, 0},
    {"renew", 3, 3, pm_op_renew, true, 0},
    {"release", 2, 2, pm_op_release, true, 0},
    {"confirm", 4, 4, pm_op_confirm, true, 0},
    {"rotate", 5, 5, pm_op_rotate, true, 0},
    {"beats", 3, PM_ARGUMENTS, pm_op_beats, false, 0},
    {"suspect", 4, 5, pm_op_suspect, false, 0},
    {"bury", 5, 6, pm_op_bury, false, 0},
    {"move", 4, 4, pm_op_move, false, 0},
    {"elect", 3, 3, pm_op_elect, false, 0},
    {"sweep", 3, 5, pm_op_sweep, false, 0},
    {"reap", 4, 4, pm_op_reap, false, 0},
    {"expire", 2, 2, pm_op_expire, false, 0},
};

/* Done, and undone again if it gave the holder of its quota too much. */
static void run_bounded(const struct entry *entry, struct pm_state *state,
                        const struct pm_call *call, const struct pm_seen *seen,
                        struct pm_outcome *outcome) {
    struct pm_state *before = malloc(sizeof *before);
    struct pm_outcome ignored = {0};
    if (before == NULL)
        abort();
    *before = *state;
    entry->run(state, call, seen, outcome);
    if (outcome->refusals == 0) {
        struct pm_options options =
            pm_check_options(state, &ignored, pm_argument(call, entry->options),
                             " user ttl resume priority lead limit exclusive quota ");
        pm_check_quota(before, state, outcome, &options);
    }
    if (outcome->refusals != 0) {
        uint64_t refusals = outcome->refusals;
        *state = *before;
        pm_outcome_clear(outcome);
        outcome->refusals = refusals;
    }
    free(before);
}

void pm_apply(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
              struct pm_outcome *outcome) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct entry *entry = &table[i];
        if (strcmp(entry->function, call->function) != 0)
            continue;
        pm_check_count(outcome, call, entry->least, entry->most);
        if (!entry->unconfirmed)
            pm_check_serving(state, outcome);
        if (outcome->refusals != 0)
            return;
        if (entry->options != 0 && pm_argument(call, entry->options)[0] != '\0')
            run_bounded(entry, state, call, seen, outcome);
        else
            entry->run(state, call, seen, outcome);
        return;
    }
}
