/* What a real coordinator says of the signals behind its verdicts, as `musterctl explain` shows it.
 */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                      "detector.resume_grace=1ms", "brake.fraction=1", NULL};

/* The last entry of the story's history. */
static json_t *last(json_t *story) {
    json_t *history = json_object_get(story, "history");
    return json_array_get(history, json_array_size(history) - 1);
}

static json_t *explain(struct mt_cluster *c, const char *kind, const char *name) {
    char *out = NULL;
    const char *const command[] = {"explain", kind, name, "--json", NULL};
    int code = mt_ctl(c->world, c->server, command, &out);
    json_t *story = json_loads(out, 0, NULL);
    if (code != 0 || json_array_size(json_object_get(story, "history")) == 0)
        mt_fail(c->world, "explain %s %s: %d, %s", kind, name, code, out);
    free(out);
    return story;
}

/* c1 of node-1 leads, c2 of node-2 would be next. */
static void populate(struct mt_cluster *c) {
    mt_ok(c->redis, "start", "node-1", "a");
    mt_ok(c->redis, "start", "node-2", "b");
    mt_ok(c->redis, "enter", "room", "c1", "node-1", "a");
    mt_ok(c->redis, "enter", "room", "c2", "node-2", "b");
}

static bool leads(struct mt_cluster *c, const char *who) {
    const char *leader = mt_text(c->redis, "HGET " MT_NS "session:room #leader");
    return leader != NULL && strcmp(leader, who) == 0;
}

/* A door of another daemon says that the socket ended; said again, should nobody have listened. */
static void test_lifeline(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    populate(c);
    mt_ok(c->redis, "heartbeat", "node-1", "a");
    MT_WAIT(c->world,
            (mt_command(c->redis, "PUBLISH " MT_NS "signal %s",
                        "{\"signal\":\"lifeline\",\"instance\":\"node-1\",\"incarnation\":\"a\","
                        "\"daemon\":\"d9\",\"quiet_ms\":0}"),
             leads(c, "c2")),
            "c2 to lead");
    json_t *story = explain(c, "session", "room");
    mt_expect(last(story),
              "{'event':'leader.changed','reason':'instance-suspect','owner':'node-1:a',"
              "'previous':'c1','leader':'c2','#more':0,'because':[{'event':'instance.suspect',"
              "'connections':1,'leads':1,'heard_at':'#int','why':{'signal':'lifeline',"
              "'silent_ms':'#int','heard_by':'#str','daemon':'d9','quiet_ms':0,"
              "'coordinator':'#str'},'#more':0}]}");
    json_decref(story);
}

/* kill -9: its inbox has no subscriber any more. */
static void test_killed(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct mt_process *victim = mt_sim_start(&c->place, "node-7", "node-7", "--connections", "3",
                                             "--sessions", "1", "--joins", "1", "--seed", "1");
    mt_sim_await(victim, "entered");
    /* The coordinator heard of its START long before; it must have seen its inbox open once. */
    mt_cluster_await_probes(c, 4);
    mt_process_kill(victim);
    MT_WAIT(c->world, mt_cluster_saw(c, "instance.suspect", "node-7"), "a suspicion");
    json_t *story = explain(c, "instance", "node-7");
    mt_expect(last(story),
              "{'event':'instance.suspect','connections':3,'#more':0,'why':{'signal':'inbox',"
              "'silent_ms':'#int','heard_by':'#str','coordinator':'#str'}}");
    assert_string_equal(
        mt_str(json_object_get(json_object_get(story, "state"), "present"), "state"), "suspect");
    json_decref(story);
}

/* It says nothing any more: suspect, then dead, then its connection is gone. */
static void test_silent(void **state) {
    static const char *const quick[] = {"detector.suspect_after=3s", "detector.dead_after=4s",
                                        "brake.fraction=1", NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    mt_ok(c->redis, "start", "node-1", "a");
    mt_ok(c->redis, "enter", "room", "c1", "node-1", "a");
    mt_ok(c->redis, "heartbeat", "node-1", "a");
    MT_WAIT(c->world, mt_integer(c->redis, "EXISTS " MT_NS "session:room") == 0, "its end");
    json_t *story = explain(c, "connection", "c1");
    mt_expect(last(story),
              "{'event':'member.left','reason':'instance-dead','session':'room','#more':0,"
              "'because':[{'event':'instance.suspect','why':{'signal':'silence',"
              "'silent_ms':'#int','heard_by':'#str','coordinator':'#str'},'#more':0},"
              "{'event':'instance.dead','why':{'signal':'silence','silent_ms':'#int',"
              "'heard_by':'#str','coordinator':'#str'},'#more':0}]}");
    json_t *because = json_object_get(last(story), "because");
    for (size_t i = 0; i < 2; i++) {
        json_t *why = json_object_get(json_array_get(because, i), "why");
        assert_true(mt_int(why, "silent_ms") >= (i == 0 ? 3000 : 4000));
    }
    json_decref(story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_lifeline, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_killed, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_silent, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
