/* A heartbeat that was heard just before its instance died is not held against what came after it.
 * On the channel it is only news to the scores at the next regular poll; until then the coordinator
 * may have seen that the inbox closed. Written then, it would make the dead instance up again. */
#include "lib/test.h"

#include "lib/cluster.h"

/* Only the inbox says that it died. */
static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "brake.fraction=1", NULL};

static void test_heard_before_it_died(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    mt_ok(c->redis, "start", "node-1", "a");
    mt_ok(c->redis, "start", "node-2", "b");
    mt_ok(c->redis, "enter", "room", "c1", "node-1", "a");
    mt_ok(c->redis, "enter", "room", "c2", "node-2", "b");
    struct mt_redis *inbox = mt_redis_again(c->redis);
    mt_command(inbox, "SUBSCRIBE " MT_NS "inbox:node-1");
    mt_cluster_await_probes(c, 6); /* seen open */

    mt_command(c->redis, "PUBLISH " MT_NS "heartbeat %s",
               "{\"instance\":\"node-1\",\"incarnation\":\"a\"}");
    mt_redis_close(&inbox);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.suspect", "node-1"), "a suspicion");
    mt_cluster_await_probes(c, 15); /* some polls */
    mt_events_sync(c->events);
    assert_int_equal(mt_events_count(c->events, 0, "instance.up", NULL, NULL), 0);
    assert_string_equal(mt_text(c->redis, "HGET " MT_NS "session:room #leader"), "c2");

    /* What is heard from then on is. */
    mt_command(c->redis, "PUBLISH " MT_NS "heartbeat %s",
               "{\"instance\":\"node-1\",\"incarnation\":\"a\"}");
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.up", "node-1"), "its return");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_heard_before_it_died, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
