/* musterd, muster-sim and musterctl over TLS, and the pipe that musterctl goes through. The links
 * beneath the first two are in test_redis_tls.c. */
#include "lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/sim.h"
#include "lib/wait.h"
#include "redis/tls_pipe.h"

enum { MANY = 100000, LARGE = 8 << 20, MOST_WORDS = 32, MOST_TEXTS = 16 };

struct fixture {
    struct mt_world *world;
    struct mt_server *server; /* demands a client's certificate */
    const char *ca, *certificate, *key;
    unsigned runs;
    char texts[MOST_TEXTS][256];
    size_t text_count;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->world = mt_world_create();
    f->server = mt_server_start_tls(f->world, "redis", MT_SERVER_VOLATILE, NULL,
                                    &(struct mt_server_tls){.clients = true});
    f->ca = mt_server_tls_file(f->server, "ca.pem");
    f->certificate = mt_server_tls_file(f->server, "client.pem");
    f->key = mt_server_tls_file(f->server, "client.key");
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mt_server_free(&f->server);
    mt_world_destroy(&f->world);
    free(f);
    return 0;
}

/* `words` with the options of TLS before them: exit code; *out and *err are the caller's. */
static int run(struct fixture *f, const char *program, const char *const *words, char **out,
               char **err) {
    char name[32];
    const char *argv[MOST_WORDS] = {program};
    size_t count = 1;
    while (*words != NULL) {
        assert_true(count < MOST_WORDS - 1);
        argv[count++] = *words++;
    }
    snprintf(name, sizeof name, "run-%u", f->runs++);
    int code = mt_process_run(f->world, name, argv, out);
    FILE *file = fopen(mt_world_path(f->world, "%s.err", name), "re");
    *err = calloc(1, 65536);
    assert_non_null(file);
    assert_non_null(*err);
    (void)!fread(*err, 1, 65535, file);
    fclose(file);
    return code;
}

static void expect(struct fixture *f, const char *program, const char *const *words, int code,
                   const char *on_out, const char *on_err) {
    char *out = NULL;
    char *err = NULL;
    int got = run(f, program, words, &out, &err);
    if (got != code || !strstr(out, on_out) || !strstr(err, on_err)) {
        fail_msg("exit code %d\n%s\n%s", got, out, err);
    }
    free(out);
    free(err);
}

#define CTL(f, code, on_out, on_err, ...)                                                          \
    expect((f), MUSTER_BUILD_DIR "/musterctl",                                                     \
           (const char *const[]){"--namespace", MT_NAMESPACE, __VA_ARGS__, NULL}, (code),          \
           (on_out), (on_err))
#define DAEMON(f, code, on_err, ...)                                                               \
    expect((f), MUSTER_BUILD_DIR "/musterd", (const char *const[]){__VA_ARGS__, NULL}, (code), "", \
           (on_err))
#define TLS(f) "--tls-ca", (f)->ca, "--tls-cert", (f)->certificate, "--tls-key", (f)->key

/* `key=value`, as long as the fixture. */
static const char *set(struct fixture *f, const char *key, const char *value) {
    assert_true(f->text_count < MOST_TEXTS);
    char *text = f->texts[f->text_count++];
    snprintf(text, sizeof f->texts[0], "%s=%s", key, value);
    return text;
}

static struct mt_process *lead(struct fixture *f) {
    const char *const settings[] = {set(f, "redis.url", mt_server_tls_url(f->server)),
                                    set(f, "redis.tls.ca", f->ca),
                                    set(f, "redis.tls.certificate", f->certificate),
                                    set(f, "redis.tls.key", f->key),
                                    "detector.suspect_after=1h",
                                    "detector.dead_after=2h",
                                    NULL};
    return mt_daemon_lead(f->world, "daemon",
                          &(struct mt_daemon_options){.server = f->server, .set = settings});
}

/* ---- the programs ---- */

static long long plain_clients(struct mt_redis *redis, const char *name) {
    long long count = 0;
    const char *list = mt_text(redis, "CLIENT LIST");
    for (const char *at = list; (at = strstr(at, name)) != NULL; at++) {
        const char *start = at;
        while (start > list && start[-1] != '\n') {
            start--;
        }
        count += strstr(start, "unixsocket") != NULL && strstr(start, "unixsocket") < at;
    }
    return count;
}

static void test_all_of_them(void **state) {
    struct fixture *f = *state;
    const char *url = mt_server_tls_url(f->server);
    struct mt_redis *redis = mt_server_connect(f->server);
    struct mt_process *daemon = lead(f);
    struct mt_sim_place place = {.world = f->world, .option = "--url", .value = url};
    struct mt_process *sim = mt_sim_start(&place, "sim", "node-1", TLS(f), "--connections", "300",
                                          "--sessions", "40", "--churn", "500");
    mt_sim_await(sim, "entered");
    CTL(f, 0, "node-1", "", "--url", url, TLS(f), "instances");
    CTL(f, 0, "\"event\"", "", "--url", url, TLS(f), "--json", "watch", "--count", "50");
    mt_sim_hush(sim);
    mt_sim_check(sim, redis);
    CTL(f, 0, "", "", "--url", url, TLS(f), "fsck");
    CTL(f, 0, "room-", "", "--url", url, TLS(f), "sessions");
    /* Nobody took the socket instead. */
    assert_int_equal(plain_clients(redis, "musterd"), 0);
    assert_int_equal(plain_clients(redis, "muster-sim"), 0);
    long long held = mt_integer(redis, "HLEN " MT_NS "instance:node-1:connections");
    /* Redis dies with all that it knew, and all goes on. */
    mt_server_restart(f->server);
    mt_redis_close(&redis);
    redis = mt_server_connect(f->server);
    mt_daemon_await(daemon, "data.rotated");
    mt_sim_await(sim, "entered");
    assert_int_equal(mt_integer(redis, "HLEN " MT_NS "instance:node-1:connections"), held);
    CTL(f, 0, "", "", "--url", url, TLS(f), "fsck");
    mt_redis_close(&redis);
}

static void test_what_the_configuration_says(void **state) {
    struct fixture *f = *state;
    const char *path = mt_world_path(f->world, "muster.yaml");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: %s\nredis:\n  mode: external\n  url: %s\n"
            "  tls: {ca: %s, certificate: %s, key: %s}\n",
            MT_NAMESPACE, mt_server_tls_url(f->server), f->ca, f->certificate, f->key);
    assert_int_equal(fclose(file), 0);
    struct mt_process *daemon = lead(f);
    CTL(f, 0, "daemon", "", "--config", path, "--via", "redis", "status");
    /* Its TLS is that of its URL, not of another place. */
    CTL(f, 3, "", "no Redis of muster's own", "--config", path, "--state-dir",
        mt_world_dir(f->world), "instances");
    CTL(f, 3, "", "is not for else.example", "--config", path, "--tls-server-name", "else.example",
        "--via", "redis", "status");
    DAEMON(f, 0, "", "--config", path, "--check");
    mt_process_kill(daemon);
}

static void test_what_ctl_says(void **state) {
    struct fixture *f = *state;
    const char *url = mt_server_tls_url(f->server);
    CTL(f, 3, "", "is signed by nobody that the system's store trusts", "--url", url, "instances");
    CTL(f, 3, "", "demands a client's certificate", "--url", url, "--tls-ca", f->ca, "instances");
    CTL(f, 2, "", "a certificate is given, but not its key", "--url", url, "--tls-ca", f->ca,
        "--tls-cert", f->certificate, "instances");
    CTL(f, 2, "", "/no/such/ca: No such file", "--url", url, "--tls-ca", "/no/such/ca",
        "instances");
    CTL(f, 2, "", "rediss:// only", "--url", mt_server_url(f->server), "--tls-ca", f->ca,
        "instances");
}

static void test_what_the_daemon_says(void **state) {
    struct fixture *f = *state;
    const char *url = set(f, "redis.url", "rediss://h:1");
    const char *external = "redis.mode=external";
    const char *ca = set(f, "redis.tls.ca", f->ca);
    DAEMON(f, 0, "", "--set", external, "--set", url, "--set", ca, "--check");
    DAEMON(f, 2, "redis.tls: TLS: the ca /no/such: No such file", "--set", external, "--set", url,
           "--set", "redis.tls.ca=/no/such", "--check");
    DAEMON(f, 2, "redis.tls: TLS: the ca /no/such: No such file", "--set", external, "--set", url,
           "--set", "redis.tls.ca=/no/such");
    DAEMON(f, 2, "redis.tls.ca: counts only with", "--set", external, "--set",
           "redis.url=redis://h", "--set", ca, "--check");
    expect(f, MUSTER_BUILD_DIR "/muster-sim",
           (const char *const[]){"instance", "--id", "a", "--url", "redis://h", "--tls-ca", f->ca,
                                 NULL},
           2, "", "rediss:// only");
}

/* ---- the pipe ---- */

static redisContext *open_pipe(struct fixture *f) {
    struct mu_redis_address address;
    struct mu_error error = {.text = ""};
    struct mu_redis_tls_options tls = {.ca = f->ca, .certificate = f->certificate, .key = f->key};
    assert_int_equal(mu_redis_address_parse(mt_server_tls_url(f->server), &address, NULL),
                     MUSTER_OK);
    assert_int_equal(mu_redis_address_set_tls(&address, &tls, NULL), MUSTER_OK);
    redisContext *redis = mu_tls_pipe_connect(&address, 60000, &error);
    mu_redis_address_deinit(&address);
    if (!redis) {
        fail_msg("%s", error.text);
    }
    return redis;
}

static void test_pipelined_commands(void **state) {
    struct fixture *f = *state;
    redisContext *redis = open_pipe(f);
    for (int i = 0; i < MANY; i++) {
        redisAppendCommand(redis, "INCR n");
    }
    for (int i = 0; i < MANY; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(redis, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->integer, i + 1);
        freeReplyObject(reply);
    }
    redisFree(redis);
}

static void test_large_values(void **state) {
    struct fixture *f = *state;
    redisContext *redis = open_pipe(f);
    char *value = malloc(LARGE);
    assert_non_null(value);
    for (size_t i = 0; i < LARGE; i++) {
        value[i] = (char)(i * 31 + i / 977);
    }
    freeReplyObject(redisCommand(redis, "SET large %b", value, (size_t)LARGE));
    redisReply *reply = redisCommand(redis, "GET large");
    assert_non_null(reply);
    assert_int_equal(reply->len, LARGE);
    assert_memory_equal(reply->str, value, LARGE);
    freeReplyObject(reply);
    free(value);
    redisFree(redis);
}

static long long clients(struct mt_redis *redis) {
    return mt_info(redis, "clients", "connected_clients");
}

static void test_both_ends(void **state) {
    struct fixture *f = *state;
    struct mt_redis *control = mt_server_connect(f->server);
    redisContext *redis = open_pipe(f);
    assert_int_equal(clients(control), 2);
    redisFree(redis); /* the thread ends its side, too */
    MT_WAIT(f->world, clients(control) == 1, "the end of the pipe");
    redis = open_pipe(f);
    mt_redis_close(&control);
    mt_server_kill(f->server);
    /* No SIGPIPE, and an end: the first command may still be taken. */
    redisReply *reply = redisCommand(redis, "PING");
    assert_null(reply);
    assert_int_equal(redis->err, REDIS_ERR_EOF);
    assert_null(redisCommand(redis, "PING"));
    redisFree(redis);
}

static void expect_no_pipe(const char *url, const char *sentence) {
    struct mu_redis_address address;
    struct mu_error error = {.text = ""};
    assert_int_equal(mu_redis_address_parse(url, &address, NULL), MUSTER_OK);
    assert_null(mu_tls_pipe_connect(&address, 200, &error));
    if (!strstr(error.text, sentence)) {
        fail_msg("'%s' instead of '%s'", error.text, sentence);
    }
    mu_redis_address_deinit(&address);
}

static void test_no_pipe(void **state) {
    (void)state;
    char url[64];
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &size), 0);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d", ntohs(where.sin_port));
    expect_no_pipe(url, "onnection refused");
    /* Accepted by the kernel, and nobody speaks. */
    assert_int_equal(listen(listener, 4), 0);
    expect_no_pipe(url, "no end of the handshake in 200 ms");
    close(listener);
    expect_no_pipe("rediss://no.such.host.invalid", "the name does not resolve");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_all_of_them),        TEST(test_what_the_configuration_says),
        TEST(test_what_ctl_says),      TEST(test_what_the_daemon_says),
        TEST(test_pipelined_commands), TEST(test_large_values),
        TEST(test_both_ends),          cmocka_unit_test(test_no_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
