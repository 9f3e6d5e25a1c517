#include "auth/auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/audit.h"
#include "auth/cache.h"
#include "auth/chain.h"
#include "auth/copy.h"
#include "auth/principal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"

#define QUESTIONS_MAX 100000
#define SENTENCE 320
#define NONE UINT32_MAX
#define EXPIRED "the credentials have expired; authenticate again"

struct question {
    uint32_t slot;
    uint32_t serial;     /* of the ticket */
    uint32_t generation; /* of the handle that was given out last */
    uint32_t decided;    /* the same, of the last one that was decided */
    bool used;
    bool waiting;   /* for the decision of `generation` */
    bool in_hook;   /* of the link that is asked */
    bool cancelled; /* while in a hook */
    bool ready;     /* `later` holds a decision */
    bool queued;    /* in the list of those that are ready */
    const struct mu_auth_chain *chain;
    size_t at; /* the link that is asked */
    const struct muster_credentials *credentials;
    struct muster_caller *caller;
    enum muster_action action;
    const struct muster_resource *resource;
    mu_ruling_cb callback;
    void *context;
    uint64_t asked_us;
    uint64_t flushes; /* of the cache, when it was asked */
    struct mu_decision_copy later;
    uint32_t next; /* in the list of the free, or of the ready */
};

struct mu_auth {
    struct mu_auth_options options;
    struct mu_auth_chain authenticators;
    struct mu_auth_chain authorizers;
    struct question **questions;
    uint32_t count;
    uint32_t capacity;
    uint32_t free;
    uint32_t ready;
    uint32_t generation;
    struct mu_auth_cache *cache;
    struct mu_audit audit;
    struct mu_auth_counts counts;
    void (*wake)(void *context);
    void *wake_context;
};

/* ---- life ---- */

struct mu_auth *mu_auth_create(const struct mu_auth_options *options) {
    struct mu_auth *auth = mu_calloc(1, sizeof *auth);
    auth->options = *options;
    if (auth->options.questions_max == 0) {
        auth->options.questions_max = QUESTIONS_MAX;
    }
    auth->free = NONE;
    auth->ready = NONE;
    auth->audit.log = options->log;
    auth->cache = mu_auth_cache_create(options->cache_entries);
    return auth;
}

void mu_auth_destroy(struct mu_auth **pointer) {
    struct mu_auth *auth = *pointer;
    *pointer = NULL;
    if (auth == NULL) {
        return;
    }
    assert(auth->counts.pending == 0);
    for (uint32_t i = 0; i < auth->count; i++) {
        free(auth->questions[i]);
    }
    free(auth->questions);
    mu_auth_chain_deinit(&auth->authenticators);
    mu_auth_chain_deinit(&auth->authorizers);
    mu_auth_cache_destroy(&auth->cache);
    free(auth);
}

void mu_auth_set_wake(struct mu_auth *auth, void (*wake)(void *context), void *context) {
    auth->wake = wake;
    auth->wake_context = context;
}

void mu_auth_add_authenticator(struct mu_auth *auth, const struct mu_authenticator *add) {
    mu_auth_chain_append(&auth->authenticators, add->name, add->context)->authenticate =
        add->authenticate;
}

void mu_auth_add_authorizer(struct mu_auth *auth, const struct mu_authorizer *add) {
    mu_auth_chain_append(&auth->authorizers, add->name, add->context)->authorize = add->authorize;
}

/* ---- questions ---- */

static struct question *take(struct mu_auth *auth) {
    if (auth->free == NONE) {
        if (auth->count == auth->options.questions_max) {
            return NULL;
        }
        if (auth->count == auth->capacity) {
            auth->capacity = auth->capacity > 0 ? auth->capacity * 2 : 16;
            auth->questions =
                mu_realloc(auth->questions, auth->capacity * sizeof(struct question *));
        }
        struct question *fresh = mu_calloc(1, sizeof *fresh);
        fresh->slot = auth->count;
        fresh->next = NONE;
        auth->questions[auth->count] = fresh;
        auth->free = auth->count++;
    }
    struct question *question = auth->questions[auth->free];
    auth->free = question->next;
    question->used = true;
    question->next = NONE;
    question->serial++;
    auth->counts.pending++;
    return question;
}

/* Back to the free ones; what comes for it later finds another generation. */
static void give_back(struct mu_auth *auth, struct question *question) {
    struct question blank = {.slot = question->slot,
                             .serial = question->serial,
                             .decided = question->decided,
                             .queued = question->queued,
                             .next = question->next};
    mu_decision_copy_deinit(&question->later);
    *question = blank;
    auth->counts.pending--;
    if (!question->queued) { /* else the list of the ready still leads through it */
        question->next = auth->free;
        auth->free = question->slot;
    }
}

static uint64_t ticket_of(const struct question *question) {
    return (uint64_t)question->serial << 32 | ((uint64_t)question->slot + 1);
}

static struct question *by_ticket(const struct mu_auth *auth, uint64_t ticket) {
    uint64_t slot = (ticket & UINT32_MAX) - 1;
    if (ticket == 0 || slot >= auth->count) {
        return NULL;
    }
    struct question *question = auth->questions[slot];
    return question->used && question->serial == (uint32_t)(ticket >> 32) ? question : NULL;
}

/* ---- the end of a question ---- */

struct ending {
    enum muster_status status;
    const char *reason;
    const char *by;
    struct mu_quota quota;        /* authorize, OK */
    struct mu_decision_copy copy; /* owns what the verdict points to */
};

/* The key of the question to the link that is asked. */
static bool cache_key(const struct question *question, struct mu_buffer *key) {
    mu_buffer_init(key, 0);
    return mu_auth_cache_key(key, question->chain->links[question->at].name,
                             mu_caller_principal(question->caller), question->action,
                             question->resource);
}

/* Keeps what the link said, unless decisions were flushed since it was asked. */
static void remember(struct mu_auth *auth, const struct question *question,
                     const struct muster_decision *decision) {
    struct mu_buffer key;
    if (question->credentials != NULL || decision->cache_ms == 0 ||
        question->flushes != auth->counts.flushes) {
        return;
    }
    if (cache_key(question, &key)) {
        mu_auth_cache_put(auth->cache, mu_clock_boottime_ms(), &key, decision);
    }
    mu_buffer_deinit(&key);
}

/* What the link said before. */
static bool recall(struct mu_auth *auth, const struct question *question,
                   struct mu_decision_copy *copy) {
    struct muster_decision found;
    struct mu_buffer key;
    if (question->credentials != NULL) {
        return false;
    }
    bool hit = mu_auth_cache_count(auth->cache) > 0;
    if (hit) {
        hit = cache_key(question, &key) &&
              mu_auth_cache_find(auth->cache, mu_clock_boottime_ms(), &key, &found);
        mu_buffer_deinit(&key);
    }
    auth->counts.cache_hits += hit ? 1 : 0;
    auth->counts.cache_misses += hit ? 0 : 1;
    if (hit) {
        mu_decision_copy(copy, &found);
    }
    return hit;
}

static void tell_audit(struct mu_auth *auth, const struct question *question,
                       const struct ending *ending) {
    bool authorizing = question->credentials == NULL;
    mu_audit_write(
        &auth->audit, mu_clock_boottime_ms(),
        &(struct mu_audit_line){
            .allowed = ending->status == MUSTER_OK,
            .status = ending->status,
            .principal = authorizing ? mu_caller_principal(question->caller)
                                     : ending->copy.decision.principal,
            .action = authorizing ? mu_auth_action_name(question->action) : "authenticate",
            .resource = question->resource,
            .by = ending->by,
            .reason = ending->reason,
        });
}

static void end(struct mu_auth *auth, struct question *question, struct ending *ending) {
    mu_ruling_cb callback = question->callback;
    void *context = question->context;
    struct mu_ruling verdict = {
        .status = ending->status, .reason = ending->reason, .quota = ending->quota};
    if (ending->status == MUSTER_OK) {
        auth->counts.allowed++;
    } else {
        auth->counts.denied++;
        auth->counts.timeouts += ending->status == MUSTER_TIMEOUT ? 1 : 0;
        verdict.reason = ending->reason != NULL ? ending->reason : "not allowed";
    }
    tell_audit(auth, question, ending);
    if (ending->status == MUSTER_OK && question->credentials != NULL) {
        if (question->credentials->purpose == MUSTER_PURPOSE_CALLER) {
            verdict.caller = ending->copy.decision.principal != NULL
                                 ? mu_caller_create(ending->copy.decision.principal)
                                 : mu_caller_anonymous();
        } else {
            verdict.user = ending->copy.decision.user;
            verdict.claims = ending->copy.decision.claims;
        }
    }
    give_back(auth, question);
    callback(context, &verdict);
    mu_caller_unref(&verdict.caller);
    mu_decision_copy_deinit(&ending->copy);
}

static void deny(struct mu_auth *auth, struct question *question, enum muster_status status,
                 const char *by, const char *reason) {
    struct ending ending = {.status = status, .reason = reason, .by = by};
    end(auth, question, &ending);
}

/* Everybody deferred. */
static void end_of_chain(struct mu_auth *auth, struct question *question) {
    struct ending ending = {.by = "default"};
    if (question->credentials == NULL) {
        ending.status = auth->options.allow_by_default ? MUSTER_OK : MUSTER_DENIED;
        ending.reason = "no authorizer allows it";
    } else if (question->credentials->purpose == MUSTER_PURPOSE_END_USER) {
        ending.status = MUSTER_UNAUTHENTICATED;
        ending.reason = "no authenticator knows this credential";
    }
    end(auth, question, &ending);
}

/* Takes `copy` over. */
static void decided(struct mu_auth *auth, struct question *question,
                    struct mu_decision_copy *copy) {
    const struct mu_auth_link *link = &question->chain->links[question->at];
    const struct muster_decision *decision = NULL;
    struct ending ending = {.by = link->name, .copy = *copy};
    bool caller =
        question->credentials != NULL && question->credentials->purpose == MUSTER_PURPOSE_CALLER;
    memset(copy, 0, sizeof *copy);
    decision = &ending.copy.decision;
    if (decision->verdict == MUSTER_DENY) {
        bool known = decision->code == MUSTER_DENIED || decision->code == MUSTER_UNAUTHENTICATED ||
                     decision->code == MUSTER_RATE_LIMITED;
        ending.status = known                           ? decision->code
                        : question->credentials != NULL ? MUSTER_UNAUTHENTICATED
                                                        : MUSTER_DENIED;
        ending.reason = decision->reason;
    } else if (question->credentials == NULL &&
               mu_principal_has_expired(mu_caller_principal(question->caller))) {
        ending.status = MUSTER_UNAUTHENTICATED; /* while it was thought about */
        ending.reason = EXPIRED;
    } else if (mu_claims_too_large(decision->claims) ||
               (decision->principal != NULL && mu_claims_too_large(decision->principal->claims))) {
        ending.status = MUSTER_UNAUTHENTICATED;
        ending.reason = "the claims are larger than 16 KiB";
    } else if (question->credentials == NULL &&
               !mu_quota_of(decision, mu_caller_principal(question->caller), &ending.quota)) {
        ending.status = MUSTER_DENIED;
        ending.reason = "the authorizer set a quota, but neither the holder that it named nor the "
                        "principal is an id";
    } else if (caller && !mu_principal_is_valid(decision->principal)) {
        ending.status = MUSTER_UNAUTHENTICATED;
        ending.reason = "the authenticator named nobody: a principal's id and roles are 1 to 256 "
                        "bytes without control characters, its instance is an id";
    } else if (!caller && question->credentials != NULL && decision->user != NULL &&
               !mu_id_valid(decision->user, strlen(decision->user))) {
        ending.status = MUSTER_UNAUTHENTICATED;
        ending.reason = "the authenticator named a user that is no id";
    }
    end(auth, question, &ending);
}

/* ---- asking ---- */

/* The link has said something; LATER: its time is over. */
static void count_answer(const struct question *question, enum muster_verdict verdict) {
    mu_auth_link_count(&question->chain->links[question->at], verdict,
                       mu_clock_monotonic_us() - question->asked_us);
}

static enum muster_verdict ask(struct mu_auth *auth, struct question *question,
                               struct muster_decision *decision) {
    const struct mu_auth_link *link = &question->chain->links[question->at];
    auth->generation = auth->generation == UINT32_MAX ? 1 : auth->generation + 1;
    question->generation = auth->generation;
    question->waiting = true;
    question->in_hook = true;
    question->asked_us = mu_clock_monotonic_us();
    struct muster_handle handle = {question->slot, question->generation};
    enum muster_verdict verdict =
        question->credentials != NULL
            ? link->authenticate(link->context, handle, question->credentials, decision)
            : link->authorize(link->context, handle, mu_caller_principal(question->caller),
                              question->action, question->resource, decision);
    question->in_hook = false;
    return verdict;
}

/* From the link at `at` on, until one answers or thinks. */
static void advance(struct mu_auth *auth, struct question *question) {
    while (question->at < question->chain->count) {
        struct muster_decision decision = {0};
        struct mu_decision_copy copy = {0};
        if (question->chain->links[question->at].gone) {
            deny(auth, question, MUSTER_DENIED, question->chain->links[question->at].name,
                 "who decides it has stopped");
            return;
        }
        if (recall(auth, question, &copy)) {
            if (copy.decision.verdict != MUSTER_DEFER) {
                decided(auth, question, &copy);
                return;
            }
            mu_decision_copy_deinit(&copy);
            question->at++;
            continue;
        }
        decision.verdict = ask(auth, question, &decision);
        if (question->cancelled) {
            give_back(auth, question);
            return;
        }
        if (decision.verdict == MUSTER_LATER && !question->ready) {
            return;
        }
        if (decision.verdict == MUSTER_LATER) { /* decided before it said so */
            copy = question->later;
            memset(&question->later, 0, sizeof question->later);
        } else {
            auth->counts.twice += question->ready ? 1 : 0;
            mu_decision_copy_deinit(&question->later);
            mu_decision_copy(&copy, &decision);
        }
        question->ready = false;
        question->waiting = false;
        question->decided = question->generation;
        count_answer(question, copy.decision.verdict);
        remember(auth, question, &copy.decision);
        if (copy.decision.verdict != MUSTER_DEFER) {
            decided(auth, question, &copy);
            return;
        }
        mu_decision_copy_deinit(&copy);
        question->at++;
    }
    end_of_chain(auth, question);
}

static struct question *begin(struct mu_auth *auth, const struct mu_auth_chain *chain,
                              mu_ruling_cb callback, void *context, uint64_t *ticket) {
    struct question *question = take(auth);
    *ticket = 0;
    if (question == NULL) {
        callback(context, &(struct mu_ruling){.status = MUSTER_OVERLOADED,
                                              .reason = "too many decisions are pending"});
        return NULL;
    }
    question->chain = chain;
    question->callback = callback;
    question->context = context;
    question->flushes = auth->counts.flushes;
    *ticket = ticket_of(question);
    return question;
}

void mu_auth_authenticate(struct mu_auth *auth, const struct muster_credentials *credentials,
                          mu_ruling_cb callback, void *context, uint64_t *ticket) {
    struct question *question = begin(auth, &auth->authenticators, callback, context, ticket);
    if (question != NULL) {
        question->credentials = credentials;
        advance(auth, question);
    }
}

/* What no authorizer is asked about. True: it is answered. */
static bool answer_at_once(struct mu_auth *auth, struct question *question) {
    const struct muster_principal *principal = mu_caller_principal(question->caller);
    const struct muster_resource *resource = question->resource;
    if (mu_principal_has_expired(principal)) {
        deny(auth, question, MUSTER_UNAUTHENTICATED, "expiry", EXPIRED);
        return true;
    }
    if (principal->instance != NULL && resource->instance != NULL &&
        strcmp(principal->instance, resource->instance) != 0) {
        char sentence[SENTENCE];
        snprintf(sentence, sizeof sentence, "the caller is bound to instance '%s'",
                 principal->instance);
        deny(auth, question, MUSTER_DENIED, "binding", sentence);
        return true;
    }
    return false;
}

void mu_auth_authorize(struct mu_auth *auth, struct muster_caller *caller,
                       enum muster_action action, const struct muster_resource *resource,
                       mu_ruling_cb callback, void *context, uint64_t *ticket) {
    struct question *question = begin(auth, &auth->authorizers, callback, context, ticket);
    if (question == NULL) {
        return;
    }
    question->caller = caller;
    question->action = action;
    question->resource = resource;
    if (!answer_at_once(auth, question)) {
        advance(auth, question);
    }
}

/* ---- what comes later ---- */

void mu_auth_cancel(struct mu_auth *auth, uint64_t ticket) {
    struct question *question = by_ticket(auth, ticket);
    if (question == NULL) {
        return;
    }
    if (question->in_hook) {
        question->cancelled = true;
    } else {
        give_back(auth, question);
    }
}

void mu_auth_expire(struct mu_auth *auth, uint64_t ticket) {
    struct question *question = by_ticket(auth, ticket);
    char sentence[SENTENCE];
    if (question == NULL || question->in_hook) {
        return;
    }
    const char *name = question->chain->links[question->at].name;
    count_answer(question, MUSTER_LATER);
    snprintf(sentence, sizeof sentence, "'%s' did not decide in time; nothing happened", name);
    deny(auth, question, MUSTER_TIMEOUT, name, sentence);
}

enum mu_decide_outcome mu_auth_decide(struct mu_auth *auth, const char *name,
                                      struct muster_handle handle,
                                      const struct muster_decision *decision) {
    struct question *question = handle.slot < auth->count ? auth->questions[handle.slot] : NULL;
    if (question == NULL || handle.generation == 0) { /* never given out */
        auth->counts.not_yours++;
        return MU_DECIDED_NOT_YOURS;
    }
    if (!question->used || !question->waiting || question->generation != handle.generation) {
        bool twice = question->decided == handle.generation;
        auth->counts.twice += twice ? 1 : 0;
        auth->counts.late += twice ? 0 : 1;
        return twice ? MU_DECIDED_TWICE : MU_DECIDED_LATE;
    }
    if (strcmp(question->chain->links[question->at].name, name) != 0) {
        auth->counts.not_yours++;
        return MU_DECIDED_NOT_YOURS;
    }
    if (question->ready) { /* decided, and still in the hook */
        auth->counts.twice++;
        return MU_DECIDED_TWICE;
    }
    mu_decision_copy(&question->later, decision);
    question->ready = true;
    question->decided = question->generation;
    if (!question->in_hook) {
        question->waiting = false;
        question->queued = true;
        question->next = auth->ready;
        auth->ready = question->slot;
        if (auth->wake != NULL) {
            auth->wake(auth->wake_context);
        }
    }
    return MU_DECIDED;
}

void mu_auth_tick(struct mu_auth *auth) {
    uint32_t slot = auth->ready;
    auth->ready = NONE;
    while (slot != NONE) {
        struct question *question = auth->questions[slot];
        struct mu_decision_copy copy = question->later;
        slot = question->next;
        question->next = NONE;
        question->queued = false;
        if (!question->used) { /* cancelled meanwhile */
            question->next = auth->free;
            auth->free = question->slot;
            continue;
        }
        memset(&question->later, 0, sizeof question->later);
        question->ready = false;
        count_answer(question, copy.decision.verdict);
        remember(auth, question, &copy.decision);
        if (copy.decision.verdict == MUSTER_DEFER) {
            mu_decision_copy_deinit(&copy);
            question->at++;
            advance(auth, question);
        } else {
            decided(auth, question, &copy);
        }
    }
}

void mu_auth_remove(struct mu_auth *auth, const char *name) {
    struct mu_auth_chain *chains[] = {&auth->authenticators, &auth->authorizers};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < chains[i]->count; j++) {
            struct mu_auth_link *link = &chains[i]->links[j];
            link->gone = link->gone || strcmp(link->name, name) == 0;
        }
    }
    for (uint32_t i = 0; i < auth->count; i++) {
        struct question *question = auth->questions[i];
        if (question->used && question->waiting && !question->in_hook &&
            question->chain->links[question->at].gone) {
            deny(auth, question, MUSTER_DENIED, name, "who decides it has stopped");
        }
    }
}

void mu_auth_flush(struct mu_auth *auth) {
    mu_auth_cache_flush(auth->cache);
    auth->counts.flushes++;
}

void mu_auth_each_link(const struct mu_auth *auth, mu_auth_link_cb each, void *context) {
    mu_auth_chain_each(&auth->authenticators, each, context);
    mu_auth_chain_each(&auth->authorizers, each, context);
}

void mu_auth_counts(const struct mu_auth *auth, struct mu_auth_counts *out) {
    *out = auth->counts;
    out->cached = mu_auth_cache_count(auth->cache);
}
