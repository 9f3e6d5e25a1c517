/* A daemon is killed -9 while it reaps 20,000 connections: the other one finishes, nobody leaves
 * twice and nobody is forgotten. */
#include "lib/test.h"

#include <signal.h>

#include "lib/cluster.h"

enum { CONNECTIONS = 20000, MEMBERSHIPS = 2 * CONNECTIONS };

static void test_killed_while_reaping(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_daemon_options options = {.server = c->server};
    struct mt_process *standby = mt_daemon_start(c->world, "standby", &options);
    mt_daemon_await(standby, "daemon.ready");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    struct mt_process *stopping =
        mt_sim_start(&c->place, "node-1", "node-1", "--connections", "20000", "--sessions", "100",
                     "--joins", "2", "--users", "0", "--seed", "5", "--no-follow");
    mt_sim_await(stopping, "entered");
    json_t *report = mt_sim_report(stopping);
    char ghost[200];
    snprintf(ghost, sizeof ghost, MT_NS "ghosts:node-1:%s", mt_str(report, "incarnation"));
    json_decref(report);
    size_t before = mt_events_sync(c->events);

    /* STOP makes a ghost that is due at once */
    mt_process_signal(stopping, SIGTERM);
    long long left = 0;
    struct mt_wait wait = mt_wait_begin(c->world, "reaping to begin", __FILE__, __LINE__);
    while ((left = mt_integer(c->redis, "HLEN %s", ghost)) == 0 || left > CONNECTIONS - 100) {
        mt_redis_forget(c->redis);
        if (mt_now_ms() > wait.deadline)
            mt_wait_step(&wait);
    }
    mt_process_kill(c->daemon);
    left = mt_integer(c->redis, "HLEN %s", ghost);
    assert_true(left > 1); /* `#reason` and more */

    mt_daemon_await(standby, "lease.acquired");
    mt_daemon_await(standby, "ghost.reaped");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_events_sync(c->events);
    assert_int_equal(
        mt_events_count(c->events, before, "member.left", "reason", "instance-stopped"),
        MEMBERSHIPS);
    assert_int_equal(mt_events_count(c->events, before, "member.left", NULL, NULL), MEMBERSHIPS);
    mt_sim_hush(other);
    mt_sim_check(other, c->redis);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_killed_while_reaping, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
