/* musterctl doctor against what musterd keeps in Redis, each thing broken by itself: lease,
 * library, generation, daemons, brake, leaders, ghosts, suspects, journal, invariants; and clocks,
 * latency and versions through a proxy that alters what a real Redis says. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/access.h"
#include "lib/cluster.h"
#include "lib/doctor.h"

#define PROXY MUSTER_SOURCE_DIR "/tests/integration/doctor/proxy.py"

struct ward {
    struct mt_cluster *cluster;
    const char *config;
    const char *hasty, *shorter, *shortest; /* others, that renew often, or with a short lease */
    char url[256];
};

static const char *write_config(struct ward *ward, const char *name, int lease_ms) {
    const char *path = mt_world_path(ward->cluster->world, "%s.yaml", name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: " MT_NAMESPACE "\nredis: {mode: external, url: \"%s\"}\n"
            "coordinator: {lease: %dms, renew: 100ms}\n",
            ward->url, lease_ms);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int admit(void **state) {
    /* Nobody heartbeats here. */
    static const char *const set[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "coordinator.renew=100ms", "limits.journal=10", NULL};
    struct ward *ward = calloc(1, sizeof *ward);
    assert_non_null(ward);
    ward->cluster = mt_cluster_create(MT_SERVER_DURABLE, set);
    ward->config = mt_world_path(ward->cluster->world, "daemon.yaml");
    snprintf(ward->url, sizeof ward->url, "unix://%s", mt_server_socket(ward->cluster->server));
    ward->hasty = write_config(ward, "hasty", 3000);
    ward->shorter = write_config(ward, "shorter", 1600);
    ward->shortest = write_config(ward, "shortest", 400);
    /* On a machine that is too busy a function may take long, and the doctor says so. */
    mt_command(ward->cluster->redis, "CONFIG SET slowlog-log-slower-than -1");
    mt_command(ward->cluster->redis, "SLOWLOG RESET");
    assert_int_equal(chmod(ward->config, 0600), 0); /* it may hold a password */
    *state = ward;
    return 0;
}

static int discharge(void **state) {
    struct ward *ward = *state;
    mt_cluster_destroy(&ward->cluster);
    free(ward);
    return 0;
}

static void expect(struct ward *ward, const char *codes) {
    mt_doctor_expect(ward->cluster->world, codes, NULL,
                     (const char *const[]){"--config", ward->config, "--url", ward->url,
                                           "--patience", "400ms", NULL});
}

/* Long enough to say that a lease is not renewed, by the renewals of that configuration. */
static void expect_later(struct ward *ward, const char *codes) {
    mt_doctor_expect(ward->cluster->world, codes, NULL,
                     (const char *const[]){"--config", ward->hasty, "--url", ward->url,
                                           "--patience", "1200ms", NULL});
}

#define REDIS(ward, ...) mt_command((ward)->cluster->redis, __VA_ARGS__)

static long long now_ms(struct ward *ward) {
    const redisReply *time = REDIS(ward, "TIME");
    return strtoll(time->element[0]->str, NULL, 10) * 1000;
}

/* ---- daemons and brake ---- */

static void test_daemons(void **state) {
    struct ward *ward = *state;
    expect(ward, "");
    REDIS(ward, "HSET " MT_NS "daemons other %s",
          "{\"address\":\"x\",\"version\":\"0.0.9\",\"at\":9000000000000}");
    expect(ward, "DAEMON_VERSION");
    REDIS(ward, "HDEL " MT_NS "daemons other");
}

/* The coordinator strikes it off after ten seconds, so a slow test may come too late. */
static bool silence_is_seen(struct ward *ward) {
    char entry[160];
    snprintf(entry, sizeof entry,
             "{\"address\":\"x\",\"version\":\"" MUSTER_VERSION "\",\"at\":%lld}",
             now_ms(ward) - 8500);
    REDIS(ward, "HSET " MT_NS "daemons other %s", entry);
    struct mt_diagnosis diagnosis = mt_doctor(
        ward->cluster->world, (const char *const[]){"--config", ward->config, "--url", ward->url,
                                                    "--patience", "200ms", NULL});
    bool seen = strcmp(diagnosis.codes, "DAEMON_SILENT") == 0;
    mt_diagnosis_deinit(&diagnosis);
    return seen;
}

static void test_silent_daemon(void **state) {
    struct ward *ward = *state;
    MT_WAIT(ward->cluster->world, silence_is_seen(ward), "the silent daemon in a diagnosis");
    REDIS(ward, "HDEL " MT_NS "daemons other");
}

static void test_brake(void **state) {
    struct ward *ward = *state;
    char brake[128];
    snprintf(brake, sizeof brake, "{\"at\":%lld,\"silent\":3,\"instances\":4}", now_ms(ward));
    REDIS(ward, "SET " MT_NS "brake %s", brake);
    expect(ward, "BRAKE_HOLDS");
    REDIS(ward, "DEL " MT_NS "brake");
}

/* ---- what stands still ---- */

static void enter(struct ward *ward) {
    mt_ok(ward->cluster->redis, "start", "node-1", "inc-1", "{}");
    mt_ok(ward->cluster->redis, "enter", "room-1", "c1", "node-1", "inc-1", "{}", "{}");
}

static void leave(struct ward *ward, const char *incarnation) {
    mt_ok(ward->cluster->redis, "stop", "node-1", incarnation);
    MT_WAIT(ward->cluster->world,
            mt_integer(ward->cluster->redis, "EXISTS " MT_NS "ghosts " MT_NS "sessions") == 0,
            "an empty namespace");
}

static void test_leaderless(void **state) {
    struct ward *ward = *state;
    enter(ward);
    expect(ward, "");
    REDIS(ward, "HSET " MT_NS "session:room-1 #leader %s", "");
    REDIS(ward, "SREM " MT_NS "instance:node-1:leads room-1");
    expect(ward, "LEADERLESS");
    /* With nobody who may lead it is as it must be. */
    REDIS(ward, "HSET " MT_NS "instance:node-1 draining 1");
    REDIS(ward, "SADD " MT_NS "leaderless room-1");
    expect(ward, "");
    REDIS(ward, "HSET " MT_NS "instance:node-1 draining 0");
    leave(ward, "inc-1");
}

/* The reaper cannot read it, so it stays. */
static void test_ghost(void **state) {
    struct ward *ward = *state;
    REDIS(ward, "SET " MT_NS "ghosts:node-9:inc-9 x");
    REDIS(ward, "ZADD " MT_NS "buried %lld node-9:inc-9", now_ms(ward));
    REDIS(ward, "ZADD " MT_NS "ghosts %lld node-9:inc-9", now_ms(ward) + 3600000);
    expect(ward, "DATA_DAMAGED"); /* of another type, but not due */
    REDIS(ward, "ZADD " MT_NS "ghosts 1 node-9:inc-9");
    expect(ward, "DATA_DAMAGED GHOST_STANDS");
    REDIS(ward, "DEL " MT_NS "ghosts:node-9:inc-9");
    REDIS(ward, "ZREM " MT_NS "ghosts node-9:inc-9");
    REDIS(ward, "ZREM " MT_NS "buried node-9:inc-9");
}

static void test_suspect(void **state) {
    struct ward *ward = *state;
    mt_ok(ward->cluster->redis, "start", "node-1", "inc-2", "{}");
    REDIS(ward, "HSET " MT_NS "instance:node-1 state suspect");
    expect(ward, ""); /* for a moment */
    REDIS(ward, "ZADD " MT_NS "instances %lld node-1", now_ms(ward) - 60000);
    expect(ward, "SUSPECT_STANDS");
    leave(ward, "inc-2");
}

/* ---- journal, invariants, clock ---- */

static void test_journal(void **state) {
    struct ward *ward = *state;
    mt_command(ward->cluster->redis, "RENAME " MT_NS "journal {t}:kept");
    REDIS(ward, "EVAL %s 1 " MT_NS "journal %s",
          "for i = 1, 1100 do redis.call('XADD', KEYS[1], '*', 'entry', ARGV[1]) end",
          "{\"event\":\"x\",\"at\":1}");
    REDIS(ward, "RENAME {t}:kept {other}:kept");
    expect(ward, "JOURNAL_LONG");
    REDIS(ward, "SET " MT_NS "journal x");
    expect(ward, "DATA_DAMAGED JOURNAL_DAMAGED");
    REDIS(ward, "RENAME {other}:kept " MT_NS "journal");
    expect(ward, "");
}

static void test_invariants(void **state) {
    struct ward *ward = *state;
    REDIS(ward, "SET " MT_NS "strange x");
    expect(ward, "DATA_DAMAGED");
    REDIS(ward, "DEL " MT_NS "strange");
    REDIS(ward, "HSET " MT_NS "quarantine x y");
    expect(ward, "QUARANTINE");
    REDIS(ward, "DEL " MT_NS "quarantine");
}

static void test_clock_back(void **state) {
    struct ward *ward = *state;
    const char *before = mt_text(ward->cluster->redis, "GET " MT_NS "clock");
    REDIS(ward, "SET " MT_NS "clock %lld", now_ms(ward) + 3600000);
    expect(ward, "CLOCK_WENT_BACK");
    if (before != NULL)
        REDIS(ward, "SET " MT_NS "clock %s", before);
    else
        REDIS(ward, "DEL " MT_NS "clock");
}

/* ---- generation ---- */

static void test_generation(void **state) {
    struct ward *ward = *state;
    const char *run = mt_text(ward->cluster->redis, "HGET " MT_NS "config run");
    REDIS(ward, "HSET " MT_NS "config run another");
    expect(ward, "NOT_CONFIRMED");
    REDIS(ward, "HSET " MT_NS "config run %s", run);
    /* Users of the ACL file may use one namespace, and this is another. */
    mt_doctor_expect(ward->cluster->world,
                     mt_access_has_users() ? "NO_COORDINATOR NO_GENERATION RIGHT_MISSING"
                                           : "NO_COORDINATOR NO_GENERATION",
                     NULL,
                     (const char *const[]){"--config", ward->config, "--url", ward->url,
                                           "--patience", "1s", "--namespace", "another", NULL});
}

/* ---- through a proxy ---- */

static void expect_behind(struct ward *ward, const char *mode, const char *config,
                          const char *codes) {
    static unsigned number;
    struct mt_world *world = ward->cluster->world;
    const char *listen = mt_world_path(world, "proxy%u.sock", ++number);
    char to[256];
    snprintf(to, sizeof to, "unix://%s", listen);
    struct mt_process *proxy = mt_process_start(
        world, listen + strlen(mt_world_dir(world)) + 1,
        (const char *const[]){"/usr/bin/python3", PROXY, listen,
                              mt_server_socket(ward->cluster->server), mode, NULL});
    free(mt_process_wait_line(proxy, MT_STDOUT, "ready"));
    mt_doctor_expect(
        world, codes, NULL,
        (const char *const[]){"--config", config, "--url", to, "--patience", "400ms", NULL});
    mt_process_kill(proxy);
}

static void test_version(void **state) {
    struct ward *ward = *state;
    char version[64];
    const char *info = strstr(mt_text(ward->cluster->redis, "INFO server"), "redis_version:");
    snprintf(version, sizeof version, "version:6%.*s", (int)strcspn(info + 15, "\r\n"), info + 15);
    expect_behind(ward, version, ward->config, "REDIS_OLD");
}

static void test_clocks(void **state) {
    struct ward *ward = *state;
    expect_behind(ward, "clock:0", ward->config, "");
    expect_behind(ward, "clock:5", ward->config, "CLOCKS_DIFFER");
}

/* With a short lease the proxy need not be very slow. */
static void test_latency(void **state) {
    struct ward *ward = *state;
    expect_behind(ward, "slow:90", ward->shorter, "LATENCY_HIGH"); /* from 80 to 400 ms */
    expect_behind(ward, "slow:110", ward->shortest, "LATENCY_CRITICAL");
}

/* ---- without a daemon: these come last ---- */

static void stop(struct ward *ward) {
    mt_process_signal(ward->cluster->daemon, SIGTERM);
    mt_process_wait(ward->cluster->daemon);
}

static void test_no_coordinator(void **state) {
    struct ward *ward = *state;
    stop(ward);
    expect(ward, "NO_COORDINATOR");
}

static void test_lease(void **state) {
    struct ward *ward = *state;
    REDIS(ward, "SET " MT_NS "coordinator nonsense");
    expect(ward, "LEASE_DAMAGED");
    REDIS(ward, "SET " MT_NS "coordinator x/y/5/1/ PX 600000");
    expect_later(ward, "LEASE_STANDS");
    REDIS(ward, "SET " MT_NS "coordinator x/y/5/1/");
    expect_later(ward, "LEASE_STANDS");
    REDIS(ward, "SET " MT_NS "coordinator x/y/9000000000000000/1/");
    expect_later(ward, "EPOCH_BEHIND LEASE_STANDS");
    REDIS(ward, "DEL " MT_NS "coordinator");
}

static void load_version(struct ward *ward, const char *json) {
    char code[512];
    snprintf(code, sizeof code,
             "#!lua name=muster\nredis.register_function{function_name='muster_version',"
             "callback=function() return '%s' end,flags={'no-writes'}}\n",
             json);
    REDIS(ward, "FUNCTION LOAD REPLACE %s", code);
}

static void test_library(void **state) {
    struct ward *ward = *state;
    load_version(ward, "{\"version\":1,\"min_reader\":1}");
    expect(ward, "LIBRARY_OLD NO_COORDINATOR");
    load_version(ward, "{\"version\":999,\"min_reader\":998}");
    expect(ward, "LIBRARY_NEW NO_COORDINATOR");
    load_version(ward, "{\"version\":999,\"min_reader\":1}");
    expect(ward, "NO_COORDINATOR");
    REDIS(ward, "FUNCTION FLUSH");
    expect(ward, "LIBRARY_MISSING NO_COORDINATOR");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemons),    cmocka_unit_test(test_silent_daemon),
        cmocka_unit_test(test_brake),      cmocka_unit_test(test_leaderless),
        cmocka_unit_test(test_ghost),      cmocka_unit_test(test_suspect),
        cmocka_unit_test(test_journal),    cmocka_unit_test(test_invariants),
        cmocka_unit_test(test_generation), cmocka_unit_test(test_version),
        cmocka_unit_test(test_clocks),     cmocka_unit_test(test_latency),
        cmocka_unit_test(test_clock_back), cmocka_unit_test(test_no_coordinator),
        cmocka_unit_test(test_lease),      cmocka_unit_test(test_library),
    };
    return cmocka_run_group_tests_name("doctor_data", tests, admit, discharge);
}
