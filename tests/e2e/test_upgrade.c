/* Upgrade and rollback of three daemons, one after the other, under load: musterd, and
 * musterd-next, which is the same with a later library (tests/next). Nobody notices but who asks
 * for versions: no request is lost, no leader moves for it, no instance is suspected, no generation
 * ends. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"
#include "redis/library.h"

enum { DAEMONS = 3, SIMS = 3 };

enum version { THIS = MU_LIBRARY_VERSION, NEXT = MU_LIBRARY_VERSION + 1 };

static const char *const names[DAEMONS] = {"first", "second", "third"};

struct stand {
    struct mt_cluster *cluster;
    struct mt_process *daemons[DAEMONS];
    char doors[SIMS][600];
    struct mt_process *sims[SIMS];
};

static void start_daemon(struct stand *stand, size_t which, enum version version) {
    struct mt_cluster *c = stand->cluster;
    char load[512];
    snprintf(load, sizeof load,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s/%s.resp\"]}}]",
             mt_world_dir(c->world), names[which]);
    const char *const set[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                               "authorization.default=allow", load, NULL};
    stand->daemons[which] =
        mt_daemon_start(c->world, names[which],
                        &(struct mt_daemon_options){
                            .server = c->server,
                            .set = set,
                            .program = version == NEXT ? MUSTER_BUILD_DIR "/musterd-next" : NULL});
    mt_daemon_await(stand->daemons[which], "daemon.ready");
}

static int set_up(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL)
        return -1;
    *state = stand;
    stand->cluster = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    const char *dir = mt_world_dir(stand->cluster->world);
    for (size_t i = 0; i < SIMS; i++)
        snprintf(stand->doors[i], sizeof stand->doors[i],
                 "unix://%s/%s.resp,unix://%s/%s.resp,unix://%s/%s.resp", dir, names[i], dir,
                 names[(i + 1) % DAEMONS], dir, names[(i + 2) % DAEMONS]);
    for (size_t i = 0; i < DAEMONS; i++) {
        start_daemon(stand, i, THIS);
        if (i == 0)
            mt_daemon_await(stand->daemons[0], "data.rotated");
    }
    return 0;
}

static int tear_down(void **state) {
    struct stand *stand = *state;
    mt_cluster_destroy(&stand->cluster);
    free(stand);
    return 0;
}

/* One at Redis, two at the doors; all of them churn. */
static void start_sims(struct stand *stand) {
    struct mt_world *world = stand->cluster->world;
    const struct mt_sim_place at[SIMS] = {
        stand->cluster->place,
        {world, "--door", stand->doors[1]},
        {world, "--door", stand->doors[2]},
    };
    static const char *const ids[SIMS] = {"straight", "node-1", "node-2"};
    for (size_t i = 0; i < SIMS; i++)
        stand->sims[i] =
            mt_sim_start(&at[i], ids[i], ids[i], "--connections", "60", "--joins", "2",
                         "--sessions", "15", "--users", "20", "--churn", "150", "--seed", "7");
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_await(stand->sims[i], "entered");
}

static bool published(struct stand *stand, size_t events) {
    return mt_events_sync(stand->cluster->events) >= events;
}

static void churn_on(struct stand *stand) {
    size_t before = mt_events_sync(stand->cluster->events);
    MT_WAIT(stand->cluster->world, published(stand, before + 200), "churn");
}

/* Asked of Redis itself. */
static long long loaded(struct stand *stand) {
    long long version = -1;
    redisReply *reply =
        redisCommand(mt_redis_context(stand->cluster->redis), "FCALL muster_version 1 {t}");
    assert_non_null(reply);
    assert_int_equal(sscanf(reply->str, "{\"version\":%lld", &version), 1);
    freeReplyObject(reply);
    return version;
}

/* Does it have what only the next one has? */
static bool has_next(struct stand *stand) {
    redisReply *reply =
        redisCommand(mt_redis_context(stand->cluster->redis), "FCALL muster_next 1 {t}");
    assert_non_null(reply);
    bool has = reply->type == REDIS_REPLY_STRING;
    freeReplyObject(reply);
    return has;
}

static bool settled(struct stand *stand) {
    redisReply *reply = redisCommand(mt_redis_context(stand->cluster->redis),
                                     "FCALL muster_attend 1 {t} who-asks %d", (int)THIS);
    assert_non_null(reply);
    bool is = strstr(reply->str, "\"settled\":true") != NULL;
    freeReplyObject(reply);
    return is;
}

static void expect_loaded(struct stand *stand, enum version version) {
    if (loaded(stand) != version || has_next(stand) != (version == NEXT))
        mt_fail(stand->cluster->world, "library %lld is loaded instead of %d", loaded(stand),
                (int)version);
}

/* Does status say it of this daemon? */
static bool status_says(struct stand *stand, const char *text) {
    char *out = NULL;
    mt_ctl(stand->cluster->world, stand->cluster->server, (const char *const[]){"status", NULL},
           &out);
    bool says = strstr(out, text) != NULL;
    free(out);
    return says;
}

static void replace(struct stand *stand, size_t which, enum version version, int signal_number) {
    mt_process_signal(stand->daemons[which], signal_number);
    int code = mt_process_wait(stand->daemons[which]);
    assert_int_equal(code, signal_number == SIGKILL ? 128 + SIGKILL : 0);
    start_daemon(stand, which, version);
}

static size_t count(struct stand *stand, const char *event) {
    return mt_events_count(stand->cluster->events, 0, event, NULL, NULL);
}

static void nobody_noticed(struct stand *stand) {
    struct mt_cluster *c = stand->cluster;
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_hush(stand->sims[i]);
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_check(stand->sims[i], c->redis);
    mt_cluster_check(c);
    assert_int_equal(count(stand, "instance.suspect"), 0);
    assert_int_equal(count(stand, "instance.dead"), 0);
    assert_int_equal(count(stand, "generation.changed"), 1); /* the first one */
    static const char *const reasons[] = {"leader-suspect", "instance-dead", "elected"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_int_equal(mt_events_count(c->events, 0, "leader.changed", "reason", reasons[i]), 0);
}

static void up_and_back(void **state) {
    struct stand *stand = *state;
    struct mt_world *world = stand->cluster->world;
    start_sims(stand);
    expect_loaded(stand, THIS);

    /* Up: two that stand by, then the one that coordinates. The first brings the library along. */
    static const size_t upwards[DAEMONS] = {1, 2, 0};
    for (size_t i = 0; i < DAEMONS; i++) {
        replace(stand, upwards[i], NEXT, SIGTERM);
        expect_loaded(stand, NEXT);
        churn_on(stand);
    }
    MT_WAIT(world, status_says(stand, "first 99.0.0 with library"), "status to tell versions");

    /* Back: the library stays as long as there is one that brought it. The last is killed. */
    for (size_t i = 0; i < DAEMONS; i++) {
        if (i + 1 == DAEMONS) {
            /* The others know of nobody who would not have told by now, and had a round to think.
             */
            MT_WAIT(world, settled(stand), "everybody to have attended");
            mt_let_pass(2500);
        }
        expect_loaded(stand, NEXT);
        replace(stand, i, THIS, i + 1 < DAEMONS ? SIGTERM : SIGKILL);
        churn_on(stand);
    }
    MT_WAIT(world, loaded(stand) == THIS, "the library to come down");
    expect_loaded(stand, THIS);
    churn_on(stand);
    nobody_noticed(stand);
    for (size_t i = 0; i < SIMS; i++) {
        mt_process_signal(stand->sims[i], SIGTERM);
        assert_int_equal(mt_process_wait(stand->sims[i]), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(up_and_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
