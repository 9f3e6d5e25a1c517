/* model_apply.c - which function is which, how many arguments each takes, and what all share. */
#include <string.h>

#include "property/model_internal.h"

struct entry {
    const char *function;
    size_t least;
    size_t most;
    pm_operation *run;
    bool unconfirmed; /* served before the data is confirmed */
};

static const struct entry table[] = {
    {"start", 2, 3, pm_op_start, false},
    {"heartbeat", 2, 2, pm_op_heartbeat, false},
    {"stop", 2, 2, pm_op_stop, false},
    {"drain", 3, 3, pm_op_drain, false},
    {"register", 3, 5, pm_op_register, false},
    {"update", 4, 4, pm_op_update, false},
    {"unregister", 3, 3, pm_op_unregister, false},
    {"touch", 3, PM_ARGUMENTS, pm_op_touch, false},
    {"disconnect", 3, 4, pm_op_disconnect, false},
    {"resume", 6, 8, pm_op_resume, false},
    {"enter", 4, 6, pm_op_enter, false},
    {"join", 4, 5, pm_op_join, false},
    {"leave", 4, 4, pm_op_leave, false},
    {"kick", 2, 3, pm_op_kick, false},
    {"promote", 2, 3, pm_op_promote, false},
    {"configure", 2, 3, pm_op_configure, false},
    {"acquire", 4, 6, pm_op_acquire, true},
    {"renew", 3, 3, pm_op_renew, true},
    {"release", 2, 2, pm_op_release, true},
    {"confirm", 4, 4, pm_op_confirm, true},
    {"rotate", 5, 5, pm_op_rotate, true},
    {"beats", 3, PM_ARGUMENTS, pm_op_beats, false},
    {"suspect", 4, 4, pm_op_suspect, false},
    {"bury", 5, 5, pm_op_bury, false},
    {"elect", 3, 3, pm_op_elect, false},
    {"sweep", 3, 5, pm_op_sweep, false},
    {"reap", 4, 4, pm_op_reap, false},
    {"expire", 2, 2, pm_op_expire, false},
};

void pm_apply(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
              struct pm_outcome *outcome) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct entry *entry = &table[i];
        if (strcmp(entry->function, call->function) != 0)
            continue;
        pm_check_count(outcome, call, entry->least, entry->most);
        if (!entry->unconfirmed)
            pm_check_serving(state, outcome);
        if (outcome->refusals == 0)
            entry->run(state, call, seen, outcome);
        return;
    }
}
