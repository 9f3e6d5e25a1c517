/* presence.h - START, heartbeats and STOP of one instance.
 *
 * The way: mu_presence_start() with a new incarnation - START, repeated with this incarnation until
 * it is answered - on_started - a heartbeat every heartbeat_ms, each answer of which is on_beat,
 * on_lost or on_taken_over - mu_presence_stop() - STOP, repeated for at most 5 s - on_stopped.
 *
 * START answered with STALE_INCARNATION was buried before it was answered. If another incarnation
 * stands there now, another process has this id; if none does, a new incarnation may start.
 *
 * Heartbeats on the channel have no answer: when nobody listens there, and every tenth time, the
 * function is called instead.
 */
#ifndef MU_SIM_PRESENCE_H
#define MU_SIM_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "journal.h"
#include "options.h"
#include "speech.h"

struct mu_presence;

struct mu_presence_options {
    uv_loop_t *loop;
    struct mu_speech *speech; /* not owned, as what follows */
    struct mu_journal *journal;
    const char *instance; /* not copied */
    enum mu_sim_heartbeat heartbeat;
    uint64_t heartbeat_ms; /* 0: what START answers */
    void *context;
    void (*on_started)(void *context, const char *generation);
    /* The instance lived, in `generation`, some time after `suspected` suspicions were raised. */
    void (*on_beat)(void *context, const char *generation, uint64_t suspected);
    /* This incarnation is gone; `reason` is a code. */
    void (*on_lost)(void *context, const char *reason);
    void (*on_taken_over)(void *context, const char *message);
    void (*on_stopped)(void *context, bool acknowledged);
    /* START was refused for good. */
    void (*on_failed)(void *context);
};

struct mu_presence *mu_presence_create(const struct mu_presence_options *options);
void mu_presence_close(struct mu_presence *presence);
/* After close, once the speech is closed and the loop has turned. */
void mu_presence_destroy(struct mu_presence **presence);

/* Starts with `incarnation` (copied), whatever was before. */
void mu_presence_start(struct mu_presence *presence, const char *incarnation);
/* A call was answered STALE_INCARNATION: asks which incarnation stands. on_taken_over if it is of
 * another process, else on_lost. */
void mu_presence_stale(struct mu_presence *presence);
/* A heartbeat now, by the function, if it has started and heartbeats at all. */
void mu_presence_beat(struct mu_presence *presence);
void mu_presence_stop(struct mu_presence *presence);

/* As last answered. */
uint64_t mu_presence_epoch(const struct mu_presence *presence);

#endif
