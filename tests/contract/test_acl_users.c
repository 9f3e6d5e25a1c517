/* etc/users.acl as it is shipped: each user can do its work, and not what another one's work is.
 * The rights of `node-1` are those of test_pubsub_acl.c. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doors/pubsub.h"
#include "lib/wait.h"

#define SHIPPED MUSTER_SOURCE_DIR "/etc/users.acl"
#define PASSWORD "secret-of-this-test"

static const char *const users[] = {"muster-daemon", "muster-backend", "node-1", "muster-reader"};

/* The shipped file, with the namespace of the tests. */
static void copy_file(const char *path) {
    FILE *from = fopen(SHIPPED, "re");
    FILE *to = fopen(path, "we");
    char line[4096];
    size_t lines = 0;
    assert_non_null(from);
    assert_non_null(to);
    for (; fgets(line, sizeof line, from) != NULL; lines++) {
        const char *at = line;
        assert_non_null(strchr(line, '\n'));
        assert_null(strchr(line, '>')); /* no password is shipped, nor is anybody let in */
        assert_non_null(strstr(line, " off "));
        for (const char *found; (found = strstr(at, "{muster}")) != NULL;) {
            fprintf(to, "%.*s{" MT_NAMESPACE "}", (int)(found - at), at);
            at = found + sizeof "{muster}" - 1;
        }
        /* The version of the library is asked for with this key in every namespace. */
        fprintf(to, "%.*s ~{muster}\n", (int)strcspn(at, "\n"), at);
    }
    assert_int_equal(lines, sizeof users / sizeof users[0]);
    fclose(from);
    assert_int_equal(fclose(to), 0);
}

static struct mt_redis *log_in(struct mt_stand *stand, const char *user) {
    struct mt_redis *redis = mt_redis_again(stand->redis);
    mt_command(redis, "AUTH %s " PASSWORD, user);
    return redis;
}

static void expect_refused(struct mt_stand *stand, const char *user, const char *const lines[]) {
    for (size_t i = 0; lines[i] != NULL; i++) {
        struct mt_redis *redis = log_in(stand, user);
        const redisReply *reply = mt_try_command(redis, lines[i]);
        if (reply == NULL || reply->type != REDIS_REPLY_ERROR ||
            strncmp(reply->str, "NOPERM", 6) != 0)
            mt_fail(stand->world, "%s may %s", user, lines[i]);
        mt_redis_close(&redis);
    }
}

/* Nobody was refused anything. */
static void expect_clean_log(struct mt_stand *stand) {
    const redisReply *log = mt_command(stand->redis, "ACL LOG");
    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *entry = log->element[i];
        for (size_t j = 0; j + 1 < entry->elements; j += 2) {
            if (entry->element[j + 1]->type == REDIS_REPLY_STRING)
                print_error("%s=%s ", entry->element[j]->str, entry->element[j + 1]->str);
        }
        print_error("\n");
    }
    assert_int_equal(log->elements, 0);
}

/* ---- the daemon ---- */

static void test_daemon(void **state) {
    struct mt_stand *stand = *state;
    static const char *const refused[] = {
        "GET {u}:epoch",
        "FCALL muster_version 1 {u}",
        "SET " MT_NAMESPACE " x",
        "CONFIG SET dir /tmp",
        "ACL LIST",
        "KEYS *",
        "FLUSHALL",
        "FUNCTION FLUSH",
        "SHUTDOWN",
        "MONITOR",
        "BGREWRITEAOF",
        "EVAL return 1 0",
        "REPLICAOF no one",
        "CLIENT LIST",
        NULL,
    };
    char url[256];
    snprintf(url, sizeof url, "redis.url=unix://muster-daemon:" PASSWORD "@%s",
             mt_server_socket(stand->server));
    const char *const set[] = {url,
                               "detector.heartbeat=50ms",
                               "detector.suspect_after=200ms",
                               "detector.dead_after=400ms",
                               "detector.resume_grace=1ms",
                               "brake.fraction=1",
                               NULL};
    stand->set = set;
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = stand->door->open(stand, "a", "operator");
    mt_ask(stand, client, "START", "a", "x1");
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1", "{\"resume\":\"s\",\"user\":\"u\"}");
    mt_ask(stand, client, "ENTER", "r2", "c2", "a", "x1", "{\"ttl\":1000}");
    mt_ask(stand, client, "DISCONNECT", "c2", "a", "x1", "1");
    mt_ask(stand, client, "STATUS", NULL);
    mt_ask(stand, client, "SESSIONS", NULL);
    mt_ask(stand, client, "MEMBERS", "r1", "0", "10");
    /* It falls silent: suspected, buried, reaped. */
    MT_WAIT(stand->world, mt_integer(stand->redis, "EXISTS " MT_NS "session:r1") == 0,
            "the end of what was the instance's");
    mt_ask(stand, client, "STATUS", NULL);
    stand->door->close(&client);
    mt_stand_stop(stand, daemon);
    expect_clean_log(stand);
    expect_refused(stand, "muster-daemon", refused);
    stand->set = NULL;
}

/* ---- a trusted backend ---- */

static void test_backend(void **state) {
    struct mt_stand *stand = *state;
    static const char *const refused[] = {
        "FCALL muster_acquire 1 " MT_NS "x a b 1000 0",
        "FCALL muster_renew 1 {" MT_NAMESPACE "}",
        "FCALL muster_release 1 {" MT_NAMESPACE "}",
        "FCALL muster_confirm 1 {" MT_NAMESPACE "}",
        "FCALL muster_rotate 1 {" MT_NAMESPACE "}",
        "FCALL muster_bury 1 {" MT_NAMESPACE "}",
        "FCALL muster_reap 1 {" MT_NAMESPACE "}",
        "FCALL muster_enter 1 {u}",
        "HGETALL {u}:session:r1",
        "SUBSCRIBE {u}:events:instances",
        "FUNCTION LOAD x",
        "FUNCTION FLUSH",
        "FLUSHALL",
        "CONFIG GET *",
        "KEYS *",
        "EVAL return 1 0",
        "MONITOR",
        NULL,
    };
    mt_stand_lead(stand, "daemon", false);
    struct mt_redis *redis = log_in(stand, "muster-backend");
    mt_ok(redis, "start", "a", "x1");
    mt_ok(redis, "heartbeat", "a", "x1");
    mt_ok(redis, "register", "c1", "a", "x1");
    mt_ok(redis, "enter", "r1", "c2", "a", "x1", "{\"resume\":\"secret\",\"user\":\"u\"}");
    mt_ok(redis, "join", "r1", "c1", "a", "x1");
    mt_ok(redis, "update", "c1", "a", "x1", "{\"v\":2}");
    mt_ok(redis, "touch", "a", "x1", "c1");
    mt_ok(redis, "configure", "r1", "{\"limit\":50}");
    mt_ok(redis, "promote", "r1", "c1");
    mt_ok(redis, "disconnect", "c2", "a", "x1", "60000");
    mt_ok(redis, "resume", "c7", "a", "x1", "c2", "a:x1", "secret", "{\"user\":\"u\"}");
    mt_command(redis, "HGETALL " MT_NS "session:r1");
    mt_command(redis, "HEXISTS " MT_NS "session:r1 c1");
    mt_command(redis, "ZRANGE " MT_NS "instances 0 -1 WITHSCORES");
    mt_ok(redis, "kick", "r1", "c7", "rude");
    mt_ok(redis, "leave", "r1", "c1", "a", "x1");
    mt_ok(redis, "unregister", "c1", "a", "x1");
    mt_ok(redis, "drain", "a", "x1", "on");
    mt_ok(redis, "stop", "a", "x1");
    mt_command(redis, "SUBSCRIBE " MT_NS "events:instances");
    mt_redis_close(&redis);
    expect_clean_log(stand);
    expect_refused(stand, "muster-backend", refused);
}

/* ---- who only looks ---- */

static void test_reader(void **state) {
    struct mt_stand *stand = *state;
    static const char *const refused[] = {
        "SET " MT_NS "x y",
        "HSET " MT_NS "session:r1 a b",
        "DEL " MT_NS "sessions",
        "XADD " MT_NS "journal * entry {}",
        "PUBLISH " MT_NS "x y",
        "SUBSCRIBE " MT_NS "request",
        "PSUBSCRIBE " MT_NS "*",
        "SUBSCRIBE " MT_NS "inbox:node-1",
        "FCALL muster_start 1 {" MT_NAMESPACE "} a x1",
        "FLUSHALL",
        "CONFIG GET *",
        "MONITOR",
        NULL,
    };
    char url[256];
    char *out = NULL;
    mt_stand_lead(stand, "daemon", false);
    snprintf(url, sizeof url, "unix://muster-reader:" PASSWORD "@%s",
             mt_server_socket(stand->server));
    static const char *const commands[] = {"status", "instances", "sessions"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const char *const argv[] = {MUSTER_BUILD_DIR "/musterctl",
                                    "--url",
                                    url,
                                    "--namespace",
                                    MT_NAMESPACE,
                                    commands[i],
                                    NULL};
        assert_int_equal(mt_process_run(stand->world, "musterctl", argv, &out), 0);
        free(out);
    }
    mt_ok(stand->redis, "start", "a", "x1");
    const char *const explain[] = {MUSTER_BUILD_DIR "/musterctl",
                                   "--url",
                                   url,
                                   "--namespace",
                                   MT_NAMESPACE,
                                   "explain",
                                   "instance",
                                   "a",
                                   NULL};
    assert_int_equal(mt_process_run(stand->world, "musterctl", explain, &out), 0);
    assert_non_null(strstr(out, "in the journal"));
    free(out);
    expect_clean_log(stand);
    expect_refused(stand, "muster-reader", refused);
}

/* ---- nobody else ---- */

static void test_off(void **state) {
    struct mt_stand *stand = *state;
    struct mt_redis *redis = mt_redis_again(stand->redis);
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        mt_command(stand->redis, "ACL LOAD"); /* as shipped again */
        const redisReply *reply = mt_try_command(redis, "AUTH %s " PASSWORD, users[i]);
        assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    }
    mt_redis_close(&redis);
}

static int set_up(void **state) {
    struct mt_stand *stand = mt_stand_create(&mt_door_pubsub, NULL);
    const char *path = mt_world_path(stand->world, "users.acl");
    copy_file(path);
    const char *const extra[] = {"--aclfile", path, "--notify-keyspace-events", "KEgxe", NULL};
    mt_redis_close(&stand->redis);
    mt_server_free(&stand->server);
    stand->server = mt_server_start(stand->world, "closed", MT_SERVER_VOLATILE, extra);
    stand->redis = mt_server_connect(stand->server);
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        mt_command(stand->redis, "ACL SETUSER %s on >" PASSWORD, users[i]);
    *state = stand;
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_daemon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backend, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
