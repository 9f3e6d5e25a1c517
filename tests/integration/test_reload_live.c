/* SIGHUP of a real daemon: every changed key is named, what counts at once has its effect, and no
 * request is lost meanwhile. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"
#include "lib/cluster.h"
#include "resp/peer.h" /* where the door listens */

struct stage {
    struct mt_cluster *c;
    struct mu_config config; /* what the file says */
    struct mt_process *daemon;
    const char *door;
};

static const char *file_of(const struct stage *stage) {
    return mt_world_path(stage->c->world, "musterd.yaml");
}

static void set(struct stage *stage, const char *assignment) {
    struct mu_error error = {0};
    if (mu_config_set(&stage->config, assignment, &error) != MUSTER_OK)
        mt_fail(stage->c->world, "%s", error.text);
}

/* Secrets would be masked: the URL of the server may hold a password, so it comes by --set. */
static void write_file(const struct stage *stage) {
    FILE *file = fopen(file_of(stage), "we");
    assert_non_null(file);
    mu_config_print(&stage->config, file);
    assert_int_equal(fclose(file), 0);
}

static void reload(const struct stage *stage) {
    write_file(stage);
    mt_process_signal(stage->daemon, SIGHUP);
}

static int set_up(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->c = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    mu_config_init(&stage->config);
    char text[512];
    snprintf(text, sizeof text, "state_dir=%s", mt_world_path(stage->c->world, "state"));
    set(stage, text);
    set(stage, "namespace=t");
    set(stage, "coordinator.id=d1");
    set(stage, "log.format=json");
    set(stage, "authorization.default=allow");
    set(stage, "plugins.load=[{name: transport_resp, config: {listen: [\"127.0.0.1:0\"]}}]");
    set(stage, "detector.suspect_after=1h");
    set(stage, "detector.dead_after=2h");
    *state = stage;
    return 0;
}

static void start(struct stage *stage) {
    char url[512];
    snprintf(url, sizeof url, "redis.url=%s", mt_server_url(stage->c->server));
    write_file(stage);
    stage->daemon = mt_process_start(
        stage->c->world, "musterd",
        (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", file_of(stage), "--set",
                              "redis.mode=external", "--set", url, NULL});
    stage->door = resp_listening(stage->c->world, stage->daemon);
    free(mt_process_wait_line(stage->daemon, MT_STDERR, "\"event\":\"data."));
}

static redisContext *dial(const struct stage *stage) {
    const char *colon = strrchr(stage->door, ':');
    redisContext *door = redisConnect("127.0.0.1", (int)strtol(colon + 1, NULL, 10));
    if (door == NULL || door->err != 0)
        mt_fail(stage->c->world, "nobody listens at %s", stage->door);
    return door;
}

/* The next answer begins with this; an error's first byte is a minus. */
static void expect(const struct stage *stage, redisContext *door, const char *part) {
    redisReply *reply = NULL;
    if (redisGetReply(door, (void **)&reply) != REDIS_OK)
        mt_fail(stage->c->world, "the door is closed: %s", door->errstr);
    if (strstr(reply->str, part) == NULL)
        mt_fail(stage->c->world, "the door says '%s', wanted '%s'", reply->str, part);
    freeReplyObject(reply);
}

static int tear_down(void **state) {
    struct stage *stage = *state;
    mu_config_deinit(&stage->config);
    mt_cluster_destroy(&stage->c);
    free(stage);
    return 0;
}

/* ---- every key is named ---- */

/* Another value than it has, or false: this one cannot be changed by itself. */
static bool change(struct mu_config *config, const struct mu_config_key *key) {
    static const char *const apart[] = {"namespace", "redis.mode", "redis.url", "plugins.load"};
    static const char *const texts[][2] = {
        {"redis.managed.appendfsync", "redis.managed.appendfsync=no"},
        {"redis.managed.on_exit", "redis.managed.on_exit=keep"},
        {"coordinator.advertise", "coordinator.advertise=[\"h:1\"]"},
        {"plugins.path", "plugins.path=[\"" MUSTER_BUILD_DIR "\"]"},
        {"authorization.chain", "authorization.chain=[x]"},
        {"metrics.listen", "metrics.listen=127.0.0.1:1"},
        {"redis.sentinel.addresses", "redis.sentinel.addresses=[\"h:1\"]"},
    };
    char text[256];
    char *at = (char *)config + key->offset;
    uint64_t number = 0;
    int word = 0;
    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++) {
        if (strcmp(apart[i], key->name) == 0)
            return false;
    }
    if (strncmp(key->name, "redis.tls.", 10) == 0)
        return false; /* only with another redis.url */
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i][0], key->name) == 0)
            return mu_config_set(config, texts[i][1], NULL) == MUSTER_OK;
    }
    switch (key->type) {
    case MU_TYPE_TEXT:
        snprintf(text, sizeof text, "%s=/%s", key->name, "another");
        return mu_config_set(config, text, NULL) == MUSTER_OK;
    case MU_TYPE_ENUM:
        memcpy(&word, at, sizeof word);
        word = key->words[word + 1] != NULL ? word + 1 : 0;
        memcpy(at, &word, sizeof word);
        return true;
    default:
        memcpy(&number, at, sizeof number);
        number = number < key->most ? number + 1 : number - 1;
        memcpy(at, &number, sizeof number);
        return true;
    }
}

static void test_names(void **state) {
    struct stage *stage = *state;
    bool changed[128] = {false};
    bool named[128] = {false};
    size_t applied = 0;
    assert_true(mu_config_key_count <= 128);
    start(stage);
    for (size_t i = 0; i < mu_config_key_count; i++) {
        changed[i] = strcmp(mu_config_keys[i].name, "coordinator.id") != 0 &&
                     change(&stage->config, &mu_config_keys[i]);
    }
    set(stage, "coordinator.id=d2");
    changed[mu_config_key_find("coordinator.id")] = true;
    /* Masked in the file, and so another one than before. */
    reload(stage);
    for (;;) {
        char *text = mt_process_wait_line(stage->daemon, MT_STDERR, "\"event\":\"config.");
        json_t *line = json_loads(text, 0, NULL);
        const char *event = json_string_value(json_object_get(line, "event"));
        const char *name = json_string_value(json_object_get(line, "key"));
        free(text);
        assert_non_null(event);
        if (strcmp(event, "config.reloaded") == 0) {
            assert_int_equal(mt_int(line, "applied"), applied);
            json_decref(line);
            break;
        }
        if (name == NULL)
            mt_fail(stage->c->world, "%s without a key", event);
        size_t key = mu_config_key_find(name);
        assert_true(key < mu_config_key_count);
        bool live = mu_config_keys[key].reload == MU_RELOAD_LIVE;
        if (!changed[key] || named[key] ||
            strcmp(event, live ? "config.applied" : "config.needs_restart") != 0)
            mt_fail(stage->c->world, "%s of %s", event, name);
        named[key] = true;
        applied += live ? 1 : 0;
        json_decref(line);
    }
    for (size_t i = 0; i < mu_config_key_count; i++) {
        if (changed[i] && !named[i])
            mt_fail(stage->c->world, "%s is not named", mu_config_keys[i].name);
    }
}

/* ---- what counts at once ---- */

static bool stored(const struct stage *stage, const char *field, const char *value) {
    const char *found = mt_text(stage->c->redis, "HGET " MT_NS "config %s", field);
    return found != NULL && strcmp(found, value) == 0;
}

static void test_limits(void **state) {
    struct stage *stage = *state;
    static const char *const settings[][3] = {
        {"detector.heartbeat=700ms", "heartbeat_ms", "700"},
        {"detector.suspect_after=50m", "suspect_after_ms", "3000000"},
        {"detector.resume_grace=7s", "resume_grace_ms", "7000"},
        {"limits.profile=64", "profile", "64"},
        {"limits.sessions_per_connection=1", "sessions_per_connection", "1"},
        {"limits.grace=9s", "grace_ms", "9000"},
        {"limits.journal=0", "journal", "0"},
    };
    start(stage);
    mt_ok(stage->c->redis, "start", "n1", "k1");
    mt_ok(stage->c->redis, "enter", "r1", "c1", "n1", "k1");
    assert_int_equal(mt_integer(stage->c->redis, "EXISTS " MT_NS "journal"), 1);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        set(stage, settings[i][0]);
    set(stage, "limits.argument=512");
    reload(stage);
    mt_daemon_await(stage->daemon, "config.stored");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!stored(stage, settings[i][1], settings[i][2]))
            mt_fail(stage->c->world, "%s is not in Redis", settings[i][0]);
    }
    char profile[128];
    memset(profile, ' ', sizeof profile);
    memcpy(profile, "{}", 2);
    profile[sizeof profile - 1] = '\0';
    mt_refused(stage->c->redis, MUSTER_TOO_LARGE, "update", "c1", "n1", "k1", profile);
    mt_refused(stage->c->redis, MUSTER_TOO_MANY_SESSIONS, "join", "r2", "c1", "n1", "k1");
    assert_int_equal(mt_integer(stage->c->redis, "EXISTS " MT_NS "journal"), 0);
    json_t *reply = mt_ok(stage->c->redis, "heartbeat", "n1", "k1");
    assert_int_equal(mt_int(reply, "heartbeat_ms"), 700);
    redisContext *door = dial(stage);
    char name[600];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    redisAppendCommand(door, "COUNT %s", name);
    expect(stage, door, "TOO_LARGE");
    redisFree(door);
}

/* Silence that began before the reload is judged by the new times. */
static void test_times(void **state) {
    struct stage *stage = *state;
    set(stage, "detector.heartbeat=50ms");
    set(stage, "detector.probe=1h");
    set(stage, "scrub.interval=0ms");
    set(stage, "log.level=info");
    start(stage);
    mt_ok(stage->c->redis, "start", "n1", "k1");
    mt_ok(stage->c->redis, "start", "n2", "k2");
    struct mt_redis *inbox = mt_redis_again(stage->c->redis);
    mt_command(inbox, "SUBSCRIBE " MT_NS "inbox:n2");
    set(stage, "detector.probe=20ms");
    set(stage, "brake.fraction=1");
    set(stage, "scrub.interval=1ms");
    set(stage, "log.level=debug");
    reload(stage);
    mt_daemon_await(stage->daemon, "scrub.pass"); /* of level debug */
    mt_redis_close(&inbox);
    MT_WAIT(stage->c->world, mt_cluster_saw(stage->c, "instance.suspect", "n2"),
            "its inbox to be missed");
    assert_false(mt_cluster_saw(stage->c, "instance.suspect", "n1"));
    set(stage, "detector.suspect_after=100ms");
    set(stage, "detector.dead_after=200ms");
    reload(stage);
    MT_WAIT(stage->c->world, mt_cluster_saw(stage->c, "instance.dead", "n1"), "the end of n1");
    MT_WAIT(stage->c->world, mt_cluster_saw(stage->c, "instance.dead", "n2"), "the end of n2");
}

/* What is asked of each daemon counts there; a standby writes its own once it coordinates. */
static void test_plugins(void **state) {
    struct stage *stage = *state;
    set(stage,
        "plugins.path=[\"" MUSTER_BUILD_DIR "/tests/plugins\", \"" MUSTER_BUILD_DIR "/plugins\"]");
    set(stage, "plugins.load=[{name: transport_resp, config: {listen: [\"127.0.0.1:0\"]}}, "
               "{name: moody, config: {mood: never_stopped}}]");
    set(stage, "plugins.stop_timeout=1h");
    start(stage);
    set(stage, "plugins.stop_timeout=50ms");
    reload(stage);
    mt_daemon_await(stage->daemon, "config.reloaded");
    mt_process_signal(stage->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(stage->daemon), 1);
}

/* ---- secrets of the configuration ---- */

static void write_secrets(const struct stage *stage, const char *url, const char *sentinel,
                          const char *header) {
    FILE *file = fopen(file_of(stage), "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: t\nstate_dir: %s\n"
            "redis: {mode: external, url: \"%s\", sentinel: {password: \"%s\"}}\n"
            "log: {level: debug, format: json}\n"
            "authorization: {default: deny, chain: [auth_http]}\n"
            "plugins:\n  path: %s/plugins\n"
            "  load: [{name: auth_http, config: {url: \"http://127.0.0.1:9/x\", "
            "authorization: \"%s\"}}]\n",
            mt_world_path(stage->c->world, "state"), url, sentinel, MUSTER_BUILD_DIR, header);
    assert_int_equal(fclose(file), 0);
}

/* Requests' are test_secrets.c's. */
static void test_secrets_are_not_logged(void **state) {
    struct stage *stage = *state;
    const char *url = mt_server_url(stage->c->server);
    write_secrets(stage, url, "mark-sentinel-1", "Bearer mark-header-1");
    stage->daemon = mt_process_start(
        stage->c->world, "musterd",
        (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", file_of(stage), NULL});
    free(mt_process_wait_line(stage->daemon, MT_STDERR, "\"event\":\"data."));
    static const struct {
        const char *url, *sentinel, *header, *event;
    } turns[] = {
        {"redis://u:mark-url-2@127.0.0.1:1/0", "mark-sentinel-2", "Bearer mark-header-2",
         "config.reloaded"},
        {"redis://u:mark-url-3@127.0.0.1:x/0", "mark-sentinel-3", "Bearer mark-header-3",
         "config.refused"},
        {"redis://u:mark-url-4@127.0.0.1:1/0", "mark-sentinel-4\\x01", "Bearer mark-header-4\\n",
         "config.refused"},
        {"nothing://u:mark-url-5@127.0.0.1:1/0", "mark-sentinel-5", "mark-header-5",
         "config.refused"},
    };
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        write_secrets(stage, turns[i].url, turns[i].sentinel, turns[i].header);
        mt_process_signal(stage->daemon, SIGHUP);
        mt_daemon_await(stage->daemon, turns[i].event);
    }
    mt_process_signal(stage->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(stage->daemon), 0);
    char *log = mt_process_output(stage->daemon, MT_STDERR);
    assert_non_null(strstr(log, "\"key\":\"redis.url\""));
    assert_non_null(strstr(log, "\"key\":\"redis.sentinel.password\""));
    assert_non_null(strstr(log, "\"key\":\"plugins.load.auth_http.authorization\""));
    if (strstr(log, "mark-") != NULL)
        mt_fail(stage->c->world, "a secret is in the log");
    free(log);
}

/* ---- under load ---- */

enum { ROUNDS = 40, DEPTH = 250 };

static void test_loses_nothing(void **state) {
    struct stage *stage = *state;
    static const char *const turns[][4] = {
        {"detector.heartbeat=500ms", "limits.requests=50000", "limits.request_timeout=1m",
         "log.level=warn"},
        {"detector.heartbeat=1s", "limits.requests=1000", "limits.request_timeout=2m",
         "log.level=info"},
    };
    char word[64];
    set(stage, "limits.request_timeout=1m");
    start(stage);
    redisContext *door = dial(stage);
    redisAppendCommand(door, "START n1 k1");
    expect(stage, door, "\"instance\":\"n1\"");
    char url[128];
    snprintf(url, sizeof url, "redis://%s", stage->door);
    const struct mt_sim_place place = {stage->c->world, "--door", url};
    struct mt_process *sim = mt_sim_start(&place, "sim", "n2", "--connections", "20", "--sessions",
                                          "10", "--joins", "2", "--churn", "200");
    mt_sim_await(sim, "entered");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++)
            set(stage, turns[round % 2][i]);
        for (int i = 0; i < DEPTH; i++)
            redisAppendCommand(door, "ENTER r%d c%d n1 k1", round, i);
        int done = 0;
        while (done == 0)
            assert_int_equal(redisBufferWrite(door, &done), REDIS_OK);
        reload(stage); /* with all of them under way */
        for (int i = 0; i < DEPTH; i++) {
            snprintf(word, sizeof word, "\"count\":%d}", i + 1);
            expect(stage, door, word);
        }
    }
    redisFree(door);
    MT_WAIT(stage->c->world, stored(stage, "heartbeat_ms", "1000"), "the last settings");
    mt_sim_hush(sim);
    mt_sim_check(sim, stage->c->redis);
    mt_process_signal(stage->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(stage->daemon), 0);
    char *log = mt_process_output(stage->daemon, MT_STDERR);
    assert_null(strstr(log, "config.refused"));
    assert_non_null(strstr(log, "config.applied"));
    free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plugins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_are_not_logged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loses_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
