/* Quotas on their way through the chain: whose they are, what outlives the plugin's call and the
 * cache, and what is refused. */
#include "auth_bench.h"

#include <stdlib.h>

#include "auth/copy.h"

#define QUOTA(who, c, s) .quota_holder = (who), .quota_connections = (c), .quota_sessions = (s)

static void expect_quota(struct bench *b, const char *holder, uint32_t connections,
                         uint32_t sessions) {
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    assert_string_equal(b->holder, holder);
    assert_int_equal(b->quota.connections, connections);
    assert_int_equal(b->quota.sessions, sessions);
}

static void allow(struct bench *b, struct muster_decision decision) {
    b->first.decision = decision;
    b->first.decision.verdict = MUSTER_ALLOW;
}

static void test_who_holds(void **state) {
    struct bench *b = *state;
    char long_holder[130] = "";
    memset(long_holder, 'x', sizeof long_holder - 1);
    allow(b, (struct muster_decision){QUOTA("team-1", 3, 0)});
    expect_quota(b, "team-1", 3, 0);
    allow(b, (struct muster_decision){QUOTA(NULL, 0, UINT32_MAX)});
    expect_quota(b, "node-1", 0, UINT32_MAX);
    allow(b, (struct muster_decision){QUOTA("a/b", 1, 2)}); /* no id: the principal's instead */
    expect_quota(b, "node-1", 1, 2);
    allow(b, (struct muster_decision){QUOTA("", 1, 2)});
    expect_quota(b, "node-1", 1, 2);
    allow(b, (struct muster_decision){QUOTA(long_holder, 1, 2)});
    expect_quota(b, "node-1", 1, 2);
    allow(b, (struct muster_decision){QUOTA("team-1", 0, 0)}); /* bounds nothing */
    expect_quota(b, "(none)", 0, 0);
}

static void test_nobody_to_count_for(void **state) {
    static const char sentence[] = "the authorizer set a quota, but neither the holder that it "
                                   "named nor the principal is an id";
    struct bench *b = *state;
    as(b, &(struct muster_principal){.id = "Ada Lovelace", .kind = MUSTER_PRINCIPAL_USER});
    allow(b, (struct muster_decision){QUOTA(NULL, 1, 0)});
    assert_true(may(b));
    EXPECT(b, DENIED, sentence);
    assert_string_equal(b->holder, "(none)");
    allow(b, (struct muster_decision){QUOTA("a b", 0, 1)});
    assert_true(may(b));
    EXPECT(b, DENIED, sentence);
    allow(b, (struct muster_decision){QUOTA("ada", 0, 1)});
    expect_quota(b, "ada", 0, 1);
    allow(b, (struct muster_decision){QUOTA(NULL, 0, 0)});
    expect_quota(b, "(none)", 0, 0);
}

static void test_of_the_link_that_allowed(void **state) {
    struct bench *b = *state;
    b->first.decision = (struct muster_decision){.verdict = MUSTER_DEFER, QUOTA("x", 1, 1)};
    b->second.decision = (struct muster_decision){.verdict = MUSTER_ALLOW};
    expect_quota(b, "(none)", 0, 0);
    b->second.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, QUOTA("y", 2, 3)};
    expect_quota(b, "y", 2, 3);
    b->first.decision.verdict = MUSTER_DENY;
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_DENIED);
    assert_string_equal(b->holder, "(none)");
}

static void test_decided_later(void **state) {
    struct bench *b = *state;
    char holder[] = "team-1";
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW, QUOTA(holder, 5, 6)), MU_DECIDED);
    memset(holder, 'z', sizeof holder - 1); /* it was copied */
    mu_auth_tick(b->auth);
    assert_int_equal(b->status, MUSTER_OK);
    assert_string_equal(b->holder, "team-1");
    assert_int_equal(b->quota.connections, 5);
    assert_int_equal(b->quota.sessions, 6);
}

/* What is given again without asking bounds as much. */
static void test_cached(void **state) {
    struct bench *b = *state;
    char holder[] = "team-1";
    allow(b, (struct muster_decision){.cache_ms = DAY, QUOTA(holder, 5, 6)});
    expect_quota(b, "team-1", 5, 6);
    memset(holder, 'z', sizeof holder - 1);
    allow(b, (struct muster_decision){0});
    expect_quota(b, "team-1", 5, 6);
    assert_int_equal(b->first.asked, 1);
    mu_auth_flush(b->auth);
    allow(b, (struct muster_decision){.cache_ms = DAY, QUOTA(NULL, 7, 0)});
    expect_quota(b, "node-1", 7, 0);
    expect_quota(b, "node-1", 7, 0);
    assert_int_equal(b->first.asked, 2);
}

static void test_copy(void **state) {
    struct mu_decision_copy copy;
    char holder[] = "team-1";
    (void)state;
    mu_decision_copy(&copy,
                     &(struct muster_decision){.verdict = MUSTER_ALLOW, QUOTA(holder, 1, 2)});
    holder[0] = '/';
    assert_string_equal(copy.decision.quota_holder, "team-1");
    assert_int_equal(copy.decision.quota_connections, 1);
    assert_int_equal(copy.decision.quota_sessions, 2);
    mu_decision_copy_deinit(&copy);
    assert_null(copy.decision.quota_holder);
    mu_decision_copy(&copy,
                     &(struct muster_decision){.verdict = MUSTER_ALLOW, QUOTA(holder, 1, 2)});
    assert_null(copy.decision.quota_holder);
    mu_decision_copy_deinit(&copy);
    mu_decision_copy(
        &copy, &(struct muster_decision){.verdict = (enum muster_verdict)77, QUOTA("x", 1, 2)});
    assert_null(copy.decision.quota_holder);
    assert_int_equal(copy.decision.quota_connections, 0);
    mu_decision_copy_deinit(&copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_who_holds),
        T(test_nobody_to_count_for),
        T(test_of_the_link_that_allowed),
        T(test_decided_later),
        T(test_cached),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
