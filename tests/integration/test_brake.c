/* Mass silence: real instances stopped with SIGSTOP, so that their sockets stay open and only their
 * heartbeats end, as when a network fails. */
#include "lib/test.h"

#include <signal.h>
#include <string.h>

#include "lib/cluster.h"

#define FLEET 50
#define CUT 30

/* Death is slower than the brake's hold is long, as at default timings; all of it three times as
 * fast. */
static const char *const quick[] = {"detector.heartbeat=300ms", "detector.suspect_after=1s",
                                    "detector.dead_after=3s", "brake.hold=3s", NULL};

static bool brake_saw(struct mt_cluster *c, const char *event) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, 0, event, NULL, NULL) > 0;
}

static size_t left(struct mt_cluster *c) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, 0, "member.left", NULL, NULL);
}

static size_t dead(struct mt_cluster *c) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, 0, "instance.dead", NULL, NULL);
}

/* Where the brake was let go, among the events; behind them all if it was not. */
static size_t released(struct mt_cluster *c) {
    size_t count = mt_events_sync(c->events);
    size_t index = 0;
    while (index < count &&
           strcmp(json_string_value(json_object_get(mt_events_at(c->events, index), "event")),
                  "brake.released") != 0)
        index++;
    return index;
}

static void start_fleet(struct mt_cluster *c, struct mt_process *fleet[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%zu", i);
        fleet[i] = mt_sim_start(&c->place, id, id, "--connections", "4", "--sessions", "20",
                                "--joins", "2");
    }
    for (size_t i = 0; i < count; i++) {
        mt_sim_await(fleet[i], "entered");
    }
}

static void signal_some(struct mt_process *fleet[], size_t count, int number) {
    for (size_t i = 0; i < count; i++) {
        mt_process_signal(fleet[i], number);
    }
}

static bool nobody_suspect(struct mt_cluster *c) {
    char *text = NULL;
    int code =
        mt_ctl(c->world, c->server, (const char *const[]){"instances", "--json", NULL}, &text);
    bool none = code == 0 && strstr(text, "\"suspect\"") == NULL;
    free(text);
    return none;
}

static void test_cut_and_back(void **state) {
    struct mt_process *fleet[FLEET];
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    start_fleet(c, fleet, FLEET);
    signal_some(fleet, CUT, SIGSTOP);
    MT_WAIT(c->world, brake_saw(c, "brake.engaged"), "the brake");
    signal_some(fleet, CUT, SIGCONT); /* while it holds */
    assert_true(brake_saw(c, "survey"));
    MT_WAIT(c->world, brake_saw(c, "brake.released"), "the end of the hold");
    MT_WAIT(c->world, nobody_suspect(c), "all to be up");
    assert_int_equal(dead(c), 0);
    assert_int_equal(left(c), 0);
    mt_cluster_check(c);
}

static void test_cut_for_good(void **state) {
    struct mt_process *fleet[FLEET];
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    start_fleet(c, fleet, FLEET);
    signal_some(fleet, CUT, SIGSTOP);
    MT_WAIT(c->world, brake_saw(c, "brake.engaged"), "the brake");
    MT_WAIT(c->world, dead(c) == CUT, "the silent ones to die");
    assert_true(released(c) < mt_events_sync(c->events));
    assert_int_equal(mt_events_count(c->events, released(c), "instance.dead", NULL, NULL), CUT);
    MT_WAIT(c->world, mt_cluster_reaped(c), "their ghosts to go");
    assert_int_equal(left(c), CUT * 8);
    mt_cluster_check(c);
}

static void test_two_of_two(void **state) {
    struct mt_process *fleet[2];
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    start_fleet(c, fleet, 2);
    signal_some(fleet, 2, SIGSTOP);
    MT_WAIT(c->world, brake_saw(c, "brake.engaged"), "the brake");
    assert_int_equal(left(c), 0);
    MT_WAIT(c->world, dead(c) == 2, "both to die after the hold");
    assert_true(brake_saw(c, "brake.released"));
}

/* By hand it ends at once. */
static void test_release(void **state) {
    struct mt_process *fleet[2];
    static const char *const held[] = {"detector.heartbeat=300ms", "detector.suspect_after=1s",
                                       "detector.dead_after=2s", "brake.hold=1h", NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, held);
    start_fleet(c, fleet, 2);
    signal_some(fleet, 2, SIGSTOP);
    MT_WAIT(c->world, brake_saw(c, "brake.engaged"), "the brake");
    char *text = NULL;
    assert_int_equal(mt_ctl(c->world, c->server, (const char *const[]){"brake", NULL}, NULL), 1);
    assert_int_equal(mt_ctl(c->world, c->server,
                            (const char *const[]){"brake", "release", "--yes", NULL}, &text),
                     0);
    assert_string_equal(text, "released\n");
    free(text);
    MT_WAIT(c->world, dead(c) == 2, "both to die");
    assert_int_equal(mt_events_count(c->events, 0, "brake.released", "reason", "by-hand"), 1);
    assert_int_equal(
        mt_ctl(c->world, c->server, (const char *const[]){"brake", "release", "--yes", NULL}, NULL),
        0);
}

/* Who coordinates next begins with everybody's silence anew, and lets the brake go. */
static void test_next_coordinator(void **state) {
    struct mt_process *fleet[2];
    static const char *const held[] = {"detector.heartbeat=300ms",
                                       "detector.suspect_after=1s",
                                       "detector.dead_after=2s",
                                       "brake.hold=1h",
                                       "coordinator.lease=500ms",
                                       "coordinator.renew=100ms",
                                       NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, held);
    start_fleet(c, fleet, 2);
    signal_some(fleet, 2, SIGSTOP);
    MT_WAIT(c->world, brake_saw(c, "brake.engaged"), "the brake");
    mt_process_signal(c->daemon, SIGKILL);
    signal_some(fleet, 2, SIGCONT);
    mt_daemon_lead(c->world, "next", &(struct mt_daemon_options){.server = c->server, .set = held});
    MT_WAIT(c->world, brake_saw(c, "brake.released"), "the brake to be let go");
    assert_int_equal(
        mt_events_count(c->events, 0, "brake.released", "reason", "coordinator-changed"), 1);
    assert_int_equal(dead(c), 0);
    assert_int_equal(left(c), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_cut_and_back, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_cut_for_good, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_two_of_two, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_release, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_next_coordinator, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
