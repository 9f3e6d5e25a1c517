/* Lifelines in the failure detector: whose socket ended, and what takes that back. */
#include "detector_stage.h"

static bool cut(struct stage *stage, uint64_t quiet_ms) {
    return mu_detector_lifeline(stage->detector, stage->now, "a", "i", quiet_ms, "d2");
}

static void heard(struct stage *stage) {
    mu_detector_heard(stage->detector, stage->now, "a", "i");
}

/* One that heartbeats, last at `now` - `ago`, with the score 2 that no poll has seen yet. */
static void begin_beating(struct stage *stage, uint64_t ago) {
    begin_one(stage);
    stage->now += 1000;
    heard(stage);
    stage->now += ago;
}

/* The score of the last poll is not today's: the verdict waits for the next one. */
static void test_at_once(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    assert_int_equal(tick(&stage), 0);
    poll_one(&stage, "2"); /* the heartbeat that was heard: no new sign of life */
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    assert_string_equal(stage.verdict[0].cause, "lifeline");
    assert_int_equal(stage.verdict[0].silent_ms, 400);
    assert_string_equal(stage.verdict[0].daemon, "d2");
    assert_int_equal(stage.verdict[0].quiet_ms, 400);
    assert_int_equal(tick(&stage), 0); /* the answer is still to come */
    assert_false(result(&stage, MUSTER_OK));
    assert_true(look(&stage).suspect);
    /* Death needs the whole silence all the same. */
    stage.now += DEAD - 400 - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    expect(&stage, MU_VERDICT_BURY, "2");
    end(&stage);
}

/* It started, and died before it heartbeat. */
static void test_never_heard(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += 30;
    assert_true(cut(&stage, 50));
    poll_one(&stage, "1");
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    end(&stage);
}

/* So soon after its START that nothing of it has been read. */
static void test_unknown_yet(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    assert_true(cut(&stage, 3));
    assert_int_equal(tick(&stage), 0);
    poll_one(&stage, "1");
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "i", false);
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    assert_string_equal(stage.verdict[0].cause, "lifeline");
    end(&stage);
    /* Another incarnation of it, which is known: its START moved the score. */
    begin(&stage);
    poll_one(&stage, "1");
    details(&stage, "a", "h", false);
    stage.now += 500;
    assert_true(cut(&stage, 3));
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0); /* not of h */
    details(&stage, "a", "i", false);
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    end(&stage);
    /* It was heard before that. */
    begin(&stage);
    assert_true(cut(&stage, 3));
    heard(&stage);
    poll_one(&stage, "2");
    details(&stage, "a", "i", false);
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

static void test_of_whom_we_know(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    assert_true(mu_detector_lifeline(stage.detector, stage.now, "b", "i", 0, ""));
    assert_true(mu_detector_lifeline(stage.detector, stage.now, "a", "h", 0, ""));
    assert_false(mu_detector_lifeline(stage.detector, stage.now, "a", "", 0, ""));
    assert_false(mu_detector_lifeline(stage.detector, stage.now, "", "i", 0, ""));
    assert_int_equal(tick(&stage), 0);
    poll(&stage, (const char *const[]){"a", "1", "c", "1", NULL});
    assert_int_equal(mu_detector_count(stage.detector), 2); /* there is no b */
    details(&stage, "c", NULL, false);
    assert_false(mu_detector_lifeline(stage.detector, stage.now, "c", "", 0, "")); /* nobody */
    assert_int_equal(tick(&stage), 0);
    /* Started again meanwhile: the old socket says nothing about the new one. */
    assert_true(cut(&stage, 0));
    details(&stage, "a", "j", false);
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* It reconnected, here or at another daemon, and heartbeat there. */
static void test_heard_afterwards(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    stage.now += 5;
    heard(&stage);
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* A START does not sound on the channel; the score moves, though. */
static void test_started_afterwards(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    poll_one(&stage, "2");
    stage.now += 100;
    assert_true(cut(&stage, 500));
    stage.now += 5;
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* The new socket's heartbeat was faster than the news of the old one's end. */
static void test_heard_elsewhere_before(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    heard(&stage); /* elsewhere; the old socket has been quiet for 400 ms */
    stage.now += 3;
    assert_false(cut(&stage, 403));
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    /* Half open for an hour. */
    stage.now += 500;
    assert_false(cut(&stage, 3600000));
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* The heartbeat took a while to reach us: it was of that socket still. */
static void test_slow_news(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 0);
    stage.now += 900;
    assert_false(cut(&stage, 900 + 101));
    assert_true(cut(&stage, 900 + 100));
    poll_one(&stage, "2");
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    end(&stage);
    /* Not told how long: taken as it is. */
    begin_beating(&stage, 0);
    assert_true(cut(&stage, 0));
    end(&stage);
}

/* Redis has the last word: it was heard while the verdict was on its way. */
static void test_refused(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    poll_one(&stage, "2");
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    stage.now += 1;
    heard(&stage);
    assert_true(result(&stage, MUSTER_ALIVE));
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* The poll that was under way when the signal came knew less than the signal. */
static void test_old_poll(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 2);
    assert_true(cut(&stage, 2));
    mu_detector_poll_begin(stage.detector, stage.now - 5); /* sent before the heartbeat */
    mu_detector_poll_score(stage.detector, stage.now, "a", "1");
    mu_detector_poll_end(stage.detector);
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    assert_true(result(&stage, MUSTER_ALIVE));
    assert_int_equal(tick(&stage), 0);
    poll_one(&stage, "2");
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    result(&stage, MUSTER_OK);
    end(&stage);
}

/* Used up by the suspicion; the next socket's end counts anew. */
static void test_used_up(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 1);
    result(&stage, MUSTER_OK);
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0);
    assert_true(cut(&stage, 400)); /* an older socket of it: what comes is a heartbeat or death */
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0);
    stage.now += 200;
    heard(&stage);
    mu_detector_revived(stage.detector, "a");
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    stage.now += 300;
    assert_true(cut(&stage, 300));
    poll_one(&stage, "3");
    expect(&stage, MU_VERDICT_SUSPECT, "3");
    end(&stage);
}

/* Up again, and dead before we had read that it was up. */
static void test_revived_and_cut(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    details(&stage, "a", "i", true);
    stage.now += 1000;
    heard(&stage);
    stage.now += 5;
    assert_true(cut(&stage, 5));
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "i", false);
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    assert_string_equal(stage.verdict[0].cause, "lifeline");
    end(&stage);
}

/* What was lost on the way is asked again, until a sign of life. */
static void test_lost_verdict(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 1);
    result(&stage, MUSTER_TIMEOUT);
    assert_int_equal(tick(&stage), 0);
    stage.now += 500;
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

static void test_blindness(void **state) {
    struct stage stage;
    (void)state;
    begin_beating(&stage, 400);
    assert_true(cut(&stage, 400));
    poll_one(&stage, "2");
    mu_detector_sight(stage.detector, stage.now, false);
    assert_int_equal(tick(&stage), 0);
    mu_detector_sight(stage.detector, stage.now, true); /* what it did meanwhile we do not know */
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* Through the brake as every suspicion: counted as becoming suspect, and held by the permit. */
static void test_brake(void **state) {
    struct stage stage;
    struct mu_brake_view view;
    struct mu_verdict verdict;
    (void)state;
    begin_beating(&stage, 400);
    poll_one(&stage, "2");
    assert_false(mu_detector_view(stage.detector, stage.now, 0, &view));
    assert_true(cut(&stage, 400));
    poll_one(&stage, "2");
    assert_true(mu_detector_view(stage.detector, stage.now, 0, &view));
    assert_int_equal(view.becoming, 1);
    assert_int_equal(view.suspects, 0);
    assert_true(view.fresh);
    assert_int_equal(mu_detector_tick(stage.detector, stage.now, 0, &verdict, 1), 0);
    assert_int_equal(mu_detector_tick(stage.detector, stage.now, stage.now - 400 - 1, &verdict, 1),
                     0);
    assert_int_equal(mu_detector_tick(stage.detector, stage.now, stage.now - 400, &verdict, 1), 1);
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_never_heard),
        cmocka_unit_test(test_unknown_yet),
        cmocka_unit_test(test_of_whom_we_know),
        cmocka_unit_test(test_heard_afterwards),
        cmocka_unit_test(test_started_afterwards),
        cmocka_unit_test(test_heard_elsewhere_before),
        cmocka_unit_test(test_slow_news),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_old_poll),
        cmocka_unit_test(test_used_up),
        cmocka_unit_test(test_revived_and_cut),
        cmocka_unit_test(test_lost_verdict),
        cmocka_unit_test(test_blindness),
        cmocka_unit_test(test_brake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
