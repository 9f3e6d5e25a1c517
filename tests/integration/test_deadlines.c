/* With a daemon: what is overdue ends by itself, exactly once, even when the coordinator is killed
 * half-way; and a drained instance leads nothing any more. */
#include "lib/test.h"

#include <stdio.h>

#include "lib/cluster.h"

enum { CONNECTIONS = 3000 };

/* Nobody heartbeats here. */
static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h", NULL};

static size_t left_because(struct mt_cluster *c, const char *reason) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, 0, "member.left", "reason", reason);
}

static void test_ends(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    mt_ok(c->redis, "start", "node-1", "a");
    mt_ok(c->redis, "start", "node-2", "b");
    mt_ok(c->redis, "enter", "room", "c1", "node-1", "a", "{\"ttl\":300}");
    mt_ok(c->redis, "enter", "room", "c2", "node-1", "a");
    mt_ok(c->redis, "enter", "room", "c3", "node-1", "a");
    mt_ok(c->redis, "enter", "room", "c4", "node-1", "a", "{\"ttl\":600000}");
    mt_ok(c->redis, "disconnect", "c2", "node-1", "a", "300");
    mt_ok(c->redis, "disconnect", "c3", "node-1", "a", "200000");
    MT_WAIT(c->world, left_because(c, "expired") == 1, "the ttl to end");
    MT_WAIT(c->world, left_because(c, "disconnected") == 1, "the grace to end");
    assert_int_equal(mt_integer(c->redis, "ZCARD " MT_NS "deadlines"), 2);
    mt_cluster_check(c);

    mt_ok(c->redis, "enter", "room", "c5", "node-2", "b");
    mt_ok(c->redis, "drain", "node-1", "a", "on");
    MT_WAIT(c->world,
            mt_events_sync(c->events) > 0 &&
                mt_events_count(c->events, 0, "leader.changed", "reason", "draining") == 1,
            "leadership to move");
    mt_cluster_check(c);
    mt_ok(c->redis, "unregister", "c5", "node-2", "b");
    mt_ok(c->redis, "drain", "node-1", "a", "off");
    MT_WAIT(c->world,
            mt_events_sync(c->events) > 0 &&
                mt_events_count(c->events, 0, "leader.changed", "reason", "eligible-again") == 1,
            "somebody to lead again");
    mt_cluster_check(c);
}

static void test_killed_half_way(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct mt_daemon_options options = {.server = c->server, .set = patient};
    struct mt_process *standby = mt_daemon_start(c->world, "standby", &options);
    mt_daemon_await(standby, "daemon.ready");
    mt_ok(c->redis, "start", "node-1", "a");
    for (int i = 0; i < CONNECTIONS; i++) {
        char session[32];
        char connection[32];
        snprintf(session, sizeof session, "s%d", i % 50);
        snprintf(connection, sizeof connection, "c%d", i);
        mt_ok(c->redis, "enter", session, connection, "node-1", "a", "{\"ttl\":600000}");
        mt_redis_forget(c->redis);
    }
    /* all at once */
    const char *name = MT_NS "deadlines";
    mt_command(c->redis, "ZUNIONSTORE %s 1 %s WEIGHTS 0", name, name);
    struct mt_wait wait = mt_wait_begin(c->world, "the first to end", __FILE__, __LINE__);
    while (mt_integer(c->redis, "ZCARD %s", name) == CONNECTIONS)
        if (mt_now_ms() > wait.deadline)
            mt_wait_step(&wait);
    mt_process_kill(c->daemon);
    mt_daemon_await(standby, "lease.acquired");
    MT_WAIT(c->world, mt_integer(c->redis, "EXISTS %s", name) == 0, "the rest to end");
    assert_int_equal(left_because(c, "expired"), CONNECTIONS);
    assert_int_equal(mt_events_count(c->events, 0, "member.left", NULL, NULL), CONNECTIONS);
    assert_int_equal(mt_integer(c->redis, "EXISTS " MT_NS "instance:node-1:connections"), 0);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ends, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_killed_half_way, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
