/* kill -9 of an instance, at default timings: its leaderships move while nobody leaves; once it is
 * dead its members leave; every event comes, in the order of its seq; nothing of it is left. */
#include "lib/test.h"

#include <string.h>

#include "lib/cluster.h"

/* Index of the first event of this name about this instance; fails when there is none. */
static size_t index_of(struct mt_cluster *c, const char *event, const char *instance) {
    const json_t *payload = NULL;
    for (size_t i = 0; (payload = mt_events_at(c->events, i)) != NULL; i++) {
        const char *about = json_string_value(json_object_get(payload, "instance"));
        if (strcmp(mt_str(payload, "event"), event) == 0 && about != NULL &&
            strcmp(about, instance) == 0)
            return i;
    }
    mt_fail(c->world, "no %s of %s", event, instance);
}

static void test_kill(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *victim = mt_cluster_instance(c, "node-1", "1"); /* first, so it leads */
    struct mt_process *others[] = {mt_cluster_instance(c, "node-2", "2"),
                                   mt_cluster_instance(c, "node-3", "3")};
    json_t *report = mt_sim_report(victim);
    size_t memberships = (size_t)mt_sim_total(report, "memberships");
    json_decref(report);
    long long led = mt_cluster_leads(c, "node-1");
    assert_true(led > 10);
    mt_process_kill(victim);

    /* suspect: the leaderships move, nobody leaves */
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.suspect", "node-1"), "a suspicion");
    MT_WAIT(c->world, mt_cluster_leads(c, "node-1") == 0, "its leaderships to move");

    /* dead: its members leave, and nothing of it stays */
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.dead", "node-1"), "a burial");
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to go");
    mt_events_sync(c->events);
    size_t dead = index_of(c, "instance.dead", "node-1");
    assert_int_equal(mt_events_count(c->events, 0, "member.left", NULL, NULL), memberships);
    assert_int_equal(mt_events_count(c->events, dead, "member.left", "reason", "instance-dead"),
                     memberships);
    assert_int_equal(mt_events_count(c->events, 0, "leader.changed", "reason", "instance-suspect"),
                     led);
    assert_int_equal(mt_events_count(c->events, 0, "leader.changed", "reason", "instance-dead"), 0);
    mt_cluster_check(c);
    for (size_t i = 0; i < 2; i++) {
        mt_sim_hush(others[i]);
        mt_sim_check(others[i], c->redis);
    }
    assert_null(mt_text(c->redis, "ZSCORE " MT_NS "instances node-1"));
    assert_int_equal(mt_integer(c->redis, "ZCARD " MT_NS "buried"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_kill, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
