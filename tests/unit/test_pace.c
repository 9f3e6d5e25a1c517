/* The size of slices, the time of Redis carried on, and what a tenure does with the data it finds.
 */
#include "lib/test.h"

#include "coordinator/data.h"
#include "coordinator/pace.h"
#include "coordinator/redis_time.h"
#include "coordinator/watcher.h"
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

static struct mu_signal read_message(const char *pattern, const char *channel,
                                     const char *payload) {
    struct mu_signal signal;
    size_t length = 0;
    while (payload[length] != '\0') {
        length++;
    }
    mu_watcher_read("m", pattern, channel, payload, length, &signal);
    return signal;
}

static void test_signals(void **state) {
    (void)state;
    struct mu_signal signal = read_message(
        NULL, "{m}:signal",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":\"i\",\"quiet_ms\":250,"
        "\"daemon\":\"d2\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_LIFELINE);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    assert_int_equal(signal.quiet_ms, 250);
    assert_string_equal(signal.daemon, "d2");
    signal = read_message(
        NULL, "{m}:signal",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":\"i\",\"quiet_ms\":-1}");
    assert_int_equal(signal.kind, MU_SIGNAL_LIFELINE);
    assert_int_equal(signal.quiet_ms, 0);
    assert_string_equal(signal.daemon, ""); /* a door of an older version */
    signal = read_message(NULL, "{m}:signal",
                          "{\"signal\":\"order\",\"order\":\"step-down\",\"by\":\"desk\","
                          "\"daemon\":\"d1\",\"epoch\":17}");
    assert_int_equal(signal.kind, MU_SIGNAL_STEP_DOWN);
    assert_int_equal(signal.epoch, 17);
    assert_string_equal(signal.order, "step-down");
    assert_string_equal(signal.by, "desk");
    signal = read_message(NULL, "{m}:signal",
                          "{\"signal\":\"order\",\"order\":\"bury\",\"by\":\"desk\","
                          "\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_BURIED);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    assert_int_equal(read_message(NULL, "{m}:signal",
                                  "{\"signal\":\"order\",\"order\":\"dance\",\"by\":\"desk\"}")
                         .kind,
                     MU_SIGNAL_NONE);
    assert_int_equal(
        read_message(NULL, "{m}:signal", "{\"signal\":\"order\",\"order\":\"reap\"}").kind,
        MU_SIGNAL_NONE); /* nobody's */
    signal = read_message(NULL, "{m}:signal", "{\"signal\":\"brake-release\",\"instance\":\"a\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_BRAKE_RELEASE);
    assert_int_equal(read_message(NULL, "{m}:signal", "{\"signal\":\"flush-decisions\"}").kind,
                     MU_SIGNAL_FLUSH);
    static const char *const bad[] = {
        "{\"signal\":\"lifeline\",\"instance\":\"a\"}",
        "{\"signal\":\"lifeline\",\"incarnation\":\"i\"}",
        "{\"signal\":\"lifeline\",\"instance\":\"a b\",\"incarnation\":\"i\"}",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":7}",
        "{\"signal\":\"other\",\"instance\":\"a\",\"incarnation\":\"i\"}",
        "{\"signal\":7}",
        "{\"instance\":\"a\",\"incarnation\":\"i\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_message(NULL, "{m}:signal", bad[i]).kind, MU_SIGNAL_NONE);
    }
}

static void test_messages(void **state) {
    static const char alive[] = "__keyspace@0__:{m}:instance:*:alive";
    (void)state;
    struct mu_signal signal =
        read_message(NULL, "{m}:heartbeat", "{\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_HEARTBEAT);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"instance\":\"a\"}",
                                      "{\"instance\":1,\"incarnation\":\"i\"}",
                                      "{\"instance\":\"a:b\",\"incarnation\":\"i\"}",
                                      "{\"instance\":\"a\",\"incarnation\":\"\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_message(NULL, "{m}:heartbeat", bad[i]).kind, MU_SIGNAL_NONE);
    }
    signal = read_message(NULL, "{m}:events:instances",
                          "{\"event\":\"instance.up\",\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_UP);
    signal = read_message(NULL, "{m}:events:instances", "{\"event\":\"instance.dead\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "{m}:events:coordinator",
                          "{\"event\":\"coordinator.elected\",\"id\":\"b\",\"epoch\":17}");
    assert_int_equal(signal.kind, MU_SIGNAL_ELECTED);
    assert_int_equal(signal.epoch, 17);
    signal = read_message(alive, "__keyspace@0__:{m}:instance:a:alive", "expired");
    assert_int_equal(signal.kind, MU_SIGNAL_SILENT);
    assert_string_equal(signal.instance, "a");
    signal = read_message(alive, "__keyspace@0__:{m}:instance:a:alive", "expire");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "__keyspace@0__:{m}:coordinator", "expired");
    assert_int_equal(signal.kind, MU_SIGNAL_LEASE_GONE);
    signal = read_message(NULL, "__keyspace@0__:{m}:coordinator", "expire");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "__keyevent@0__:evicted", "{m}:session:s");
    assert_int_equal(signal.kind, MU_SIGNAL_EVICTED);
    signal = read_message(NULL, "__keyevent@0__:evicted", "{other}:session:s");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "{other}:heartbeat", "{\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
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
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
