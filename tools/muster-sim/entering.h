/* entering.h - the paced calls that bring the connections of an instance where they should be.
 *
 * Connections with something to do wait in one queue, and at most `pace` calls are in flight; what
 * the next call for a connection is, holding.h knows. So entering everything at the start, entering
 * it again with a new incarnation, repeating a call of unknown outcome and churn are one and the
 * same: change the goal, queue the connection.
 *
 * UNAVAILABLE, TIMEOUT and OVERLOADED put the connection back and pause the queue (back-off).
 * UNKNOWN_INSTANCE and STALE_INCARNATION stop it and are reported: the owner decides. What an
 * earlier incarnation asked for and is answered late is passed over.
 */
#ifndef MU_SIM_ENTERING_H
#define MU_SIM_ENTERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "holding.h"
#include "speech.h"

struct mu_entering;

struct mu_entering_options {
    uv_loop_t *loop;
    struct mu_speech *speech; /* not owned, as everything here */
    struct mu_journal *journal;
    struct mu_holding *holding;
    const struct mu_plan *plan;
    const char *instance; /* not copied */
    size_t pace;          /* calls in flight */
    void *context;
    /* A call was refused with UNKNOWN_INSTANCE or STALE_INCARNATION; nothing more is sent. */
    void (*on_refused)(void *context, enum muster_status status);
    /* A reply told the state of a session of the plan. */
    void (*on_view)(void *context, uint32_t session, const struct mu_view *view);
    /* Everything is where it should be (or was refused) and nothing is in flight. */
    void (*on_settled)(void *context);
};

struct mu_entering *mu_entering_create(const struct mu_entering_options *options);
/* Stops for good: no callback from now on; calls in flight may still end. */
void mu_entering_close(struct mu_entering *entering);
/* After close, once the speech is closed and the loop has turned. */
void mu_entering_destroy(struct mu_entering **entering);

/* A new incarnation (copied) holds nothing yet: enters all whose goal it is. */
void mu_entering_begin(struct mu_entering *entering, const char *incarnation);
/* Sends nothing more until the next mu_entering_begin(). */
void mu_entering_halt(struct mu_entering *entering);
/* The connection has something to do. */
void mu_entering_queue(struct mu_entering *entering, uint32_t connection);
/* It is neither queued nor in flight. */
bool mu_entering_idle(const struct mu_entering *entering, uint32_t connection);
bool mu_entering_settled(const struct mu_entering *entering);
size_t mu_entering_in_flight(const struct mu_entering *entering);

#endif
