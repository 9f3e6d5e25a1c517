/* The states of a request: what may follow what is written down here a second time. */
#include "lib/test.h"

#include "request/life.h"

/* Row: from; column: to. In the order of MU_LIFE_TABLE. */
static const char *const allowed[MU_LIVES] = {
    /*                 QAVAAAC */
    [MU_LIFE_QUEUED] = ".###.##",    [MU_LIFE_AUTHENTICATING] = "..##.##",
    [MU_LIFE_VERIFYING] = "...#.##", [MU_LIFE_AUTHORIZING] = "....###",
    [MU_LIFE_APPLYING] = ".....##",  [MU_LIFE_ANSWERED] = ".......",
    [MU_LIFE_CANCELLED] = ".......",
};

static void test_every_pair(void **state) {
    unsigned count = 0;
    (void)state;
    for (unsigned from = 0; from < MU_LIVES; from++) {
        for (unsigned to = 0; to < MU_LIVES; to++) {
            bool may = mu_life_may_follow((enum mu_life)from, (enum mu_life)to);
            if (may != (allowed[from][to] == '#'))
                fail_msg("%s after %s is %s", mu_life_name((enum mu_life)to),
                         mu_life_name((enum mu_life)from), may ? "allowed" : "forbidden");
            count += may ? 1 : 0;
        }
    }
    assert_int_equal(count, 17);
}

/* Nothing goes back, nothing stays, and an end is an end. */
static void test_forward_only(void **state) {
    (void)state;
    for (unsigned from = 0; from < MU_LIVES; from++)
        for (unsigned to = 0; to <= from; to++)
            assert_false(mu_life_may_follow((enum mu_life)from, (enum mu_life)to));
    assert_false(mu_life_may_follow(MU_LIFE_ANSWERED, MU_LIFE_CANCELLED));
}

/* Redis is reached from the authorization only. */
static void test_nothing_unasked_is_applied(void **state) {
    (void)state;
    for (unsigned from = 0; from < MU_LIVES; from++)
        assert_int_equal(mu_life_may_follow((enum mu_life)from, MU_LIFE_APPLYING),
                         from == MU_LIFE_AUTHORIZING);
}

static void test_pending(void **state) {
    (void)state;
    for (unsigned life = 0; life < MU_LIVES; life++) {
        bool ends = life == MU_LIFE_ANSWERED || life == MU_LIFE_CANCELLED;
        assert_int_equal(mu_life_is_pending((enum mu_life)life), !ends);
        /* Whose reply is due may be answered and cancelled. */
        assert_int_equal(mu_life_may_follow((enum mu_life)life, MU_LIFE_ANSWERED), !ends);
        assert_int_equal(mu_life_may_follow((enum mu_life)life, MU_LIFE_CANCELLED), !ends);
    }
}

static void test_beyond_the_table(void **state) {
    (void)state;
    assert_false(mu_life_may_follow(MU_LIVES, MU_LIFE_ANSWERED));
    assert_false(mu_life_may_follow(MU_LIFE_QUEUED, MU_LIVES));
    assert_string_equal(mu_life_name(MU_LIFE_VERIFYING), "VERIFYING");
    assert_string_equal(mu_life_name(MU_LIVES), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_forward_only),
        cmocka_unit_test(test_nothing_unasked_is_applied),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_beyond_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
