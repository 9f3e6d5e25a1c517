/* requests_bench.h - requests in this process over a real Redis, and plugins that decide as told.
 */
#ifndef MT_REQUESTS_BENCH_H
#define MT_REQUESTS_BENCH_H

#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"
#include "lib/registry.h"
#include "request/request.h"

enum { HELD = 10000, SAID = 8192 };

/* What came for one request. */
struct heard {
    unsigned replies;
    enum muster_status status;
    char text[SAID]; /* JSON, or the sentence */
    uint64_t id;
};

struct bench {
    struct mt_fixture *f;
    struct mt_registry *registry;
    struct mu_auth *auth;
    struct mu_requests *requests;
    bool submitting;
    bool closed;
    /* the authorizer */
    enum muster_verdict verdicts[MUSTER_ACTIONS];
    const char *reason;
    unsigned asked[MUSTER_ACTIONS];
    struct muster_handle handles[HELD];
    size_t held;
    char session[200], user[200], claims[200], principal[300], resumed[200];
    void (*in_hook)(struct bench *b);
    /* the authenticator */
    enum muster_verdict caller, end_user;
    const char *named; /* as user of the connection; NULL: as requested */
    char token[200], requested[200];
    struct heard *current; /* of in_hook */
};

static inline void note(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text != NULL ? text : "(none)");
}

static inline enum muster_verdict hold(struct bench *b, struct muster_handle handle,
                                       enum muster_verdict verdict) {
    assert_false(b->submitting); /* no hook from inside of a door's call */
    if (b->in_hook != NULL)
        b->in_hook(b);
    if (verdict == MUSTER_LATER && b->held < HELD)
        b->handles[b->held++] = handle;
    return verdict;
}

static inline enum muster_verdict authorize(void *context, struct muster_handle handle,
                                            const struct muster_principal *principal,
                                            enum muster_action action,
                                            const struct muster_resource *resource,
                                            struct muster_decision *decision) {
    struct bench *b = context;
    b->asked[action]++;
    note(b->principal, sizeof b->principal, principal->id);
    note(b->session, sizeof b->session, resource->session);
    note(b->user, sizeof b->user, resource->user);
    note(b->claims, sizeof b->claims, resource->claims);
    note(b->resumed, sizeof b->resumed, resource->resumed);
    decision->reason = b->reason;
    return hold(b, handle, b->verdicts[action]);
}

static inline enum muster_verdict authenticate(void *context, struct muster_handle handle,
                                               const struct muster_credentials *credentials,
                                               struct muster_decision *decision) {
    static const struct muster_principal node = {.id = "node-1", .kind = MUSTER_PRINCIPAL_INSTANCE};
    struct bench *b = context;
    bool caller = credentials->purpose == MUSTER_PURPOSE_CALLER;
    note(b->token, sizeof b->token, credentials->token.data);
    note(b->requested, sizeof b->requested, credentials->requested_user);
    decision->reason = b->reason;
    decision->principal = caller ? &node : NULL;
    decision->user = caller ? NULL : b->named;
    decision->claims = caller ? NULL : "{\"plan\":\"gold\"}";
    return hold(b, handle, caller ? b->caller : b->end_user);
}

static inline void build(struct bench *b, struct mu_requests_options options) {
    b->auth = mu_auth_create(&(struct mu_auth_options){0});
    mu_auth_add_authorizer(b->auth, &(struct mu_authorizer){"rules", b, authorize});
    mu_auth_add_authenticator(b->auth, &(struct mu_authenticator){"tokens", b, authenticate});
    options.loop = mt_loop_uv(mt_registry_loop(b->registry));
    options.registry = mt_registry_of(b->registry);
    options.auth = b->auth;
    b->closed = false;
    b->requests = mu_requests_create(&options);
}

static inline void on_closed(void *context) {
    ((struct bench *)context)->closed = true;
}

static inline struct mu_auth_counts auth_counts(const struct bench *b) {
    struct mu_auth_counts counts;
    mu_auth_counts(b->auth, &counts);
    return counts;
}

static inline struct mu_request_counts counts(const struct bench *b) {
    struct mu_request_counts counts;
    mu_requests_counts(b->requests, &counts);
    return counts;
}

#define SPIN(b, expression, what) MT_SPIN(mt_registry_loop((b)->registry), expression, what)

static inline void dismantle(struct bench *b) {
    mu_requests_close(&b->requests, on_closed, b);
    assert_false(b->closed); /* in a later turn */
    SPIN(b, b->closed, "the end of the requests");
    assert_int_equal(auth_counts(b).pending, 0);
    mu_auth_destroy(&b->auth);
}

static inline int set_up(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    mt_fixture_fresh(state);
    b->f = *state;
    b->registry = mt_registry_open(b->f);
    build(b, (struct mu_requests_options){0});
    mt_start(b->f, "node-1", "inc-a");
    *state = b;
    return 0;
}

static inline int tear_down(void **state) {
    struct bench *b = *state;
    *state = b->f;
    dismantle(b);
    mt_registry_close(&b->registry);
    free(b);
    return 0;
}

static inline void on_reply(void *context, const struct muster_result *result) {
    struct heard *heard = context;
    heard->replies++;
    heard->status = result->status;
    note(heard->text, sizeof heard->text,
         result->status == MUSTER_OK ? result->json : result->message);
}

static inline enum muster_status submit_with(struct bench *b, struct heard *heard,
                                             const struct mu_submission *more,
                                             const char *operation, const char *const arguments[]) {
    struct muster_text texts[MUSTER_ARGUMENTS_MAX];
    struct mu_submission submission = *more;
    *heard = (struct heard){0};
    for (submission.count = 0; arguments[submission.count] != NULL; submission.count++)
        texts[submission.count] =
            (struct muster_text){arguments[submission.count], strlen(arguments[submission.count])};
    submission.owner = submission.owner != NULL ? submission.owner : b;
    submission.door = "test";
    if (submission.operation.data == NULL)
        submission.operation = (struct muster_text){operation, strlen(operation)};
    submission.arguments = texts;
    submission.reply = on_reply;
    submission.context = heard;
    b->submitting = true;
    enum muster_status status = mu_requests_submit(b->requests, &submission, &heard->id);
    b->submitting = false;
    assert_int_equal(heard->replies, 0); /* in a later turn, always */
    return status;
}

#define SUBMIT(b, heard, ...)                                                                      \
    assert_int_equal(submit_with((b), (heard), &(struct mu_submission){0},                         \
                                 ((const char *const[]){__VA_ARGS__, NULL})[0],                    \
                                 &((const char *const[]){__VA_ARGS__, NULL})[1]),                  \
                     MUSTER_OK)

/* Submits and waits for the reply. */
#define ASK(b, heard, ...)                                                                         \
    do {                                                                                           \
        SUBMIT(b, heard, __VA_ARGS__);                                                             \
        SPIN(b, (heard)->replies > 0, "the reply");                                                \
        assert_int_equal((heard)->replies, 1);                                                     \
    } while (0)
#define ASK_OK(b, heard, ...)                                                                      \
    do {                                                                                           \
        ASK(b, heard, __VA_ARGS__);                                                                \
        if ((heard)->status != MUSTER_OK)                                                          \
            fail_msg("%s: %s", muster_status_code((heard)->status), (heard)->text);                \
    } while (0)
#define ASK_FAILS(b, heard, wanted, sentence, ...)                                                 \
    do {                                                                                           \
        ASK(b, heard, __VA_ARGS__);                                                                \
        assert_string_equal((heard)->text, sentence);                                              \
        assert_int_equal((heard)->status, MUSTER_##wanted);                                        \
    } while (0)

/* Some turns in which whatever is due would happen. */
static inline void turns(struct bench *b) {
    for (int i = 0; i < 5; i++)
        uv_run(mt_loop_uv(mt_registry_loop(b->registry)), UV_RUN_NOWAIT);
}

/* A read through Redis: what was sent before it has been answered by then. */
static inline void settle(struct bench *b) {
    mt_finish(b->registry, mt_begin(b->registry, MUSTER_OPERATION_STATUS, MT_ARGUMENTS(NULL)));
    turns(b);
}

#endif
