/* The daemons list themselves in STATUS; who ends, or dies, is no more in it. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/server.h"
#include "lib/wait.h"
#include "lib/world.h"

static struct mt_process *start(struct mt_world *world, struct mt_server *server, const char *name,
                                const char *advertise) {
    const char *set[] = {advertise, "coordinator.lease=1500ms", "coordinator.renew=500ms", NULL};
    return mt_daemon_start(world, name, &(struct mt_daemon_options){.server = server, .set = set});
}

static bool listed(struct mt_redis *redis, const char *id, const char *part) {
    const char *line = mt_text(redis, "HGET " MT_NS "daemons %s", id);
    bool there = line != NULL && strstr(line, part) != NULL;
    mt_redis_forget(redis);
    return there;
}

static void test_roster(void **state) {
    struct mt_world *world = mt_world_create();
    struct mt_server *server = mt_server_start(world, "redis", MT_SERVER_VOLATILE, NULL);
    struct mt_redis *redis = mt_server_connect(server);
    (void)state;
    struct mt_process *first =
        start(world, server, "first", "coordinator.advertise=[\"10.0.0.1:7411\", \"a:1\"]");
    mt_daemon_await(first, "lease.acquired");
    MT_WAIT(world,
            listed(redis, "first", "{\"address\":\"10.0.0.1:7411,a:1\",\"version\":\"") == true,
            "the first to list itself");
    struct mt_process *second = start(world, server, "second", "coordinator.advertise=[]");
    struct mt_process *third = start(world, server, "third", "coordinator.advertise=[\"b:2\"]");
    MT_WAIT(world, listed(redis, "second", "\"address\":\"\"") && listed(redis, "third", "b:2"),
            "the others to list themselves");
    /* FLUSHALL takes the list with it, and it comes back. */
    freeReplyObject(redisCommand(mt_redis_context(redis), "FLUSHALL"));
    MT_WAIT(world, listed(redis, "first", "10.0.0.1") && listed(redis, "third", "b:2"),
            "the list to come back");
    /* A clean end takes its line away itself; of one that was killed the coordinator does. */
    mt_process_signal(second, SIGTERM);
    assert_int_equal(mt_process_wait(second), 0);
    assert_int_equal(mt_integer(redis, "HEXISTS " MT_NS "daemons second"), 0);
    mt_process_kill(third);
    MT_WAIT(world, mt_integer(redis, "HEXISTS " MT_NS "daemons third") == 0,
            "the line of a dead daemon to go");
    assert_int_equal(mt_integer(redis, "HEXISTS " MT_NS "daemons first"), 1);
    mt_fsck(world, server);
    mt_redis_close(&redis);
    mt_server_free(&server);
    mt_world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_roster)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
