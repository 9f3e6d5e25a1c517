/* Redis is killed -9 under load and comes back on the same data (appendfsync always): no change
 * that was acknowledged is lost, and everybody finds his way back. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/cluster.h"
#include "lib/library.h"

enum {
    CALLS = 6000,
    ACKNOWLEDGED = 2500, /* so many answers, then the kill */
    WINDOW = 64,         /* calls in flight */
    STAY = 127,          /* calls between an ENTER and its LEAVE; no multiple of 3 */
    SESSIONS = 10
};

/* Call k is ENTER of connection k; every third is LEAVE of connection k - STAY instead. */
struct load {
    struct mt_redis *redis;
    int sent;
    int answered;
    long long seq[SESSIONS]; /* the highest that was acknowledged */
    bool leaves[CALLS];
    int subject[CALLS]; /* number of the connection */
};

static void send_one(struct load *load) {
    char connection[32];
    char session[32];
    int k = load->sent++;
    load->leaves[k] = k >= STAY && k % 3 == 0;
    load->subject[k] = load->leaves[k] ? k - STAY : k;
    snprintf(connection, sizeof connection, "c%d", load->subject[k]);
    snprintf(session, sizeof session, "room-%d", load->subject[k] % SESSIONS);
    mt_append(load->redis, (const char *const[]){load->leaves[k] ? "leave" : "enter", session,
                                                 connection, "node-1", "a", NULL});
}

/* False when the connection broke. */
static bool read_one(struct load *load) {
    redisReply *reply = NULL;
    if (redisGetReply(mt_redis_context(load->redis), (void **)&reply) != REDIS_OK)
        return false;
    int k = load->answered++;
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    json_t *json = json_loads(reply->str, 0, NULL);
    assert_true(mt_bool(json, load->leaves[k] ? "left" : "joined"));
    int session = load->subject[k] % SESSIONS;
    if (mt_int(json, "seq") > load->seq[session])
        load->seq[session] = mt_int(json, "seq");
    json_decref(json);
    freeReplyObject(reply);
    return true;
}

/* Everything answered must be there; what was sent and not answered may be or not. */
static void check_load(struct mt_cluster *c, const struct load *load) {
    enum { UNKNOWN, IN, OUT, EITHER };
    static int wanted[CALLS];
    memset(wanted, 0, sizeof wanted);
    for (int k = 0; k < load->sent; k++)
        wanted[load->subject[k]] = k >= load->answered ? EITHER : load->leaves[k] ? OUT : IN;
    for (int n = 0; n < load->sent; n++) {
        bool there =
            mt_integer(c->redis, "HEXISTS " MT_NS "session:room-%d c%d", n % SESSIONS, n) == 1;
        const char *record = mt_text(c->redis, "HGET " MT_NS "instance:node-1:connections c%d", n);
        bool listed = record != NULL && strstr(record, "/room-") != NULL;
        if ((wanted[n] == IN && !there) || (wanted[n] == OUT && there) || there != listed)
            mt_fail(c->world, "c%d: acknowledged %s, and now it is %s and its record %s", n,
                    wanted[n] == IN ? "in" : "out", there ? "in" : "out",
                    record == NULL ? "gone" : record);
        mt_redis_forget(c->redis);
    }
    for (int s = 0; s < SESSIONS; s++)
        assert_true(mt_integer(c->redis, "HINCRBY " MT_NS "session:room-%d #seq 0", s) >=
                    load->seq[s]);
}

static void test_acknowledged_changes_survive(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_DURABLE);
    static struct load load;
    memset(&load, 0, sizeof load);
    mt_library_load(c->redis);
    mt_lead(c->redis, "gen-1", NULL);
    mt_ok(c->redis, "start", "node-1", "a");
    load.redis = mt_redis_again(c->redis);
    while (load.answered < ACKNOWLEDGED) {
        while (load.sent - load.answered < WINDOW)
            send_one(&load);
        assert_true(read_one(&load));
    }
    while (load.sent - load.answered < WINDOW)
        send_one(&load);
    redisBufferWrite(mt_redis_context(load.redis), NULL);
    mt_server_kill(c->server);
    while (read_one(&load))
        ;
    assert_true(load.answered < load.sent);
    mt_redis_close(&load.redis);

    mt_cluster_restart_redis(c);
    check_load(c, &load);
    mt_refused(c->redis, MUSTER_UNAVAILABLE, "enter", "room-1", "new", "node-1", "a");
    const char *epoch = mt_text(c->redis, "GET " MT_NS "epoch");
    mt_ok(c->redis, "rotate", epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    mt_ok(c->redis, "enter", "room-1", "new", "node-1", "a");
    mt_cluster_check(c);
}

/* Every instance was told of the new generation and is back in all its sessions; nothing had to be
 * rebuilt: it was all there, and was adopted. */
static void check_returned(struct mt_process *sim) {
    mt_sim_await(sim, "restarting");
    json_t *line = mt_sim_wait(sim, "entered");
    if (mt_int(line, "rebuilt") != 0)
        mt_fail(mt_process_world(sim), "%lld memberships were lost", mt_int(line, "rebuilt"));
    json_decref(line);
}

static void test_restart_under_churn(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_DURABLE, NULL);
    struct mt_process *sims[3];
    for (int i = 0; i < 3; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%d", i + 1);
        sims[i] = mt_sim_start(&c->place, id, id, "--connections", "150", "--sessions", "30",
                               "--joins", "2", "--users", "40", "--seed", id + 5, "--churn", "150",
                               "--heartbeat", i == 2 ? "channel" : "fcall");
        mt_sim_await(sims[i], "entered");
    }
    for (int round = 0; round < 2; round++) {
        size_t before = mt_events_sync(c->events);
        MT_WAIT(c->world, mt_events_sync(c->events) > before + 200, "churn");
        mt_cluster_restart_redis(c);
        mt_daemon_await(c->daemon, "data.rotated");
        for (int i = 0; i < 3; i++)
            check_returned(sims[i]);
    }
    for (int i = 0; i < 3; i++)
        mt_sim_hush(sims[i]);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghosts to go");
    for (int i = 0; i < 3; i++)
        mt_sim_check(sims[i], c->redis);
    mt_cluster_check(c);
}

static pid_t managed_pid(const char *state_dir) {
    char path[200];
    long pid = 0;
    snprintf(path, sizeof path, "%s/redis.pid", state_dir);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    return (pid_t)pid;
}

/* The daemon's own server is killed; the daemon starts it again. */
static void test_managed_server(void **state) {
    struct mt_world *world = *state = mt_world_create();
    static const char *const set[] = {"redis.managed.appendfsync=always", NULL};
    const char *state_dir = mt_world_path(world, "st");
    struct mt_daemon_options options = {.state_dir = state_dir, .set = set};
    struct mt_process *daemon = mt_daemon_lead(world, "daemon", &options);
    struct mt_sim_place place = {world, "--state-dir", state_dir};
    struct mt_process *sim =
        mt_sim_start(&place, "node-1", "node-1", "--connections", "200", "--sessions", "30",
                     "--joins", "2", "--seed", "1", "--churn", "100");
    mt_sim_await(sim, "entered");
    struct mt_redis *redis = mt_managed_connect(world, state_dir);
    long long calls = mt_info(redis, "stats", "total_commands_processed");
    MT_WAIT(world, mt_info(redis, "stats", "total_commands_processed") > calls + 100, "churn");
    mt_redis_close(&redis);
    pid_t pid = managed_pid(state_dir);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    waitpid(pid, NULL, 0); /* orphans are ours */
    mt_daemon_await(daemon, "data.rotated");
    assert_int_not_equal(managed_pid(state_dir), pid);
    check_returned(sim);
    mt_sim_hush(sim);
    redis = mt_managed_connect(world, state_dir);
    MT_WAIT(world, mt_integer(redis, "EXISTS " MT_NS "ghosts") == 0, "the ghost to go");
    mt_sim_check(sim, redis);
    mt_redis_close(&redis);
    mt_fsck_managed(world, state_dir);
    /* a clean end takes the server with it */
    mt_process_signal(sim, SIGTERM);
    assert_int_equal(mt_process_wait(sim), 0);
    mt_process_signal(daemon, SIGTERM);
    assert_int_equal(mt_process_wait(daemon), 0);
}

static int destroy_world(void **state) {
    mt_world_destroy((struct mt_world **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_acknowledged_changes_survive, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_restart_under_churn, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_managed_server, destroy_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
