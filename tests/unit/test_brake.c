/* The brake: mass silence is more likely to be ours than theirs. */
#include "lib/test.h"

#include <string.h>

#include "coordinator/brake.h"

#define HOLD 10000
#define WINDOW 60000
#define START 1000000

static const struct mu_brake_options options = {500, 2, HOLD, WINDOW};

static struct mu_brake_view view(uint64_t instances, uint64_t suspects, uint64_t becoming) {
    return (struct mu_brake_view){instances, suspects, becoming, true};
}

static uint64_t judge(struct mu_brake *brake, uint64_t now, uint64_t instances, uint64_t suspects,
                      uint64_t becoming) {
    struct mu_brake_view look = view(instances, suspects, becoming);
    return mu_brake_judge(brake, now, &look);
}

static void begin(struct mu_brake *brake) {
    mu_brake_init(brake, &options);
}

static void test_few_die_as_ever(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 50, 0, 1), UINT64_MAX);
    assert_int_equal(judge(&brake, START, 50, 10, 15), UINT64_MAX); /* a half is not more */
    assert_int_equal(judge(&brake, START, 50, 10, 16), 0);
}

static void test_two_of_two(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 2, 0, 1), UINT64_MAX);
    assert_int_equal(judge(&brake, START, 2, 1, 1), 0);
    assert_true(brake.engaged);
    assert_int_equal(brake.silent, 2);
}

static void test_one_alone_has_no_brake(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 1, 0, 1), UINT64_MAX);
}

static void test_hold_then_only_the_silent(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 50, 0, 30), 0);
    assert_int_equal(judge(&brake, START + HOLD - 1, 50, 0, 1), 0); /* not even one */
    mu_brake_tick(&brake, START + HOLD, 50);
    assert_false(brake.engaged);
    assert_int_equal(mu_brake_cleared(&brake), START);
    /* those who were silent all the while, and they alone */
    struct mu_brake_view stale = {50, 0, 30, false};
    assert_int_equal(mu_brake_judge(&brake, START + HOLD, &stale), START);
    /* others fall silent as well: the brake engages again */
    assert_int_equal(judge(&brake, START + HOLD + 1, 50, 20, 10), 0);
    assert_true(brake.engaged);
}

static void test_by_hand(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_false(mu_brake_release(&brake, START));
    assert_int_equal(judge(&brake, START, 50, 0, 30), 0);
    assert_true(mu_brake_release(&brake, START + 5));
    assert_int_equal(mu_brake_cleared(&brake), START + 5);
    struct mu_brake_view stale = {50, 0, 30, false};
    assert_int_equal(mu_brake_judge(&brake, START + 6, &stale), START + 5);
}

/* The share is of the largest number in the window, not of what is left. */
static void test_window(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    mu_brake_tick(&brake, START, 50);
    assert_int_equal(judge(&brake, START + WINDOW / 2, 10, 0, 10), UINT64_MAX);
    assert_int_equal(mu_brake_largest(&brake), 50);
    mu_brake_tick(&brake, START + WINDOW + WINDOW / 2, 10);
    assert_int_equal(mu_brake_largest(&brake), 10);
    assert_int_equal(judge(&brake, START + WINDOW + WINDOW / 2, 10, 0, 6), 0);
}

static void test_other_options(void **state) {
    struct mu_brake brake;
    struct mu_brake_options other = {300, 2, HOLD, WINDOW};
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 50, 0, 16), UINT64_MAX);
    mu_brake_set_options(&brake, START, &other);
    assert_int_equal(judge(&brake, START, 50, 0, 16), 0);
    other.hold_ms = 2 * HOLD; /* of a hold that began before */
    mu_brake_set_options(&brake, START, &other);
    mu_brake_tick(&brake, START + HOLD, 50);
    assert_true(brake.engaged);
    other.hold_ms = 5;
    mu_brake_set_options(&brake, START + HOLD, &other);
    mu_brake_tick(&brake, START + HOLD, 50);
    assert_false(brake.engaged);
    /* What was seen in the old window is not forgotten at once. */
    other = (struct mu_brake_options){500, 30, HOLD, WINDOW / 10};
    mu_brake_set_options(&brake, START + HOLD, &other);
    assert_int_equal(mu_brake_largest(&brake), 50);
    assert_int_equal(judge(&brake, START + HOLD + 1, 20, 0, 20), UINT64_MAX);
    assert_int_equal(judge(&brake, START + HOLD + 2, 30, 0, 26), 0);
    mu_brake_reset(&brake);
    other.min_instances = 60;
    mu_brake_set_options(&brake, START, &other);
    assert_int_equal(judge(&brake, START, 50, 0, 40), UINT64_MAX);
}

static void test_reset(void **state) {
    struct mu_brake brake;
    (void)state;
    begin(&brake);
    assert_int_equal(judge(&brake, START, 50, 0, 30), 0);
    mu_brake_reset(&brake);
    assert_false(brake.engaged);
    assert_int_equal(mu_brake_largest(&brake), 0);
    assert_int_equal(judge(&brake, START, 4, 0, 1), UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_die_as_ever),
        cmocka_unit_test(test_two_of_two),
        cmocka_unit_test(test_one_alone_has_no_brake),
        cmocka_unit_test(test_hold_then_only_the_silent),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_other_options),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
