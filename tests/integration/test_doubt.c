/* The data are no longer confirmed while the lease stands: duty ends and begins again within one
 * tenure, and answers to what was asked before come in between or after. */
#include "lib/test.h"

#include "lib/cluster.h"

static void test_answers_of_an_earlier_duty(void **state) {
    static const char *const set[] = {"scrub.interval=1ms", "detector.suspect_after=1h",
                                      "detector.dead_after=2h", "detector.probe=10ms", NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, set);
    mt_cluster_instance(c, "node-1", "1");
    for (int i = 0; i < 40; i++) {
        mt_command(c->redis, "DEL " MT_NS "config");
        mt_daemon_await(c->daemon, "data.rotated");
    }
    assert_true(mt_process_running(c->daemon));
    assert_int_equal(mt_integer(c->redis, "HEXISTS " MT_NS "config generation"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_answers_of_an_earlier_duty, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
