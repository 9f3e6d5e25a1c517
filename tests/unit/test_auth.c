/* Chains of authenticators and authorizers: who is asked, who wins, and what comes too late. */
#include "auth_bench.h"

/* ---- chains ---- */

static void test_first_answer_wins(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_ALLOW;
    b->second.decision.verdict = MUSTER_DENY;
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    assert_int_equal(b->second.asked, 0);
    b->first.decision = (struct muster_decision){.verdict = MUSTER_DENY, .reason = "not here"};
    assert_true(may(b));
    EXPECT(b, DENIED, "not here");
    assert_int_equal(b->second.asked, 0);
    b->first.decision = (struct muster_decision){.verdict = MUSTER_DEFER};
    assert_true(may(b));
    EXPECT(b, DENIED, "not allowed"); /* by the second, who gave no reason */
    assert_int_equal(b->first.asked, 3);
    assert_int_equal(b->second.asked, 1);
}

static void test_default(void **state) {
    struct bench *b = *state;
    assert_true(may(b));
    EXPECT(b, DENIED, "no authorizer allows it");
    dismantle(b);
    build(b, &(struct mu_auth_options){.allow_by_default = true});
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    b->second.decision.verdict = MUSTER_DENY; /* the default is for silence only */
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_DENIED);
}

static void test_codes(void **state) {
    static const struct {
        enum muster_status said, authorizer, authenticator;
    } codes[] = {
        {MUSTER_OK, MUSTER_DENIED, MUSTER_UNAUTHENTICATED},
        {MUSTER_DENIED, MUSTER_DENIED, MUSTER_DENIED},
        {MUSTER_UNAUTHENTICATED, MUSTER_UNAUTHENTICATED, MUSTER_UNAUTHENTICATED},
        {MUSTER_RATE_LIMITED, MUSTER_RATE_LIMITED, MUSTER_RATE_LIMITED},
        {MUSTER_INTERNAL, MUSTER_DENIED, MUSTER_UNAUTHENTICATED},
        {(enum muster_status)9999, MUSTER_DENIED, MUSTER_UNAUTHENTICATED},
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        b->first.decision = (struct muster_decision){.verdict = MUSTER_DENY, .code = codes[i].said};
        assert_true(may(b));
        assert_int_equal(b->status, codes[i].authorizer);
        assert_true(who(b, MUSTER_PURPOSE_CALLER));
        assert_int_equal(b->status, codes[i].authenticator);
    }
    b->first.decision.verdict = (enum muster_verdict)77;
    assert_true(may(b));
    EXPECT(b, DENIED, "who decides it gave no verdict");
}

/* ---- later ---- */

static void test_later(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(counts(b).pending, 1);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED);
    assert_int_equal(b->verdicts, 0); /* in a later turn */
    assert_int_equal(b->wakes, 1);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(b->status, MUSTER_OK);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
}

static void test_later_defers(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = b->second.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    struct muster_handle old = b->first.handle;
    assert_int_equal(DECIDE(b, &b->first, MUSTER_DEFER), MU_DECIDED);
    mu_auth_tick(b->auth);
    assert_int_equal(b->second.asked, 1);
    /* The first link's handle decides nothing any more, nor does the second's for the first. */
    assert_int_equal(
        mu_auth_decide(b->auth, "first", old, &(struct muster_decision){.verdict = MUSTER_ALLOW}),
        MU_DECIDED_TWICE);
    assert_int_equal(mu_auth_decide(b->auth, "first", b->second.handle,
                                    &(struct muster_decision){.verdict = MUSTER_ALLOW}),
                     MU_DECIDED_NOT_YOURS);
    assert_int_equal(DECIDE(b, &b->second, MUSTER_DENY, .reason = "no"), MU_DECIDED);
    mu_auth_tick(b->auth);
    EXPECT(b, DENIED, "no");
    assert_int_equal(b->verdicts, 1);
}

static void test_a_verdict_that_is_none(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(DECIDE(b, &b->first, MUSTER_LATER), MU_DECIDED);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
    EXPECT(b, DENIED, "who decides it gave no verdict");
}

static void test_twice_and_late(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(DECIDE(b, &b->first, MUSTER_DENY), MU_DECIDED);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED_TWICE); /* before the tick */
    mu_auth_tick(b->auth);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED_TWICE); /* and after it */
    assert_int_equal(b->status, MUSTER_DENIED);
    struct muster_handle old = b->first.handle;
    assert_false(may(b)); /* in the same slot */
    assert_int_equal(b->first.handle.slot, old.slot);
    assert_int_not_equal(b->first.handle.generation, old.generation);
    assert_int_not_equal(
        mu_auth_decide(b->auth, "first", old, &(struct muster_decision){.verdict = MUSTER_ALLOW}),
        MU_DECIDED);
    mu_auth_cancel(b->auth, b->ticket);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED_LATE);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(counts(b).late, 1);
    assert_int_equal(counts(b).twice, 3);
}

static void test_foreign_handles(void **state) {
    static const struct muster_handle made_up[] = {{0, 0}, {7, 1}, {UINT32_MAX, 1}, {99, 0}};
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++)
        assert_int_equal(mu_auth_decide(b->auth, "first", made_up[i],
                                        &(struct muster_decision){.verdict = MUSTER_ALLOW}),
                         MU_DECIDED_NOT_YOURS);
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(mu_auth_decide(b->auth, "second", b->first.handle,
                                    &(struct muster_decision){.verdict = MUSTER_ALLOW}),
                     MU_DECIDED_NOT_YOURS);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 0);
    assert_int_equal(counts(b).not_yours, 5);
    mu_auth_cancel(b->auth, b->ticket);
}

static void test_cancelled(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    uint64_t old = b->ticket;
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW, .reason = "kept and freed"), MU_DECIDED);
    mu_auth_cancel(b->auth, old); /* between decision and tick */
    mu_auth_cancel(b->auth, old);
    mu_auth_cancel(b->auth, 0);
    mu_auth_cancel(b->auth, UINT64_MAX);
    assert_int_equal(counts(b).pending, 0);
    assert_false(may(b)); /* before the tick: not in the slot that is still listed */
    mu_auth_tick(b->auth);
    mu_auth_cancel(b->auth, old); /* the slot's next question is another */
    mu_auth_expire(b->auth, old);
    assert_int_equal(b->verdicts, 0);
    assert_int_equal(counts(b).pending, 1);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
}

static void test_cancelled_in_the_hook(void **state) {
    struct bench *b = *state;
    static const enum muster_verdict verdicts[] = {MUSTER_ALLOW, MUSTER_DENY, MUSTER_DEFER,
                                                   MUSTER_LATER};
    b->first.cancels = &b->ticket;
    for (size_t i = 0; i < 4; i++) {
        b->first.decision = (struct muster_decision){.verdict = verdicts[i], .cache_ms = DAY};
        assert_false(may(b));
        assert_int_equal(counts(b).pending, 0);
        assert_int_not_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED);
        mu_auth_tick(b->auth);
        assert_false(who(b, MUSTER_PURPOSE_CALLER));
        assert_int_equal(counts(b).pending, 0);
    }
    b->first.decides = true;
    b->first.inside.reason = "kept and freed";
    assert_false(may(b));
    assert_int_equal(b->second.asked, 0);
    assert_int_equal(b->verdicts, 0);
    assert_int_equal(counts(b).cached, 0);
}

static void test_decided_in_the_hook(void **state) {
    struct bench *b = *state;
    b->first.decides = true;
    b->first.inside = (struct muster_decision){.verdict = MUSTER_DENY, .reason = "inside"};
    b->first.decision.verdict = MUSTER_LATER;
    assert_true(may(b));
    EXPECT(b, DENIED, "inside");
    assert_int_equal(b->first.outcome, MU_DECIDED);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED_TWICE);
    b->first.decides_twice = true;
    assert_true(may(b));
    assert_int_equal(b->first.outcome, MU_DECIDED_TWICE);
    /* What it returns counts, not what it decided before. */
    b->first.decides_twice = false;
    b->first.decision.verdict = MUSTER_ALLOW;
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    assert_int_equal(counts(b).twice, 3);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 3);
}

static void test_expire_names_the_link(void **state) {
    struct bench *b = *state;
    b->second.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    mu_auth_expire(b->auth, b->ticket);
    EXPECT(b, TIMEOUT, "'second' did not decide in time; nothing happened");
    mu_auth_expire(b->auth, b->ticket);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(counts(b).timeouts, 1);
    assert_int_equal(DECIDE(b, &b->second, MUSTER_ALLOW), MU_DECIDED_LATE);
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(b->status, MUSTER_TIMEOUT);
}

static void test_bounded(void **state) {
    struct bench *b = *state;
    uint64_t tickets[8];
    b->first.decision.verdict = MUSTER_LATER;
    for (size_t i = 0; i < 8; i++) {
        assert_false(may(b));
        tickets[i] = b->ticket;
    }
    assert_true(may(b));
    EXPECT(b, OVERLOADED, "too many decisions are pending");
    assert_int_equal(b->ticket, 0);
    mu_auth_cancel(b->auth, tickets[3]);
    assert_false(may(b));
    tickets[3] = b->ticket;
    for (size_t i = 0; i < 8; i++)
        mu_auth_cancel(b->auth, tickets[i]);
}

/* ---- a plugin that stops ---- */

static void test_removed(void **state) {
    struct bench *b = *state;
    b->second.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_false(who(b, MUSTER_PURPOSE_CALLER));
    mu_auth_remove(b->auth, "first"); /* asks nobody, and has nothing under way */
    assert_int_equal(b->verdicts, 0);
    mu_auth_remove(b->auth, "second");
    assert_int_equal(b->verdicts, 2);
    EXPECT(b, DENIED, "who decides it has stopped");
    assert_int_equal(DECIDE(b, &b->second, MUSTER_ALLOW), MU_DECIDED_LATE);
    unsigned asked = b->first.asked;
    assert_true(may(b)); /* fails closed: who is gone does not defer */
    EXPECT(b, DENIED, "who decides it has stopped");
    assert_int_equal(b->first.asked, asked);
}

static void test_removed_after_it_decided(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW), MU_DECIDED);
    mu_auth_remove(b->auth, "first");
    mu_auth_tick(b->auth);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(b->status, MUSTER_OK);
}

/* ---- who is it ---- */

static void test_authenticated(void **state) {
    static const char *const roles[] = {"reader", "writer"};
    struct muster_principal ada = {.id = "ada@example.org", .roles = roles, .role_count = 2};
    struct bench *b = *state;
    assert_true(who(b, MUSTER_PURPOSE_CALLER));
    assert_string_equal(b->id, "anonymous");
    assert_true(who(b, MUSTER_PURPOSE_END_USER));
    EXPECT(b, UNAUTHENTICATED, "no authenticator knows this credential");
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .principal = &ada};
    assert_true(who(b, MUSTER_PURPOSE_CALLER));
    assert_string_equal(b->id, "ada@example.org");
    b->first.decision =
        (struct muster_decision){.verdict = MUSTER_ALLOW, .user = "ada", .claims = "{\"a\":1}"};
    assert_true(who(b, MUSTER_PURPOSE_END_USER));
    assert_string_equal(b->user, "ada");
    assert_string_equal(b->claims, "{\"a\":1}");
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW};
    assert_true(who(b, MUSTER_PURPOSE_END_USER)); /* the user as requested */
    assert_int_equal(b->status, MUSTER_OK);
    assert_string_equal(b->user, "(none)");
}

static void test_nobody(void **state) {
    static const char *const many[65] = {NULL};
    static const char *const control[] = {"fine", "a\nb"};
    const char *filled[65];
    static char long_id[258];
    struct bench *b = *state;
    for (size_t i = 0; i < 65; i++)
        filled[i] = "role";
    memset(long_id, 'x', 257);
    const struct muster_principal nobody[] = {
        {.id = NULL},
        {.id = ""},
        {.id = "a\tb"},
        {.id = "a\x7f"},
        {.id = long_id},
        {.id = "ada", .instance = "no id!"},
        {.id = "ada", .instance = ""},
        {.id = "ada", .roles = control, .role_count = 2},
        {.id = "ada", .roles = filled, .role_count = 65},
        {.id = "ada", .roles = many, .role_count = 1},
    };
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        b->first.decision =
            (struct muster_decision){.verdict = MUSTER_ALLOW, .principal = &nobody[i]};
        assert_true(who(b, MUSTER_PURPOSE_CALLER));
        assert_int_equal(b->status, MUSTER_UNAUTHENTICATED);
        assert_non_null(strstr(b->reason, "the authenticator named nobody"));
    }
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .user = "a b"};
    assert_true(who(b, MUSTER_PURPOSE_END_USER));
    EXPECT(b, UNAUTHENTICATED, "the authenticator named a user that is no id");
}

static void test_claims_have_a_limit(void **state) {
    static char claims[16386];
    struct muster_principal ada = {.id = "ada", .claims = claims};
    struct bench *b = *state;
    memset(claims, ' ', sizeof claims - 1);
    b->first.decision =
        (struct muster_decision){.verdict = MUSTER_ALLOW, .claims = claims, .principal = &ada};
    assert_true(who(b, MUSTER_PURPOSE_CALLER));
    EXPECT(b, UNAUTHENTICATED, "the claims are larger than 16 KiB");
    b->first.decision.principal = NULL;
    assert_true(who(b, MUSTER_PURPOSE_END_USER));
    EXPECT(b, UNAUTHENTICATED, "the claims are larger than 16 KiB");
    claims[16384] = '\0';
    assert_true(who(b, MUSTER_PURPOSE_END_USER));
    assert_int_equal(b->status, MUSTER_OK);
}

/* ---- before anybody is asked ---- */

static void test_bound_instance(void **state) {
    struct bench *b = *state;
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .cache_ms = DAY};
    as(b, &(struct muster_principal){.id = "n", .instance = "node-1"});
    b->resource.instance = "node-2";
    assert_true(may(b));
    EXPECT(b, DENIED, "the caller is bound to instance 'node-1'");
    assert_int_equal(b->first.asked, 0);
    b->resource.instance = "node-1";
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    b->resource.instance = NULL; /* names none */
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
}

static void test_expired(void **state) {
    struct bench *b = *state;
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .cache_ms = DAY};
    as(b, &(struct muster_principal){.id = "n", .expires_at = mu_clock_realtime_ms()});
    assert_true(may(b));
    EXPECT(b, UNAUTHENTICATED, "the credentials have expired; authenticate again");
    assert_int_equal(b->first.asked, 0);
    /* While it is thought about. */
    b->first.waits_until = mu_clock_realtime_ms() + 1000;
    as(b, &(struct muster_principal){.id = "n", .expires_at = b->first.waits_until});
    assert_true(may(b));
    EXPECT(b, UNAUTHENTICATED, "the credentials have expired; authenticate again");
    assert_int_equal(b->first.asked, 1);
}

/* ---- reasons ---- */

static void test_reasons_are_cleaned(void **state) {
    struct bench *b = *state;
    char longer[301];
    b->first.decision = (struct muster_decision){.verdict = MUSTER_DENY,
                                                 .reason = "a\r\n+OK\x7f\x1b[0m\xff ok \xc3\xa9"};
    assert_true(may(b));
    EXPECT(b, DENIED, "a  +OK  [0m  ok \xc3\xa9");
    memset(longer, 'x', 300);
    longer[300] = '\0';
    memcpy(longer + 199, "\xc3\xa9", 2); /* across the limit */
    b->first.decision.reason = longer;
    assert_true(may(b));
    assert_int_equal(strlen(b->reason), 199);
    assert_null(strchr(b->reason, 0xc3));
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(DECIDE(b, &b->first, MUSTER_DENY, .reason = "x\ny"), MU_DECIDED);
    mu_auth_tick(b->auth);
    EXPECT(b, DENIED, "x y");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_first_answer_wins),
        T(test_default),
        T(test_codes),
        T(test_later),
        T(test_later_defers),
        T(test_a_verdict_that_is_none),
        T(test_twice_and_late),
        T(test_foreign_handles),
        T(test_cancelled),
        T(test_cancelled_in_the_hook),
        T(test_decided_in_the_hook),
        T(test_expire_names_the_link),
        T(test_bounded),
        T(test_removed),
        T(test_removed_after_it_decided),
        T(test_authenticated),
        T(test_nobody),
        T(test_claims_have_a_limit),
        T(test_bound_instance),
        T(test_expired),
        T(test_reasons_are_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
