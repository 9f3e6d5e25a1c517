/* coordinator.h - the one who decides: which instance is dead, who leads next, what is a ghost.
 *
 * Every daemon has one; it stands by until it holds the lease. What it does then, in this order:
 *   lease        acquired and renewed (lease.h); a *tenure* lasts while it is held and the link is
 * open data         confirmed or rotated (data.h); nothing else is written before that duty polls
 * and probes (poll.h) feed the detector (detector.h), heartbeats that were heard are written
 * (beats.h), verdicts carried out (verdicts.h), leaderships moved (leadership.h), leaderless
 * sessions swept (sweeper.h), ghosts reaped (reaper.h), everything looked at, slowly (scrub.h). All
 * writes pass the fence (fence.h), which knows the epoch and the deadline.
 *
 * The end of a tenure - lease lost, link down - ends all of it at once; answers that come later are
 * dropped. Nothing is kept between tenures but the highest epoch and the highest time ever seen.
 * Whenever we may have been blind (link or subscriptions were down, answers or the loop late) every
 * instance's silence begins anew.
 */
#ifndef MU_COORDINATOR_COORDINATOR_H
#define MU_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "coordinator/prepare.h"
#include "coordinator/view.h"
#include "redis/link.h"
#include "redis/subscriber.h"

struct mu_coordinator;

struct mu_coordinator_options {
    const struct mu_config *config;   /* not owned; see mu_coordinator_reconfigure() */
    struct mu_log *log;               /* not owned */
    struct mu_link *link;             /* not owned; its owner tells of its ups and downs */
    struct mu_subscriber *subscriber; /* not owned; its owner passes messages on */
    unsigned database;                /* of the link, for key events */
    void *context;
    /* The functions library has gone from Redis: the connection must be prepared again. */
    void (*on_library_missing)(void *context);
    /* It coordinates (it holds the lease and the data is confirmed), or no longer. May be NULL. */
    void (*on_duty)(void *context, bool active);
    /* An operator asks every daemon to forget cached decisions. May be NULL. */
    void (*on_flush)(void *context);
};

struct mu_coordinator *mu_coordinator_create(uv_loop_t *loop,
                                             const struct mu_coordinator_options *options);

/* After mu_link_open(). */
void mu_coordinator_link_up(struct mu_coordinator *coordinator, const struct mu_prepared *prepared);
void mu_coordinator_link_down(struct mu_coordinator *coordinator);
void mu_coordinator_subscriber_up(struct mu_coordinator *coordinator);
void mu_coordinator_subscriber_down(struct mu_coordinator *coordinator);
void mu_coordinator_message(struct mu_coordinator *coordinator, const char *pattern,
                            const char *channel, const char *payload, size_t length);

/* Values in the configuration have changed: they count at once, also for what runs, and in Redis
 * where functions need them. */
void mu_coordinator_reconfigure(struct mu_coordinator *coordinator);

/* How it stands now, and what it has counted, for metrics and /readyz. `view->tally` is valid until
 * close. */
void mu_coordinator_view(const struct mu_coordinator *coordinator,
                         struct mu_coordinator_view *view);

/* The highest time that Redis may have reached; 0: none was ever seen. */
uint64_t mu_coordinator_redis_ms(const struct mu_coordinator *coordinator);

/* Stops acting and releases the lease; `stopped` is called once, in a later turn, after at most a
 * second. */
void mu_coordinator_stop(struct mu_coordinator *coordinator, void (*stopped)(void *context),
                         void *context);
/* Not before the link and the subscriber are closed. Clears the pointer. */
void mu_coordinator_close(struct mu_coordinator **coordinator, void (*closed)(void *context),
                          void *context);

#endif
