/* request_internal.h - shared by request.c (life, queue, deadlines, end) and stages.c (the way
 * through). */
#ifndef MU_REQUEST_REQUEST_INTERNAL_H
#define MU_REQUEST_REQUEST_INTERNAL_H

#include "base/heap.h"
#include "base/table.h"
#include "request/life.h"
#include "request/options.h"
#include "request/request.h"

#define MU_REQUEST_MAGIC 0x6d757265u

enum mu_request_kind { MU_ASK_OPERATION, MU_ASK_WHO, MU_ASK_WHETHER };

struct mu_one_request {
    unsigned magic;
    unsigned references;
    struct mu_requests *owner_set;
    uint64_t id;
    void *owner;
    const char *door;
    uint64_t arrived_us;
    uint64_t ticket; /* of auth; 0: none */
    size_t bytes;    /* that it is counted with */
    struct mu_heap_node deadline;

    struct muster_caller *caller;
    struct muster_credentials credentials; /* texts are copies, wiped */
    struct muster_credentials end_user;    /* while VERIFYING */

    char *name;                    /* of the operation as it came; only until it is decoded */
    struct muster_text *arguments; /* texts are copies */
    size_t count;
    struct mu_options options;
    char *user;            /* of the connection, as verified */
    char *claims;          /* of the end user */
    size_t step;           /* of the authorization */
    struct mu_quota quota; /* of who allowed it; the holder is a copy */

    struct muster_resource resource;

    void (*reply)(void *context, const struct muster_result *result);
    mu_ruling_cb done;
    void *context;
    struct mu_one_request *next; /* in the queue */
    UT_hash_handle hh;

    enum mu_request_kind kind;
    enum mu_life life;
    enum muster_operation operation;
    enum muster_action action; /* of MU_ASK_WHETHER, and of the question under way */
    bool at_redis;             /* an answer of Redis is to come */
    bool has_resource;         /* its texts are copies */
    bool decoded;              /* `operation` is one */
    bool has_credentials;
    bool asked_lead;
};

struct mu_requests {
    struct mu_requests_options options;
    uv_timer_t timer; /* the next deadline */
    uv_check_t check; /* work is due: after the sockets had their turn */
    uv_idle_t idle;   /* so that the loop does not wait for them */
    unsigned handles; /* that are still open, when closing */
    struct mu_heap deadlines;
    struct mu_one_request *by_id;
    struct mu_one_request *first; /* the queue */
    struct mu_one_request **last;
    uint64_t id;
    size_t living; /* requests, also those nobody waits for but Redis still has */
    bool closing;
    bool handle_closing;
    void (*closed)(void *context);
    void *closed_context;
    struct mu_request_counts counts;
};

/* request.c */
void mu_request_move(struct mu_one_request *request, enum mu_life life);
void mu_request_ref(struct mu_one_request *request);
void mu_request_unref(struct mu_one_request **request);
/* Gives the answer and ends it; a no-op for one that has ended. */
void mu_request_answer(struct mu_one_request *request, const struct muster_result *result);
void mu_request_fail(struct mu_one_request *request, enum muster_status status,
                     const char *message);
/* The answer of MU_ASK_WHO and MU_ASK_WHETHER. */
void mu_request_done(struct mu_one_request *request, const struct mu_ruling *verdict);
/* Redis has answered, whether anybody still waits or not. */
void mu_request_left_redis(struct mu_one_request *request);

/* stages.c: from the queue on. */
void mu_request_begin(struct mu_one_request *request);

#endif
