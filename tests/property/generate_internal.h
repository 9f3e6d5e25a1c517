/* generate_internal.h - what the files of the generator share. */
#ifndef PM_GENERATE_INTERNAL_H
#define PM_GENERATE_INTERNAL_H

#include "property/generate.h"

enum { PM_SOME_INSTANCES = 3, PM_SOME_CONNECTIONS = 6, PM_SOME_SESSIONS = 5 };

/* Who calls, and where. */
struct pm_names {
    char instance[8];
    char incarnation[24];
    char connection[8];
    char session[8];
};
/* Any names; often those that were used before together. */
struct pm_names pm_some_names(struct pm_random *random, struct pm_state *state);
/* Mostly those of a present member or record. */
struct pm_names pm_aimed_names(struct pm_random *random, struct pm_state *state);
/* A dead incarnation of the instance; NULL when there is none. */
const char *pm_dead_incarnation(struct pm_random *random, const struct pm_state *state,
                                const char *instance);
/* The incarnation that the instance's next START would have. */
void pm_fresh_incarnation(struct pm_state *state, const char *instance, char *name, size_t size);
/* The options argument of a registration, of a join, or of both. */
/* ,"quota":{...} of this holder (may be NULL), or "". Returns `text`. */
const char *pm_bound_quota(struct pm_random *random, const struct pm_state *state,
                           const char *holder, char *text, size_t size);
void pm_add_options(struct pm_random *random, struct pm_step *step, const char *connection,
                    bool registers, bool joins);

/* One step each. */
typedef void pm_adder(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait);
pm_adder pm_add_start, pm_add_entering, pm_add_call_of_connection, pm_add_call_on_member;
pm_adder pm_add_presence, pm_add_configure;
pm_adder pm_add_verdict, pm_add_slice, pm_add_lease, pm_add_rotate, pm_add_confirm;
/* False when nobody is dead. */
bool pm_add_return(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                   long long wait);
/* The time of a dead connection ends while that of its successor does not. False when there is no
 * such connection. */
bool pm_add_successor(struct pm_steps *steps, struct pm_random *random, struct pm_state *state,
                      long long wait);

#endif
