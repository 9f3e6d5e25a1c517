/* door.h - the door's state, and what its files do for each other. */
#ifndef PUBSUB_DOOR_H
#define PUBSUB_DOOR_H

#include "message.h"
#include "muster/plugin.h"

struct pubsub_request;

struct pubsub_limits {
    uint64_t max_message;           /* bytes of one message */
    uint64_t max_answer;            /* bytes of one answer */
    uint64_t max_pending;           /* requests */
    uint64_t max_pending_bytes;     /* of their messages */
    uint64_t max_pending_per_inbox; /* requests that one inbox waits for */
};

enum pubsub_count {
    PUBSUB_MESSAGES,   /* that came in: the sum of answers, refusals and what is pending */
    PUBSUB_ANSWERS,    /* that were given to Redis */
    PUBSUB_LOST,       /* that Redis could not be given */
    PUBSUB_OVERLOADED, /* of the answers: OVERLOADED by a bound of this door */
    PUBSUB_COUNTS
};

struct pubsub_door {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct pubsub_limits limits;
    char prefix[PUBSUB_ID_MAX + 16]; /* "{<namespace>}:inbox:" */
    const struct muster_operation_info *operations;
    size_t operation_count;
    bool subscribed;
    bool stopping;

    struct pubsub_request *requests; /* a list of the pending ones */
    void *inboxes;                   /* tsearch() tree of struct inbox, see requests.c */
    size_t pending;
    size_t pending_bytes;
    struct muster_timer *patience; /* runs while stopping */

    uint64_t counts[PUBSUB_COUNTS];
    uint64_t refused[PUBSUB_REFUSALS];
    struct muster_metric *count_metrics[PUBSUB_COUNTS];
    struct muster_metric *refused_metrics[PUBSUB_REFUSALS];
    struct muster_metric *pending_metric;
    uint64_t logged_at; /* when refusals were last logged; 0: never */
    uint64_t unlogged;  /* refusals since then */
};

/* ---- counts.c: counting, and a log that nobody can flood ---- */

void pubsub_counts_init(struct pubsub_door *door);
void pubsub_count(struct pubsub_door *door, enum pubsub_count what);
void pubsub_refuse(struct pubsub_door *door, enum pubsub_refusal why);
/* One line with all numbers, at the end. */
void pubsub_counts_log(struct pubsub_door *door);

/* ---- requests.c: the life of a request ---- */

/* One message of the channel: refused, answered at once, or pending. */
void pubsub_receive(struct pubsub_door *door, const char *payload, size_t length);
/* The host's answers. */
void pubsub_authenticated(void *state, void *context, enum muster_status status,
                          struct muster_caller *caller, const char *message);
void pubsub_replied(void *state, void *context, const struct muster_result *result);
/* Answers all that are pending with TIMEOUT, and cancels them. */
void pubsub_abandon(struct pubsub_door *door);
/* Frees what is left, when the host has cut the end short. */
void pubsub_forget_all(struct pubsub_door *door);
/* plugin.c: the last pending request is over while the door stops. */
void pubsub_drained(struct pubsub_door *door);

#endif
