/* holding.h - what an instance holds: its connections, where they should be and what of that was
 * acknowledged. No calls: the next call for a connection follows from here.
 *
 * A slot (one membership of the plan) is
 *     out      to be entered, if the connection should be present
 *     in       acknowledged
 *     lost     acknowledged, but an event or a snapshot says that it is gone, though nobody may
 *              have ended it: a suspicion in the journal
 *     removed  ended by somebody who may (kicked, superseded): left alone until the connection goes
 *     refused  answered with a code that repeating does not help
 */
#ifndef MU_SIM_HOLDING_H
#define MU_SIM_HOLDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "digest.h"
#include "journal.h"
#include "plan.h"
#include "speech.h"

struct mu_holding;

enum mu_step_kind {
    MU_STEP_NONE,
    MU_STEP_ENTER,
    MU_STEP_JOIN,
    MU_STEP_UPDATE,
    MU_STEP_LEAVE,
    MU_STEP_UNREGISTER
};

/* The next call for one connection. */
struct mu_step {
    enum mu_step_kind kind;
    uint32_t connection;
    uint32_t slot;    /* of ENTER, JOIN and LEAVE */
    uint32_t version; /* of the profile that ENTER and UPDATE carry */
};

/* How an ENTER or JOIN was answered. */
enum mu_entry { MU_ENTRY_JOINED, MU_ENTRY_ADOPTED, MU_ENTRY_REPEATED };

struct mu_holding_totals {
    uint64_t connections; /* registered */
    uint64_t memberships; /* acknowledged */
    uint64_t joined;      /* since mu_holding_renew(): replies that said so */
    uint64_t adopted;
    uint64_t repeated; /* neither: it was a member already */
    uint64_t rebuilt;  /* joined, though acknowledged to an earlier incarnation: it had been lost */
    uint64_t refused;  /* calls given up, each reported as an error */
    uint64_t lost;     /* memberships that somebody else ended */
};

/* Everything should be present, nothing is. Plan and journal are not owned; `instance` is not
 * copied. */
struct mu_holding *mu_holding_create(const struct mu_plan *plan, struct mu_journal *journal,
                                     const char *instance);
void mu_holding_destroy(struct mu_holding **holding);

/* A new incarnation holds nothing yet. */
void mu_holding_renew(struct mu_holding *holding);

bool mu_holding_present(const struct mu_holding *holding, uint32_t connection);
void mu_holding_set_goal(struct mu_holding *holding, uint32_t connection, bool present,
                         bool leave_first);
/* A new version of the profile is to be told. */
void mu_holding_touch_profile(struct mu_holding *holding, uint32_t connection);

struct mu_step mu_holding_next(const struct mu_holding *holding, uint32_t connection);
/* The step goes out: until it is done, what snapshots say of this connection means nothing. */
void mu_holding_begin_step(struct mu_holding *holding, const struct mu_step *step);
/* It may go out again later. */
void mu_holding_repeat_step(struct mu_holding *holding, const struct mu_step *step);
void mu_holding_entered(struct mu_holding *holding, const struct mu_step *step, enum mu_entry entry,
                        uint64_t seq);
/* UPDATE, LEAVE and UNREGISTER. */
void mu_holding_done(struct mu_holding *holding, const struct mu_step *step);
void mu_holding_refused(struct mu_holding *holding, const struct mu_step *step);
/* UNKNOWN_CONNECTION: the connection is registered anew. */
void mu_holding_unknown(struct mu_holding *holding, const struct mu_step *step);

/* A connection of this instance left a session, says an event. */
void mu_holding_saw_left(struct mu_holding *holding, uint32_t session,
                         const struct mu_event *event);
/* The snapshot of a session, answered after everything that was acknowledged so far: what it should
 * contain and does not is lost. */
void mu_holding_saw_snapshot(struct mu_holding *holding, uint32_t session,
                             const struct mu_snapshot *snapshot);
/* What was lost is to be entered again; calls `again` for each connection concerned. */
void mu_holding_recover(struct mu_holding *holding, void (*again)(void *context, uint32_t),
                        void *context);

/* {"connections":N, …}, all of struct mu_holding_totals; a new reference. */
json_t *mu_holding_totals_json(const struct mu_holding *holding);
/* [{"connection","user","profile","sessions":[…]}, …] of what is registered; a new reference. */
json_t *mu_holding_report(const struct mu_holding *holding);

#endif
