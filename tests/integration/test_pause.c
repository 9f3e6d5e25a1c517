/* Pauses (SIGSTOP, SIGCONT): one that is shorter than death costs only leaderships; after a longer
 * one the instance starts again, and whom the reaper had not reached neither leaves nor joins. */
#include "lib/test.h"

#include <signal.h>
#include <string.h>

#include "lib/cluster.h"
#include "lib/library.h"

/* 5 s at default timings (suspect after 3 s, dead after 10 s). */
static void test_short_pause(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *paused = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    mt_cluster_check(c);
    size_t before = mt_events_sync(c->events);
    long long led = mt_cluster_leads(c, "node-1");
    assert_true(led > 10);

    mt_process_signal(paused, SIGSTOP);
    mt_let_pass(5000);
    mt_process_signal(paused, SIGCONT);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.up", "node-1"), "node-1 to be up again");
    mt_sim_hush(paused);
    mt_sim_hush(other);

    /* no leave, no join; a change of leader in each session that it led and in no other */
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, before, "member.left", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, before, "member.joined", NULL, NULL), 0);
    assert_int_equal(mt_events_count(c->events, before, "instance.dead", NULL, NULL), 0);
    assert_int_equal(
        mt_events_count(c->events, before, "leader.changed", "reason", "instance-suspect"), led);
    assert_int_equal(mt_events_count(c->events, before, "leader.changed", NULL, NULL), led);
    mt_cluster_check(c);
    mt_sim_check(paused, c->redis);
    mt_sim_check(other, c->redis);
    json_t *report = mt_sim_report(paused);
    assert_null(json_object_get(json_object_get(report, "counts"), "restarts"));
    json_decref(report);
}

static void test_pause_beyond_death(void **state) {
    static const char *const quick[] = {"detector.suspect_after=2s", "detector.dead_after=4s",
                                        NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    struct mt_process *paused = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    mt_process_signal(paused, SIGSTOP);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.dead", "node-1"), "a burial");
    mt_process_signal(paused, SIGCONT);

    json_t *line = mt_sim_wait(paused, "restarting");
    assert_string_equal(mt_str(line, "reason"), "UNKNOWN_INSTANCE");
    json_decref(line);
    mt_sim_await(paused, "entered");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_sim_hush(paused);
    mt_sim_hush(other);
    mt_sim_check(paused, c->redis);
    mt_sim_check(other, c->redis);
    mt_cluster_check(c);
    json_t *report = mt_sim_report(paused);
    assert_int_equal(mt_sim_total(report, "memberships"), 400);
    assert_int_equal(mt_sim_total(report, "adopted") + mt_sim_total(report, "joined"), 400);
    /* who left is who joined again */
    size_t left = mt_events_count(c->events, 0, "member.left", NULL, NULL);
    assert_int_equal(mt_sim_total(report, "joined"), left);
    json_decref(report);
}

/* The test coordinates by hand, so it knows what the reaper had reached. */
static void test_half_before_the_reaper(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    mt_library_load(c->redis);
    const char *epoch = mt_lead(c->redis, "gen-1", NULL);
    mt_cluster_instance(c, "node-2", "2");
    struct mt_process *paused = mt_cluster_instance(c, "node-1", "1");
    json_t *report = mt_sim_report(paused);
    char ghost[160];
    snprintf(ghost, sizeof ghost, "node-1:%s", mt_str(report, "incarnation"));
    mt_process_signal(paused, SIGSTOP);
    size_t before = mt_events_sync(c->events);
    const char *score = mt_text(c->redis, "ZSCORE " MT_NS "instances node-1");
    mt_ok(c->redis, "bury", epoch, "node-1", mt_str(report, "incarnation"), score, "instance-dead");
    json_decref(report);
    long long removed = 0;
    const char *cursor = "0";
    while (removed < 200) {
        json_t *slice = mt_ok(c->redis, "reap", epoch, ghost, cursor, "25");
        removed += mt_int(slice, "removed");
        cursor = mt_str(slice, "cursor");
        assert_false(mt_bool(slice, "done"));
    }
    mt_process_signal(paused, SIGCONT);
    mt_sim_await(paused, "restarting");
    mt_sim_await(paused, "entered");
    mt_sim_hush(paused);

    report = mt_sim_report(paused);
    assert_int_equal(mt_sim_total(report, "joined"), removed);
    assert_int_equal(mt_sim_total(report, "adopted"), 400 - removed);
    json_decref(report);
    bool done = false;
    while (!done) {
        json_t *slice = mt_ok(c->redis, "reap", epoch, ghost, cursor, "25");
        assert_int_equal(mt_int(slice, "removed"), 0);
        cursor = mt_str(slice, "cursor");
        done = mt_bool(slice, "done");
    }
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, before, "member.left", NULL, NULL), removed);
    assert_int_equal(mt_events_count(c->events, before, "member.joined", NULL, NULL), removed);
    mt_sim_check(paused, c->redis);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_short_pause, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_pause_beyond_death, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_half_before_the_reaper, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
