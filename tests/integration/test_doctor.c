/* musterctl doctor against a real Redis with a real daemon: a sane installation gives no finding,
 * and each setting of Redis that doctor knows, broken by itself, is named, and nothing else. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cluster.h"
#include "lib/doctor.h"

struct ward {
    struct mt_cluster *cluster;
    const char *config;
    char url[256];
};

static int admit(void **state) {
    static const char *const set[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "coordinator.renew=100ms", NULL};
    struct ward *ward = calloc(1, sizeof *ward);
    assert_non_null(ward);
    ward->cluster = mt_cluster_create(MT_SERVER_DURABLE, set);
    ward->config =
        mt_world_path(ward->cluster->world, "%s.yaml", mt_process_name(ward->cluster->daemon));
    snprintf(ward->url, sizeof ward->url, "unix://%s", mt_server_socket(ward->cluster->server));
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

#define EXPECT_WITH(ward, codes, unmade, ...)                                                      \
    mt_doctor_expect((ward)->cluster->world, codes, unmade,                                        \
                     (const char *const[]){"--config", (ward)->config, "--url", (ward)->url,       \
                                           __VA_ARGS__, NULL})
#define EXPECT(ward, codes, unmade) EXPECT_WITH(ward, codes, unmade, "--patience", "5s")

static void test_sane(void **state) {
    struct ward *ward = *state;
    EXPECT(ward, "", "");
}

/* ---- settings ---- */

static const struct {
    const char *code, *name, *broken, *whole;
} settings[] = {
    {"WOULD_EVICT", "maxmemory-policy", "allkeys-lru", "noeviction"},
    {"KEY_EVENTS_OFF", "notify-keyspace-events", "gxE", "KEgxe"},
    {"KEY_EVENTS_OFF", "notify-keyspace-events", "KEgx", "KEgxe"},
    {"NOT_PERSISTED", "appendonly", "no", "yes"},
    {"SUBSCRIBER_BUFFER", "client-output-buffer-limit", "pubsub 1mb 1mb 60", "pubsub 0 0 0"},
    {"SUBSCRIBER_BUFFER", "client-output-buffer-limit", "pubsub 32mb 100kb 9", "pubsub 0 0 0"},
    {"IDLE_CLOSED", "timeout", "7200", "0"},
    {"KEEPALIVE_OFF", "tcp-keepalive", "0", "300"},
    {"BUSY_LIMIT", "busy-reply-threshold", "0", "5000"},
    {"BUSY_LIMIT", "busy-reply-threshold", "3600000", "5000"},
};

static void set(struct ward *ward, const char *name, const char *value) {
    mt_command(ward->cluster->redis, "CONFIG SET %s %s", name, value);
}

static void test_settings(void **state) {
    struct ward *ward = *state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        set(ward, settings[i].name, settings[i].broken);
        EXPECT(ward, settings[i].code, "");
        set(ward, settings[i].name, settings[i].whole);
    }
    EXPECT(ward, "", "");
}

static void test_memory(void **state) {
    struct ward *ward = *state;
    char bytes[32];
    set(ward, "maxmemory", "8000000000");
    EXPECT(ward, "", "");
    set(ward, "maxmemory-policy", "volatile-ttl");
    EXPECT(ward, "MAY_EVICT", "");
    set(ward, "maxmemory-policy", "noeviction");
    long long used = mt_info(ward->cluster->redis, "memory", "used_memory");
    snprintf(bytes, sizeof bytes, "%lld", used + used / 8);
    set(ward, "maxmemory", bytes);
    EXPECT(ward, "MEMORY_HIGH", "");
    snprintf(bytes, sizeof bytes, "%lld", used);
    set(ward, "maxmemory", bytes);
    EXPECT(ward, "MEMORY_FULL", "");
    set(ward, "maxmemory", "0");
}

static void test_clients(void **state) {
    struct ward *ward = *state;
    char most[32];
    /* The doctor itself is the last. */
    snprintf(most, sizeof most, "%lld",
             mt_info(ward->cluster->redis, "clients", "connected_clients") + 1);
    set(ward, "maxclients", most);
    EXPECT(ward, "CLIENTS_NEAR_MAX", "");
    set(ward, "maxclients", "10000");
}

static bool says(struct ward *ward, const char *line) {
    return strstr(mt_text(ward->cluster->redis, "INFO persistence"), line) != NULL;
}

/* A snapshot or a rewrite that is under way refuses another one. */
static void let_it_write(struct ward *ward, const char *command, const char *line) {
    MT_WAIT(ward->cluster->world,
            mt_try_command(ward->cluster->redis, command)->type == REDIS_REPLY_STATUS,
            "a Redis that writes nothing");
    MT_WAIT(ward->cluster->world, says(ward, line), line);
}

/* Where the file should go there is a directory. */
static void test_snapshot(void **state) {
    struct ward *ward = *state;
    struct mt_redis *redis = ward->cluster->redis;
    const char *dir = mt_command(redis, "CONFIG GET dir")->element[1]->str;
    const char *obstacle = mt_world_path(ward->cluster->world, "%s/dump.rdb",
                                         dir + strlen(mt_world_dir(ward->cluster->world)) + 1);
    assert_int_equal(mkdir(obstacle, 0700), 0);
    let_it_write(ward, "BGSAVE", "rdb_last_bgsave_status:err");
    EXPECT(ward, "SNAPSHOT_FAILED", "");
    assert_int_equal(rmdir(obstacle), 0);
    let_it_write(ward, "BGSAVE", "rdb_last_bgsave_status:ok");
}

/* A plain file stands where the directory of the append-only file was. */
static void test_rewrite(void **state) {
    struct ward *ward = *state;
    struct mt_redis *redis = ward->cluster->redis;
    const char *dir = mt_command(redis, "CONFIG GET dir")->element[1]->str;
    const char *name = mt_command(redis, "CONFIG GET appenddirname")->element[1]->str;
    const char *below = dir + strlen(mt_world_dir(ward->cluster->world)) + 1;
    const char *place = mt_world_path(ward->cluster->world, "%s/%s", below, name);
    const char *away = mt_world_path(ward->cluster->world, "%s/away", below);
    MT_WAIT(ward->cluster->world, says(ward, "aof_rewrite_in_progress:0"), "the rewrite's end");
    assert_int_equal(rename(place, away), 0);
    FILE *file = fopen(place, "we");
    assert_non_null(file);
    fclose(file);
    mt_try_command(redis, "BGREWRITEAOF"); /* refused, or failing later */
    MT_WAIT(ward->cluster->world, says(ward, "aof_last_bgrewrite_status:err"), "a failed rewrite");
    EXPECT(ward, "AOF_FAILED", "");
    assert_int_equal(unlink(place), 0);
    assert_int_equal(rename(away, place), 0);
    let_it_write(ward, "BGREWRITEAOF", "aof_last_bgrewrite_status:ok");
}

/* ---- functions that take long ---- */

static void test_slow(void **state) {
    struct ward *ward = *state;
    set(ward, "slowlog-log-slower-than", "100000");
    mt_command(ward->cluster->redis, "FUNCTION LOAD %s",
               "#!lua name=slow\n"
               "redis.register_function('muster_slow', function()\n"
               "  local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / "
               "1000 end\n"
               "  local till = now() + 150\n"
               "  while now() < till do end\n"
               "  return 1\n"
               "end)\n");
    mt_command(ward->cluster->redis, "FCALL muster_slow 0");
    EXPECT(ward, "SLOW_FUNCTIONS", "");
    set(ward, "slowlog-log-slower-than", "-1");
    mt_command(ward->cluster->redis, "SLOWLOG RESET");
    mt_command(ward->cluster->redis, "FUNCTION DELETE slow");
    EXPECT(ward, "", "");
}

/* ---- rights ---- */

static void test_rights(void **state) {
    struct ward *ward = *state;
    struct mt_redis *redis = ward->cluster->redis;
    mt_command(redis, "ACL SETUSER weak on >w ~" MT_NS "* ~{t} &* +@all -zadd -pubsub|numsub");
    EXPECT_WITH(ward, "RIGHT_MISSING", "", "--user", "weak");
    mt_command(redis, "ACL SETUSER weak +zadd");
    EXPECT_WITH(ward, "RIGHT_MISSING", "", "--user", "weak");
    mt_command(redis, "ACL SETUSER weak +pubsub|numsub");
    EXPECT_WITH(ward, "", "", "--user", "weak");
    mt_command(redis, "ACL SETUSER weak resetkeys ~{other}:* ~{t}");
    EXPECT_WITH(ward, "RIGHT_MISSING", "", "--user", "weak");
    EXPECT_WITH(ward, "", "rights", "--user", "nobody");
    mt_command(redis, "ACL DELUSER weak");
}

/* Without a configuration it is not known that there is no such door. */
static void test_door_rights(void **state) {
    struct ward *ward = *state;
    struct mt_world *world = ward->cluster->world;
    struct mt_redis *redis = ward->cluster->redis;
    const char *arguments[] = {"--url", ward->url, "--namespace", MT_NAMESPACE, NULL};
    mt_doctor_expect(world, "", "", arguments);
    mt_command(redis, "ACL SETUSER spy on >s -@all +subscribe &" MT_NS "request");
    mt_doctor_expect(world, "REQUESTS_READABLE", "", arguments);
    mt_command(redis, "ACL SETUSER spy off");
    mt_doctor_expect(world, "", "", arguments);
    mt_command(redis, "ACL SETUSER spy on resetchannels &" MT_NS "events:*");
    mt_doctor_expect(world, "", "", arguments);
    mt_command(redis, "ACL DELUSER spy");
}

/* Who may ask for nothing has nothing confirmed. */
static void test_blind(void **state) {
    struct ward *ward = *state;
    char url[256];
    snprintf(url, sizeof url, "unix://half:h@%s", mt_server_socket(ward->cluster->server));
    mt_command(ward->cluster->redis,
               "ACL SETUSER half on >h ~* &* +@all -slowlog -acl -config -info");
    struct mt_diagnosis diagnosis =
        mt_doctor(ward->cluster->world,
                  (const char *const[]){"--url", url, "--namespace", MT_NAMESPACE, NULL});
    assert_string_equal(diagnosis.codes, "");
    assert_string_equal(diagnosis.unmade,
                        "version role replication mode rights door-rights key-events eviction "
                        "memory persistence clients buffers timeouts busy-limit machine "
                        "slow-functions generation");
    assert_int_equal(diagnosis.exit_status, 1);
    mt_diagnosis_deinit(&diagnosis);
    mt_command(ward->cluster->redis, "ACL DELUSER half");
}

/* ---- Redis itself ---- */

static void test_unreachable(void **state) {
    struct ward *ward = *state;
    char url[256];
    struct mt_world *world = ward->cluster->world;
    snprintf(url, sizeof url, "unix://%s/nothing.sock", mt_world_dir(world));
    struct mt_diagnosis diagnosis = mt_doctor(world, (const char *const[]){"--url", url, NULL});
    assert_string_equal(diagnosis.codes, "REDIS_UNREACHABLE");
    assert_int_equal(diagnosis.exit_status, 3);
    mt_diagnosis_deinit(&diagnosis);
    snprintf(url, sizeof url, "unix://nobody:x@%s", mt_server_socket(ward->cluster->server));
    mt_doctor_expect(world, "REDIS_LOGIN", NULL, (const char *const[]){"--url", url, NULL});
}

/* The last test: the daemon loses its lease meanwhile. */
static void test_busy(void **state) {
    struct ward *ward = *state;
    struct mt_redis *redis = ward->cluster->redis;
    struct mt_redis *other = mt_redis_again(redis);
    set(ward, "busy-reply-threshold", "50");
    assert_int_equal(redisAppendCommand(mt_redis_context(other), "EVAL %s 0", "while true do end"),
                     REDIS_OK);
    int done = 0;
    while (!done)
        assert_int_equal(redisBufferWrite(mt_redis_context(other), &done), REDIS_OK);
    MT_WAIT(ward->cluster->world, mt_try_command(redis, "PING")->type == REDIS_REPLY_ERROR,
            "a busy Redis");
    EXPECT(ward, "REDIS_BUSY", NULL);
    mt_command(redis, "SCRIPT KILL");
    mt_redis_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sane),        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_clients),
        cmocka_unit_test(test_snapshot),    cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_slow),        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_door_rights), cmocka_unit_test(test_blind),
        cmocka_unit_test(test_unreachable), cmocka_unit_test(test_busy),
    };
    return cmocka_run_group_tests_name("doctor", tests, admit, discharge);
}
