/* Redis can take no more: no memory, or no room on its disk. Growing is refused and may be tried
 * again; with memory gone, removing goes on; nobody dies of it. */
#include "lib/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/cluster.h"
#include "lib/library.h"

static const char *const quick[] = {"detector.heartbeat=200ms", "detector.suspect_after=1s",
                                    "detector.dead_after=2s",   "coordinator.lease=1s",
                                    "coordinator.renew=200ms",  NULL};

static void command(struct mt_cluster *c, const char *text) {
    redisReply *reply = redisCommand(mt_redis_context(c->redis), text);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

/* maxmemory reached: who enters is refused, and everything that makes the namespace smaller, or
 * keeps it alive, works: heartbeats, leaving, the lease, suspicion, burial, the reaper. */
static void test_no_memory(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    struct mt_process *victim = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    mt_ok(c->redis, "start", "node-3", "k3");
    mt_ok(c->redis, "enter", "room-1", "mine", "node-3", "k3");
    command(c, "CONFIG SET maxmemory 1");

    redisReply *reply =
        redisCommand(mt_redis_context(c->redis),
                     "FCALL muster_enter 1 {" MT_NAMESPACE "} room-1 more node-3 k3");
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(reply->str, "OOM"));
    freeReplyObject(reply);
    mt_ok(c->redis, "heartbeat", "node-3", "k3");
    mt_ok(c->redis, "leave", "room-1", "mine", "node-3", "k3");
    mt_ok(c->redis, "stop", "node-3", "k3");

    mt_process_kill(victim);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.dead", "node-1"), "the burial");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghosts to go");
    assert_int_equal(mt_events_count(c->events, 0, "instance.suspect", "instance", "node-2"), 0);
    assert_int_equal(mt_events_count(c->events, 0, "coordinator.elected", NULL, NULL), 1);
    command(c, "CONFIG SET maxmemory 0");
    mt_sim_hush(other);
    mt_sim_check(other, c->redis);
    mt_cluster_check(c);
}

static pid_t redis_pid(struct mt_cluster *c) {
    return (pid_t)mt_info(c->redis, "server", "process_id");
}

static void limit_file(pid_t pid, rlim_t most) {
    struct rlimit limit = {most, RLIM_INFINITY};
    assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static bool refuses(struct mt_cluster *c) {
    redisReply *reply = redisCommand(mt_redis_context(c->redis), "SET probe 1");
    assert_non_null(reply);
    bool refused = reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MISCONF", 7) == 0;
    freeReplyObject(reply);
    return refused;
}

/* The append-only file cannot grow: Redis refuses every write, the lease's too. The coordinator
 * gives up its office and takes it up again when there is room; nobody was suspected meanwhile. A
 * limit on the size of files stands for the full disk: to write(2) it is the same. */
static void test_no_disk(void **state) {
    struct mt_cluster *c = calloc(1, sizeof *c);
    static const char *const everysec[] = {"--appendfsync", "everysec", NULL};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    assert_non_null(c);
    *state = c;
    c->world = mt_world_create();
    sigaction(SIGXFSZ, &ignore, &before); /* inherited: else the limit would kill it */
    c->server = mt_server_start(c->world, "redis", MT_SERVER_DURABLE, everysec);
    sigaction(SIGXFSZ, &before, NULL);
    c->redis = mt_server_connect(c->server);
    c->events = mt_events_open(c->redis, false);
    c->replay = mt_replay_create(c->world);
    c->place = (struct mt_sim_place){c->world, "--url", mt_server_url_for(c->server, MT_BACKEND)};
    struct mt_daemon_options options = {.server = c->server, .set = quick};
    c->daemon = mt_daemon_lead(c->world, "daemon", &options);
    struct mt_process *sim = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");

    limit_file(redis_pid(c), 1024);
    MT_WAIT(c->world, refuses(c), "Redis to refuse");
    mt_daemon_await(c->daemon, "lease.lost");
    mt_let_pass(3000); /* longer than death takes */
    limit_file(redis_pid(c), RLIM_INFINITY);
    MT_WAIT(c->world, !refuses(c), "Redis to take writes again");
    mt_daemon_await(c->daemon, "lease.acquired");
    mt_daemon_await(c->daemon, "data.confirmed");
    mt_sim_hush(sim);
    mt_sim_hush(other);
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.dead", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "member.left", NULL, NULL), 0);
    mt_ok(c->redis, "enter", "room-1", "more", "node-1",
          mt_text(c->redis, "HGET " MT_NS "instance:node-1 incarnation"));
    mt_fsck(c->world, c->server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_memory, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_no_disk, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
