/* request.h - the life of a request: decode, authenticate, authorize, apply, reply.
 *
 * The happy path: mu_requests_submit() copies the request - decoded by the table of operations -
 * authenticated - the credential of an end user verified and taken out of the options - authorized
 * (and `session.lead` asked at ENTER and JOIN: denied, it joins with lead:false) - applied by the
 * registry - `reply` called in a later turn of the loop.
 *
 * Only this folder moves a request from state to state (life.h: a table of allowed transitions and
 * an invariant). Disconnect, deadline and shutdown take one way: cancellation. A request that was
 * given to Redis and is cancelled stays counted until Redis answered; its requester hears nothing
 * more. At a deadline the requester gets TIMEOUT: before Redis nothing happened, after it the
 * outcome is unknown, and the message says which.
 */
#ifndef MU_REQUEST_REQUEST_H
#define MU_REQUEST_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "auth/auth.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "muster/types.h"
#include "registry/registry.h"

struct mu_requests;

struct mu_requests_limits {
    size_t pending_max;  /* limits.requests; 0: 100,000 */
    size_t bytes_max;    /* of all pending requests' arguments; 0: 64 MiB */
    size_t argument_max; /* of one argument, bytes; 0: 64 KiB */
    uint64_t timeout_ms; /* limits.request_timeout; 0: 5,000 */
};

struct mu_requests_options {
    uv_loop_t *loop;
    struct mu_registry *registry; /* not owned */
    struct mu_auth *auth;         /* not owned; ticked from here */
    struct mu_log *log;           /* not owned; may be NULL */
    const char *daemon; /* coordinator.id, for who gave an order; not owned; may be NULL */
    struct mu_requests_limits limits;
};

/* What a door hands in. Everything is copied. */
struct mu_submission {
    void *owner;                  /* for mu_requests_cancel_owner(): the plugin */
    const char *door;             /* name for audit lines and counts; outlives the request */
    struct muster_caller *caller; /* a reference is taken; or NULL */
    const struct muster_credentials *credentials; /* or NULL */
    struct muster_text operation;
    const struct muster_text *arguments;
    size_t count;
    uint64_t timeout_ms; /* 0: the default; never more than it */
    const char *peer;    /* may be NULL */
    void (*reply)(void *context, const struct muster_result *result);
    void *context;
};

struct mu_requests *mu_requests_create(const struct mu_requests_options *options);

/* Other bounds, for what comes from now on. */
void mu_requests_set_limits(struct mu_requests *requests, const struct mu_requests_limits *limits);

/* MUSTER_OK: `reply` is called exactly once, in a later turn, unless cancelled. Otherwise never:
 * OVERLOADED (a bound is reached), UNAVAILABLE (closing). Faults of the request itself (unknown
 * operation, bad id) are replies. */
enum muster_status mu_requests_submit(struct mu_requests *requests,
                                      const struct mu_submission *submission,
                                      uint64_t *id) MU_WARN_UNUSED;

/* Authentication alone, and authorization alone. `done` is called once, in a later turn, unless
 * cancelled; the verdict is valid during the call. */
enum muster_status mu_requests_authenticate(struct mu_requests *requests, void *owner,
                                            const char *door,
                                            const struct muster_credentials *credentials,
                                            mu_ruling_cb done, void *context,
                                            uint64_t *id) MU_WARN_UNUSED;
enum muster_status mu_requests_authorize(struct mu_requests *requests, void *owner,
                                         const char *door, struct muster_caller *caller,
                                         enum muster_action action,
                                         const struct muster_resource *resource, mu_ruling_cb done,
                                         void *context, uint64_t *id) MU_WARN_UNUSED;

/* The one way to end a request early. An id of what is over is fine. */
void mu_requests_cancel(struct mu_requests *requests, uint64_t id);
void mu_requests_cancel_owner(struct mu_requests *requests, const void *owner);
/* Of this owner, those whose reply is still due. NULL: of all. */
size_t mu_requests_pending(const struct mu_requests *requests, const void *owner);

struct mu_request_counts {
    uint64_t submitted[MUSTER_OPERATIONS], statuses[MUSTER_STATUS_COUNT];
    uint64_t refused, cancelled, unknown_operation;
    size_t pending, at_redis, bytes;
    /* From its arrival to its answer, whatever that is; us. */
    struct mu_histogram took[MUSTER_OPERATIONS];
};
void mu_requests_counts(const struct mu_requests *requests, struct mu_request_counts *out);

/* Cancels everything; `closed` once, in a later turn, when no callback of auth, registry or loop
 * can come any more. Clears the pointer. */
void mu_requests_close(struct mu_requests **requests, void (*closed)(void *context), void *context);

#endif
