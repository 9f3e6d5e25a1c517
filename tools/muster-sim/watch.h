/* watch.h - what an instance hears: its subscriptions, and a follower for each of its sessions.
 *
 * Subscribed: inbox:<id>, events:instances, events:coordinator, and events:session:<s> for each
 * session of the plan (or all sessions by one pattern). When the subscription is lost, the next of
 * several addresses is tried. Each follower reads a snapshot (a few at a time) whenever it is blind
 * and the subscription is up.
 *
 * The barrier: a message of our own comes back after everything that was published before it, so
 * what was heard by then is complete.
 */
#ifndef MU_SIM_WATCH_H
#define MU_SIM_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "follow.h"
#include "journal.h"
#include "plan.h"
#include "speech.h"

struct mu_watch;

struct mu_watch_options {
    uv_loop_t *loop;
    const struct mu_redis_address *addresses; /* not copied */
    size_t address_count;                     /* > 0 */
    struct mu_speech *speech;                 /* for snapshots; not owned, as what follows */
    struct mu_journal *journal;
    const struct mu_plan *plan;
    const char *instance;    /* not copied */
    const char *events_file; /* NULL: none; every event goes there, one a line */
    bool inbox;
    bool follow;    /* the sessions of the plan */
    bool watch_all; /* all sessions, by a pattern; only those of the plan are followed */
    void *context;
    void (*on_up)(void *context);
    void (*on_down)(void *context, const struct mu_error *reason);
    /* An event of instances or of the coordinator. */
    void (*on_event)(void *context, const struct mu_event *event);
    /* A member left a session of the plan. */
    void (*on_left)(void *context, uint32_t session, const struct mu_event *event);
    void (*on_snapshot)(void *context, uint32_t session, const struct mu_snapshot *snapshot);
};

/* NULL, with the reason in `error`, when the events file cannot be opened. */
struct mu_watch *mu_watch_create(const struct mu_watch_options *options, struct mu_error *error);
/* Ends the subscriptions; `closed` is called in a later turn. No other callback after this. */
void mu_watch_close(struct mu_watch *watch, void (*closed)(void *context), void *context);
/* Once closed, and the speech too. */
void mu_watch_destroy(struct mu_watch **watch);

/* To another Redis at once; `address` is not copied. */
void mu_watch_move(struct mu_watch *watch, const struct mu_redis_address *address);
bool mu_watch_is_up(const struct mu_watch *watch);
/* What a reply of a call told of a session of the plan. */
void mu_watch_reply(struct mu_watch *watch, uint32_t session, const struct mu_view *view);
/* The data set is, or may be, another: everything is read again. */
void mu_watch_new_generation(struct mu_watch *watch);
/* The subscription is up and every follower has its snapshot. */
bool mu_watch_settled(const struct mu_watch *watch);

/* Calls `done` once everything published so far was heard, or with `complete` false when that
 * cannot be: the subscription is down, or nothing came back within 5 s. One at a time: the `done`
 * of an earlier call that still waits is called first (complete false). */
void mu_watch_barrier(struct mu_watch *watch, void (*done)(void *context, bool complete),
                      void *context);

/* {"room-1":{"leader","term","seq","gen","count","synced"}, …} of the sessions about which
 * something is known; a new reference. */
json_t *mu_watch_report(const struct mu_watch *watch);
void mu_watch_flush(struct mu_watch *watch);

#endif
