/* Lifelines: the end of a socket at a RESP door makes its instance suspect at once. Instances may
 * be silent for an hour here, so nothing else can be the cause. Processes that hold a socket are
 * this program again, with `hold` as its first argument, so that SIGKILL ends them as it ends a
 * backend. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/events.h"
#include "lib/wait.h"

struct stand {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis;
    struct mt_events *events;
    struct mt_process *first; /* coordinates */
    struct mt_process *second;
};

/* ---- the other process -------------------------------------------------------------------- */

/* hold SOCKET COMMAND…: sends them, prints an answer a line, and stays. */
static int hold(char *words[], int count) {
    redisContext *context = redisConnectUnix(words[0]);
    for (int i = 1; i < count; i++) {
        redisReply *reply = context->err == 0 ? redisCommand(context, words[i]) : NULL;
        if (reply == NULL)
            return 1;
        printf("%s\n", reply->str != NULL ? reply->str : "-");
        freeReplyObject(reply);
    }
    puts("holding");
    fflush(stdout);
    for (;;)
        pause();
}

static struct mt_process *start_holder(struct stand *stand, const char *name, const char *daemon,
                                       const char *start, const char *enter) {
    const char *const argv[] = {"/proc/self/exe",
                                "hold",
                                mt_world_path(stand->world, "%s.resp", daemon),
                                start,
                                enter,
                                NULL};
    struct mt_process *process = mt_process_start(stand->world, name, argv);
    free(mt_process_wait_line(process, MT_STDOUT, "holding"));
    return process;
}

/* ---- the stand ---------------------------------------------------------------------------- */

static struct mt_process *start_daemon(struct stand *stand, const char *name, bool leads) {
    char load[512];
    snprintf(load, sizeof load,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s/%s.resp\"]}}]",
             mt_world_dir(stand->world), name);
    /* No regular look at Redis either: what happens, a signal caused. */
    const char *const set[] = {"detector.heartbeat=20m",
                               "detector.suspect_after=1h",
                               "detector.dead_after=2h",
                               "authorization.default=allow",
                               load,
                               NULL};
    struct mt_daemon_options options = {.server = stand->server, .set = set};
    struct mt_process *daemon = leads ? mt_daemon_lead(stand->world, name, &options)
                                      : mt_daemon_start(stand->world, name, &options);
    if (!leads)
        mt_daemon_await(daemon, "plugin.transport_resp.listening");
    return daemon;
}

static int set_up(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    *state = stand;
    stand->world = mt_world_create();
    stand->server = mt_server_start(stand->world, "redis", MT_SERVER_VOLATILE, NULL);
    stand->redis = mt_server_connect(stand->server);
    stand->first = start_daemon(stand, "first", true);
    stand->second = start_daemon(stand, "second", false);
    stand->events = mt_events_open(stand->redis, false);
    return 0;
}

static int tear_down(void **state) {
    struct stand *stand = *state;
    mt_events_close(&stand->events);
    mt_redis_close(&stand->redis);
    mt_server_free(&stand->server);
    mt_world_destroy(&stand->world);
    free(stand);
    return 0;
}

static redisContext *reach(struct stand *stand, const char *daemon) {
    redisContext *context = redisConnectUnix(mt_world_path(stand->world, "%s.resp", daemon));
    assert_non_null(context);
    assert_int_equal(context->err, 0);
    return context;
}

static void ask(redisContext *context, const char *command) {
    redisReply *reply = redisCommand(context, command);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    freeReplyObject(reply);
}

static size_t seen(struct stand *stand, const char *event, const char *field, const char *value) {
    mt_events_sync(stand->events);
    return mt_events_count(stand->events, 0, event, field, value);
}

static bool is_up(struct stand *stand, const char *instance) {
    const char *state = mt_text(stand->redis, "HGET " MT_NS "instance:%s state", instance);
    return state != NULL && strcmp(state, "up") == 0;
}

/* The coordinator has dealt with every signal that was published until now. */
static void expect_quiet(struct stand *stand) {
    static const char mark[] =
        "{\"signal\":\"lifeline\",\"instance\":\"mark\",\"incarnation\":\"x\"}";
    mt_integer(stand->redis, "PUBLISH " MT_NS "signal %s", mark);
    free(mt_process_wait_line(stand->first, MT_STDERR, "\"instance\":\"mark\""));
    char *log = mt_process_output(stand->first, MT_STDERR);
    if (strstr(log, "\"event\":\"lifeline.cut\",\"instance\":\"node-") != NULL)
        mt_fail(stand->world, "a lifeline was taken for cut");
    free(log);
    assert_int_equal(seen(stand, "instance.suspect", NULL, NULL), 0);
}

/* ---- tests -------------------------------------------------------------------------------- */

/* Wherever the socket was: the leadership goes to the other one, nobody leaves; heard again
 * elsewhere, it is up again, and nobody has joined or left. */
static void kill_and_return(struct stand *stand, const char *killed_at, const char *back_at) {
    redisContext *other = reach(stand, "first");
    struct mt_process *victim =
        start_holder(stand, "victim", killed_at, "START node-1 i1", "ENTER room c1 node-1 i1");
    ask(other, "START node-2 i2");
    ask(other, "ENTER room c2 node-2 i2");
    assert_int_equal(seen(stand, "leader.changed", "leader", "c1"), 1);
    mt_process_kill(victim);
    MT_WAIT(stand->world, seen(stand, "leader.changed", "leader", "c2") == 1, "another leader");
    assert_int_equal(seen(stand, "leader.changed", "reason", "instance-suspect"), 1);
    assert_int_equal(seen(stand, "instance.suspect", "instance", "node-1"), 1);
    json_t *line = mt_daemon_wait(stand->first, "instance.suspected");
    assert_string_equal(mt_str(line, "cause"), "lifeline");
    json_decref(line);

    redisContext *back = reach(stand, back_at);
    ask(back, "HEARTBEAT node-1 i1");
    assert_true(is_up(stand, "node-1"));
    assert_int_equal(seen(stand, "instance.up", "instance", "node-1"), 1);
    assert_int_equal(seen(stand, "member.joined", NULL, NULL), 2);
    assert_int_equal(seen(stand, "member.left", NULL, NULL), 0);
    /* That socket is the lifeline now. */
    mt_daemon_await(stand->first, "instance.revived");
    redisFree(back);
    MT_WAIT(stand->world, seen(stand, "instance.suspect", "instance", "node-1") == 2,
            "a second suspicion");
    assert_int_equal(seen(stand, "instance.suspect", "instance", "node-2"), 0);
    redisFree(other);
}

static void test_killed_at_coordinator(void **state) {
    kill_and_return(*state, "first", "second");
}

static void test_killed_at_another(void **state) {
    kill_and_return(*state, "second", "first");
}

/* The old socket ends when the new one has long brought a heartbeat, at another daemon. */
static void test_moved_away(void **state) {
    struct stand *stand = *state;
    redisContext *old = reach(stand, "second");
    redisContext *new = reach(stand, "first");
    ask(old, "START node-1 i1");
    mt_let_pass(200); /* a heartbeat of the same 100 ms could be the old socket's own */
    ask(new, "HEARTBEAT node-1 i1");
    redisFree(old);
    json_t *line = mt_daemon_wait(stand->first, "lifeline.passed_over");
    assert_string_equal(mt_str(line, "instance"), "node-1");
    json_decref(line);
    expect_quiet(stand);
    assert_true(is_up(stand, "node-1"));
    redisFree(new);
}

/* At one daemon nothing is uncertain: the last one to bring a heartbeat counts. */
static void test_moved_within(void **state) {
    struct stand *stand = *state;
    redisContext *old = reach(stand, "second");
    redisContext *new = reach(stand, "second");
    ask(old, "START node-1 i1");
    ask(new, "HEARTBEAT node-1 i1");
    redisFree(old);
    expect_quiet(stand);
    redisFree(new);
    MT_WAIT(stand->world, seen(stand, "instance.suspect", "instance", "node-1") == 1,
            "the suspicion");
}

/* Who says goodbye is not dead; nor is one whose other sockets end. */
static void test_polite_ends(void **state) {
    struct stand *stand = *state;
    redisContext *stops = reach(stand, "second");
    redisContext *quits = reach(stand, "second");
    redisContext *asks = reach(stand, "second");
    ask(stops, "START node-1 i1");
    ask(quits, "START node-2 i2");
    ask(asks, "ENTER room c2 node-2 i2");
    ask(stops, "STOP node-1 i1");
    ask(quits, "QUIT");
    redisFree(stops);
    redisFree(quits);
    redisFree(asks);
    expect_quiet(stand);
}

/* What ends is the daemon: its sockets say nothing about those who held them. */
static void end_of_daemon(struct stand *stand, int number) {
    start_holder(stand, "node-1", "second", "START node-1 i1", "ENTER room c1 node-1 i1");
    start_holder(stand, "node-2", "second", "START node-2 i2", "HEARTBEAT node-2 i2");
    mt_process_signal(stand->second, number);
    mt_process_wait(stand->second);
    expect_quiet(stand);
    assert_true(is_up(stand, "node-1"));
    assert_true(is_up(stand, "node-2"));
}

static void test_daemon_stops(void **state) {
    end_of_daemon(*state, SIGTERM);
}

static void test_daemon_killed(void **state) {
    end_of_daemon(*state, SIGKILL);
}

/* Most of them at once: rather the network than all these backends. */
static void test_brake(void **state) {
    struct stand *stand = *state;
    redisContext *all[4];
    for (int i = 0; i < 4; i++) {
        char command[64];
        all[i] = reach(stand, "second");
        snprintf(command, sizeof command, "START node-%d i", i);
        ask(all[i], command);
    }
    start_holder(stand, "five", "second", "START node-5 i", "START node-6 i");
    for (int i = 0; i < 4; i++)
        redisFree(all[i]);
    MT_WAIT(stand->world, seen(stand, "brake.engaged", NULL, NULL) == 1, "the brake");
    assert_true(seen(stand, "instance.suspect", NULL, NULL) <= 3);
}

int main(int argc, char *argv[]) {
    if (argc > 2 && strcmp(argv[1], "hold") == 0)
        return hold(argv + 2, argc - 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_at_coordinator, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_at_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moved_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moved_within, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_polite_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_daemon_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_daemon_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_brake, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
