/* Two processes with one id: the older is told so and ends, and it stays at that. */
#include "lib/test.h"

#include <signal.h>

#include "lib/cluster.h"

static void take_over(struct mt_cluster *c, struct mt_process *older, const char *heartbeat) {
    size_t before = mt_events_sync(c->events);
    struct mt_process *younger =
        mt_sim_start(&c->place, "younger", "node-1", "--connections", "200", "--sessions", "30",
                     "--joins", "2", "--users", "50", "--seed", "1", "--heartbeat", heartbeat);
    mt_sim_await(younger, "entered");
    json_t *line = mt_sim_wait(older, "taken-over");
    assert_string_equal(mt_str(line, "reason"), "STALE_INCARNATION");
    json_decref(line);
    assert_int_equal(mt_process_wait(older), 3);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");

    /* the younger lives on as what it was: no ping-pong */
    assert_true(mt_process_running(younger));
    mt_sim_hush(younger);
    mt_sim_check(younger, c->redis);
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, before, "instance.started", NULL, NULL), 1);
    assert_int_equal(mt_events_count(c->events, before, "instance.dead", NULL, NULL), 1);
    assert_int_equal(mt_events_count(c->events, before, "member.left", NULL, NULL), 0);
    mt_cluster_check(c);
}

static void test_two_processes_one_id(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    take_over(c, mt_cluster_instance(c, "node-1", "1"), "fcall");
}

/* An instance that heartbeats by PUBLISH gets no answers; it learns it all the same. */
static void test_heartbeats_by_channel(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *older =
        mt_sim_start(&c->place, "older", "node-1", "--connections", "200", "--sessions", "30",
                     "--joins", "2", "--users", "50", "--seed", "1", "--heartbeat", "channel");
    mt_sim_await(older, "entered");
    take_over(c, older, "channel");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_two_processes_one_id, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_heartbeats_by_channel, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
