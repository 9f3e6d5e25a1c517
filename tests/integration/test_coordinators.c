/* One coordinator: whoever was away too long does nothing any more, whoever was blind buries
 * nobody, and a clock that is set back keeps nobody in office. */
#include "lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cluster.h"
#include "lib/library.h"

static const char *const quick[] = {"detector.heartbeat=200ms", "detector.suspect_after=1s",
                                    "detector.dead_after=2s",   "coordinator.lease=600ms",
                                    "coordinator.renew=150ms",  NULL};

static struct mt_process *join_daemon(struct mt_cluster *c, const char *name) {
    struct mt_process *daemon = mt_daemon_start(
        c->world, name, &(struct mt_daemon_options){.server = c->server, .set = quick});
    mt_daemon_await(daemon, "lease.standby");
    return daemon;
}

static json_int_t epoch_of(struct mt_process *daemon) {
    json_t *line = mt_daemon_wait(daemon, "lease.acquired");
    json_int_t epoch = json_integer_value(json_object_get(line, "epoch"));
    json_decref(line);
    assert_true(epoch > 0);
    return epoch;
}

/* What an epoch that is over is answered, whatever it asks. */
static void refuse_all(struct mt_cluster *c, json_int_t epoch) {
    char old[24];
    snprintf(old, sizeof old, "%lld", (long long)epoch);
    const char *score = mt_text(c->redis, "ZSCORE " MT_NS "instances node-1");
    const char *incarnation = mt_text(c->redis, "HGET " MT_NS "instance:node-1 incarnation");
    mt_refused(c->redis, MUSTER_STALE_EPOCH, "suspect", old, "node-1", incarnation, score);
    mt_refused(c->redis, MUSTER_STALE_EPOCH, "bury", old, "node-1", incarnation, score,
               "instance-dead");
    mt_refused(c->redis, MUSTER_STALE_EPOCH, "beats", old, "node-1", incarnation);
    mt_refused(c->redis, MUSTER_STALE_EPOCH, "brake", old, "released", "hold");
    mt_refused(c->redis, MUSTER_STALE_EPOCH, "rotate", old, "gen-x", "0", "run-x", MT_SETTINGS);
}

/* Stopped beyond its lease, another active, then continued: it notices by its own clock, sends
 * nothing more of that epoch, and stands by. */
static void test_stopped_beyond_its_lease(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    struct mt_process *first = mt_daemon_start(
        c->world, "first", &(struct mt_daemon_options){.server = c->server, .set = quick});
    json_int_t old = epoch_of(first);
    mt_daemon_await(first, "data.rotated");
    struct mt_process *second = join_daemon(c, "second");
    mt_cluster_instance(c, "node-1", "1");
    mt_cluster_instance(c, "node-2", "2");

    mt_process_signal(first, SIGSTOP);
    json_int_t epoch = epoch_of(second);
    assert_true(epoch > old);
    mt_daemon_await(second, "data.confirmed");
    refuse_all(c, old);
    mt_process_signal(first, SIGCONT);
    mt_daemon_await(first, "lease.lost");
    mt_daemon_await(first, "lease.standby");

    const char *lease = mt_text(c->redis, "GET " MT_NS "coordinator");
    char mine[32];
    snprintf(mine, sizeof mine, "/%lld/", (long long)epoch);
    assert_non_null(strstr(lease, mine));
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.suspect", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "coordinator.elected", NULL, NULL), 2);
    mt_cluster_check(c);
}

/* Redis answers nobody for longer than the lease: what the coordinator had sent meanwhile arrives
 * when its lease is gone, and Redis refuses it. */
static void test_writes_that_arrive_late(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    struct mt_process *daemon = mt_daemon_start(
        c->world, "daemon", &(struct mt_daemon_options){.server = c->server, .set = quick});
    json_int_t old = epoch_of(daemon);
    mt_daemon_await(daemon, "data.rotated");
    struct mt_process *sim = mt_cluster_instance(c, "node-1", "1");
    mt_cluster_instance(c, "node-2", "2");
    mt_process_signal(sim, SIGSTOP); /* a verdict will be due */
    redisReply *reply = redisCommand(mt_redis_context(c->redis), "CLIENT PAUSE 1500 ALL");
    freeReplyObject(reply);
    mt_daemon_await(daemon, "lease.lost");
    json_int_t epoch = epoch_of(daemon);
    assert_true(epoch > old);
    mt_process_signal(sim, SIGCONT);
    refuse_all(c, old);
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.dead", NULL, NULL), 0);
    mt_sim_hush(sim);
    mt_cluster_check(c);
}

/* Alone, stopped for longer than death takes, while all instances heartbeat by the channel only, so
 * that no score moves: it was blind, so nobody dies. */
static void test_blind_alone(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    struct mt_process *sims[2];
    for (int i = 0; i < 2; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%d", i + 1);
        sims[i] = mt_sim_start(&c->place, id, id, "--connections", "50", "--sessions", "10",
                               "--joins", "2", "--seed", id + 5, "--heartbeat", "channel");
        mt_sim_await(sims[i], "entered");
    }
    mt_process_signal(c->daemon, SIGSTOP);
    mt_let_pass(4000);
    mt_process_signal(c->daemon, SIGCONT);
    mt_daemon_await(c->daemon, "lease.lost");
    mt_daemon_await(c->daemon, "lease.acquired");
    /* long enough to die of what was there before */
    mt_let_pass(3000);
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.dead", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "instance.suspect", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, 0, "member.left", NULL, NULL), 0);
    for (int i = 0; i < 2; i++)
        mt_sim_check(sims[i], c->redis);
    mt_cluster_check(c);
}

/* ---- a clock that is set back ---- */

/* Added to Redis's wall clock, in µs. */
static _Atomic int64_t *shared_offset(struct mt_world *world) {
    const char *path = mt_world_path(world, "clock");
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(int64_t)), 0);
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    close(fd);
    setenv("MUSTER_TEST_CLOCK_OFFSET", path, 1);
    return page;
}

/* The key of the lease outlives its holder by an hour: its counter stands still, and that is enough
 * for the standby. Epochs and terms still grow. */
static void test_clock_set_back(void **state) {
    struct mt_cluster *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *state = c;
    c->world = mt_world_create();
    _Atomic int64_t *offset = shared_offset(c->world);
    setenv("LD_PRELOAD", MUSTER_TEST_CLOCK_LIBRARY, 1);
    c->server = mt_server_start(c->world, "redis", MT_SERVER_VOLATILE, NULL);
    unsetenv("LD_PRELOAD");
    unsetenv("MUSTER_TEST_CLOCK_OFFSET");
    c->redis = mt_server_connect(c->server);
    c->events = mt_events_open(c->redis, false);
    c->replay = mt_replay_create(c->world);
    c->place = (struct mt_sim_place){c->world, "--url", mt_server_url_for(c->server, MT_BACKEND)};

    struct mt_process *first = mt_daemon_start(
        c->world, "first", &(struct mt_daemon_options){.server = c->server, .set = quick});
    json_int_t old = epoch_of(first);
    mt_daemon_await(first, "data.rotated");
    struct mt_process *second = join_daemon(c, "second");
    struct mt_process *victim = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    long long led = mt_cluster_leads(c, "node-1");
    assert_true(led > 0);

    atomic_store(offset, -3600 * (int64_t)1000000);
    mt_process_kill(first);
    assert_true(mt_integer(c->redis, "PTTL " MT_NS "coordinator") > 3500000);
    mt_daemon_await(second, "lease.taking_over");
    assert_true(epoch_of(second) > old);
    mt_daemon_await(second, "data.confirmed");
    mt_process_kill(victim);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.dead", "node-1"), "the burial");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_sim_hush(other);
    mt_cluster_check(c); /* the replay fails when a term or a seq falls */
    mt_sim_check(other, c->redis);
    munmap((void *)(uintptr_t)offset, sizeof *offset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_stopped_beyond_its_lease, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_writes_that_arrive_late, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_blind_alone, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_clock_set_back, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
