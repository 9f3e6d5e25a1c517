/* Daemons and instances that follow a master which sentinels name: through its death, a switch by
 * hand, the loss of all sentinels, and a server that is demoted and promoted under their hands. */
#include "lib/sentinel.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/sim.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { SIMS = 3, MOST_SESSIONS = 64, MOST_SETS = 16 };

struct stage {
    struct mt_world *world;
    struct mt_sentinels *sentinels;
    struct mt_redis *redis; /* the master at present */
    size_t master;
    struct mt_process *daemons[2];
    struct mt_process *sims[SIMS];
    struct mt_sim_place place;
    char generation[160];
    long long epoch;
    long long terms[MOST_SESSIONS];
};

/* Everything but what is told apart by silence. */
static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "scrub.interval=0ms", NULL};

static struct mt_process *start_daemon(struct stage *s, const char *name, const char *more) {
    const char *sets[MOST_SETS] = {NULL};
    size_t count = 0;
    for (const char *const *set = mt_sentinels_set(s->sentinels); *set != NULL; set++)
        sets[count++] = *set;
    for (const char *const *set = patient; *set != NULL; set++)
        sets[count++] = *set;
    sets[count++] = more;
    struct mt_daemon_options options = {.set = sets};
    return mt_daemon_start(s->world, name, &options);
}

static long long term_of(struct stage *s, size_t session) {
    const char *text =
        mt_text(s->redis, "HGET " MT_NS "session:room-%lld #term", (long long)session);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

/* What must not fall, and the generation that a failover ends. */
static void remember(struct stage *s) {
    snprintf(s->generation, sizeof s->generation, "%s",
             mt_text(s->redis, "HGET " MT_NS "config generation"));
    s->epoch = strtoll(mt_text(s->redis, "GET " MT_NS "epoch"), NULL, 10);
    for (size_t i = 0; i < MOST_SESSIONS; i++)
        s->terms[i] = term_of(s, i);
    mt_redis_forget(s->redis);
}

static bool rotated(struct stage *s) {
    const char *now = mt_text(s->redis, "HGET " MT_NS "config generation");
    return now != NULL && strcmp(now, s->generation) != 0;
}

/* Everybody is there, and believes what is so. */
static void check(struct stage *s) {
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_hush(s->sims[i]);
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_check(s->sims[i], s->redis);
    mt_fsck(s->world, mt_sentinels_server(s->sentinels, s->master));
}

/* The master is this one from now on: it is followed, and what it holds is held to be older. */
static void moved_to(struct stage *s, size_t master) {
    struct mt_redis *redis = mt_server_connect(mt_sentinels_server(s->sentinels, master));
    mt_redis_close(&s->redis);
    s->redis = redis;
    s->master = master;
    MT_WAIT(s->world, rotated(s), "another generation");
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_await(s->sims[i], "entered");
    check(s);
    assert_true(strtoll(mt_text(s->redis, "GET " MT_NS "epoch"), NULL, 10) >= s->epoch);
    for (size_t i = 0; i < MOST_SESSIONS; i++)
        assert_true(term_of(s, i) >= s->terms[i]);
    mt_redis_forget(s->redis);
    remember(s);
}

/* Each daemon has a connection to the present master, as itself. */
static bool is_connected(struct stage *s, const char *name) {
    char needle[64];
    snprintf(needle, sizeof needle, "name=musterd:%s ", name);
    const char *text = mt_text(s->redis, "CLIENT LIST");
    bool found = strstr(text, needle) != NULL;
    mt_redis_forget(s->redis);
    return found;
}

static void sessions_are_listed(struct stage *s, const char *const *place) {
    const char *argv[12] = {MUSTER_BUILD_DIR "/musterctl"};
    size_t count = 1;
    char *out = NULL;
    while (*place != NULL)
        argv[count++] = *place++;
    argv[count++] = "--namespace";
    argv[count++] = MT_NAMESPACE;
    argv[count++] = "--via";
    argv[count++] = "redis";
    argv[count++] = "status";
    assert_int_equal(mt_process_run(s->world, "musterctl", argv, &out), 0);
    assert_non_null(strstr(out, s->generation));
    free(out);
}

static void musterctl_asks_sentinels(struct stage *s) {
    const char *path = mt_world_path(s->world, "ctl.yaml");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "redis: {mode: sentinel, sentinel: {master: " MT_MASTER ", addresses: ['127.0.0.1:%d', "
            "'127.0.0.1:%d']}}\n",
            mt_sentinels_port(s->sentinels, 0), mt_sentinels_port(s->sentinels, 2));
    assert_int_equal(fclose(file), 0);
    sessions_are_listed(s, (const char *const[]){"--config", path, NULL});
    sessions_are_listed(s, (const char *const[]){"--sentinel", mt_sentinels_list(s->sentinels),
                                                 "--master", MT_MASTER, NULL});
    const char *const wrong[] = {MUSTER_BUILD_DIR "/musterctl",
                                 "--sentinel",
                                 mt_sentinels_list(s->sentinels),
                                 "--master",
                                 "nobody",
                                 "--via",
                                 "redis",
                                 "status",
                                 NULL};
    assert_int_equal(mt_process_run(s->world, "musterctl-wrong", wrong, NULL), 3);
}

/* It says so, and goes on asking. */
static void an_unknown_name_is_said(struct stage *s) {
    struct mt_process *daemon = start_daemon(s, "lost", "redis.sentinel.master=nobody");
    json_t *line = mt_daemon_wait(daemon, "sentinel.no_master");
    assert_non_null(strstr(mt_str(line, "error"), "redis.sentinel.master may be wrong"));
    json_decref(line);
    assert_true(mt_process_running(daemon));
    mt_process_signal(daemon, SIGTERM);
    assert_int_equal(mt_process_wait(daemon), 0);
}

static bool renewed(struct stage *s, const char *before) {
    const char *now = mt_text(s->redis, "GET " MT_NS "coordinator");
    bool other = now != NULL && strcmp(now, before) != 0;
    mt_redis_forget(s->redis);
    return other;
}

static void serves_without_sentinels(struct stage *s) {
    char before[512];
    for (size_t i = 0; i < mt_sentinels_count(s->sentinels); i++)
        mt_sentinels_kill(s->sentinels, i);
    for (int i = 0; i < 2; i++) {
        snprintf(before, sizeof before, "%s", mt_text(s->redis, "GET " MT_NS "coordinator"));
        MT_WAIT(s->world, renewed(s, before), "a coordinator that renews its lease");
    }
    check(s);
    assert_false(rotated(s));
}

static void skip_lines(struct mt_process *process) {
    char *line = NULL;
    while ((line = mt_process_next_line(process, MT_STDERR)) != NULL)
        free(line);
}

/* The process and its run id stay, but as a replica it may have got older data in between. Whoever
 * coordinates has to see it: had it got other data, it would have lost the confirmation as well,
 * which is seen without that. */
static void a_demotion_in_between_counts(struct stage *s) {
    for (size_t i = 0; i < 2; i++)
        skip_lines(s->daemons[i]); /* they may have said the same of an earlier master */
    mt_command(s->redis, "REPLICAOF 127.0.0.1 %d", mt_sentinels_port(s->sentinels, 0));
    for (size_t i = 0; i < 2; i++)
        free(mt_process_wait_line(s->daemons[i], MT_STDERR, "has become a replica"));
    mt_command(s->redis, "REPLICAOF NO ONE");
    moved_to(s, s->master);
}

/* The number of the failover is part of what tells whether data are the same. Sentinels skip
 * numbers when an attempt fails. */
static long long failover_of_run(struct stage *s) {
    const char *at = strchr(mt_text(s->redis, "HGET " MT_NS "config run"), '@');
    long long number = at == NULL ? 0 : strtoll(at + 1, NULL, 10);
    mt_redis_forget(s->redis);
    return number;
}

static void test_failover(void **state) {
    struct stage *s = *state;
    mt_sentinels_kill(s->sentinels, 0); /* the first of the list is away from the beginning */
    s->redis = mt_server_connect(mt_sentinels_server(s->sentinels, 0));
    s->daemons[0] = start_daemon(s, "one", NULL);
    mt_daemon_await(s->daemons[0], "data.rotated");
    s->daemons[1] = start_daemon(s, "two", NULL);
    mt_daemon_await(s->daemons[1], "lease.standby");
    s->place = (struct mt_sim_place){s->world, "--sentinel", mt_sentinels_list(s->sentinels)};
    static const char *const names[SIMS] = {"node-1", "node-2", "node-3"};
    for (size_t i = 0; i < SIMS; i++)
        s->sims[i] =
            mt_sim_start(&s->place, names[i], names[i], "--master", MT_MASTER, "--connections",
                         "60", "--sessions", "30", "--joins", "2", "--users", "20", "--seed", "7");
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_await(s->sims[i], "entered");
    check(s);
    remember(s);
    an_unknown_name_is_said(s);

    mt_server_kill(mt_sentinels_server(s->sentinels, 0));
    moved_to(s, mt_sentinels_await(s->sentinels, 0));
    assert_int_equal(s->master, 1);
    long long failover = failover_of_run(s);
    assert_true(failover > 0);
    MT_WAIT(s->world, is_connected(s, "one") && is_connected(s, "two"), "both daemons there");

    mt_sentinels_restart(s->sentinels, 0);
    mt_server_restart(mt_sentinels_server(s->sentinels, 0));
    mt_sentinels_settle(s->sentinels, 0);
    assert_false(rotated(s)); /* that an old master comes back changes nothing */
    musterctl_asks_sentinels(s);
    moved_to(s, mt_sentinels_failover(s->sentinels));
    assert_int_equal(s->master, 0);
    assert_true(failover_of_run(s) > failover);
    MT_WAIT(s->world, is_connected(s, "one") && is_connected(s, "two"), "both daemons there");

    serves_without_sentinels(s);
    a_demotion_in_between_counts(s);
    for (size_t i = 0; i < SIMS; i++) {
        mt_process_signal(s->sims[i], SIGTERM);
        assert_int_equal(mt_process_wait(s->sims[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        mt_process_signal(s->daemons[i], SIGTERM);
        assert_int_equal(mt_process_wait(s->daemons[i]), 0);
    }
}

static void musterctl_logs_in(struct mt_world *world, const struct mt_sentinels *sentinels) {
    const char *path = mt_world_path(world, "ctl.yaml");
    char *out = NULL;
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(
        file,
        "redis: {mode: sentinel, url: 'redis://muster:knock@nowhere', sentinel: {master: " MT_MASTER
        ", addresses: '127.0.0.1:%d', password: sesame}}\n",
        mt_sentinels_port(sentinels, 0));
    assert_int_equal(fclose(file), 0);
    const char *const status[] = {MUSTER_BUILD_DIR "/musterctl",
                                  "--config",
                                  path,
                                  "--namespace",
                                  MT_NAMESPACE,
                                  "--via",
                                  "redis",
                                  "status",
                                  NULL};
    assert_int_equal(mt_process_run(world, "musterctl", status, &out), 0);
    free(out);
    const char *const stranger[] = {MUSTER_BUILD_DIR "/musterctl",
                                    "--sentinel",
                                    mt_sentinels_list(sentinels),
                                    "--master",
                                    MT_MASTER,
                                    "--via",
                                    "redis",
                                    "status",
                                    NULL};
    assert_int_equal(mt_process_run(world, "musterctl-stranger", stranger, NULL), 3);
}

/* Two logins: that of the sentinels, and that of the master, which stands in the url. */
static void test_logins(void **state) {
    struct mt_world *world = mt_world_create();
    const struct mt_sentinels_options demanding = {.sentinels = 1, .password = "sesame"};
    struct mt_sentinels *sentinels = mt_sentinels_start(world, &demanding);
    const char *sets[MOST_SETS] = {NULL};
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < mt_sentinels_servers(sentinels); i++) {
        struct mt_redis *redis = mt_server_connect(mt_sentinels_server(sentinels, i));
        mt_command(redis, "ACL SETUSER muster on >knock ~* &* +@all");
        mt_redis_close(&redis);
    }
    for (const char *const *set = mt_sentinels_set(sentinels); *set != NULL; set++)
        sets[count++] = *set;
    sets[count] = "redis.url=redis://muster:knock@nowhere";
    struct mt_daemon_options options = {.set = sets};
    struct mt_process *daemon = mt_daemon_lead(world, "daemon", &options);
    struct mt_redis *redis = mt_server_connect(mt_sentinels_server(sentinels, 0));
    assert_non_null(strstr(mt_text(redis, "CLIENT LIST"), "user=muster "));
    mt_redis_close(&redis);
    musterctl_logs_in(world, sentinels);
    mt_process_signal(daemon, SIGTERM);
    assert_int_equal(mt_process_wait(daemon), 0);
    char *log = mt_process_output(daemon, MT_STDERR);
    assert_null(strstr(log, "sesame"));
    assert_null(strstr(log, "knock"));
    free(log);
    mt_sentinels_free(&sentinels);
    mt_world_destroy(&world);
}

static int set_up(void **state) {
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->world = mt_world_create();
    s->sentinels = mt_sentinels_start(s->world, NULL);
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    struct stage *s = *state;
    mt_redis_close(&s->redis);
    mt_sentinels_free(&s->sentinels);
    mt_world_destroy(&s->world);
    free(s);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failover, set_up, tear_down),
        cmocka_unit_test(test_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
