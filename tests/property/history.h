/* history.h - what must hold over time (invariant 7), and what must hold at any moment. */
#ifndef PM_HISTORY_H
#define PM_HISTORY_H

#include "property/model.h"

struct pm_history {
    struct {
        char session[64];
        char generation[64];
        char leader[64]; /* of `term`; empty: none */
        long long seq;
        long long term;
        bool open;
        bool started;
    } list[PM_SESSIONS * 2];
    size_t count;
};

/* Follows one published event. False, and a sentence in `text`, when it breaks invariant 7. */
bool pm_history_follow(struct pm_history *history, const json_t *event, char *text, size_t size);

/* Sessions that do not exist (any more) begin anew; a kept one that is un-kept ends without event.
 */
void pm_history_close(struct pm_history *history, struct pm_state *state);

/* The invariants of one moment, on a state that equals the real data. `settled`: the coordinator
 * has done all its work, so nothing is excused by work that is still to be done. */
bool pm_invariants_hold(struct pm_state *state, bool settled, char *text, size_t size);

#endif
