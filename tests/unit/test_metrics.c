/* Numbers and their text. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

static void collect(void *context) {
    mu_metric_set(context, 7);
}

static void numbers_are_printed(void **state) {
    struct mu_metrics *metrics = mu_metrics_create();
    struct muster_metric *a = mu_metrics_get(metrics, MUSTER_COUNTER, "b_total", "x=\"1\"", "Bees");
    struct muster_metric *b = mu_metrics_get(metrics, MUSTER_COUNTER, "b_total", "x=\"2\"", "Bees");
    struct muster_metric *c =
        mu_metrics_get(metrics, MUSTER_GAUGE, "a-9 gauge", NULL, "Of\ntwo \\lines");
    struct mu_buffer text;
    (void)state;
    assert_ptr_equal(a, mu_metrics_get(metrics, MUSTER_COUNTER, "b_total", "x=\"1\"", "Bees"));
    assert_ptr_not_equal(a, b);
    mu_metric_add(a, 2);
    mu_metric_add(a, -1); /* a counter never falls */
    mu_metric_add(b, 1);
    mu_metric_add(c, -3);
    mu_metric_add(NULL, 1);
    assert_int_equal(mu_metric_value(c), -3);
    mu_metrics_source(metrics, collect, c);
    mu_buffer_init(&text, 0);
    assert_true(mu_metrics_print(metrics, &text));
    assert_string_equal(text.data, "# HELP a_9_gauge Of two  lines\n"
                                   "# TYPE a_9_gauge gauge\n"
                                   "a_9_gauge 7\n"
                                   "# HELP b_total Bees\n"
                                   "# TYPE b_total counter\n"
                                   "b_total{x=\"1\"} 2\n"
                                   "b_total{x=\"2\"} 1\n");
    mu_buffer_deinit(&text);
    mu_metrics_destroy(&metrics);
    assert_null(metrics);
}

static void check_text(struct mu_metrics **metrics, const char *wanted) {
    struct mu_buffer text;
    mu_buffer_init(&text, 0);
    assert_true(mu_metrics_print(*metrics, &text));
    assert_string_equal(text.data, wanted);
    mu_buffer_deinit(&text);
    mu_metrics_destroy(metrics);
}

static void seconds_are_printed(void **state) {
    struct mu_metrics *metrics = mu_metrics_create();
    static const int64_t values[] = {0, 1, 1500000, -2000100, 3000000};
    (void)state;
    for (int i = 0; i < 5; i++) {
        char label[8] = {'i', '=', '"', (char)('0' + i), '"', '\0'};
        mu_metric_set(mu_metrics_seconds(metrics, MUSTER_GAUGE, "t_seconds", label, "Time"),
                      values[i]);
    }
    check_text(&metrics, "# HELP t_seconds Time\n"
                         "# TYPE t_seconds gauge\n"
                         "t_seconds{i=\"0\"} 0\n"
                         "t_seconds{i=\"1\"} 0.000001\n"
                         "t_seconds{i=\"2\"} 1.5\n"
                         "t_seconds{i=\"3\"} -2.0001\n"
                         "t_seconds{i=\"4\"} 3\n");
}

static void buckets_are_cumulative(void **state) {
    struct mu_metrics *metrics = mu_metrics_create();
    struct mu_histogram items = {0};
    static const uint64_t values[] = {0, 1, 2, 3, 8192, 16384, 16385, 1000000};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        mu_histogram_add(&items, MU_HISTOGRAM_ITEMS, values[i]);
    }
    assert_int_equal(mu_histogram_count(&items), 8);
    mu_metrics_histogram(metrics, MU_HISTOGRAM_ITEMS, "n", "a=\"b\"", "Things", &items);
    check_text(&metrics, "# HELP n Things\n"
                         "# TYPE n histogram\n"
                         "n_bucket{a=\"b\",le=\"1\"} 2\n"
                         "n_bucket{a=\"b\",le=\"2\"} 3\n"
                         "n_bucket{a=\"b\",le=\"4\"} 4\n"
                         "n_bucket{a=\"b\",le=\"8\"} 4\n"
                         "n_bucket{a=\"b\",le=\"16\"} 4\n"
                         "n_bucket{a=\"b\",le=\"32\"} 4\n"
                         "n_bucket{a=\"b\",le=\"64\"} 4\n"
                         "n_bucket{a=\"b\",le=\"128\"} 4\n"
                         "n_bucket{a=\"b\",le=\"256\"} 4\n"
                         "n_bucket{a=\"b\",le=\"512\"} 4\n"
                         "n_bucket{a=\"b\",le=\"1024\"} 4\n"
                         "n_bucket{a=\"b\",le=\"2048\"} 4\n"
                         "n_bucket{a=\"b\",le=\"4096\"} 4\n"
                         "n_bucket{a=\"b\",le=\"8192\"} 5\n"
                         "n_bucket{a=\"b\",le=\"16384\"} 6\n"
                         "n_bucket{a=\"b\",le=\"+Inf\"} 8\n"
                         "n_sum{a=\"b\"} 1040967\n"
                         "n_count{a=\"b\"} 8\n");
}

static void times_are_in_seconds(void **state) {
    struct mu_metrics *metrics = mu_metrics_create();
    struct mu_histogram times = {0};
    struct mu_buffer text;
    (void)state;
    mu_histogram_add(&times, MU_HISTOGRAM_TIME, 100);
    mu_histogram_add(&times, MU_HISTOGRAM_TIME, 2500001);
    mu_metrics_histogram(metrics, MU_HISTOGRAM_TIME, "t_seconds", NULL, "Time", &times);
    mu_buffer_init(&text, 0);
    assert_true(mu_metrics_print(metrics, &text));
    assert_non_null(strstr(text.data, "\nt_seconds_bucket{le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(text.data, "\nt_seconds_bucket{le=\"2.5\"} 1\n"));
    assert_non_null(strstr(text.data, "\nt_seconds_bucket{le=\"5\"} 2\n"));
    assert_non_null(strstr(text.data, "\nt_seconds_sum 2.500101\nt_seconds_count 2\n"));
    mu_buffer_deinit(&text);
    mu_metrics_destroy(&metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_printed),
        cmocka_unit_test(seconds_are_printed),
        cmocka_unit_test(buckets_are_cumulative),
        cmocka_unit_test(times_are_in_seconds),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
