/* plan.h - who is in which session, with which user and profile: a pure function of the options.
 *
 * The same options and seed give the same plan in every run. Connections, slots and sessions are
 * indices from 0; the ids that they have on the wire count from 1. A connection has `joins` slots,
 * each a different session.
 */
#ifndef MU_SIM_PLAN_H
#define MU_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/ids.h"

struct mu_plan_options {
    const char *instance;       /* copied */
    const char *prefix;         /* of connection ids, when they are shared; copied */
    const char *session_prefix; /* copied */
    bool shared_ids;            /* ids are <prefix><n>, the same in every instance */
    bool lead;                  /* false: no member may lead */
    uint32_t connections;
    uint32_t sessions; /* > 0 */
    uint32_t joins;    /* 1 to the number of sessions */
    uint32_t users;    /* 0: all are anonymous; else users of all instances come from one pool */
    uint32_t profile_bytes; /* 0: no profile */
    int priority_min;
    int priority_max;
    uint64_t seed;
};

/* One membership of the plan. */
struct mu_plan_place {
    uint32_t connection;
    uint32_t slot;
};

struct mu_plan;

struct mu_plan *mu_plan_create(const struct mu_plan_options *options);
void mu_plan_destroy(struct mu_plan **plan);

uint32_t mu_plan_connections(const struct mu_plan *plan);
uint32_t mu_plan_sessions(const struct mu_plan *plan);
uint32_t mu_plan_joins(const struct mu_plan *plan);

/* The session of a slot of a connection. */
uint32_t mu_plan_session(const struct mu_plan *plan, uint32_t connection, uint32_t slot);
/* All places in one session, in order of connection; owned by the plan. */
const struct mu_plan_place *mu_plan_places(const struct mu_plan *plan, uint32_t session,
                                           size_t *count);

void mu_plan_connection_id(const struct mu_plan *plan, uint32_t connection, char out[MU_ID_SIZE]);
void mu_plan_session_id(const struct mu_plan *plan, uint32_t session, char out[MU_ID_SIZE]);
/* The way back; false when the id is none of this plan's. */
bool mu_plan_find_connection(const struct mu_plan *plan, const char *id, uint32_t *connection);
bool mu_plan_find_session(const struct mu_plan *plan, const char *id, uint32_t *session);

/* False: the connection is anonymous. */
bool mu_plan_user(const struct mu_plan *plan, uint32_t connection, char out[MU_ID_SIZE]);
/* The options argument of ENTER (with the user) or of JOIN (without), empty when there are none.
 * Both replace what `out` holds. */
void mu_plan_call_options(const struct mu_plan *plan, uint32_t connection, bool with_user,
                          struct mu_buffer *out);
/* The profile in its `version`, of profile_bytes bytes if that many suffice; empty without one. */
void mu_plan_profile(const struct mu_plan *plan, uint32_t connection, uint32_t version,
                     struct mu_buffer *out);

/* The next number of a sequence that depends on nothing but `state` (splitmix64). */
uint64_t mu_plan_random(uint64_t *state);

#endif
