/* The failure detector: who is silent by our own clock, and what follows from it. */
#include "coordinator/verdicts.h"
#include "detector_stage.h"

/* By which way it was heard last. */
static void test_heard_by(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    assert_string_equal(stage.verdict[0].heard_by, "nothing");
    poll_one(&stage, "2");
    result(&stage, MUSTER_ALIVE);
    poll_one(&stage, "2");
    stage.now += SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    assert_string_equal(stage.verdict[0].heard_by, "score");
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    result(&stage, MUSTER_ALIVE);
    poll_one(&stage, "3");
    stage.now += SUSPECT + 7;
    expect(&stage, MU_VERDICT_SUSPECT, "3");
    assert_string_equal(stage.verdict[0].heard_by, "channel");
    assert_int_equal(stage.verdict[0].silent_ms, SUSPECT + 7);
    end(&stage);
}

/* What the journal is told of a verdict. */
static void test_why(void **state) {
    char why[MU_WHY_SIZE];
    char longest[MU_ID_SIZE];
    struct mu_verdict verdict = {.cause = "silence", .heard_by = "channel", .silent_ms = 3001};
    (void)state;
    mu_verdict_why(why, &verdict, "d1");
    assert_string_equal(why, "{\"signal\":\"silence\",\"silent_ms\":3001,\"heard_by\":\"channel\","
                             "\"coordinator\":\"d1\"}");
    verdict.cause = "lifeline";
    verdict.silent_ms = verdict.quiet_ms = UINT64_MAX;
    memset(longest, 'd', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    snprintf(verdict.daemon, sizeof verdict.daemon, "%s", longest);
    mu_verdict_why(why, &verdict, longest);
    assert_true(strlen(why) < sizeof why - 1); /* nothing was cut off */
    assert_int_equal(why[strlen(why) - 1], '}');
    assert_non_null(strstr(why, "\"quiet_ms\":18446744073709551615"));
}

static void test_silence_to_death(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now = START + SUSPECT - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now = START + SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    assert_string_equal(stage.verdict[0].cause, "silence");
    assert_int_equal(tick(&stage), 0); /* the answer is still to come */
    assert_false(result(&stage, MUSTER_OK));
    assert_true(look(&stage).suspect);
    stage.now = START + DEAD - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now = START + DEAD;
    expect(&stage, MU_VERDICT_BURY, "1");
    assert_true(result(&stage, MUSTER_OK));
    assert_int_equal(mu_detector_count(stage.detector), 0);
    end(&stage);
}

/* It is never buried without having been suspect first, however long nobody asked. */
static void test_suspect_comes_first(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += 10 * DEAD;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_TIMEOUT); /* unknown outcome: ask again, a little later */
    assert_int_equal(tick(&stage), 0);
    stage.now += 500;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_OK);
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

static void test_moving_score_is_life(void **state) {
    struct stage stage;
    char score[MU_SCORE_SIZE];
    (void)state;
    begin_one(&stage);
    for (int i = 2; i < 40; i++) {
        stage.now += 1000;
        snprintf(score, sizeof score, "%d", i);
        poll_one(&stage, score);
        assert_true(mu_detector_moved(stage.detector, "a"));
        assert_int_equal(tick(&stage), 0);
    }
    stage.now += SUSPECT - 1000;
    poll_one(&stage, "39"); /* seen again, but it did not move */
    assert_false(mu_detector_moved(stage.detector, "a"));
    stage.now += 1000;
    expect(&stage, MU_VERDICT_SUSPECT, "39");
    end(&stage);
}

static void test_channel_is_life(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    for (int i = 0; i < 40; i++) {
        stage.now += 1000;
        assert_int_equal(mu_detector_heard(stage.detector, stage.now, "a", "i"), MU_HEARD);
        poll_one(&stage, "1");
        assert_int_equal(tick(&stage), 0);
    }
    stage.now += SUSPECT;
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

/* A heartbeat that was heard counts from then, not from when its score was polled. */
static void test_heard_and_polled_is_one(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += 1000;
    poll_one(&stage, "1");
    stage.now += 100;
    uint64_t heard = stage.now;
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    stage.now += 900;
    poll_one(&stage, "2");
    assert_true(mu_detector_moved(stage.detector, "a"));
    stage.now = heard + SUSPECT;
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

/* Messages are lost, unnoticed: the scores speak. */
static void test_lost_messages(void **state) {
    struct stage stage;
    char score[MU_SCORE_SIZE];
    (void)state;
    begin_one(&stage);
    stage.now += 500;
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    for (int i = 2; i < 20; i++) {
        stage.now += 1000;
        snprintf(score, sizeof score, "%d", i);
        poll_one(&stage, score);
        assert_int_equal(tick(&stage), 0);
    }
    end(&stage);
}

/* What we wrote ourselves is no sign of life. */
static void test_own_beats(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += 500;
    uint64_t heard = stage.now;
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    stage.now += 500;
    poll_one(&stage, "1");
    mu_detector_written(stage.detector, "a");
    stage.now += 1000;
    poll_one(&stage, "2");
    assert_false(mu_detector_moved(stage.detector, "a"));
    stage.now = heard + SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    end(&stage);
}

static void test_pause_and_revival(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    assert_int_equal(tick(&stage), 1);
    result(&stage, MUSTER_OK);
    stage.now += 2000;
    assert_int_equal(mu_detector_heard(stage.detector, stage.now, "a", "i"), MU_HEARD_SUSPECT);
    assert_true(look(&stage).details_due);
    mu_detector_revived(stage.detector, "a");
    assert_false(look(&stage).suspect);
    stage.now += SUSPECT - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    end(&stage);
}

/* Revived by its own call, and the event of it was lost: the moved score tells. */
static void test_revival_by_score(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    tick(&stage);
    result(&stage, MUSTER_OK);
    details(&stage, "a", "i", true);
    assert_false(look(&stage).details_due);
    stage.now += 2000;
    poll_one(&stage, "2");
    assert_true(look(&stage).details_due);
    stage.now += DEAD - 1;
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "i", false);
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    end(&stage);
}

static void test_alive_answers(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    tick(&stage);
    assert_true(result(&stage, MUSTER_ALIVE)); /* poll again */
    stage.now += 10 * DEAD;
    assert_int_equal(tick(&stage), 0); /* not with a score that is known to be old */
    poll_one(&stage, "2");
    assert_int_equal(tick(&stage), 0);
    stage.now += SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    result(&stage, MUSTER_OK);
    stage.now += DEAD - SUSPECT;
    expect(&stage, MU_VERDICT_BURY, "2");
    assert_true(result(&stage, MUSTER_ALIVE));
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

/* The score moved because we wrote an old heartbeat: it is as silent as before. */
static void test_alive_by_own_beats(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    mu_detector_written(stage.detector, "a");
    stage.now += SUSPECT;
    assert_int_equal(tick(&stage), 1);
    assert_true(result(&stage, MUSTER_ALIVE));
    poll_one(&stage, "2");
    expect(&stage, MU_VERDICT_SUSPECT, "2");
    end(&stage);
}

static void test_other_refusals(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    tick(&stage);
    assert_true(result(&stage, MUSTER_STALE_INCARNATION));
    assert_true(look(&stage).details_due);
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "j", false); /* a new incarnation: its silence begins now */
    stage.now += SUSPECT - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    assert_int_equal(tick(&stage), 1);
    assert_string_equal(stage.verdict[0].incarnation, "j");
    assert_true(result(&stage, MUSTER_UNKNOWN_INSTANCE));
    assert_int_equal(mu_detector_count(stage.detector), 0);
    end(&stage);
}

/* The keys are damaged: it is tried again, but not all the time. */
static void test_broken(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    tick(&stage);
    assert_false(result(&stage, MUSTER_INTERNAL));
    stage.now += 4999;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

static void test_restart_while_asked(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    assert_int_equal(tick(&stage), 1);
    details(&stage, "a", "j", false);
    assert_false(result(&stage, MUSTER_OK)); /* of the one before */
    assert_false(look(&stage).suspect);
    stage.now += SUSPECT;
    assert_int_equal(tick(&stage), 1); /* and is not waited for any more */
    end(&stage);
}

static void test_wrong_incarnation_is_no_life(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    for (int i = 0; i < 2; i++) {
        stage.now += 1000;
        assert_int_equal(mu_detector_heard(stage.detector, stage.now, "a", "old"), MU_HEARD_OTHER);
        assert_true(look(&stage).details_due);
    }
    stage.now += 1000;
    assert_int_equal(tick(&stage), 1);
    assert_int_equal(mu_detector_heard(stage.detector, stage.now, "b", "i"), MU_HEARD_UNKNOWN);
    end(&stage);
}

static void test_unknown_details(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    poll_one(&stage, "1");
    assert_true(look(&stage).details_due);
    stage.now += DEAD;
    assert_int_equal(tick(&stage), 0); /* nothing can be said about who it is */
    details(&stage, "a", NULL, false);
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "not an id", false);
    assert_int_equal(tick(&stage), 0);
    details(&stage, "a", "i", true); /* suspect since before our time */
    stage.now += DEAD - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

static void test_reset(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    mu_detector_inbox(stage.detector, "a", 1);
    mu_detector_inbox(stage.detector, "a", 0);
    stage.now += SUSPECT - 1;
    mu_detector_reset(stage.detector, stage.now);
    mu_detector_inbox(stage.detector, "a", 0); /* has to be seen open again */
    mu_detector_inbox(stage.detector, "a", 0);
    stage.now += SUSPECT - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_OK);
    stage.now += DEAD - SUSPECT - 1;
    mu_detector_reset(stage.detector, stage.now); /* suspects too */
    stage.now += DEAD - 1;
    assert_int_equal(tick(&stage), 0);
    end(&stage);
}

static void test_blindness(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    mu_detector_sight(stage.detector, stage.now, false);
    stage.now += 10 * DEAD;
    assert_int_equal(tick(&stage), 0);
    mu_detector_sight(stage.detector, stage.now, true);
    assert_int_equal(tick(&stage), 0);
    stage.now += SUSPECT - 1;
    mu_detector_sight(stage.detector, stage.now, true); /* no news: nothing begins anew */
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

static void test_inbox_closes(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    assert_false(mu_detector_inbox(stage.detector, "a", 0)); /* never seen open: says nothing */
    assert_false(mu_detector_inbox(stage.detector, "a", 0));
    assert_int_equal(tick(&stage), 0);
    assert_false(mu_detector_inbox(stage.detector, "a", 1));
    assert_true(mu_detector_inbox(stage.detector, "a", 0)); /* look again, soon */
    assert_int_equal(tick(&stage), 0);
    assert_false(mu_detector_inbox(stage.detector, "a", 2)); /* it was only reconnecting */
    assert_true(mu_detector_inbox(stage.detector, "a", 0));
    assert_false(mu_detector_inbox(stage.detector, "a", 0));
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    assert_string_equal(stage.verdict[0].cause, "inbox");
    result(&stage, MUSTER_OK);
    /* Death needs the whole silence all the same. */
    stage.now += DEAD - 1;
    assert_int_equal(tick(&stage), 0);
    stage.now += 1;
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

/* It lives on without its inbox: suspected once, not again and again. */
static void test_inbox_signal_is_used_up(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    mu_detector_inbox(stage.detector, "a", 1);
    mu_detector_inbox(stage.detector, "a", 0);
    mu_detector_inbox(stage.detector, "a", 0);
    assert_int_equal(tick(&stage), 1);
    result(&stage, MUSTER_OK);
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    mu_detector_revived(stage.detector, "a");
    for (int i = 0; i < 10; i++) {
        mu_detector_inbox(stage.detector, "a", 0);
        assert_int_equal(tick(&stage), 0);
    }
    mu_detector_inbox(stage.detector, "a", 1);
    mu_detector_inbox(stage.detector, "a", 0);
    mu_detector_inbox(stage.detector, "a", 0);
    assert_int_equal(tick(&stage), 1);
    end(&stage);
}

/* Its last heartbeat came just before the end, after the last poll. */
static void test_inbox_and_alive(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    mu_detector_inbox(stage.detector, "a", 1);
    mu_detector_inbox(stage.detector, "a", 0);
    mu_detector_inbox(stage.detector, "a", 0);
    assert_int_equal(tick(&stage), 1);
    assert_true(result(&stage, MUSTER_ALIVE));
    assert_int_equal(tick(&stage), 0);
    poll_one(&stage, "2");
    expect(&stage, MU_VERDICT_SUSPECT, "2"); /* with the score that it left */
    assert_true(result(&stage, MUSTER_ALIVE));
    poll_one(&stage, "3");
    assert_int_equal(tick(&stage), 1);
    assert_true(result(&stage, MUSTER_ALIVE));
    poll_one(&stage, "4");
    assert_int_equal(tick(&stage), 0); /* it goes on and on: the inbox is not believed */
    end(&stage);
}

static void test_polls_come_and_go(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    poll(&stage, (const char *const[]){"a", "1", "b", "1", "no id!", "1", NULL});
    assert_int_equal(mu_detector_count(stage.detector), 2);
    details(&stage, "b", "j", false);
    poll(&stage, (const char *const[]){"a", "1", NULL}); /* stopped */
    assert_int_equal(mu_detector_count(stage.detector), 1);
    poll(&stage, (const char *const[]){"a", "1", "b", "2", NULL});
    stage.now += DEAD;
    assert_int_equal(tick(&stage), 0); /* what was known of it was forgotten */
    mu_detector_clear(stage.detector);
    assert_int_equal(mu_detector_count(stage.detector), 0);
    end(&stage);
}

static void test_thousand(void **state) {
    struct stage stage;
    char names[1000][8];
    static const char *pairs[2001];
    size_t suspected = 0;
    (void)state;
    begin(&stage);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        pairs[2 * i] = names[i];
        pairs[2 * i + 1] = "1";
    }
    poll(&stage, pairs);
    for (size_t i = 0; i < 1000; i++) {
        details(&stage, names[i], "i", false);
    }
    stage.now += SUSPECT;
    while (tick(&stage) > 0) { /* a few at a time, each once */
        assert_true(stage.count <= 8);
        for (size_t i = 0; i < stage.count; i++) {
            mu_detector_result(stage.detector, stage.now, &stage.verdict[i], MUSTER_OK);
        }
        suspected += stage.count;
    }
    assert_int_equal(suspected, 1000);
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heard_by),
        cmocka_unit_test(test_why),
        cmocka_unit_test(test_silence_to_death),
        cmocka_unit_test(test_suspect_comes_first),
        cmocka_unit_test(test_moving_score_is_life),
        cmocka_unit_test(test_channel_is_life),
        cmocka_unit_test(test_heard_and_polled_is_one),
        cmocka_unit_test(test_lost_messages),
        cmocka_unit_test(test_own_beats),
        cmocka_unit_test(test_pause_and_revival),
        cmocka_unit_test(test_revival_by_score),
        cmocka_unit_test(test_alive_answers),
        cmocka_unit_test(test_alive_by_own_beats),
        cmocka_unit_test(test_other_refusals),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_restart_while_asked),
        cmocka_unit_test(test_wrong_incarnation_is_no_life),
        cmocka_unit_test(test_unknown_details),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_blindness),
        cmocka_unit_test(test_inbox_closes),
        cmocka_unit_test(test_inbox_signal_is_used_up),
        cmocka_unit_test(test_inbox_and_alive),
        cmocka_unit_test(test_polls_come_and_go),
        cmocka_unit_test(test_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
