/* REGISTER UNREGISTER ENTER JOIN LEAVE UPDATE: replies, events, what is stored, repeats, limits. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define MEMBER(connection, user)                                                                   \
    "{'connection':'" connection "','instance':'node-1','incarnation':'a'," user                   \
    "'joined_at':'#int','profile':{}}"

static struct mt_fixture *fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_events_skip(f->events);
    return f;
}

static void test_register(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_expect(mt_ok(f->redis, "register", "c1", "node-1", "a", "{\"user\":\"u1\"}", "{\"a\": [] }"),
              "{'connection':'c1','registered':true}");
    mt_expect_no_events(f->events);
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    char *slash = strchr(record, '/');
    assert_non_null(slash);
    assert_string_equal(slash, "/u1//////{\"a\": [] }");
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "register", "c1", "node-1", "a", "{\"user\":\"u1\"}"),
                              "{'connection':'c1','registered':false}"));
    /* another instance may hold a c1 of its own, as long as they do not meet */
    mt_ok(f->redis, "register", "c1", "node-2", "b");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "register", "c1", "node-9", "a"));
    mt_unchanged(f,
                 mt_refused(f->redis, MUSTER_STALE_INCARNATION, "register", "c1", "node-1", "z"));
}

static void test_join(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "register", "c1", "node-1", "a", "", "{\"name\":\"Zo\xc3\xab\"}");
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "join", "room", "c2", "node-1", "a"));
    mt_expect(mt_ok(f->redis, "join", "room", "c1", "node-1", "a"),
              "{'session':'room','connection':'c1','joined':true,'gen':'gen-1','seq':'#int',"
              "'leader':'c1','term':'#int','count':1}");
    mt_expect_events(f->events,
                     "{'event':'member.joined','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'member':{'connection':'c1',"
                     "'instance':'node-1','incarnation':'a','joined_at':'#int',"
                     "'profile':{'name':'Zo\xc3\xab'}}}",
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':'c1','previous':null,'reason':'first'}");
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "join", "room", "c1", "node-1", "a"),
                              "{'session':'room','connection':'c1','joined':false,'gen':'gen-1',"
                              "'seq':%lld,'leader':'c1','term':%lld,'count':1}",
                              mt_seq(f, "room"), mt_term(f, "room")));
}

/* The first opening: seq and term start at Redis's time or above; every event adds 1 to seq. */
static void test_seq_and_term(void **state) {
    struct mt_fixture *f = fresh(state);
    redisReply *time = mt_command(f->redis, "TIME");
    long long now = strtoll(time->element[0]->str, NULL, 10) * 1000;
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a", NULL);
    long long seq = mt_int(reply, "seq");
    long long term = mt_int(reply, "term");
    assert_true(seq > now && term > now);
    reply = mt_enter(f, "room", "c2", "node-2", "b", NULL);
    assert_int_equal(mt_int(reply, "seq"), seq + 1);
    assert_int_equal(mt_int(reply, "term"), term);
    reply = mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    assert_int_equal(mt_int(reply, "seq"), seq + 3);
    assert_int_equal(mt_int(reply, "term"), term + 1);
    mt_events_sync(f->events);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mt_int(mt_events_at(f->events, i), "seq"), seq - 1 + (long long)i);
}

static void test_enter(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_expect(mt_ok(f->redis, "enter", "room", "c1", "node-1", "a", "{\"user\":\"u1\"}"),
              "{'session':'room','connection':'c1','joined':true,'gen':'gen-1','seq':'#int',"
              "'leader':'c1','term':'#int','count':1}");
    mt_expect(mt_ok(f->redis, "enter", "room", "c2", "node-1", "a", "{\"user\":\"u1\"}"),
              "{'session':'room','connection':'c2','joined':true,'gen':'gen-1','seq':'#int',"
              "'leader':'c1','term':'#int','count':2}");
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
    mt_expect_events(f->events,
                     "{'event':'member.joined','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'first':true,"
                     "'member':" MEMBER("c1", "'user':'u1',") "}",
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':'c1','previous':null,'reason':'first'}",
                     "{'event':'member.joined','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':2,'first':false,"
                     "'member':" MEMBER("c2", "'user':'u1',") "}",
                     "{'event':'member.joined','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':3,'member':" MEMBER("c3", "") "}");

    /* one HGETALL is the whole snapshot */
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #count"), "3");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #anonymous"), "1");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #gen"), "gen-1");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room:users u1"), "2");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:room"), 6 + 3);
    assert_int_equal(mt_integer(f->redis, "ZCARD " MT_NS "session:room:candidates"), 3);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 1);
    assert_non_null(mt_text(f->redis, "ZSCORE " MT_NS "sessions room"));
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_string_equal(strchr(record, '/'), "/u1/////room/{}");
    mt_unchanged(f, mt_expect(mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}"),
                              "{'session':'room','connection':'c1','joined':false,'gen':'gen-1',"
                              "'seq':%lld,'leader':'c1','term':%lld,'count':3}",
                              mt_seq(f, "room"), mt_term(f, "room")));
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_string_equal(strchr(record, '/'), "/u1/////room,hall/{}");
}

static void test_enter_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "enter", "room", "c1", "node-9", "a"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_STALE_INCARNATION, "enter", "room", "c1", "node-1", "z"));
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "enter", "hall", "c1", "node-1", "a",
                               "{\"user\":\"u2\"}"));
    mt_command(f->redis, "HSET " MT_NS "instance:node-1 draining 1");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_DRAINING, "enter", "room", "c2", "node-1", "a"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_DRAINING, "register", "c2", "node-1", "a"));
}

static void test_leave(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-1", "a", "{\"user\":\"u1\"}");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "leave", "room", "c1", "node-1", "a"),
              "{'session':'room','connection':'c1','left':true,'seq':'#int','leader':'c2',"
              "'term':'#int','count':1}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'last':false,'connection':'c1',"
                     "'user':'u1','instance':'node-1','reason':'left'}",
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':'c2','previous':'c1','reason':'left'}");
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "leave", "room", "c1", "node-1", "a"),
                              "{'session':'room','connection':'c1','left':false,'seq':%lld,"
                              "'leader':'c2','term':%lld,'count':1}",
                              mt_seq(f, "room"), mt_term(f, "room")));
    /* it stays registered */
    mt_ok(f->redis, "join", "hall", "c1", "node-1", "a");
    mt_events_skip(f->events);

    mt_expect(mt_ok(f->redis, "leave", "room", "c2", "node-1", "a"),
              "{'session':'room','connection':'c2','left':true,'seq':'#int','leader':null,"
              "'term':'#int','count':0}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':0,'last':true,'connection':'c2',"
                     "'user':'u1','instance':'node-1','reason':'left','closed':true}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room " MT_NS
                                          "session:room:candidates " MT_NS "session:room:users"),
                     0);
    assert_null(mt_text(f->redis, "ZSCORE " MT_NS "sessions room"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 0);
    /* a session that is not there */
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "leave", "room", "c2", "node-1", "a");
        assert_false(mt_bool(reply, "left"));
        assert_int_equal(mt_int(reply, "count"), 0);
    });
}

static void test_leave_of_an_anonymous_one(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_ok(f->redis, "leave", "room", "c2", "node-1", "a");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #anonymous"), "0");
    mt_ok(f->redis, "enter", "room", "c3", "node-1", "a");
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #anonymous"), "1");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room:users"), 0);
}

/* A c1 of another instance is not mine to remove. */
static void test_leave_of_another(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "leave", "room", "c1", "node-2", "b");
        assert_false(mt_bool(reply, "left"));
    });
}

static void test_unregister(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "unregister", "c1", "node-1", "a"),
              "{'connection':'c1','unregistered':true,'sessions':["
              "{'session':'room','leader':'c2','term':'#int','count':1},"
              "{'session':'hall','leader':null,'term':'#int','count':0}]}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','count':1,'connection':'c1',"
                     "'instance':'node-1','reason':'unregistered','#more':0}",
                     "{'event':'leader.changed','session':'room','leader':'c2','previous':'c1',"
                     "'reason':'unregistered','#more':0}",
                     "{'event':'member.left','session':'hall','count':0,'connection':'c1',"
                     "'instance':'node-1','reason':'unregistered','closed':true,'#more':0}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1:connections"), 0);
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "unregister", "c1", "node-1", "a");
        assert_string_equal(mt_str(reply, "connection"), "c1");
        assert_int_equal(json_array_size(json_object_get(reply, "sessions")), 0);
    });
}

/* A record that lists a session where the connection is another's: not mine to remove or change. */
static void test_only_own_memberships(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-2", "b", NULL);
    mt_ok(f->redis, "register", "c1", "node-1", "a");
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c1 1//////room/{}");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "update", "c1", "node-1", "a", "{\"x\":1}");
    assert_int_equal(mt_int(reply, "sessions"), 0);
    reply = mt_ok(f->redis, "unregister", "c1", "node-1", "a");
    assert_int_equal(json_array_size(json_object_get(reply, "sessions")), 0);
    mt_expect_no_events(f->events);
    assert_string_equal(mt_leader(f, "room"), "c1");
}

static void test_update(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "update", "c1", "node-1", "a", "{}"));
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\",\"priority\":7}");
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_events_skip(f->events);
    const char *profile = "{ \"pos\":[1.50,-0e3], \"t\":\"a/b\\u00e9\" }";
    mt_expect(mt_ok(f->redis, "update", "c1", "node-1", "a", profile),
              "{'connection':'c1','updated':true,'sessions':2}");
    mt_expect_events(
        f->events,
        "{'event':'member.updated','session':'room','gen':'gen-1','seq':'#int','term':'#int',"
        "'at':'#int','member':{'connection':'c1','instance':'node-1','incarnation':'a',"
        "'user':'u1','joined_at':'#int','priority':7,'profile':{'pos':[1.5,-0.0],'t':'a/"
        "b\u00e9'}}}",
        "{'event':'member.updated','session':'hall','gen':'gen-1','seq':'#int','term':'#int',"
        "'at':'#int','member':{'connection':'c1','instance':'node-1','incarnation':'a',"
        "'user':'u1','joined_at':'#int','profile':{'pos':[1.5,-0.0],'t':'a/b\u00e9'}}}");
    /* byte for byte, in the record and in each session */
    const char *member = mt_text(f->redis, "HGET " MT_NS "session:hall c1");
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_non_null(strstr(member, profile));
    assert_non_null(strstr(record, profile));
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "update", "c1", "node-1", "a", profile);
        assert_int_equal(mt_int(reply, "sessions"), 2);
    });
}

static void test_limit(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", "{\"limit\":2}");
    mt_enter(f, "room", "c2", "node-1", "a", "{\"limit\":2}");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_SESSION_FULL, "enter", "room", "c3", "node-1", "a",
                               "{\"limit\":2}"));
    /* who is in already is not refused */
    mt_enter(f, "room", "c2", "node-1", "a", "{\"limit\":2}");
    /* the limit of a call holds for that call only */
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
}

static void test_session_limit(void **state) {
    struct mt_fixture *f = fresh(state);
    char session[32];
    for (int i = 0; i < 128; i++) {
        snprintf(session, sizeof session, "s%d", i);
        mt_enter(f, session, "c1", "node-1", "a", NULL);
    }
    mt_unchanged(f, mt_refused(f->redis, MUSTER_TOO_MANY_SESSIONS, "enter", "one-more", "c1",
                               "node-1", "a"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_TOO_MANY_SESSIONS, "join", "one-more", "c1", "node-1", "a"));
    mt_enter(f, "s5", "c1", "node-1", "a", NULL);
    mt_ok(f->redis, "leave", "s5", "c1", "node-1", "a");
    mt_enter(f, "one-more", "c1", "node-1", "a", NULL);
    /* all at once */
    json_t *reply = mt_ok(f->redis, "unregister", "c1", "node-1", "a");
    assert_int_equal(json_array_size(json_object_get(reply, "sessions")), 128);
    assert_int_equal(mt_integer(f->redis, "ZCARD " MT_NS "sessions"), 0);
}

/* The settings that the coordinator writes are those that hold. */
static void test_settings(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1",
          "{\"heartbeat_ms\":250,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,"
          "\"profile\":16,\"sessions_per_connection\":1,\"grace_ms\":1}");
    json_t *reply = mt_ok(f->redis, "start", "node-3", "c");
    assert_int_equal(mt_int(reply, "heartbeat_ms"), 250);
    mt_ok(f->redis, "enter", "room", "c1", "node-1", "a", "", "{\"1234\":567890}");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_TOO_LARGE, "enter", "room", "c2", "node-1", "a", "",
                               "{\"1234\":5678901234}"));
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_TOO_MANY_SESSIONS, "enter", "hall", "c1", "node-1", "a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_register, mt_fixture_fresh),
        cmocka_unit_test_setup(test_join, mt_fixture_fresh),
        cmocka_unit_test_setup(test_seq_and_term, mt_fixture_fresh),
        cmocka_unit_test_setup(test_enter, mt_fixture_fresh),
        cmocka_unit_test_setup(test_enter_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leave, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leave_of_an_anonymous_one, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leave_of_another, mt_fixture_fresh),
        cmocka_unit_test_setup(test_unregister, mt_fixture_fresh),
        cmocka_unit_test_setup(test_only_own_memberships, mt_fixture_fresh),
        cmocka_unit_test_setup(test_update, mt_fixture_fresh),
        cmocka_unit_test_setup(test_limit, mt_fixture_fresh),
        cmocka_unit_test_setup(test_session_limit, mt_fixture_fresh),
        cmocka_unit_test_setup(test_settings, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
