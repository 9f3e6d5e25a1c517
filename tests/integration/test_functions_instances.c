/* START HEARTBEAT STOP, version, and when functions refuse to serve: replies, events, repeats. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

static void test_version(void **state) {
    struct mt_fixture *f = *state;
    mt_expect(mt_ok(f->redis, "version"), "{'version':6,'min_reader':2}");
    mt_expect_no_events(f->events);
}

static void test_start(void **state) {
    struct mt_fixture *f = *state;
    json_t *reply =
        mt_ok(f->redis, "start", "node-1", "a", "{\"zone\":[],\"big\":12345678901234567890}");
    mt_expect(reply,
              "{'instance':'node-1','incarnation':'a','state':'up','epoch':%s,"
              "'generation':'gen-1','heartbeat_ms':1000}",
              f->epoch);
    mt_expect_events(f->events, "{'event':'instance.started','instance':'node-1','incarnation':'a',"
                                "'at':'#int','connections':0}");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-1 state"), "up");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-1 draining"), "0");
    /* verbatim: neither [] became {} nor was the number rounded */
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-1 meta"),
                        "{\"zone\":[],\"big\":12345678901234567890}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1:alive"), 1);
    assert_true(mt_integer(f->redis, "PTTL " MT_NS "instance:node-1:alive") > 0);
    mt_score(f, "node-1");
}

static void test_start_again(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "start", "node-1", "a"),
              "{'instance':'node-1','incarnation':'a','state':'up','epoch':%s,"
              "'generation':'gen-1','heartbeat_ms':1000}",
              f->epoch);
    mt_expect_no_events(f->events);
    assert_string_equal(mt_leader(f, "room"), "c1");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections"), 1);
}

static void test_restart_buries(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_start(f, "node-1", "b");
    mt_expect_events(f->events,
                     "{'event':'instance.dead','instance':'node-1','incarnation':'a','at':'#int',"
                     "'reason':'instance-restarted','connections':1}",
                     "{'event':'instance.started','instance':'node-1','incarnation':'b',"
                     "'at':'#int','connections':0}");
    /* the ghost waits resume_grace, so that its members can be adopted */
    json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "100");
    assert_true(mt_int(reply, "early") > 0);
    assert_int_equal(mt_int(reply, "removed"), 0);
    assert_false(mt_bool(reply, "done"));
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room"), 1);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1:connections"), 0);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "start", "node-1", "a"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "heartbeat", "node-1", "a"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "enter", "room", "c1", "node-1", "a"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "leave", "room", "c1", "node-1", "a"));
    mt_unchanged(f,
                 mt_refused(f->redis, MUSTER_STALE_INCARNATION, "unregister", "c1", "node-1", "a"));
}

static void test_heartbeat(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_command(f->redis, "ZADD " MT_NS "instances 1 node-1");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "heartbeat", "node-1", "a"),
              "{'instance':'node-1','state':'up','draining':false,'epoch':%s,"
              "'generation':'gen-1','heartbeat_ms':1000}",
              f->epoch);
    mt_expect_events(f->events, "{'instance':'node-1','incarnation':'a'}");
    assert_true(atoll(mt_score(f, "node-1")) > 1);
}

static void test_heartbeat_revives(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_suspect(f, "node-1", "a");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "heartbeat", "node-1", "a");
    assert_string_equal(mt_str(reply, "state"), "up");
    mt_expect_events(f->events,
                     "{'event':'instance.up','instance':'node-1','incarnation':'a','at':'#int',"
                     "'connections':1}",
                     "{'instance':'node-1','incarnation':'a'}");
}

static void test_heartbeat_refused(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "b");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "heartbeat", "node-9", "a"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "heartbeat", "node-1", "a"));
    mt_bury(f, "node-1", "b");
    /* buried and not replaced: start again with a new incarnation */
    mt_unchanged(f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "heartbeat", "node-1", "b"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "start", "node-1", "b"));
    mt_start(f, "node-1", "c");
}

static void test_stop(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "stop", "node-1", "a"),
              "{'instance':'node-1','stopped':true,'connections':1}");
    mt_expect_events(f->events, "{'event':'instance.stopped','instance':'node-1','incarnation':'a',"
                                "'at':'#int','reason':'instance-stopped','connections':1}");
    mt_unchanged(f, mt_ok(f->redis, "stop", "node-1", "a"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "enter", "room", "c3", "node-1", "a"));

    /* no secrets: it may be reaped at once */
    json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "100");
    mt_expect(reply, "{'ghost':'node-1:a','removed':2,'connections':1,'waiting':0,"
                     "'quarantined':0,'cursor':'0','left':0,'done':true}");
    assert_string_equal(mt_leader(f, "room"), "c2");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:solo"), 0);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "reason", "instance-stopped"), 2);
    assert_int_equal(mt_events_count(f->events, 0, "leader.changed", "reason", "instance-stopped"),
                     1);
    /* nothing of it is left but its entry in `buried` */
    char *dump = mt_dump(f->redis);
    char *found = strstr(dump, "node-1");
    assert_non_null(found);
    assert_null(strstr(found + 1, "node-1"));
    free(dump);
    mt_unchanged(f, mt_ok(f->redis, "stop", "node-1", "a"));
}

static void test_stop_refused(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "stop", "node-9", "a"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "stop", "node-1", "other"));
}

static void test_stop_without_connections(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_ok(f->redis, "stop", "node-1", "a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts " MT_NS "instances " MT_NS
                                          "instance:node-1 " MT_NS "ghosts:node-1:a"),
                     0);
}

/* After a restart of Redis, or a reload of the library, nothing is served before a coordinator
 * has looked at the data. */
static void assert_unavailable(struct mt_fixture *f) {
    static const char *const calls[][9] = {
        {"start", "node-2", "b"},
        {"heartbeat", "node-1", "a"},
        {"stop", "node-1", "a"},
        {"register", "c2", "node-1", "a"},
        {"unregister", "c1", "node-1", "a"},
        {"update", "c1", "node-1", "a", "{}"},
        {"enter", "room", "c2", "node-1", "a"},
        {"join", "room", "c1", "node-1", "a"},
        {"leave", "room", "c1", "node-1", "a"},
        {"promote", "room", "c1"},
        {"kick", "room", "c1"},
        {"beats", "EPOCH", "node-1", "a"},
        {"suspect", "EPOCH", "node-1", "a", "1"},
        {"bury", "EPOCH", "node-1", "a", "1", "instance-dead"},
        {"elect", "EPOCH", "node-1", "1"},
        {"sweep", "EPOCH", "0", "1"},
        {"reap", "EPOCH", "node-1:a", "0", "1"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *words[9];
        memcpy(words, calls[i], sizeof words);
        if (words[1] != NULL && strcmp(words[1], "EPOCH") == 0)
            words[1] = f->epoch;
        mt_unchanged(f, mt_refused_at(f->redis, __FILE__, __LINE__, MUSTER_UNAVAILABLE, words));
    }
    mt_ok(f->redis, "version");
}

static void test_unavailable(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    long long seq = mt_seq(f, "room");

    mt_library_load(f->redis);
    assert_unavailable(f);
    json_t *reply = mt_ok(f->redis, "renew", f->epoch, "hand-1", "600000");
    assert_false(mt_bool(reply, "confirmed"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "confirm", f->epoch, "gen-other",
                               "run-1", MT_SETTINGS));
    mt_expect(mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", MT_SETTINGS),
              "{'generation':'gen-1','confirmed':true}");
    reply = mt_enter(f, "room", "c2", "node-1", "a", NULL);
    assert_int_equal(mt_int(reply, "seq"), seq + 1);
}

static void test_unavailable_before_any_coordinator(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_command(f->redis, "DEL " MT_NS "config");
    assert_unavailable(f);
    mt_command(f->redis, "FLUSHALL");
    assert_unavailable(f);
}

static void test_unavailable_after_restart(void **state) {
    struct mt_fixture own = {.world = ((struct mt_fixture *)*state)->world};
    own.server = mt_server_start(own.world, "restarted", MT_SERVER_DURABLE, NULL);
    own.redis = mt_server_connect(own.server);
    mt_library_load(own.redis);
    mt_lead(own.redis, "gen-1", NULL);
    mt_start(&own, "node-1", "a");
    mt_enter(&own, "room", "c1", "node-1", "a", NULL);
    long long term = mt_term(&own, "room");

    mt_redis_close(&own.redis);
    mt_server_restart(own.server);
    own.redis = mt_server_connect(own.server);
    own.events = mt_events_open(own.redis, true);
    own.epoch = mt_text(own.redis, "GET " MT_NS "epoch");
    assert_unavailable(&own);
    mt_ok(own.redis, "rotate", own.epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    json_t *reply = mt_enter(&own, "room", "c2", "node-1", "a", NULL);
    assert_string_equal(mt_str(reply, "gen"), "gen-2");
    assert_string_equal(mt_str(reply, "leader"), "c1");
    assert_true(mt_int(reply, "term") > term);

    mt_events_close(&own.events);
    mt_redis_close(&own.redis);
    mt_server_free(&own.server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_version, mt_fixture_fresh),
        cmocka_unit_test_setup(test_start, mt_fixture_fresh),
        cmocka_unit_test_setup(test_start_again, mt_fixture_fresh),
        cmocka_unit_test_setup(test_restart_buries, mt_fixture_fresh),
        cmocka_unit_test_setup(test_heartbeat, mt_fixture_fresh),
        cmocka_unit_test_setup(test_heartbeat_revives, mt_fixture_fresh),
        cmocka_unit_test_setup(test_heartbeat_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stop, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stop_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stop_without_connections, mt_fixture_fresh),
        cmocka_unit_test_setup(test_unavailable, mt_fixture_fresh),
        cmocka_unit_test_setup(test_unavailable_before_any_coordinator, mt_fixture_fresh),
        cmocka_unit_test(test_unavailable_after_restart),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
