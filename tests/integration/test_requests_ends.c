/* How requests end early - the requester vanishes, the deadline passes, the daemon stops - and what
 * bounds them, over a real Redis. */
#include "requests_bench.h"

#include <signal.h>

static struct heard many[HELD];

/* 10,000 writes, each of which waits for its decision. */
static void fill(struct bench *b) {
    char connection[16];
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_LATER;
    b->held = 0;
    for (size_t i = 0; i < HELD; i++) {
        struct mu_submission with = {.owner = i % 2 == 0 ? &many[0] : &many[1]};
        snprintf(connection, sizeof connection, "c%zu", i);
        assert_int_equal(submit_with(b, &many[i], &with, "ENTER",
                                     MT_ARGUMENTS("room", connection, "node-1", "inc-a")),
                         MUSTER_OK);
    }
    SPIN(b, b->held == HELD, "ten thousand questions");
    assert_int_equal(auth_counts(b).pending, HELD);
    assert_int_equal(mu_requests_pending(b->requests, NULL), HELD);
}

static enum mu_decide_outcome allow(struct bench *b, size_t i) {
    return mu_auth_decide(b->auth, "rules", b->handles[i],
                          &(struct muster_decision){.verdict = MUSTER_ALLOW, .reason = "kept"});
}

static void expect_nothing_left(struct bench *b) {
    assert_int_equal(auth_counts(b).pending, 0);
    assert_int_equal(counts(b).pending, 0);
    assert_int_equal(counts(b).at_redis, 0);
    assert_int_equal(counts(b).bytes, 0);
    for (size_t i = 0; i < HELD; i++)
        assert_int_equal(many[i].replies, 0);
}

/* A requester vanishes while it is thought about: nothing is left of it, and what is decided then
 * has no effect. */
static void test_requesters_vanish(void **state) {
    struct bench *b = *state;
    char *before = mt_dump(b->f->redis);
    fill(b);
    mu_requests_cancel_owner(b->requests, &many[0]);
    assert_int_equal(mu_requests_pending(b->requests, &many[0]), 0);
    assert_int_equal(mu_requests_pending(b->requests, &many[1]), HELD / 2);
    for (size_t i = 1; i < HELD; i += 2)
        mu_requests_cancel(b->requests, many[i].id);
    for (size_t i = 0; i < HELD; i++)
        assert_int_equal(allow(b, i), MU_DECIDED_LATE);
    turns(b);
    settle(b);
    expect_nothing_left(b);
    assert_int_equal(counts(b).cancelled, HELD);
    assert_int_equal(auth_counts(b).late, HELD);
    char *after = mt_dump(b->f->redis);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
}

/* The same between the decision and the turn that would have gone on with it. */
static void test_requesters_vanish_after_the_decision(void **state) {
    struct bench *b = *state;
    char *before = mt_dump(b->f->redis);
    fill(b);
    for (size_t i = 0; i < HELD; i++)
        assert_int_equal(allow(b, i), MU_DECIDED);
    mu_requests_cancel_owner(b->requests, NULL);
    for (size_t i = 0; i < HELD; i++)
        assert_int_not_equal(allow(b, i), MU_DECIDED);
    turns(b);
    settle(b);
    expect_nothing_left(b);
    char *after = mt_dump(b->f->redis);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
    /* The slots serve again. */
    struct heard heard;
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_ALLOW;
    ASK_OK(b, &heard, "ENTER", "room", "c1", "node-1", "inc-a");
}

static void cancel_it(struct bench *b) {
    mu_requests_cancel(b->requests, b->current->id);
}

static void test_cancelled_inside_the_hook(void **state) {
    struct bench *b = *state;
    struct heard heard;
    b->current = &heard;
    b->in_hook = cancel_it;
    for (unsigned i = MUSTER_ALLOW; i <= MUSTER_LATER; i++) {
        b->verdicts[MUSTER_ACTION_SESSION_ENTER] = (enum muster_verdict)i;
        SUBMIT(b, &heard, "ENTER", "room", "c1", "node-1", "inc-a");
        SPIN(b, b->asked[MUSTER_ACTION_SESSION_ENTER] == i + 1, "the question");
        assert_int_equal(auth_counts(b).pending, 0);
        settle(b);
        assert_int_equal(heard.replies, 0);
    }
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_LEAD], 0);
    assert_int_equal(mt_integer(b->f->redis, "EXISTS " MT_NS "session:room"), 0);
}

/* ---- deadlines ---- */

static void test_deadline_before_redis(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct mu_submission with = {.timeout_ms = 20};
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_LATER;
    assert_int_equal(
        submit_with(b, &heard, &with, "ENTER", MT_ARGUMENTS("room", "c1", "node-1", "inc-a")),
        MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_TIMEOUT);
    assert_string_equal(heard.text, "'rules' did not decide in time; nothing happened");
    assert_int_equal(allow(b, 0), MU_DECIDED_LATE);
    settle(b);
    assert_int_equal(heard.replies, 1);
    assert_int_equal(mt_integer(b->f->redis, "EXISTS " MT_NS "session:room"), 0);
    /* Who is it: the other link keeps silent. */
    b->end_user = MUSTER_LATER;
    assert_int_equal(submit_with(b, &heard, &with, "REGISTER",
                                 MT_ARGUMENTS("c1", "node-1", "inc-a", "{\"credential\":\"x\"}")),
                     MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_string_equal(heard.text, "'tokens' did not decide in time; nothing happened");
}

/* Redis does not answer: the outcome is unknown, and here it happened after all. */
static void test_deadline_after_redis(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct mu_submission with = {.timeout_ms = 50};
    pid_t redis = (pid_t)mt_info(b->f->redis, "server", "process_id");
    assert_int_equal(kill(redis, SIGSTOP), 0);
    enum muster_status status =
        submit_with(b, &heard, &with, "ENTER", MT_ARGUMENTS("room", "c1", "node-1", "inc-a"));
    SPIN(b, heard.replies > 0, "the reply");
    size_t at_redis = counts(b).at_redis;
    size_t pending = counts(b).pending;
    assert_int_equal(kill(redis, SIGCONT), 0);
    assert_int_equal(status, MUSTER_OK);
    assert_int_equal(heard.status, MUSTER_TIMEOUT);
    assert_string_equal(heard.text,
                        "Redis did not answer in time; the outcome is unknown, repeating is safe");
    assert_int_equal(at_redis, 1); /* counted until it answers */
    assert_int_equal(pending, 0);
    SPIN(b, counts(b).at_redis == 0, "the answer of Redis");
    assert_int_equal(heard.replies, 1);
    assert_int_equal(counts(b).bytes, 0);
    assert_string_equal(mt_leader(b->f, "room"), "c1");
}

/* ---- bounds ---- */

static void test_bounds(void **state) {
    struct bench *b = *state;
    struct heard heard[4];
    const struct mu_submission with = {0};
    static char large[3000];
    memset(large, 'a', sizeof large - 1);
    dismantle(b);
    build(b, (struct mu_requests_options){.limits = {.pending_max = 3, .bytes_max = 6000}});
    b->verdicts[MUSTER_ACTION_SESSION_READ] = MUSTER_LATER;
    for (size_t i = 0; i < 3; i++)
        SUBMIT(b, &heard[i], "LEADER", "room");
    assert_int_equal(submit_with(b, &heard[3], &with, "LEADER", MT_ARGUMENTS("room")),
                     MUSTER_OVERLOADED);
    mu_requests_cancel(b->requests, heard[0].id);
    mu_requests_cancel(b->requests, heard[0].id);
    turns(b);
    SUBMIT(b, &heard[0], "LEADER", "room");
    mu_requests_cancel_owner(b->requests, b);
    turns(b);
    /* Bytes: of arguments and of credentials. */
    const struct muster_credentials credentials = {.token = {large, sizeof large - 1}};
    const struct mu_submission heavy = {.credentials = &credentials};
    b->caller = MUSTER_LATER;
    assert_int_equal(submit_with(b, &heard[0], &heavy, "LEADER", MT_ARGUMENTS("room")), MUSTER_OK);
    assert_int_equal(submit_with(b, &heard[1], &with, "LEADER", MT_ARGUMENTS(large)),
                     MUSTER_OVERLOADED);
    assert_int_equal(submit_with(b, &heard[1], &with, "LEADER", MT_ARGUMENTS("room")), MUSTER_OK);
    assert_int_equal(counts(b).refused, 2);
    mu_requests_cancel_owner(b->requests, b);
    turns(b);
    assert_int_equal(counts(b).bytes, 0);
    ASK(b, &heard[0], "LEADER", large); /* one by itself is let in, and is no id */
    assert_int_equal(heard[0].status, MUSTER_BAD_ID);
}

/* Other bounds count for what comes; what is pending may be more than they allow. */
static void test_other_bounds(void **state) {
    struct bench *b = *state;
    struct heard heard[3];
    const struct mu_submission with = {0};
    b->verdicts[MUSTER_ACTION_SESSION_READ] = MUSTER_LATER;
    SUBMIT(b, &heard[0], "LEADER", "room");
    SUBMIT(b, &heard[1], "LEADER", "room");
    mu_requests_set_limits(b->requests, &(struct mu_requests_limits){.pending_max = 2});
    assert_int_equal(submit_with(b, &heard[2], &with, "LEADER", MT_ARGUMENTS("room")),
                     MUSTER_OVERLOADED);
    mu_requests_set_limits(b->requests, &(struct mu_requests_limits){.bytes_max = 1});
    assert_true(counts(b).bytes > 1);
    assert_int_equal(submit_with(b, &heard[2], &with, "LEADER", MT_ARGUMENTS("room")),
                     MUSTER_OVERLOADED);
    mu_requests_set_limits(b->requests, &(struct mu_requests_limits){.timeout_ms = 1});
    SUBMIT(b, &heard[2], "LEADER", "room");
    SPIN(b, heard[2].replies == 1, "its deadline");
    assert_int_equal(heard[2].status, MUSTER_TIMEOUT);
    assert_int_equal(heard[0].replies, 0); /* has the deadline that it came with */
    mu_requests_cancel_owner(b->requests, b);
    turns(b);
    mu_requests_set_limits(b->requests, &(struct mu_requests_limits){.argument_max = 3});
    ASK(b, &heard[0], "LEADER", "room");
    assert_int_equal(heard[0].status, MUSTER_TOO_LARGE);
}

/* What was given to Redis counts until Redis answers, whoever has left. */
static void test_bound_holds_at_redis(void **state) {
    struct bench *b = *state;
    struct heard heard[2];
    const struct mu_submission with = {0};
    dismantle(b);
    build(b, (struct mu_requests_options){.limits = {.pending_max = 1}});
    pid_t redis = (pid_t)mt_info(b->f->redis, "server", "process_id");
    assert_int_equal(kill(redis, SIGSTOP), 0);
    enum muster_status first = submit_with(b, &heard[0], &with, "LEADER", MT_ARGUMENTS("room"));
    SPIN(b, counts(b).at_redis == 1, "the request at Redis");
    mu_requests_cancel(b->requests, heard[0].id);
    size_t pending = mu_requests_pending(b->requests, NULL);
    enum muster_status second = submit_with(b, &heard[1], &with, "LEADER", MT_ARGUMENTS("room"));
    assert_int_equal(kill(redis, SIGCONT), 0);
    assert_int_equal(first, MUSTER_OK);
    assert_int_equal(pending, 0);
    assert_int_equal(second, MUSTER_OVERLOADED);
    SPIN(b, counts(b).at_redis == 0, "the answer of Redis");
    ASK_OK(b, &heard[1], "LEADER", "room");
    assert_int_equal(heard[0].replies, 0);
}

/* ---- the end ---- */

static void test_shutdown_with_all_kinds(void **state) {
    struct bench *b = *state;
    static struct heard heard[5];
    pid_t redis = (pid_t)mt_info(b->f->redis, "server", "process_id");
    assert_int_equal(kill(redis, SIGSTOP), 0);
    SUBMIT(b, &heard[0], "LEADER", "room"); /* at Redis */
    b->verdicts[MUSTER_ACTION_ADMIN] = MUSTER_LATER;
    SUBMIT(b, &heard[1], "STATUS"); /* undecided */
    SUBMIT(b, &heard[2], "STATUS"); /* decided, not gone on with */
    SPIN(b, counts(b).at_redis == 1 && b->held == 2, "two questions");
    enum mu_decide_outcome outcome = allow(b, 1);
    SUBMIT(b, &heard[3], "LEADER", "room"); /* in the queue */
    struct mu_requests *closing = b->requests;
    mu_requests_close(&b->requests, on_closed, b);
    struct mu_submission late = {.owner = b, .door = "test", .operation = {"STATUS", 6}};
    late.reply = on_reply;
    late.context = &heard[4];
    enum muster_status refused = mu_requests_submit(closing, &late, NULL);
    turns(b);
    bool early = b->closed; /* before Redis answered */
    size_t pending = auth_counts(b).pending;
    assert_int_equal(kill(redis, SIGCONT), 0);
    SPIN(b, b->closed, "the end");
    assert_false(early);
    assert_int_equal(outcome, MU_DECIDED);
    assert_int_equal(refused, MUSTER_UNAVAILABLE);
    assert_int_equal(pending, 0);
    assert_int_equal(allow(b, 0), MU_DECIDED_LATE);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(heard[i].replies, 0);
    mu_auth_tick(b->auth);
    mu_auth_destroy(&b->auth);
    build(b, (struct mu_requests_options){0});
}

static void close_it(struct bench *b) {
    b->in_hook = NULL;
    mu_requests_close(&b->requests, on_closed, b);
}

static void test_shutdown_inside_a_hook(void **state) {
    struct bench *b = *state;
    static struct heard heard[3];
    b->in_hook = close_it;
    for (size_t i = 0; i < 3; i++)
        SUBMIT(b, &heard[i], "LEADER", "room");
    SPIN(b, b->closed, "the end");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(heard[i].replies, 0);
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_READ], 1);
    mu_auth_destroy(&b->auth);
    build(b, (struct mu_requests_options){0});
}

/* ---- from inside a reply ---- */

struct again {
    struct bench *b;
    unsigned left;
    bool inside;
};

static void on_reply_again(void *context, const struct muster_result *result) {
    struct again *again = context;
    assert_int_equal(result->status, MUSTER_BAD_REQUEST);
    assert_false(again->inside); /* a later turn: not from within itself */
    struct mu_submission submission = {.owner = again->b,
                                       .door = "test",
                                       .operation = {"NONE", 4},
                                       .reply = on_reply_again,
                                       .context = again};
    again->inside = true;
    if (--again->left > 0)
        assert_int_equal(mu_requests_submit(again->b->requests, &submission, NULL), MUSTER_OK);
    again->inside = false;
}

static void test_asks_again_from_the_reply(void **state) {
    struct bench *b = *state;
    struct again again = {.b = b, .left = 1000};
    struct mu_submission submission = {.owner = b,
                                       .door = "test",
                                       .operation = {"NONE", 4},
                                       .reply = on_reply_again,
                                       .context = &again};
    assert_int_equal(mu_requests_submit(b->requests, &submission, NULL), MUSTER_OK);
    /* One a turn: others have theirs in between. */
    uv_loop_t *loop = mt_loop_uv(mt_registry_loop(b->registry));
    for (unsigned left = 1000; left > 0; left = again.left) {
        uv_run(loop, UV_RUN_NOWAIT);
        assert_true(left - again.left <= 1);
    }
    assert_int_equal(counts(b).statuses[MUSTER_BAD_REQUEST], 1000);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_requesters_vanish),
        T(test_requesters_vanish_after_the_decision),
        T(test_cancelled_inside_the_hook),
        T(test_deadline_before_redis),
        T(test_deadline_after_redis),
        T(test_bounds),
        T(test_other_bounds),
        T(test_bound_holds_at_redis),
        T(test_shutdown_with_all_kinds),
        T(test_shutdown_inside_a_hook),
        T(test_asks_again_from_the_reply),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
