/* The detector does not look at its instances as long as none can be due. It must say the same as
 * one that looks each time: two of them are told the same, at random, and one is made to look. Nor
 * does it look up whose inbox is told next: any other order must do as well. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "detector_stage.h"

#define NAMES 5
#define STEPS 40000

struct pair {
    struct stage lazy, eager;
    unsigned seed;
    unsigned long score;
    size_t verdicts; /* so far */
    bool seeing;
    uint64_t suspect_ms, dead_ms;
};

static unsigned roll(struct pair *pair, unsigned bound) {
    return (unsigned)rand_r(&pair->seed) % bound;
}

static const char *name(unsigned index) {
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e"};
    return names[index];
}

static const char *incarnation(unsigned index) {
    static const char *const incarnations[] = {"i", "i", "i", "j"};
    return incarnations[index];
}

/* Both are told the same: DETECTOR is one, then the other. */
#define BOTH(pair, statement)                                                                      \
    do {                                                                                           \
        struct mu_detector *DETECTOR = (pair)->lazy.detector;                                      \
        statement;                                                                                 \
        DETECTOR = (pair)->eager.detector;                                                         \
        statement;                                                                                 \
    } while (0)

static void poll_some(struct pair *pair, uint64_t now) {
    unsigned there = roll(pair, 8) != 0 ? 31 : roll(pair, 32);
    unsigned moved = roll(pair, 32);
    char score[NAMES][MU_SCORE_SIZE];
    pair->score++;
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(score[i], sizeof score[i], "%lu", (moved >> i & 1) != 0 ? pair->score : i);
    }
    BOTH(pair, mu_detector_poll_begin(DETECTOR, now));
    for (unsigned i = 0; i < NAMES; i++) {
        if ((there >> i & 1) != 0) {
            BOTH(pair, mu_detector_poll_score(DETECTOR, now, name(i), score[i]));
        }
    }
    BOTH(pair, mu_detector_poll_end(DETECTOR));
}

static void happen(struct pair *pair, uint64_t now) {
    const char *id = name(roll(pair, NAMES));
    const char *inc = incarnation(roll(pair, 4));
    unsigned what = roll(pair, 64);
    uint64_t number = roll(pair, 2000);
    bool yes = roll(pair, 2) != 0;
    if (what < 10) {
        poll_some(pair, now);
    } else if (what < 20) {
        BOTH(pair, mu_detector_details(DETECTOR, now, id, inc, yes && number < 700, false));
    } else if (what < 40) {
        BOTH(pair, mu_detector_heard(DETECTOR, now, id, inc));
    } else if (what < 54) {
        BOTH(pair, mu_detector_inbox(DETECTOR, id, number % 2));
    } else if (what < 58) {
        BOTH(pair, mu_detector_lifeline(DETECTOR, now, id, inc, number, "d"));
    } else if (what < 60) {
        BOTH(pair, mu_detector_revived(DETECTOR, id));
    } else if (what == 60) {
        pair->seeing = !pair->seeing;
    } else if (what == 61) {
        pair->suspect_ms = 1000 + 2 * number;
        pair->dead_ms = pair->suspect_ms + 1 + 3 * number;
        BOTH(pair,
             mu_detector_set_times(DETECTOR, now, now + number, pair->suspect_ms, pair->dead_ms));
    } else if (what == 62 && number < 100) {
        BOTH(pair, mu_detector_reset(DETECTOR, now));
    } else if (what == 63 && number < 100) {
        BOTH(pair, mu_detector_clear(DETECTOR));
    }
}

static void answer(struct pair *pair, uint64_t now) {
    static const enum muster_status answers[] = {
        MUSTER_OK,      MUSTER_OK,       MUSTER_ALIVE,           MUSTER_STALE_INCARNATION,
        MUSTER_TIMEOUT, MUSTER_INTERNAL, MUSTER_UNKNOWN_INSTANCE};
    for (size_t i = 0; i < pair->lazy.count; i++) {
        enum muster_status status = answers[roll(pair, sizeof answers / sizeof *answers)];
        const struct mu_verdict *verdict = &pair->lazy.verdict[i];
        BOTH(pair, mu_detector_result(DETECTOR, now, verdict, status));
    }
    pair->lazy.count = 0;
}

/* At an instance that came back it looks again; there is none of this name, so nothing else
 * changes.
 */
static void make_look(struct mu_detector *detector) {
    mu_detector_revived(detector, "nobody");
}

static void compare(struct pair *pair, uint64_t now) {
    struct mu_brake_view lazy;
    struct mu_brake_view eager;
    uint64_t cleared = now - 5000;
    BOTH(pair, mu_detector_sight(DETECTOR, now, pair->seeing));
    make_look(pair->eager.detector);
    bool due = mu_detector_view(pair->eager.detector, now, cleared, &eager);
    assert_int_equal(mu_detector_view(pair->lazy.detector, now, cleared, &lazy), due);
    assert_int_equal(lazy.instances, eager.instances);
    if (!due) {
        return;
    }
    assert_int_equal(lazy.suspects, eager.suspects);
    assert_int_equal(lazy.becoming, eager.becoming);
    assert_int_equal(lazy.fresh, eager.fresh);
    if (pair->lazy.count == 0) {
        pair->lazy.now = pair->eager.now = now;
        assert_int_equal(tick(&pair->lazy), tick(&pair->eager));
        assert_memory_equal(pair->lazy.verdict, pair->eager.verdict,
                            pair->lazy.count * sizeof pair->lazy.verdict[0]);
        pair->verdicts += pair->lazy.count;
    }
}

static void test_as_one_that_looks_each_time(void **state) {
    struct pair pair = {.seed = 7, .seeing = true};
    uint64_t now = START;
    (void)state;
    begin(&pair.lazy);
    begin(&pair.eager);
    for (size_t step = 0; step < STEPS; step++) {
        now += roll(&pair, 4) != 0 ? roll(&pair, 40) : roll(&pair, 1500);
        happen(&pair, now);
        compare(&pair, now);
        if (roll(&pair, 3) == 0) {
            answer(&pair, now);
        }
    }
    assert_true(pair.verdicts > 1000);
    end(&pair.lazy);
    end(&pair.eager);
}

static bool is_due(struct stage *stage) {
    struct mu_brake_view view;
    return mu_detector_view(stage->detector, stage->now, 0, &view);
}

/* Suspect it would be due at its death, up again much sooner. */
static void test_revived(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    poll_one(&stage, "1");
    details(&stage, "a", "i", true);
    assert_false(is_due(&stage));
    mu_detector_revived(stage.detector, "a");
    stage.now += SUSPECT - 1;
    assert_false(is_due(&stage));
    stage.now++;
    assert_true(is_due(&stage));
    end(&stage);
}

/* What Redis cannot carry out waits for 5 s, but not after a reset. */
static void test_reset(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    stage.now += SUSPECT;
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_INTERNAL);
    assert_false(is_due(&stage));
    mu_detector_reset(stage.detector, stage.now);
    stage.now += SUSPECT;
    assert_true(is_due(&stage));
    end(&stage);
}

/* ---- the order of probes ---- */

static void poll_all(struct stage *stage, const char *ids) {
    mu_detector_poll_begin(stage->detector, stage->now);
    for (; *ids != '\0'; ids++) {
        mu_detector_poll_score(stage->detector, stage->now, (const char[]){*ids, '\0'}, "1");
    }
    mu_detector_poll_end(stage->detector);
}

/* Each of `ids` has so many subscribers. */
static void probe(struct stage *stage, const char *ids, uint64_t subscribers) {
    for (; *ids != '\0'; ids++) {
        mu_detector_inbox(stage->detector, (const char[]){*ids, '\0'}, subscribers);
    }
}

/* Who is told first makes no difference, nor who is left out, unknown, or gone meanwhile. */
static void test_probes_in_any_order(void **state) {
    static const char *const orders[] = {"abcde", "edcba", "bd", "xaxb", "cccab", "e"};
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct stage stage;
        begin(&stage);
        poll_all(&stage, "abcde");
        for (const char *id = "abcde"; *id != '\0'; id++) {
            details(&stage, (const char[]){*id, '\0'}, "i", false);
        }
        probe(&stage, orders[i], 1);
        probe(&stage, "abcde", 1);
        probe(&stage, "bd", 0);
        probe(&stage, orders[i], 1); /* those of them that it names are open again */
        probe(&stage, "bdb", 0);
        probe(&stage, "d", 0);
        assert_int_equal(tick(&stage), 2);
        assert_string_equal(stage.verdict[0].instance, "b");
        assert_string_equal(stage.verdict[1].instance, "d");
        end(&stage);
    }
}

static void test_the_next_one_is_gone(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    poll_all(&stage, "abc");
    probe(&stage, "ab", 1);
    poll_all(&stage, "ab");
    probe(&stage, "cab", 1);
    probe(&stage, "ab", 1);
    mu_detector_clear(stage.detector);
    probe(&stage, "ab", 1);
    assert_int_equal(mu_detector_count(stage.detector), 0);
    end(&stage);
}

static void test_version(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    uint64_t empty = mu_detector_version(stage.detector);
    poll_all(&stage, "ab");
    uint64_t two = mu_detector_version(stage.detector);
    assert_true(two != empty);
    details(&stage, "a", "i", false);
    mu_detector_heard(stage.detector, stage.now, "a", "i");
    poll_all(&stage, "ab");
    assert_int_equal(mu_detector_version(stage.detector), two);
    poll_all(&stage, "b");
    uint64_t one = mu_detector_version(stage.detector);
    assert_true(one != two);
    poll_all(&stage, "bc");
    assert_true(mu_detector_version(stage.detector) != one);
    uint64_t last = mu_detector_version(stage.detector);
    mu_detector_clear(stage.detector);
    assert_true(mu_detector_version(stage.detector) != last);
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_one_that_looks_each_time),
        cmocka_unit_test(test_revived),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_probes_in_any_order),
        cmocka_unit_test(test_the_next_one_is_gone),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
