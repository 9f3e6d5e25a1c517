/* auth.h - who is it, and may it: chains of authenticators and authorizers, decisions that come
 * later, a cache, audit lines.
 *
 * The happy path: a question goes to the links of a chain in the order of the configuration. A link
 * allows, denies, defers (the next is asked) or answers later through a handle; the first allow or
 * deny wins, and the callback is called. All deferred: authenticators leave the caller anonymous,
 * authorizers fall to `authorization.default`.
 *
 * A link that allows may set a quota. Its holder is the id that the link names, else the id of the
 * principal. Where neither is an id, nobody could be counted, so it is denied.
 *
 * Before an authorizer is asked: a principal that is bound to an instance may name no other, one
 * that has expired is UNAUTHENTICATED. What a link said may be kept for as long as it allows.
 *
 * Ways to fail: the deadline passes while a link thinks (TIMEOUT); the question is cancelled; the
 * link's plugin stops (denied). A handle that is decided twice, late,
 * or after its question has gone is counted for the plugin and does nothing.
 */
#ifndef MU_AUTH_AUTH_H
#define MU_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/caller.h"
#include "auth/quota.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "muster/types.h"

struct mu_auth;

struct mu_authenticator {
    const char *name; /* copied */
    void *context;
    enum muster_verdict (*authenticate)(void *context, struct muster_handle handle,
                                        const struct muster_credentials *credentials,
                                        struct muster_decision *decision);
};

struct mu_authorizer {
    const char *name; /* copied */
    void *context;
    enum muster_verdict (*authorize)(void *context, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision);
};

struct mu_auth_options {
    bool allow_by_default; /* authorization.default */
    size_t questions_max;  /* pending at once; 0: 100,000 */
    size_t cache_entries;  /* authorization.cache_entries; 0: no cache */
    struct mu_log *log;    /* not owned; may be NULL */
};

/* How one question ended. Valid during the callback. */
struct mu_ruling {
    enum muster_status status; /* OK, DENIED, UNAUTHENTICATED, RATE_LIMITED, TIMEOUT, OVERLOADED */
    const char *reason;        /* a sentence for the caller; never NULL unless OK */
    struct muster_caller *caller; /* authenticate a caller, OK: borrowed; take a reference */
    const char *user;             /* end user, OK */
    const char *claims;           /* end user, OK; NULL: none */
    struct mu_quota quota;        /* authorize, OK: of the link that allowed */
};

typedef void (*mu_ruling_cb)(void *context, const struct mu_ruling *verdict);

/* What mu_auth_decide() found. */
enum mu_decide_outcome { MU_DECIDED, MU_DECIDED_TWICE, MU_DECIDED_LATE, MU_DECIDED_NOT_YOURS };

struct mu_auth *mu_auth_create(const struct mu_auth_options *options);
/* No question may be pending. Clears the pointer. */
void mu_auth_destroy(struct mu_auth **auth);

/* Appends a link to the chain. */
void mu_auth_add_authenticator(struct mu_auth *auth, const struct mu_authenticator *authenticator);
void mu_auth_add_authorizer(struct mu_auth *auth, const struct mu_authorizer *authorizer);
/* The plugin stops: what it was asked is denied, it is asked no more. */
void mu_auth_remove(struct mu_auth *auth, const char *name);

/* Asks. The callback is called exactly once unless cancelled, maybe from inside the call when every
 * answer is there at once. *ticket is written before any hook or the callback is called, and not
 * after. Whoever asks keeps the deadline (mu_auth_expire). Credentials, caller and resource are
 * borrowed until the callback or the cancellation. */
void mu_auth_authenticate(struct mu_auth *auth, const struct muster_credentials *credentials,
                          mu_ruling_cb callback, void *context, uint64_t *ticket);
void mu_auth_authorize(struct mu_auth *auth, struct muster_caller *caller,
                       enum muster_action action, const struct muster_resource *resource,
                       mu_ruling_cb callback, void *context, uint64_t *ticket);
/* The callback will not come. A ticket of what is over is fine. */
void mu_auth_cancel(struct mu_auth *auth, uint64_t ticket);
/* Its time is over: the callback is called now, with TIMEOUT and the name of who kept silent. */
void mu_auth_expire(struct mu_auth *auth, uint64_t ticket);

/* Called when a decision has come that mu_auth_tick() should go on with, in a later turn. */
void mu_auth_set_wake(struct mu_auth *auth, void (*wake)(void *context), void *context);

/* A plugin's later answer, copied. `name`: who answers; a handle of another plugin's is
 * NOT_YOURS. No hook is called from inside. */
enum mu_decide_outcome mu_auth_decide(struct mu_auth *auth, const char *name,
                                      struct muster_handle handle,
                                      const struct muster_decision *decision);

/* Goes on with what was decided later. */
void mu_auth_tick(struct mu_auth *auth);
/* Forgets every cached decision. */
void mu_auth_flush(struct mu_auth *auth);

/* "session.enter". Static storage. */
const char *mu_auth_action_name(enum muster_action action);

struct mu_auth_counts {
    uint64_t allowed, denied, timeouts, cache_hits, cache_misses, flushes;
    uint64_t twice, late, not_yours;
    size_t pending, cached;
};
void mu_auth_counts(const struct mu_auth *auth, struct mu_auth_counts *out);

/* What one link of a chain said when it was asked; what the cache knew is not among it. */
struct mu_auth_link_counts {
    uint64_t allowed, denied, deferred;
    uint64_t timeouts;        /* it did not say in time */
    struct mu_histogram took; /* from the question to what it said, or to its deadline; us */
};
typedef void (*mu_auth_link_cb)(void *context, const char *name, bool authenticator,
                                const struct mu_auth_link_counts *counts);
/* Calls `each` for every authenticator, then for every authorizer; a plugin that is both comes
 * twice. */
void mu_auth_each_link(const struct mu_auth *auth, mu_auth_link_cb each, void *context);

#endif
