/* CONFIGURE, limits, kept sessions, and the option `exclusive`. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

/* room: c1 (node-1, leads, user u1), c2 (node-2). */
static struct mt_fixture *fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_events_skip(f->events);
    return f;
}

static const char *field(struct mt_fixture *f, const char *session, const char *name) {
    return mt_text(f->redis, "HGET " MT_NS "session:%s %s", session, name);
}

static void test_limit(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_expect(mt_ok(f->redis, "configure", "room", "{\"limit\":3}"),
              "{'session':'room','limit':3,'keep':false}");
    mt_expect_no_events(f->events);
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
    mt_ok(f->redis, "register", "c4", "node-1", "a");
    mt_unchanged(f, {
        mt_ok(f->redis, "configure", "room", "{\"limit\":3}");
        mt_refused(f->redis, MUSTER_SESSION_FULL, "enter", "room", "c5", "node-1", "a");
        mt_refused(f->redis, MUSTER_SESSION_FULL, "join", "room", "c4", "node-1", "a");
        mt_refused(f->redis, MUSTER_SESSION_FULL, "join", "room", "c4", "node-1", "a",
                   "{\"limit\":100}");
        mt_enter(f, "room", "c3", "node-1", "a", NULL); /* who is in stays in */
    });
    /* below what is there: nobody goes, nobody comes */
    mt_ok(f->redis, "configure", "room", "{\"limit\":1}");
    mt_refused(f->redis, MUSTER_SESSION_FULL, "join", "room", "c4", "node-1", "a");
    mt_expect(mt_ok(f->redis, "configure", "room", "{\"limit\":null}"),
              "{'session':'room','limit':null,'keep':false}");
    mt_ok(f->redis, "join", "room", "c4", "node-1", "a");
}

static void test_keep(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "configure", "room", "{\"keep\":true}");
    mt_ok(f->redis, "leave", "room", "c2", "node-2", "b");
    mt_events_skip(f->events);
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':0,'last':true,'connection':'c1',"
                     "'user':'u1','instance':'node-1','reason':'left'}",
                     "{'event':'leader.changed','leader':null,'previous':'c1','reason':'left',"
                     "'#more':0}");
    long long term = mt_term(f, "room");
    long long seq = mt_seq(f, "room");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless room"), 0);
    assert_non_null(mt_text(f->redis, "ZSCORE " MT_NS "sessions room"));
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
    assert_int_equal(mt_term(f, "room"), term + 1);
    assert_int_equal(mt_seq(f, "room"), seq + 2);
    assert_string_equal(mt_leader(f, "room"), "c3");
    mt_expect(mt_ok(f->redis, "configure", "room", "{\"keep\":false}"),
              "{'session':'room','limit':null,'keep':false}");
    mt_ok(f->redis, "leave", "room", "c3", "node-1", "a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room"), 0);
}

static void test_opened_without_members(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_expect(
        mt_ok(f->redis, "configure", "hall", "{\"keep\":true,\"limit\":2}", "{\"topic\":[1.0]}"),
        "{'session':'hall','limit':2,'keep':true}");
    mt_expect_no_events(f->events);
    assert_string_equal(field(f, "hall", "#meta"), "{\"topic\":[1.0]}");
    assert_string_equal(field(f, "hall", "#count"), "0");
    assert_string_equal(field(f, "hall", "#gen"), "gen-1");
    assert_non_null(mt_text(f->redis, "ZSCORE " MT_NS "sessions hall"));
    mt_unchanged(f, mt_ok(f->redis, "configure", "hall", "{\"keep\":true,\"limit\":2}",
                          "{\"topic\":[1.0]}"));
    long long term = mt_term(f, "hall");
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_expect_events(f->events, "{'event':'member.joined','session':'hall','count':1,'#more':0}",
                     "{'event':'leader.changed','session':'hall','leader':'c1','previous':null,"
                     "'reason':'first','#more':0}");
    assert_int_equal(mt_term(f, "hall"), term + 1);
    mt_ok(f->redis, "leave", "hall", "c1", "node-1", "a");
    term = mt_term(f, "hall");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "configure", "hall", "{\"keep\":false}"),
              "{'session':'hall','limit':null,'keep':false}");
    mt_expect_no_events(f->events);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:hall"), 0);
    assert_null(mt_text(f->redis, "ZSCORE " MT_NS "sessions hall"));
    mt_unchanged(f, mt_ok(f->redis, "configure", "hall", "{\"keep\":false}"));
    /* opened again, a term never repeats */
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    assert_true(mt_term(f, "hall") > term);
}

/* It has no event, so nobody would hear of a new term: whoever writes next lifts the session. */
static void test_configure_lifts_nothing(void **state) {
    struct mt_fixture *f = fresh(state);
    long long seq = mt_seq(f, "room");
    long long term = mt_term(f, "room");
    const char *floor = mt_number(f->redis, seq + 1000000);
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", floor, "run-1", MT_SETTINGS);
    mt_events_skip(f->events);
    mt_ok(f->redis, "configure", "room", "{\"limit\":9}");
    mt_expect_no_events(f->events);
    assert_string_equal(field(f, "room", "#limit"), "9");
    assert_string_equal(field(f, "room", "#gen"), "gen-1");
    assert_int_equal(mt_seq(f, "room"), seq);
    assert_int_equal(mt_term(f, "room"), term);
    /* one that it opens is of the present generation */
    mt_ok(f->redis, "configure", "hall", "{\"keep\":true}");
    assert_string_equal(field(f, "hall", "#gen"), "gen-2");
    assert_true(mt_term(f, "hall") > seq + 1000000);
}

static void test_configure_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_UNKNOWN_SESSION, "configure", "hall", "{\"limit\":2}");
        mt_refused(f->redis, MUSTER_UNKNOWN_SESSION, "configure", "hall", "", "{}");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "configure", "room", "{\"limit\":0}");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "configure", "room", "{\"keep\":1}");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "configure", "room", "{\"user\":\"u1\"}");
        mt_refused(f->redis, MUSTER_BAD_JSON, "configure", "room", "{}", "[]");
        mt_refused(f->redis, MUSTER_BAD_ID, "configure", "a b", "{}");
        mt_ok(f->redis, "configure", "room", "{}");
    });
}

/* ---- exclusive ---------------------------------------------------------------------------- */

static void test_exclusive(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "join", "side", "c1", "node-1", "a");
    mt_events_skip(f->events);
    assert_true(mt_bool(mt_ok(f->redis, "join", "new", "c1", "node-1", "a", "{\"exclusive\":true}"),
                        "joined"));
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','count':1,'last':true,"
                     "'reason':'exclusive','#more':0}",
                     "{'event':'leader.changed','session':'room','leader':'c2','previous':'c1',"
                     "'reason':'exclusive','#more':0}",
                     "{'event':'member.left','session':'side','closed':true,'reason':'exclusive',"
                     "'#more':0}",
                     "{'event':'member.joined','session':'new','#more':0}",
                     "{'event':'leader.changed','session':'new','leader':'c1','#more':0}");
    assert_non_null(
        strstr(mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1"), "/new/{}"));
    mt_unchanged(f, mt_ok(f->redis, "join", "new", "c1", "node-1", "a", "{\"exclusive\":true}"));
}

/* Of sessions where it is already: it leaves the others. */
static void test_exclusive_to_where_it_is(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "join", "side", "c1", "node-1", "a");
    assert_false(
        mt_bool(mt_enter(f, "room", "c1", "node-1", "a", "{\"exclusive\":true}"), "joined"));
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:side"), 0);
    assert_non_null(
        strstr(mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1"), "/room/{}"));
}

static void test_exclusive_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "full", "c2", "node-2", "b", NULL);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_SESSION_FULL, "join", "full", "c1", "node-1", "a",
                               "{\"exclusive\":true,\"limit\":1}"));
}

/* The cap counts what it will be in, not what it leaves. */
static void test_exclusive_at_the_cap(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1",
          "{\"heartbeat_ms\":250,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,"
          "\"profile\":4096,\"sessions_per_connection\":1,\"grace_ms\":1}");
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_TOO_MANY_SESSIONS, "join", "new", "c1", "node-1", "a"));
    mt_ok(f->redis, "join", "new", "c1", "node-1", "a", "{\"exclusive\":true}");
}

static void test_exclusive_of_an_away_one(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "join", "side", "c1", "node-1", "a");
    mt_ok(f->redis, "disconnect", "c1", "node-1", "a");
    mt_events_skip(f->events);
    mt_ok(f->redis, "join", "room", "c1", "node-1", "a", "{\"exclusive\":true}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'side','reason':'exclusive','closed':true,"
                     "'#more':0}",
                     "{'event':'member.resumed','session':'room','connection':'c1','#more':0}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
}

/* Kicked in between: nothing is left of it there, and it joins all the same. */
static void test_exclusive_after_a_kick(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "kick", "room", "c1");
    mt_events_skip(f->events);
    mt_ok(f->redis, "join", "new", "c1", "node-1", "a", "{\"exclusive\":true}");
    mt_expect_events(f->events, "{'event':'member.joined','session':'new','#more':0}",
                     "{'event':'leader.changed','session':'new','#more':0}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_limit, mt_fixture_fresh),
        cmocka_unit_test_setup(test_keep, mt_fixture_fresh),
        cmocka_unit_test_setup(test_opened_without_members, mt_fixture_fresh),
        cmocka_unit_test_setup(test_configure_lifts_nothing, mt_fixture_fresh),
        cmocka_unit_test_setup(test_configure_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive_to_where_it_is, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive_at_the_cap, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive_of_an_away_one, mt_fixture_fresh),
        cmocka_unit_test_setup(test_exclusive_after_a_kick, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
