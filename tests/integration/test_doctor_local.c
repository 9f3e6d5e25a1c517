/* musterctl doctor and what lies on disk: configurations, secrets, certificates, plugins, tokens,
 * the state directory of a managed Redis; and servers of other kinds: a replica, a cluster, a
 * master that lacks its replicas, sentinels. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/daemon.h"
#include "lib/doctor.h"
#include "lib/loop.h"
#include "lib/sentinel.h"
#include "lib/wait.h"

static int set_up(void **state) {
    *state = mt_world_create();
    return 0;
}

static int tear_down(void **state) {
    mt_world_destroy((struct mt_world **)state);
    return 0;
}

static const char *write_file(struct mt_world *world, const char *name, mode_t mode,
                              const char *text) {
    const char *path = mt_world_path(world, "%s", name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* There is no Redis: what is told is about files alone, and that. */
static void expect(struct mt_world *world, const char *config, const char *codes) {
    char all[256];
    snprintf(all, sizeof all, "%s", codes);
    mt_doctor_expect(world, all, NULL, (const char *const[]){"--config", config, NULL});
}

#define NO_REDIS "redis: {mode: external, url: \"unix:///nothing.sock\"}\n"

static void test_configuration(void **state) {
    struct mt_world *world = *state;
    const char *config = write_file(world, "a.yaml", 0640, NO_REDIS);
    expect(world, config, "REDIS_UNREACHABLE");
    assert_int_equal(chmod(config, 0646), 0);
    expect(world, config, "CONFIG_WRITABLE REDIS_UNREACHABLE");
    write_file(world, "a.yaml", 0640, NO_REDIS "detektor: {probe: 1s}\n");
    expect(world, config, "CONFIG_WRONG REDIS_UNREACHABLE");
    /* Between keys, as musterd --check. */
    write_file(world, "a.yaml", 0640, NO_REDIS "coordinator: {lease: 1s, renew: 2s}\n");
    expect(world, config, "CONFIG_WRONG REDIS_UNREACHABLE");
}

static void test_secrets(void **state) {
    struct mt_world *world = *state;
    const char *config = write_file(
        world, "b.yaml", 0640, "redis: {mode: external, url: \"unix://:secret@/nothing.sock\"}\n");
    expect(world, config, "REDIS_UNREACHABLE");
    assert_int_equal(chmod(config, 0644), 0);
    expect(world, config, "REDIS_UNREACHABLE SECRET_READABLE");
    write_file(world, "url", 0600, "unix://:secret@/nothing.sock\n");
    write_file(world, "b.yaml", 0644, "redis: {mode: external, url: \"file:url\"}\n");
    expect(world, config, "REDIS_UNREACHABLE");
    write_file(world, "url", 0644, "unix://:secret@/nothing.sock\n");
    expect(world, config, "CONFIG_WRONG REDIS_UNREACHABLE");
}

/* ---- plugins and what they are given ---- */

static void test_plugins(void **state) {
    struct mt_world *world = *state;
    static const struct {
        const char *load, *codes;
    } cases[] = {
        {"[{name: listener}]", "REDIS_UNREACHABLE"},
        {"[{name: broken_major}]", "PLUGIN_UNUSABLE REDIS_UNREACHABLE"},
        {"[{name: broken_minor}]", "PLUGIN_UNUSABLE REDIS_UNREACHABLE"},
        {"[{name: nowhere}, {name: listener}]", "PLUGIN_UNUSABLE REDIS_UNREACHABLE"},
        {"[{name: listener, config: {no_such_key: 1}}]", "PLUGIN_UNUSABLE REDIS_UNREACHABLE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 NO_REDIS "plugins: {path: [\"" MUSTER_BUILD_DIR "/tests/plugins\"], load: %s}\n",
                 cases[i].load);
        expect(world, write_file(world, "p.yaml", 0640, text), cases[i].codes);
    }
}

static void date(char out[32], int days) {
    time_t then = time(NULL) + (time_t)days * 24 * 3600;
    struct tm at;
    gmtime_r(&then, &at);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &at);
}

static const char *with_principal(struct mt_world *world, int days) {
    char text[1024];
    char when[32];
    date(when, days);
    snprintf(text, sizeof text,
             NO_REDIS "plugins:\n  path: [\"" MUSTER_BUILD_DIR "/plugins\"]\n  load:\n"
                      "    - name: auth_rules\n      config:\n        principals:\n"
                      "          node-1: {kind: instance, expires: \"%s\", "
                      "token: \"sha256:%032d:%064d\"}\n",
             when, 7, 7);
    return write_file(world, "t.yaml", 0640, text);
}

static void test_tokens(void **state) {
    struct mt_world *world = *state;
    expect(world, with_principal(world, 100), "REDIS_UNREACHABLE");
    expect(world, with_principal(world, 5), "REDIS_UNREACHABLE TOKEN_EXPIRES");
    expect(world, with_principal(world, -5), "REDIS_UNREACHABLE TOKEN_EXPIRED");
}

static const char *with_certificate(struct mt_world *world, const char *certificate,
                                    const char *key) {
    char text[2048];
    snprintf(text, sizeof text,
             NO_REDIS "plugins:\n  path: [\"" MUSTER_BUILD_DIR "/plugins\"]\n  load:\n"
                      "    - name: transport_resp\n      config:\n"
                      "        tls_listen: [\"127.0.0.1:0\"]\n"
                      "        tls: {certificate: \"%s\", key: \"%s\"}\n",
             certificate, key);
    return write_file(world, "c.yaml", 0640, text);
}

static void test_certificates(void **state) {
    struct mt_world *world = *state;
    const char *folder = mt_certificates(world) + strlen(mt_world_dir(world)) + 1;
    const char *good = mt_world_path(world, "%s/server.pem", folder);
    const char *key = mt_world_path(world, "%s/server.key", folder);
    const char *expired = mt_world_path(world, "%s/expired.pem", folder);
    const char *soon = mt_world_path(world, "soon.pem");
    assert_int_equal(
        mt_process_run(world, "openssl",
                       (const char *const[]){"openssl", "req", "-x509", "-key", key, "-subj",
                                             "/CN=soon", "-days", "5", "-out", soon, NULL},
                       NULL),
        0);
    expect(world, with_certificate(world, good, key), "REDIS_UNREACHABLE");
    expect(world, with_certificate(world, expired, key), "CERTIFICATE_EXPIRED REDIS_UNREACHABLE");
    expect(world, with_certificate(world, soon, key), "CERTIFICATE_EXPIRES REDIS_UNREACHABLE");
    expect(world, with_certificate(world, "/nothing.pem", key), "REDIS_UNREACHABLE TLS_UNREADABLE");
    expect(world, with_certificate(world, key, key), "REDIS_UNREACHABLE TLS_UNREADABLE");
    assert_int_equal(chmod(key, 0644), 0);
    expect(world, with_certificate(world, good, key), "KEY_READABLE REDIS_UNREACHABLE");
}

/* ---- a managed Redis with all doors ---- */

/* On a machine that is too busy a function may take long, and the doctor says so. */
static void forget_slow(struct mt_redis *redis) {
    mt_command(redis, "CONFIG SET slowlog-log-slower-than -1");
    mt_command(redis, "SLOWLOG RESET");
}

static void test_managed(void **state) {
    struct mt_world *world = *state;
    char text[2048];
    const char *dir = mt_world_dir(world);
    const char *password = mt_world_path(world, "state/redis.password");
    const char *directory = mt_world_path(world, "state");
    snprintf(text, sizeof text,
             "namespace: t\nstate_dir: %s/state\nlog: {format: json}\nplugins:\n"
             "  path: [\"" MUSTER_BUILD_DIR "/plugins\"]\n  load:\n"
             "    - name: transport_pubsub\n    - name: auth_rules\n    - name: transport_resp\n"
             "      config: {listen: [\"unix://%s/door.sock\"]}\n",
             dir, dir);
    const char *config = write_file(world, "managed.yaml", 0640, text);
    struct mt_process *daemon = mt_process_start(
        world, "managed",
        (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", config, NULL});
    mt_daemon_await(daemon, "lease.acquired");
    free(mt_process_wait_line(daemon, MT_STDERR, "\"event\":\"data."));
    struct mt_redis *redis = mt_managed_connect(world, directory);
    forget_slow(redis);
    mt_redis_close(&redis);
    mt_doctor_expect(world, "", "", (const char *const[]){"--config", config, NULL});
    mt_doctor_expect(world, "", "",
                     (const char *const[]){"--state-dir", directory, "--namespace", "t", NULL});
    assert_int_equal(chmod(password, 0640), 0);
    expect(world, config, "REDIS_UNREACHABLE STATE_DIR_OPEN");
    assert_int_equal(chmod(password, 0600), 0);
    assert_int_equal(chmod(directory, 0755), 0);
    expect(world, config, "STATE_DIR_OPEN");
    assert_int_equal(chmod(directory, 0700), 0);
    mt_doctor_expect(world, "", "", (const char *const[]){"--config", config, NULL});
    mt_process_signal(daemon, SIGTERM);
    mt_process_wait(daemon);
}

/* The configuration loads a door that the running daemon has not. */
static void test_listener(void **state) {
    struct mt_world *world = *state;
    struct mt_server *server = mt_server_start(world, "redis", MT_SERVER_DURABLE, NULL);
    struct mt_daemon_options options = {.server = server};
    char text[1024];
    char url[256];
    mt_daemon_lead(world, "daemon", &options);
    struct mt_redis *redis = mt_server_connect(server);
    forget_slow(redis);
    mt_redis_close(&redis);
    snprintf(url, sizeof url, "unix://%s", mt_server_socket(server));
    snprintf(text, sizeof text,
             "namespace: " MT_NAMESPACE "\nredis: {mode: external, url: \"%s\"}\n"
             "plugins: {path: [\"" MUSTER_BUILD_DIR "/plugins\"], load: [{name: "
             "transport_pubsub}]}\n",
             url);
    expect(world, write_file(world, "door.yaml", 0640, text), "NO_LISTENER");
    mt_server_free(&server);
}

/* ---- servers of other kinds ---- */

/* Nobody has used this server: no library, no generation, nobody coordinates. */
#define EMPTY "LIBRARY_MISSING"
#define EMPTY_REST "NO_COORDINATOR NO_GENERATION"

static void expect_at(struct mt_world *world, const struct mt_server *server, const char *codes) {
    char url[256];
    snprintf(url, sizeof url, "unix://%s", mt_server_socket(server));
    mt_doctor_expect(world, codes, NULL,
                     (const char *const[]){"--url", url, "--patience", "200ms", NULL});
}

#define PLAIN                                                                                      \
    { "--notify-keyspace-events", "KEgxe", NULL }

static void test_replica(void **state) {
    struct mt_world *world = *state;
    struct mt_server *server =
        mt_server_start(world, "redis", MT_SERVER_DURABLE, (const char *const[])PLAIN);
    struct mt_redis *redis = mt_server_connect(server);
    expect_at(world, server, EMPTY " " EMPTY_REST);
    mt_command(redis, "CONFIG SET min-replicas-to-write 2");
    expect_at(world, server, EMPTY " " EMPTY_REST " REPLICAS_TOO_FEW");
    mt_command(redis, "CONFIG SET min-replicas-to-write 0");
    mt_command(redis, "REPLICAOF 127.0.0.1 1"); /* where nobody is */
    expect_at(world, server, EMPTY " MASTER_AWAY " EMPTY_REST " REDIS_REPLICA");
    mt_redis_close(&redis);
    mt_server_free(&server);
}

static void test_cluster(void **state) {
    struct mt_world *world = *state;
    struct mt_server *server = mt_server_start(
        world, "redis", MT_SERVER_DURABLE,
        (const char *const[]){"--notify-keyspace-events", "KEgxe", "--cluster-enabled", "yes",
                              "--cluster-require-full-coverage", "no", NULL});
    struct mt_redis *redis = mt_server_connect(server);
    mt_command(redis, "CLUSTER ADDSLOTSRANGE 0 16383");
    MT_WAIT(world, strstr(mt_text(redis, "CLUSTER INFO"), "cluster_state:ok") != NULL,
            "a cluster of one");
    expect_at(world, server, EMPTY " " EMPTY_REST " REDIS_CLUSTER");
    mt_redis_close(&redis);
    mt_server_free(&server);
}

static void test_sentinels(void **state) {
    struct mt_world *world = *state;
    static const char *const plain[] = PLAIN;
    const struct mt_sentinels_options options = {
        .sentinels = 1, .kind = MT_SERVER_DURABLE, .extra = plain};
    struct mt_sentinels *sentinels = mt_sentinels_start(world, &options);
    struct mt_redis *master = mt_server_connect(mt_sentinels_server(sentinels, 0));
    char list[64];
    snprintf(list, sizeof list, "127.0.0.1:%d", mt_sentinels_port(sentinels, 0));
    const char *arguments[] = {"--sentinel", list,    "--master", MT_MASTER,
                               "--patience", "200ms", NULL};
    mt_doctor_expect(world, EMPTY " MASTER_UNFENCED " EMPTY_REST, NULL, arguments);
    mt_command(master, "CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 3600");
    MT_WAIT(world, mt_info(master, "replication", "min_slaves_good_slaves") == 1, "the replica");
    mt_doctor_expect(world, EMPTY " " EMPTY_REST, NULL, arguments);
    /* It is stopped, and 17 MiB behind. */
    struct mt_process *replica = mt_server_process(mt_sentinels_server(sentinels, 1));
    mt_process_signal(replica, SIGSTOP);
    mt_command(master, "EVAL %s 0",
               "for i = 1, 17 do redis.call('SET', 'x', ('x'):rep(1048576)) end");
    mt_doctor_expect(world, EMPTY " " EMPTY_REST " REPLICA_LAGS", NULL, arguments);
    mt_process_kill(replica);
    MT_WAIT(world, mt_info(master, "replication", "connected_slaves") == 0, "no replica");
    mt_doctor_expect(world, EMPTY " " EMPTY_REST " REPLICAS_TOO_FEW REPLICA_MISSING", NULL,
                     arguments);
    mt_redis_close(&master);
    mt_sentinels_free(&sentinels);
}

/* ---- what is written down ---- */

/* Every code that is documented is known, and the other way round. */
static void test_documented(void **state) {
    struct mt_world *world = *state;
    char *out = NULL;
    assert_int_equal(
        mt_process_run(world, "codes",
                       (const char *const[]){
                           "/bin/sh", "-c",
                           "cd " MUSTER_SOURCE_DIR
                           "; grep -o '^    {\"[A-Z_]*\"' ctl/doctor/codes.c | tr -d ' {\"' "
                           "| sort >\"$0/code\"; grep -o '^| [a-z-]* | `[A-Z_]*`' docs/DOCTOR.md | "
                           "cut -d'`' -f2 "
                           "| sort >\"$0/doc\"; test -s \"$0/code\" && diff \"$0/code\" \"$0/doc\"",
                           mt_world_dir(world), NULL},
                       &out),
        0);
    free(out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_configuration), TEST(test_secrets),   TEST(test_plugins),    TEST(test_tokens),
        TEST(test_certificates),  TEST(test_managed),   TEST(test_listener),   TEST(test_replica),
        TEST(test_cluster),       TEST(test_sentinels), TEST(test_documented),
    };
    return cmocka_run_group_tests_name("doctor_local", tests, NULL, NULL);
}
