/* What an operator orders: done, seen by everybody, and told who gave it. */
#include "lib/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

/* Instances of this test do not heartbeat. */
static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "detector.resume_grace=1h", NULL};

/* stdout of musterctl, for free(); the exit code is demanded. */
static char *ctl(struct mt_cluster *c, int code, const char *const words[]) {
    char *text = NULL;
    int ended = mt_ctl(c->world, c->server, words, &text);
    if (ended != code)
        mt_fail(c->world, "musterctl %s: %d, not %d: %s", words[0], ended, code, text);
    return text;
}

static void expect(struct mt_cluster *c, int code, const char *part, const char *const words[]) {
    char *text = ctl(c, code, words);
    if (strstr(text, part) == NULL)
        mt_fail(c->world, "musterctl %s says '%s', wanted '%s'", words[0], text, part);
    free(text);
}
#define EXPECT(c, code, part, ...)                                                                 \
    expect((c), (code), (part), (const char *const[]){__VA_ARGS__, NULL})

static void test_bury(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    mt_ok(c->redis, "start", "n1", "k1");
    mt_ok(c->redis, "start", "n2", "k2");
    mt_ok(c->redis, "enter", "r1", "c1", "n1", "k1");
    mt_ok(c->redis, "enter", "r1", "c2", "n2", "k2");
    /* Nobody can be asked here, so it must have been said that it is meant. */
    EXPECT(c, 2, "", "bury", "n1");
    EXPECT(c, 1, "", "bury", "n9", "--yes");
    assert_false(mt_cluster_saw(c, "instance.dead", "n1"));
    EXPECT(c, 0, "n1:k1 is buried: 1 connections, 1 leaderships", "bury", "n1", "--yes");
    assert_true(mt_cluster_saw(c, "instance.dead", "n1"));
    json_t *line = mt_daemon_wait(c->daemon, "order.given");
    assert_string_equal(mt_str(line, "order"), "bury");
    assert_string_equal(mt_str(line, "instance"), "n1");
    assert_non_null(strstr(mt_str(line, "by"), "musterctl"));
    json_decref(line);
    MT_WAIT(c->world, mt_cluster_reaped(c), "what it left behind to go");
    MT_WAIT(c->world,
            mt_integer(c->redis, "HLEN " MT_NS "session:r1") > 0 &&
                mt_integer(c->redis, "HEXISTS " MT_NS "session:r1 c1") == 0,
            "its member to leave");
    mt_expect(mt_ok(c->redis, "heartbeat", "n2", "k2"), "{'#more':0}");
    EXPECT(c, 0, "by order of ", "explain", "instance", "n1");
    EXPECT(c, 0, "by order of ", "explain", "connection", "c1");
    /* The order names the incarnation: one that was started meanwhile is not hit. */
    mt_ok(c->redis, "start", "n1", "k9");
    mt_refused(c->redis, MUSTER_STALE_INCARNATION, "order", "desk", "bury", "n2", "k1");
    mt_expect(mt_ok(c->redis, "order", "desk", "bury", "n1", "k1"),
              "{'order':'bury','instance':'n1','incarnation':'k1','connections':0,'leads':0}");
    mt_expect(mt_ok(c->redis, "heartbeat", "n1", "k9"), "{'#more':0}");
    mt_cluster_check(c);
}

static void test_reap(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    static const char *const names[] = {"n1", "n2", "n3"};
    for (size_t i = 0; i < 3; i++) {
        mt_ok(c->redis, "start", names[i], "k1");
        mt_ok(c->redis, "enter", "r1", names[i], names[i], "k1");
        mt_ok(c->redis, "start", names[i], "k2"); /* the ghost of k1 waits for an hour */
    }
    assert_int_equal(mt_integer(c->redis, "ZCARD " MT_NS "ghosts"), 3);
    EXPECT(c, 0, "0 ghosts", "reap", "n9", "--yes");
    EXPECT(c, 0, "1 ghost needs not wait", "reap", "n1", "--yes");
    MT_WAIT(c->world, mt_integer(c->redis, "ZCARD " MT_NS "ghosts") == 2, "one to be reaped");
    assert_int_equal(mt_integer(c->redis, "HEXISTS " MT_NS "session:r1 n1"), 0);
    EXPECT(c, 0, "2 ghosts need not wait", "reap", "--yes");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the others");
    EXPECT(c, 0, "\"ghosts\":0", "reap", "--yes", "--json");
    assert_int_equal(mt_integer(c->redis, "EXISTS " MT_NS "session:r1"), 0);
}

static void test_step_down(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    struct mt_process *daemons[2];
    static const char *const ids[] = {"d1", "d2"};
    for (size_t i = 0; i < 2; i++) {
        const char *set[] = {mt_world_path(c->world, "coordinator.id=%s", ids[i]) +
                                 strlen(mt_world_dir(c->world)) + 1,
                             NULL};
        daemons[i] = mt_daemon_start(c->world, ids[i],
                                     &(struct mt_daemon_options){.server = c->server, .set = set});
        mt_daemon_await(daemons[i], i == 0 ? "lease.acquired" : "lease.standby");
        if (i == 0)
            EXPECT(c, 1, "", "step-down", "--yes"); /* nobody else is there */
    }
    MT_WAIT(c->world, mt_integer(c->redis, "HLEN " MT_NS "daemons") == 2, "both to be there");
    EXPECT(c, 0, "d2 does not coordinate, but d1", "step-down", "d2", "--yes");
    EXPECT(c, 0, "d2 coordinates now", "step-down", "d1", "--yes");
    mt_daemon_await(daemons[0], "lease.released");
    mt_daemon_await(daemons[1], "lease.acquired");
    mt_daemon_await(daemons[0], "lease.standby"); /* not for ever */
    EXPECT(c, 0, "d1 coordinates now", "step-down", "--yes");
    mt_daemon_await(daemons[1], "order.given"); /* each says it, whoever is meant */
    EXPECT(c, 0, "2 daemons told", "flush-decisions", "--yes");
    mt_daemon_await(daemons[0], "auth.flushed");
    mt_daemon_await(daemons[1], "auth.flushed");
}

/* An operator's name comes from the door, and none of his own. */
static void test_by(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    static const char *const bad[] = {"", "a\nb"};
    for (size_t i = 0; i < 2; i++)
        mt_refused(c->redis, MUSTER_BAD_REQUEST, "order", bad[i], "reap");
    mt_refused(c->redis, MUSTER_BAD_REQUEST, "order", "desk", "dance");
    mt_refused(c->redis, MUSTER_BAD_REQUEST, "order", "desk", "bury", "n1");
    mt_refused(c->redis, MUSTER_BAD_REQUEST, "order", "desk", "brake-release", "n1");
    mt_refused(c->redis, MUSTER_BAD_ID, "order", "desk", "reap", "a b");
    mt_ok(c->redis, "start", "n1", "k1");
    mt_ok(c->redis, "order", "\"d\\\xff", "bury", "n1", "k1");
    const char *entry =
        mt_text(c->redis, "EVAL %s 0",
                "return redis.call('XREVRANGE', '{t}:journal', '+', '-', 'COUNT', '1')[1][2][2]");
    json_t *read = json_loads(entry, 0, NULL);
    assert_non_null(read);
    assert_string_equal(mt_str(read, "by_order"), "\"d\\?");
    json_decref(read);
}

static void test_at_a_door(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    const char *socket = mt_world_path(c->world, "door.sock");
    char plugins[256];
    char door[160];
    snprintf(door, sizeof door, "--door=unix://%s", socket);
    snprintf(plugins, sizeof plugins,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s\"]}}]", socket);
    c->daemon = mt_daemon_start(
        c->world, "musterd",
        &(struct mt_daemon_options){
            .server = c->server,
            .set = (const char *const[]){plugins, "coordinator.id=d1",
                                         "authorization.default=allow", "detector.suspect_after=1h",
                                         "detector.dead_after=2h", "brake.hold=1h", NULL}});
    free(mt_process_wait_line(c->daemon, MT_STDERR, "\"event\":\"data."));
    mt_ok(c->redis, "start", "n1", "k1");
    EXPECT(c, 0, "the brake does not hold", door, "brake");
    EXPECT(c, 0, "the brake does not hold", door, "brake", "release", "--yes");
    EXPECT(c, 1, "", door, "step-down", "--yes");
    EXPECT(c, 0, "1 daemon told", door, "flush-decisions", "--yes");
    EXPECT(c, 0, "0 ghosts", door, "reap", "--yes");
    EXPECT(c, 2, "", door, "bury", "n1");
    EXPECT(c, 0, "n1:k1 is buried", door, "bury", "n1", "--yes");
    free(mt_process_wait_line(c->daemon, MT_STDERR,
                              "\"order\":\"bury\",\"by\":\"anonymous, transport_resp of d1\""));
    EXPECT(c, 0, "by order of anonymous, transport_resp of d1", "explain", "instance", "n1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_bury, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_reap, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_step_down, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_by, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_at_a_door, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
