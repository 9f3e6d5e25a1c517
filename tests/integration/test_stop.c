/* A clean STOP: reaped at once, with its own reasons, and no suspicion. */
#include "lib/test.h"

#include <signal.h>

#include "lib/cluster.h"

static void test_stop(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *stopping = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    long long led = mt_cluster_leads(c, "node-1");
    assert_true(led > 10);
    mt_process_signal(stopping, SIGTERM);
    json_t *line = mt_sim_wait(stopping, "stopped");
    assert_true(mt_bool(line, "acknowledged"));
    json_decref(line);
    assert_int_equal(mt_process_wait(stopping), 0);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_sim_hush(other);
    mt_sim_check(other, c->redis);
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.stopped", "instance", "node-1"), 1);
    assert_int_equal(mt_events_count(c->events, 0, "instance.suspect", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "instance.dead", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "member.left", "reason", "instance-stopped"),
                     400);
    assert_int_equal(mt_events_count(c->events, 0, "member.left", NULL, NULL), 400);
    assert_int_equal(mt_events_count(c->events, 0, "leader.changed", "reason", "instance-stopped"),
                     led);
    mt_cluster_check(c);
    /* the same id comes back with a new incarnation, as somebody new */
    mt_cluster_instance(c, "node-1", "1");
    mt_sim_hush(other);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_stop, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
