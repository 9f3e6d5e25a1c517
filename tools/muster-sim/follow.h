/* follow.h - follows one session by its events, and checks what it sees against the model.
 *
 * A pure state machine: events, snapshots and replies go in; findings, and the wish for a snapshot,
 * come out. The way: blind - mu_follow_wants() - the driver asks Redis for a snapshot and says so
 * with mu_follow_reading() - events that arrive meanwhile are held - mu_follow_snapshot() - from
 * then on each event must continue the last one by exactly one. A gap, another generation, `resync`
 * or a lost subscription (mu_follow_lost()) make it blind again.
 *
 * Events come over another connection than snapshots, so late events, which a snapshot already
 * contains, are normal: they are passed over silently. What is never normal is an event that
 * repeats or precedes another event.
 */
#ifndef MU_SIM_FOLLOW_H
#define MU_SIM_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "digest.h"

struct mu_follow;

/* `kind` is a stable word, `text` a sentence. Not `certain`: it also looks like this while Redis
 * has lost data and no coordinator has rotated yet; a finding only if the instance is told
 * afterwards that it still lives in the same generation. */
typedef void (*mu_follow_finding_cb)(void *context, bool certain, const char *kind,
                                     const char *text);

struct mu_follow *mu_follow_create(mu_follow_finding_cb finding, void *context);
void mu_follow_destroy(struct mu_follow **follow);

/* An event of this session, in the order in which the subscription delivered them. */
void mu_follow_event(struct mu_follow *follow, const struct mu_event *event);
/* A reply to a call that was executed after all calls whose replies came before. */
void mu_follow_reply(struct mu_follow *follow, const struct mu_view *reply);

/* It is blind, and no snapshot is on its way. */
bool mu_follow_wants(const struct mu_follow *follow);
/* A snapshot was asked for just now; the ticket goes with its answer. */
uint64_t mu_follow_reading(struct mu_follow *follow);
/* Here it is; NULL: it could not be read, which leaves the follower blind. Passed over when the
 * ticket is not that of the last reading. */
void mu_follow_snapshot(struct mu_follow *follow, uint64_t ticket, const struct mu_view *snapshot);
/* Events may have been lost: the subscription is, or was, down. */
void mu_follow_lost(struct mu_follow *follow);
/* The data set may be an older one: snapshots may fall behind what was known, until the session is
 * written to in the new generation. */
void mu_follow_new_generation(struct mu_follow *follow);

/* Every event up to view()->seq is accounted for. */
bool mu_follow_synced(const struct mu_follow *follow);
/* What is believed now: from events and snapshots, or from a reply that knows more. Borrowed until
 * the next call that changes the follower. seq 0: nothing is known. */
struct mu_view mu_follow_view(const struct mu_follow *follow);
/* How often events were found missing. */
uint64_t mu_follow_gaps(const struct mu_follow *follow);

#endif
