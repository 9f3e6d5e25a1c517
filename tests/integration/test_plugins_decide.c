/* Requests through a door of the test's own, and an authorizer that decides badly: every request is
 * answered once, what is wrong is said, and the daemon goes on. */
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
    const char *socket;
    FILE *door;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){0};
    fixture.world = mt_world_create();
    fixture.server = mt_server_start(fixture.world, "redis", MT_SERVER_VOLATILE, NULL);
    fixture.socket = mt_world_path(fixture.world, "door");
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->door != NULL) {
        fclose(f->door);
    }
    mt_server_free(&f->server);
    mt_world_destroy(&f->world);
    return 0;
}

static FILE *connect_door(struct fixture *f) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {60 * (time_t)mt_slowness(), 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    FILE *file = fdopen(fd, "r+e");
    assert_non_null(file);
    return file;
}

/* A daemon that coordinates, with the door and a decider of this mood (NULL: none). */
static void start(struct fixture *f, const char *mood, const char *more) {
    char load[512];
    snprintf(load, sizeof load,
             "plugins.load=[{name: socket_door, config: {path: '%s'}}, {name: listener}%s%s%s]",
             f->socket, mood != NULL ? ", {name: decider, config: {delay: 400ms, mood: " : "",
             mood != NULL ? mood : "", mood != NULL ? "}}" : "");
    const char *set[] = {"plugins.path=" PLUGINS, load,
                         mood != NULL ? "authorization.chain=[decider]" : "authorization.chain=[]",
                         more != NULL ? more : "plugins.stop_timeout=5s", NULL};
    f->daemon = mt_daemon_start(f->world, "d1",
                                &(struct mt_daemon_options){.server = f->server, .set = set});
    mt_daemon_await(f->daemon, "plugin.socket_door.listening");
    free(mt_process_wait_line(f->daemon, MT_STDERR, "\"event\":\"data."));
    f->door = connect_door(f);
}

static void send_line(FILE *door, const char *line) {
    fseek(door, 0, SEEK_CUR);
    fprintf(door, "%s\n", line);
    assert_int_equal(fflush(door), 0);
}

/* The next line as JSON; the caller owns it. */
static json_t *read_line(struct fixture *f, FILE *door) {
    char text[4096];
    fseek(door, 0, SEEK_CUR);
    if (fgets(text, sizeof text, door) == NULL) {
        mt_fail(f->world, "the door does not answer: %s", strerror(errno));
    }
    json_t *line = json_loads(text, 0, NULL);
    if (line == NULL) {
        mt_fail(f->world, "no JSON from the door: %s", text);
    }
    return line;
}

static void expect_answer(struct fixture *f, const char *line, const char *pattern) {
    send_line(f->door, line);
    json_t *answer = read_line(f, f->door);
    mt_expect(answer, "%s", pattern);
    json_decref(answer);
}

#define STATUS "{\"id\":\"s\",\"op\":\"status\"}"
#define START "{\"id\":\"1\",\"op\":\"START\",\"args\":[\"n1\",\"k1\"]}"
#define STARTED                                                                                    \
    "{'id':'1','ok':{'instance':'n1','incarnation':'k1','state':'up','epoch':'#int',"              \
    "'generation':'#str','heartbeat_ms':'#int'}}"

static void expect_fault(struct fixture *f, const char *event, const char *plugin,
                         const char *message) {
    json_t *line = mt_daemon_wait(f->daemon, event);
    assert_string_equal(mt_str(line, "level"), "warn");
    assert_string_equal(mt_str(line, "plugin"), plugin);
    assert_string_equal(mt_str(line, "message"), message);
    json_decref(line);
}

static void end(struct fixture *f) {
    mt_process_signal(f->daemon, SIGTERM);
    int code = mt_process_wait(f->daemon);
    if (code != 0) {
        mt_fail(f->world, "exit code %d", code);
    }
}

static void a_request_is_answered(void **state) {
    struct fixture *f = *state;
    start(f, "later", NULL);
    expect_answer(f, START, STARTED);
    expect_answer(f, "{\"id\":\"2\",\"op\":\"DANCE\"}",
                  "{'id':'2','error':{'status':1,'message':'#str'}}");
    end(f);
}

static void a_denial_has_its_reason(void **state) {
    struct fixture *f = *state;
    char pattern[128];
    start(f, "deny", NULL);
    snprintf(pattern, sizeof pattern, "{'id':'1','error':{'status':%d,'message':'#str'}}",
             MUSTER_DENIED);
    send_line(f->door, START);
    json_t *answer = read_line(f, f->door);
    mt_expect(answer, "%s", pattern);
    assert_non_null(
        strstr(mt_str(json_object_get(answer, "error"), "message"), "not in this mood"));
    json_decref(answer);
    end(f);
}

static void by_default_all_is_denied(void **state) {
    struct fixture *f = *state;
    char pattern[128];
    snprintf(pattern, sizeof pattern, "{'id':'1','error':{'status':%d,'message':'#str'}}",
             MUSTER_DENIED);
    start(f, "defer", NULL);
    expect_answer(f, START, pattern);
    end(f);
    fclose(f->door);
    start(f, NULL, "authorization.default=allow");
    expect_answer(f, START, STARTED);
    end(f);
}

static void a_second_decision_does_nothing(void **state) {
    struct fixture *f = *state;
    start(f, "twice", NULL);
    expect_answer(f, START, STARTED);
    expect_fault(f, "plugin.decided_twice", "decider",
                 "a question was decided a second time; the first decision counts");
    expect_answer(f, START, STARTED);
    end(f);
}

#define TIMED_OUT(id, out)                                                                         \
    snprintf((out), sizeof(out), "{'id':'" id "','error':{'status':%d,'message':'#str'}}",         \
             MUSTER_TIMEOUT)

static void silence_is_a_denial(void **state) {
    struct fixture *f = *state;
    char pattern[128];
    start(f, "never", NULL);
    TIMED_OUT("1", pattern);
    expect_answer(f, "{\"id\":\"1\",\"op\":\"START\",\"args\":[\"n1\",\"k1\"],\"timeout\":100}",
                  pattern);
    struct mt_redis *redis = mt_server_connect(f->server);
    assert_null(mt_text(redis, "HGET " MT_NS "instance:n1 incarnation"));
    mt_redis_close(&redis);
    end(f);
}

static void a_late_decision_does_nothing(void **state) {
    struct fixture *f = *state;
    char pattern[128];
    start(f, "late", NULL);
    TIMED_OUT("1", pattern);
    expect_answer(f, "{\"id\":\"1\",\"op\":\"START\",\"args\":[\"n1\",\"k1\"],\"timeout\":100}",
                  pattern);
    expect_fault(f, "plugin.decided_late", "decider",
                 "a question was decided that is over; nothing happened");
    struct mt_redis *redis = mt_server_connect(f->server);
    assert_null(mt_text(redis, "HGET " MT_NS "instance:n1 incarnation"));
    mt_redis_close(&redis);
    end(f);
}

static void a_requester_that_went_is_not_missed(void **state) {
    struct fixture *f = *state;
    start(f, "late", NULL);
    FILE *other = connect_door(f);
    send_line(other, START);
    mt_daemon_await(f->daemon, "plugin.decider.asked");
    fclose(other);
    expect_fault(f, "plugin.decided_late", "decider",
                 "a question was decided that is over; nothing happened");
    struct mt_redis *redis = mt_server_connect(f->server);
    assert_null(mt_text(redis, "HGET " MT_NS "instance:n1 incarnation"));
    mt_redis_close(&redis);
    expect_answer(f, START, STARTED);
    end(f);
}

static void a_decision_from_another_thread_does_nothing(void **state) {
    struct fixture *f = *state;
    start(f, "thread", NULL);
    send_line(f->door, START);
    expect_fault(f, "plugin.foreign_thread", "decider",
                 "decide was called from a thread that is not the loop's; nothing happened");
    json_t *answer = read_line(f, f->door); /* the decision that came as it should */
    mt_expect(answer, STARTED);
    json_decref(answer);
    end(f);
}

static void a_decision_after_the_stop_does_nothing(void **state) {
    struct fixture *f = *state;
    start(f, "after_stop", "limits.request_timeout=1m");
    send_line(f->door, START);
    send_line(f->door, "{\"id\":\"2\",\"publish\":\"mark\",\"payload\":\"x\"}");
    json_decref(read_line(f, f->door)); /* so the question was submitted before */
    mt_process_signal(f->daemon, SIGTERM);
    json_t *line = mt_daemon_wait(f->daemon, "plugin.decided_late");
    assert_string_equal(mt_str(line, "plugin"), "decider");
    json_decref(line);
    assert_int_equal(mt_process_wait(f->daemon), 0);
}

static void a_verdict_that_is_none_is_a_denial(void **state) {
    struct fixture *f = *state;
    char pattern[128];
    snprintf(pattern, sizeof pattern, "{'id':'1','error':{'status':%d,'message':'#str'}}",
             MUSTER_DENIED);
    start(f, "garbage", NULL);
    expect_answer(f, START, pattern);
    expect_fault(f, "plugin.misuse", "decider",
                 "a verdict that is none: 77; it counts as a denial");
    end(f);
}

static void what_was_not_asked_cannot_be_decided(void **state) {
    struct fixture *f = *state;
    start(f, "stranger", NULL);
    expect_answer(f, START, STARTED);
    expect_fault(f, "plugin.decided_not_its_own", "decider",
                 "a question was decided that the plugin was not asked; nothing happened");
    end(f);
}

/* Messages reach doors and observers; after Redis was away they are told to look again. */
static void events_come_through(void **state) {
    struct fixture *f = *state;
    start(f, "allow", NULL);
    expect_answer(f, "{\"id\":\"0\",\"subscribe\":\"events:instances\"}",
                  "{'id':'0','ok':'subscribed'}");
    struct mt_redis *redis = mt_server_connect(f->server);
    MT_WAIT(f->world,
            mt_integer(redis, "PUBLISH " MT_NS "events:instances {\"event\":\"test\"}") >= 2,
            "a daemon that listens to the channel and to all events");
    json_t *line = read_line(f, f->door);
    mt_expect(line, "{'channel':'events:instances','payload':{'event':'test'}}");
    json_decref(line);
    line = mt_daemon_wait(f->daemon, "plugin.listener.heard");
    json_decref(line);
    mt_server_kill(f->server);
    mt_server_restart(f->server);
    mt_daemon_await(f->daemon, "plugin.listener.resync");
    mt_redis_close(&redis);
    end(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(a_denial_has_its_reason),
        TEST(by_default_all_is_denied),
        TEST(a_second_decision_does_nothing),
        TEST(silence_is_a_denial),
        TEST(a_late_decision_does_nothing),
        TEST(a_requester_that_went_is_not_missed),
        TEST(a_decision_from_another_thread_does_nothing),
        TEST(a_decision_after_the_stop_does_nothing),
        TEST(a_verdict_that_is_none_is_a_denial),
        TEST(what_was_not_asked_cannot_be_decided),
        TEST(events_come_through),
    };
    return cmocka_run_group_tests_name("plugins_decide", tests, NULL, NULL);
}
