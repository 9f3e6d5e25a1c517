/* The size of slices, the time of Redis carried on, and what a tenure does with the data it finds.
 */
#include "lib/test.h"

#include "coordinator/data.h"
#include "coordinator/pace.h"
#include "coordinator/redis_time.h"
#include "redis/key_events.h"

/* Slices of a constant cost a unit. Returns the largest time of one after the first few. */
static uint64_t run(struct mu_pace *pace, uint64_t fixed_us, uint64_t unit_ns, int slices) {
    uint64_t worst = 0;
    for (int i = 0; i < slices; i++) {
        uint64_t took = fixed_us + pace->budget * unit_ns / 1000;
        worst = i >= 3 && took > worst ? took : worst;
        mu_pace_measured(pace, pace->budget, took);
    }
    return worst;
}

static void test_settles_below_the_target(void **state) {
    static const uint64_t costs[] = {100, 1000, 3000, 10000, 50000, 200000};
    (void)state;
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        struct mu_pace pace;
        mu_pace_init(&pace, 1000, 1, 16, 4096);
        assert_true(run(&pace, 20, costs[i], 50) <= 1000);
        uint64_t fits = 780000 / costs[i];
        uint64_t least = fits > 4096 ? 4096 : fits / 2;
        assert_true(pace.budget >= (least > 0 ? least : 1)); /* and makes use of it */
    }
}

static void test_shrinks_at_once(void **state) {
    struct mu_pace pace;
    (void)state;
    mu_pace_init(&pace, 1000, 1, 1024, 4096);
    mu_pace_measured(&pace, 1024, 10240); /* 10 us each */
    assert_true(pace.budget <= 80);
    mu_pace_measured(&pace, pace.budget, 1000000);
    assert_int_equal(pace.budget, 1);
}

static void test_grows_to_the_double(void **state) {
    struct mu_pace pace;
    (void)state;
    mu_pace_init(&pace, 1000, 1, 16, 100);
    mu_pace_measured(&pace, 16, 1);
    assert_int_equal(pace.budget, 32);
    mu_pace_measured(&pace, 32, 0);
    assert_int_equal(pace.budget, 64);
    mu_pace_measured(&pace, 64, 1);
    assert_int_equal(pace.budget, 100);
}

static void test_half_empty_slices_teach_nothing(void **state) {
    struct mu_pace pace;
    (void)state;
    mu_pace_init(&pace, 1000, 1, 64, 4096);
    mu_pace_measured(&pace, 3, 5);
    assert_int_equal(pace.budget, 64);
    mu_pace_measured(&pace, 0, 5);
    assert_int_equal(pace.budget, 64);
    mu_pace_measured(&pace, 0, 5000);
    assert_int_equal(pace.budget, 32);
    for (int i = 0; i < 20; i++) {
        mu_pace_measured(&pace, 0, 5000);
    }
    assert_int_equal(pace.budget, 1);
}

static void test_one_expensive_unit(void **state) {
    struct mu_pace pace;
    (void)state;
    mu_pace_init(&pace, 1000, 1, 1, 4096);
    mu_pace_measured(&pace, 1, 50000); /* cannot become smaller */
    assert_int_equal(pace.budget, 1);
    mu_pace_measured(&pace, 1, 10);
    assert_int_equal(pace.budget, 2);
}

static void test_redis_time(void **state) {
    struct mu_redis_time time = {0};
    (void)state;
    assert_int_equal(mu_redis_time_highest(&time, 5000), 0);
    mu_redis_time_saw(&time, 1000000, 5000);
    assert_int_equal(mu_redis_time_highest(&time, 5000), 1000000);
    assert_int_equal(mu_redis_time_highest(&time, 8000), 1003000);
    /* Another server, whose clock is behind, or an answer that was slow: the highest counts. */
    mu_redis_time_saw(&time, 900000, 9000);
    assert_int_equal(mu_redis_time_highest(&time, 9000), 1004000);
    mu_redis_time_saw(&time, 2000000, 9000);
    assert_int_equal(mu_redis_time_highest(&time, 9500), 2000500);
    mu_redis_time_saw(&time, 0, 9000);
    mu_redis_time_saw(&time, UINT64_MAX, 9000);
    assert_int_equal(mu_redis_time_highest(&time, 9500), 2000500);
}

static void test_confirm_or_rotate(void **state) {
    const char *why = NULL;
    (void)state;
    assert_int_equal(mu_data_choose("", "run1", "g1", "run1", &why), MU_DATA_CONFIRM);
    assert_int_equal(mu_data_choose("g1", "run1", "g1", "run1", &why), MU_DATA_CONFIRM);
    assert_int_equal(mu_data_choose("", "run1", NULL, NULL, &why), MU_DATA_ROTATE);
    assert_int_equal(mu_data_choose("g1", "run1", NULL, NULL, &why), MU_DATA_ROTATE);
    assert_int_equal(mu_data_choose("", "run1", "", "run1", &why), MU_DATA_ROTATE);
    assert_int_equal(mu_data_choose("", "run2", "g1", "run1", &why), MU_DATA_ROTATE);
    assert_int_equal(mu_data_choose("g1", "run2", "g1", "run1", &why), MU_DATA_ROTATE);
    assert_int_equal(mu_data_choose("", "run1", "g1", NULL, &why), MU_DATA_ROTATE);
    /* The same run, but an earlier generation than we confirmed: a backup was put back. */
    assert_int_equal(mu_data_choose("g2", "run1", "g1", "run1", &why), MU_DATA_ROTATE);
    assert_true(why[0] != '\0');
}

static void test_notify_flags(void **state) {
    char out[MU_KEY_EVENTS_SIZE];
    (void)state;
    assert_true(mu_key_events_merge("", out));
    assert_string_equal(out, "KEgxe");
    assert_false(mu_key_events_merge("gxeKE", out));
    assert_false(mu_key_events_merge("AKE", out));
    assert_true(mu_key_events_merge("AK", out));
    assert_string_equal(out, "AKE");
    assert_true(mu_key_events_merge("Elm", out));
    assert_string_equal(out, "ElmKgxe");
    assert_true(mu_key_events_merge("$lshzxetdmnKEKEKEKEKEKEKEKE", out)); /* cut, never overrun */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settles_below_the_target),
        cmocka_unit_test(test_shrinks_at_once),
        cmocka_unit_test(test_grows_to_the_double),
        cmocka_unit_test(test_half_empty_slices_teach_nothing),
        cmocka_unit_test(test_one_expensive_unit),
        cmocka_unit_test(test_redis_time),
        cmocka_unit_test(test_confirm_or_rotate),
        cmocka_unit_test(test_notify_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
