/* An instance that is killed and started again at once, under the same id. */
#include "lib/test.h"

#include <signal.h>

#include "lib/cluster.h"

static size_t count(struct mt_cluster *c, size_t from, const char *event) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, from, event, NULL, NULL);
}

/* With the same connections: they are adopted, nobody notices. */
static void test_same_connections(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *first = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    size_t before = mt_events_sync(c->events);
    mt_process_kill(first);
    struct mt_process *again = mt_cluster_instance(c, "node-1", "1");
    json_t *report = mt_sim_report(again);
    assert_int_equal(mt_sim_total(report, "adopted"), 400);
    assert_int_equal(mt_sim_total(report, "joined"), 0);
    json_decref(report);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_sim_hush(again);
    mt_sim_hush(other);
    assert_int_equal(count(c, before, "member.left"), 0);
    assert_int_equal(count(c, before, "member.joined"), 0);
    assert_int_equal(
        mt_events_count(c->events, before, "instance.dead", "reason", "instance-restarted"), 1);
    assert_int_equal(count(c, before, "instance.started"), 1);
    mt_sim_check(again, c->redis);
    mt_sim_check(other, c->redis);
    mt_cluster_check(c);
}

/* With other connections: the old ones leave after the grace, as of a restarted instance. */
static void test_other_connections(void **state) {
    static const char *const set[] = {"detector.resume_grace=1s", NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, set);
    struct mt_process *other = mt_cluster_instance(c, "node-2", "2");
    struct mt_process *first =
        mt_sim_start(&c->place, "node-1", "node-1", "--connections", "100", "--sessions", "30",
                     "--shared-ids", "--prefix", "old", "--seed", "1");
    mt_sim_await(first, "entered");
    size_t before = mt_events_sync(c->events);
    mt_process_kill(first);
    struct mt_process *again =
        mt_sim_start(&c->place, "node-1", "node-1", "--connections", "100", "--sessions", "30",
                     "--shared-ids", "--prefix", "new", "--seed", "1");
    mt_sim_await(again, "entered");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_sim_hush(again);
    mt_sim_hush(other);
    mt_events_sync(c->events);
    assert_int_equal(
        mt_events_count(c->events, before, "member.left", "reason", "instance-restarted"), 100);
    assert_int_equal(count(c, before, "member.left"), 100);
    assert_int_equal(count(c, before, "member.joined"), 100);
    mt_sim_check(again, c->redis);
    mt_sim_check(other, c->redis);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_connections, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_other_connections, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
