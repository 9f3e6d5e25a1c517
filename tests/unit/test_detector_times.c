/* Other times while the detector runs. */
#include "unit/detector_stage.h"

static void set(struct stage *stage, uint64_t wait, uint64_t suspect, uint64_t dead) {
    mu_detector_set_times(stage->detector, stage->now, stage->now + wait, suspect, dead);
}

static void pass(struct stage *stage, uint64_t ms) {
    stage->now += ms;
    mu_detector_sight(stage->detector, stage->now, true);
}

/* Who is silent already has longer, too. */
static void longer_times_count_at_once(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    pass(&stage, SUSPECT - 1);
    set(&stage, 1000, 2 * SUSPECT, 2 * DEAD);
    pass(&stage, SUSPECT);
    assert_int_equal(tick(&stage), 0);
    pass(&stage, 1);
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_OK);
    pass(&stage, 2 * DEAD - 2 * SUSPECT - 1);
    assert_int_equal(tick(&stage), 0);
    pass(&stage, 1);
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

static void shorter_times_wait(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    pass(&stage, 10);
    set(&stage, 1000, 100, 200);
    pass(&stage, 999);
    assert_int_equal(tick(&stage), 0);
    pass(&stage, 1); /* and then they count for the silence that was */
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_OK);
    pass(&stage, 1);
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

/* One time shorter, one longer. */
static void each_by_itself(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    set(&stage, 500, 100, 2 * DEAD);
    pass(&stage, 500);
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    result(&stage, MUSTER_OK);
    pass(&stage, DEAD);
    assert_int_equal(tick(&stage), 0);
    pass(&stage, DEAD);
    expect(&stage, MU_VERDICT_BURY, "1");
    end(&stage);
}

/* The second may not come sooner than the first would have; an older wish is forgotten. */
static void twice_in_a_row(void **state) {
    struct stage stage;
    (void)state;
    begin_one(&stage);
    set(&stage, 1000, 200, 400);
    set(&stage, 10, 100, 200);
    pass(&stage, 999);
    assert_int_equal(tick(&stage), 0);
    set(&stage, 10, SUSPECT, DEAD);
    pass(&stage, 1000);
    assert_int_equal(tick(&stage), 0);
    pass(&stage, SUSPECT - 1999);
    expect(&stage, MU_VERDICT_SUSPECT, "1");
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longer_times_count_at_once),
        cmocka_unit_test(shorter_times_wait),
        cmocka_unit_test(each_by_itself),
        cmocka_unit_test(twice_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
