/* auth_bench.h - two links that answer as the test tells them, in both chains, and what came out.
 */
#ifndef MT_AUTH_BENCH_H
#define MT_AUTH_BENCH_H

#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "lib/wait.h"

enum { DAY = 86400000 };

/* What a link says, and what it saw. */
struct fake {
    struct mu_auth *auth;
    const char *name;
    struct muster_decision decision; /* `verdict` may be LATER */
    unsigned asked;
    struct muster_handle handle;
    /* What else it does in the hook. */
    uint64_t *cancels;  /* this ticket */
    bool decides;       /* the handle, with `inside` */
    bool decides_twice; /* and again */
    bool flushes;
    uint64_t waits_until; /* Unix time in ms */
    struct muster_decision inside;
    enum mu_decide_outcome outcome;
    uint64_t *ticket; /* must be written by now */
};

struct bench {
    struct mu_auth *auth;
    struct fake first, second;
    struct muster_caller *caller;
    struct muster_resource resource;
    struct muster_credentials credentials;
    uint64_t ticket;
    /* the last verdict */
    unsigned verdicts;
    enum muster_status status;
    char reason[400], user[200], claims[200], id[300], holder[200];
    struct mu_quota quota;
    unsigned wakes;
};

static inline enum muster_verdict answer(struct fake *fake, struct muster_handle handle,
                                         struct muster_decision *decision) {
    fake->asked++;
    fake->handle = handle;
    if (fake->ticket != NULL)
        assert_int_not_equal(*fake->ticket, 0);
    while (mu_clock_realtime_ms() < fake->waits_until)
        mt_let_pass(1);
    if (fake->cancels != NULL)
        mu_auth_cancel(fake->auth, *fake->cancels);
    if (fake->flushes)
        mu_auth_flush(fake->auth);
    if (fake->decides)
        fake->outcome = mu_auth_decide(fake->auth, fake->name, handle, &fake->inside);
    if (fake->decides_twice)
        fake->outcome = mu_auth_decide(fake->auth, fake->name, handle, &fake->inside);
    *decision = fake->decision;
    return fake->decision.verdict;
}

static inline enum muster_verdict authorize(void *context, struct muster_handle handle,
                                            const struct muster_principal *principal,
                                            enum muster_action action,
                                            const struct muster_resource *resource,
                                            struct muster_decision *decision) {
    (void)action;
    assert_non_null(principal->id);
    assert_non_null(resource);
    return answer(context, handle, decision);
}

static inline enum muster_verdict authenticate(void *context, struct muster_handle handle,
                                               const struct muster_credentials *credentials,
                                               struct muster_decision *decision) {
    assert_non_null(credentials);
    return answer(context, handle, decision);
}

static inline void on_wake(void *context) {
    ((struct bench *)context)->wakes++;
}

static inline void add(struct bench *b, struct fake *fake, const char *name) {
    *fake = (struct fake){
        .auth = b->auth, .name = name, .decision.verdict = MUSTER_DEFER, .ticket = &b->ticket};
    mu_auth_add_authorizer(b->auth, &(struct mu_authorizer){name, fake, authorize});
    mu_auth_add_authenticator(b->auth, &(struct mu_authenticator){name, fake, authenticate});
}

static inline void build(struct bench *b, const struct mu_auth_options *options) {
    b->auth = mu_auth_create(options);
    mu_auth_set_wake(b->auth, on_wake, b);
    add(b, &b->first, "first");
    add(b, &b->second, "second");
    b->caller = mu_caller_create(
        &(struct muster_principal){.id = "node-1", .kind = MUSTER_PRINCIPAL_INSTANCE});
    b->resource = (struct muster_resource){.operation = "LEADER", .session = "room"};
    b->credentials = (struct muster_credentials){.transport = "test", .token = {"t", 1}};
}

static inline int set_up(void **state) {
    static struct bench bench;
    memset(&bench, 0, sizeof bench);
    build(&bench, &(struct mu_auth_options){.cache_entries = 3, .questions_max = 8});
    *state = &bench;
    return 0;
}

static inline struct mu_auth_counts counts(const struct bench *b) {
    struct mu_auth_counts counts;
    mu_auth_counts(b->auth, &counts);
    return counts;
}

static inline void dismantle(struct bench *b) {
    assert_int_equal(counts(b).pending, 0);
    mu_auth_destroy(&b->auth);
    mu_caller_unref(&b->caller);
}

static inline int tear_down(void **state) {
    dismantle(*state);
    return 0;
}

static inline void keep(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text != NULL ? text : "(none)");
}

static inline void on_verdict(void *context, const struct mu_ruling *verdict) {
    struct bench *b = context;
    b->verdicts++;
    b->status = verdict->status;
    if (verdict->status != MUSTER_OK)
        assert_non_null(verdict->reason);
    keep(b->reason, sizeof b->reason, verdict->reason);
    keep(b->user, sizeof b->user, verdict->user);
    keep(b->claims, sizeof b->claims, verdict->claims);
    keep(b->holder, sizeof b->holder, verdict->quota.holder);
    b->quota = verdict->quota;
    keep(b->id, sizeof b->id,
         verdict->caller != NULL ? mu_caller_principal(verdict->caller)->id : NULL);
}

/* Asks whether; true when the verdict came at once. */
static inline bool may(struct bench *b) {
    unsigned before = b->verdicts;
    mu_auth_authorize(b->auth, b->caller, MUSTER_ACTION_SESSION_READ, &b->resource, on_verdict, b,
                      &b->ticket);
    return b->verdicts > before;
}

static inline bool who(struct bench *b, enum muster_purpose purpose) {
    unsigned before = b->verdicts;
    b->credentials.purpose = purpose;
    mu_auth_authenticate(b->auth, &b->credentials, on_verdict, b, &b->ticket);
    return b->verdicts > before;
}

static inline void as(struct bench *b, const struct muster_principal *principal) {
    mu_caller_unref(&b->caller);
    b->caller = mu_caller_create(principal);
}

#define EXPECT(b, wanted, sentence)                                                                \
    do {                                                                                           \
        assert_int_equal((b)->status, MUSTER_##wanted);                                            \
        assert_string_equal((b)->reason, sentence);                                                \
    } while (0)

#define DECIDE(b, fake, ...)                                                                       \
    mu_auth_decide((b)->auth, (fake)->name, (fake)->handle,                                        \
                   &(struct muster_decision){.verdict = __VA_ARGS__})

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
