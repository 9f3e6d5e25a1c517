/* drain_ask.h - DRAIN, and how far it is: through a door, or with Redis itself. */
#ifndef MU_CTL_DRAIN_ASK_H
#define MU_CTL_DRAIN_ASK_H

#include "base/ids.h"
#include "via/door.h"

struct mu_drain_state {
    char incarnation[MU_ID_SIZE];
    bool draining;
    int64_t connections;
    int64_t leads;
    /* Of a drain at a rate; 0 else. */
    int64_t rate;
    int64_t notice; /* ms */
    int64_t told;   /* in this round */
    int64_t rounds; /* that are over */
};

/* `via` NULL: with Redis itself. What fails is said on stderr; NO: there is no such instance. */
enum mu_ctl_exit mu_drain_look(struct mu_ctl *ctl, struct mu_via *via, const char *instance,
                               struct mu_drain_state *state);
/* `options` NULL: off. `answer` gets the JSON as it came. */
enum mu_ctl_exit mu_drain_order(struct mu_ctl *ctl, struct mu_via *via, const char *instance,
                                const char *incarnation, const char *options,
                                struct mu_buffer *answer);

#endif
