/* poll.h - looks at the instances in Redis and feeds the detector.
 *
 * Two rounds, each with one question under way at most:
 *   scores   every heartbeat interval, and at once when something hints at a change: ZRANGE
 *            instances WITHSCORES, then HMGET of those whose details are due and, slowly, of all.
 *   inboxes  every `detector.probe`: PUBSUB NUMSUB of all inboxes in one command. When one seems to
 *            have closed, a second probe follows soon, together with the scores, so that the
 * verdict is formed with the present score.
 *
 * Ways to fail: no answer (the next round comes), a refusal (said once; without NUMSUB silence
 * alone decides). A round of scores that is long unanswered makes us blind: mu_poll_late().
 */
#ifndef MU_COORDINATOR_POLL_H
#define MU_COORDINATOR_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "coordinator/detector.h"
#include "coordinator/fence.h"

struct mu_poll;

struct mu_poll_options {
    struct mu_fence *fence;
    struct mu_detector *detector;
    struct mu_log *log;
    uint64_t interval_ms;
    uint64_t probe_ms;
    void *context;
    /* The scores are in. `regular`: this round was due, not hinted. `sent_at`: when it was asked.
     */
    void (*on_polled)(void *context, uint64_t sent_at, bool regular);
    void (*on_probed)(void *context); /* the inboxes are in, or details */
};

struct mu_poll *mu_poll_create(const struct mu_poll_options *options);
void mu_poll_destroy(struct mu_poll **poll);

/* `probing` false: NUMSUB says nothing on this server. */
void mu_poll_start(struct mu_poll *poll, bool probing);
void mu_poll_stop(struct mu_poll *poll);
/* Other intervals, from now on. */
void mu_poll_set_intervals(struct mu_poll *poll, uint64_t now, uint64_t interval_ms,
                           uint64_t probe_ms);
void mu_poll_hint(struct mu_poll *poll);
void mu_poll_tick(struct mu_poll *poll, uint64_t now);
/* Are scores awaited for so long that our own view is old? */
bool mu_poll_late(const struct mu_poll *poll, uint64_t now);

#endif
