/* A quota from an authorizer to Redis: through a door, at once, later and from the cache; and what
 * callers may not say themselves. */
#include "lib/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/wait.h"
#include "muster/status.h"

#define PLUGINS MUSTER_BUILD_DIR "/tests/plugins"

struct fixture {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_process *daemon;
    struct mt_redis *redis;
    const char *socket;
    FILE *door;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){0};
    fixture.world = mt_world_create();
    fixture.server = mt_server_start(fixture.world, "redis", MT_SERVER_VOLATILE, NULL);
    fixture.redis = mt_server_connect(fixture.server);
    fixture.socket = mt_world_path(fixture.world, "door");
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->door != NULL)
        fclose(f->door);
    mt_redis_close(&f->redis);
    mt_server_free(&f->server);
    mt_world_destroy(&f->world);
    return 0;
}

static void connect_door(struct fixture *f) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {60 * (time_t)mt_slowness(), 0};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    f->door = fdopen(fd, "r+e");
    assert_non_null(f->door);
}

/* A daemon with the door and the authorizer `plugin`, which has this configuration. */
static void start(struct fixture *f, const char *plugin, const char *config) {
    char load[512];
    char chain[64];
    snprintf(load, sizeof load,
             "plugins.load=[{name: socket_door, config: {path: '%s'}}, {name: %s, config: {%s}}]",
             f->socket, plugin, config);
    snprintf(chain, sizeof chain, "authorization.chain=[%s]", plugin);
    const char *set[] = {"plugins.path=" PLUGINS,  load, chain, "detector.suspect_after=1h",
                         "detector.dead_after=2h", NULL};
    f->daemon = mt_daemon_start(f->world, "d1",
                                &(struct mt_daemon_options){.server = f->server, .set = set});
    mt_daemon_await(f->daemon, "plugin.socket_door.listening");
    free(mt_process_wait_line(f->daemon, MT_STDERR, "\"event\":\"data."));
    connect_door(f);
}

static void end(struct fixture *f) {
    mt_process_signal(f->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(f->daemon), 0);
}

/* Asks and returns the answer, the caller's. `arguments`: a JSON list. */
static json_t *ask(struct fixture *f, const char *operation, const char *arguments) {
    char line[4096];
    fseek(f->door, 0, SEEK_CUR);
    fprintf(f->door, "{\"id\":\"1\",\"op\":\"%s\",\"args\":%s}\n", operation, arguments);
    assert_int_equal(fflush(f->door), 0);
    fseek(f->door, 0, SEEK_CUR);
    if (fgets(line, sizeof line, f->door) == NULL)
        mt_fail(f->world, "the door does not answer: %s", strerror(errno));
    json_t *answer = json_loads(line, 0, NULL);
    if (answer == NULL)
        mt_fail(f->world, "no JSON from the door: %s", line);
    return answer;
}

static void good(struct fixture *f, const char *operation, const char *arguments) {
    json_t *answer = ask(f, operation, arguments);
    mt_expect(answer, "{'id':'1','ok':'#any'}");
    json_decref(answer);
}

static void refused(struct fixture *f, const char *operation, const char *arguments,
                    enum muster_status status, const char *message) {
    json_t *answer = ask(f, operation, arguments);
    const json_t *error = json_object_get(answer, "error");
    if (error == NULL)
        mt_fail(f->world, "%s %s was not refused", operation, arguments);
    assert_string_equal(mt_str(error, "message"), message);
    assert_int_equal(json_integer_value(json_object_get(error, "status")), status);
    json_decref(answer);
}

static long long held(struct fixture *f, const char *what, const char *holder) {
    const char *text = mt_text(f->redis, "HGET " MT_NS "held:%s %s", what, holder);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

#define LIMITED MUSTER_RATE_LIMITED

/* REGISTER, ENTER, JOIN and RESUME, with the bounds 2 and 3. */
static void hold_all(struct fixture *f) {
    good(f, "START", "[\"n1\",\"k1\"]");
    good(f, "REGISTER", "[\"c1\",\"n1\",\"k1\"]");
    good(f, "ENTER", "[\"r1\",\"c2\",\"n1\",\"k1\",\"{\\\"resume\\\":\\\"s\\\"}\"]");
    refused(f, "ENTER", "[\"r1\",\"c3\",\"n1\",\"k1\"]", LIMITED,
            "principal 'team-1' holds 2 connections already, of 2");
    refused(f, "REGISTER", "[\"c3\",\"n1\",\"k1\",\"{\\\"user\\\":\\\"ada\\\"}\"]", LIMITED,
            "principal 'team-1' holds 2 connections already, of 2");
    good(f, "JOIN", "[\"r1\",\"c1\",\"n1\",\"k1\"]");
    good(f, "JOIN", "[\"r2\",\"c1\",\"n1\",\"k1\",\"{}\"]");
    refused(f, "JOIN", "[\"r3\",\"c1\",\"n1\",\"k1\"]", LIMITED,
            "principal 'team-1' holds 3 sessions already, of 3");
    good(f, "RESUME", "[\"c4\",\"n1\",\"k1\",\"c2\",\"n1:k1\",\"s\"]");
    good(f, "LEAVE", "[\"r2\",\"c1\",\"n1\",\"k1\"]");
    good(f, "JOIN", "[\"r3\",\"c1\",\"n1\",\"k1\"]");
    assert_int_equal(held(f, "connections", "team-1"), 2);
    assert_int_equal(held(f, "sessions", "team-1"), 3);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "held:connections"), 1);
    json_t *answer = ask(f, "CONNECTION", "[\"c4\"]");
    mt_expect(json_object_get(answer, "ok"),
              "{'connection':'c4','user':null,'holder':'team-1','sessions':['r1'],'#more':0}");
    json_decref(answer);
}

#define BOUNDS "holder: team-1, connections: 2, sessions: 3"

static void a_quota_at_once(void **state) {
    struct fixture *f = *state;
    start(f, "quota", BOUNDS);
    hold_all(f);
    end(f);
}

static void a_quota_later(void **state) {
    struct fixture *f = *state;
    start(f, "quota", BOUNDS ", how: later");
    hold_all(f);
    end(f);
}

static void a_quota_from_the_cache(void **state) {
    struct fixture *f = *state;
    start(f, "quota", BOUNDS ", cache: 1m");
    hold_all(f);
    refused(f, "ENTER", "[\"r1\",\"c3\",\"n1\",\"k1\"]", LIMITED,
            "principal 'team-1' holds 2 connections already, of 2");
    end(f);
}

/* Without a holder it is the principal's: here everybody who is not known shares one. */
static void the_principal_holds(void **state) {
    struct fixture *f = *state;
    start(f, "quota", "connections: 1");
    good(f, "START", "[\"n1\",\"k1\"]");
    good(f, "ENTER", "[\"r1\",\"c1\",\"n1\",\"k1\"]");
    good(f, "ENTER", "[\"r1\",\"c1\",\"n1\",\"k1\"]");
    refused(f, "ENTER", "[\"r1\",\"c2\",\"n1\",\"k1\"]", LIMITED,
            "principal 'anonymous' holds 1 connections already, of 1");
    good(f, "UNREGISTER", "[\"c1\",\"n1\",\"k1\"]");
    good(f, "ENTER", "[\"r1\",\"c2\",\"n1\",\"k1\"]");
    end(f);
}

static void callers_set_no_quota(void **state) {
    static const char sentence[] =
        "option 'quota' is set by the authorizers of this door, not by who asks";
    static const char *const options[] = {
        "\\\"quota\\\":{\\\"holder\\\":\\\"x\\\"}",
        "\\\"quota\\\":null",
        "\\\"qu\\\\u006fta\\\":{\\\"holder\\\":\\\"x\\\"}",
    };
    struct fixture *f = *state;
    start(f, "quota", "");
    good(f, "START", "[\"n1\",\"k1\"]");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char arguments[200];
        snprintf(arguments, sizeof arguments, "[\"r1\",\"c1\",\"n1\",\"k1\",\"{%s}\"]", options[i]);
        refused(f, "ENTER", arguments, MUSTER_BAD_REQUEST, sentence);
        refused(f, "JOIN", arguments, MUSTER_BAD_REQUEST, sentence);
        snprintf(arguments, sizeof arguments, "[\"c1\",\"n1\",\"k1\",\"{%s}\"]", options[i]);
        refused(f, "REGISTER", arguments, MUSTER_BAD_REQUEST, sentence);
        snprintf(arguments, sizeof arguments,
                 "[\"c1\",\"n1\",\"k1\",\"c2\",\"n1:k1\",\"s\",\"{%s}\"]", options[i]);
        refused(f, "RESUME", arguments, MUSTER_BAD_REQUEST, sentence);
    }
    /* An ALLOW without bounds holds nothing. */
    good(f, "ENTER", "[\"r1\",\"c1\",\"n1\",\"k1\"]");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "held:connections"), 0);
    end(f);
}

/* What a plugin made before there were quotas has in that place is not read. */
static void an_old_plugin_has_none(void **state) {
    static const char *const hows[] = {"now", "later"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 2; i++) {
        char config[128];
        snprintf(config, sizeof config, "holder: team-1, connections: 1, how: %s", hows[i]);
        start(f, "quota_old", config);
        good(f, "START", "[\"n1\",\"k1\"]");
        good(f, "ENTER", "[\"r1\",\"c1\",\"n1\",\"k1\"]");
        good(f, "ENTER", "[\"r1\",\"c2\",\"n1\",\"k1\"]");
        assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "held:connections"), 0);
        end(f);
        fclose(f->door);
        f->door = NULL;
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_quota_at_once),     TEST(a_quota_later),        TEST(a_quota_from_the_cache),
        TEST(the_principal_holds), TEST(callers_set_no_quota), TEST(an_old_plugin_has_none),
    };
    return cmocka_run_group_tests_name("quota_door", tests, NULL, NULL);
}
