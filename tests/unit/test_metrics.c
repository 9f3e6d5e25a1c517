/* Numbers and their text. */
#include "lib/test.h"

#include <stdlib.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_printed)};
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
