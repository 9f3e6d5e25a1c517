/* DRAIN, ttl and TOUCH, DISCONNECT and coming back, and what `expire` ends. */
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
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\",\"priority\":3}");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_events_skip(f->events);
    return f;
}

static const char *rank_of(struct mt_fixture *f, const char *candidate) {
    return mt_text(f->redis, "ZSCORE " MT_NS "session:room:candidates %s", candidate);
}

static const char *member_of(struct mt_fixture *f, const char *session, const char *connection) {
    return mt_text(f->redis, "HGET " MT_NS "session:%s %s", session, connection);
}

static const char *deadline_of(struct mt_fixture *f, const char *name) {
    return mt_text(f->redis, "ZSCORE " MT_NS "deadlines %s", name);
}

/* As if the time of a deadline had come: the entry, and the `until` of an away record. */
static void make_due(struct mt_fixture *f, const char *instance, const char *incarnation,
                     const char *connection) {
    const char *record =
        mt_text(f->redis, "HGET " MT_NS "instance:%s:connections %s", instance, connection);
    const char *score =
        mt_text(f->redis, "ZSCORE " MT_NS "deadlines %s/%s/%s", instance, incarnation, connection);
    char past[64];
    char changed[600];
    assert_non_null(record);
    assert_non_null(score);
    const char *found = strstr(record, score);
    if (found != NULL) {
        snprintf(past, sizeof past, "%0*d", (int)strlen(score), 1);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(found - record), record, past,
                 found + strlen(score));
        mt_command(f->redis, "HSET " MT_NS "instance:%s:connections %s %s", instance, connection,
                   changed);
    }
    mt_command(f->redis, "ZADD " MT_NS "deadlines XX 1 %s/%s/%s", instance, incarnation,
               connection);
}

static json_t *expire(struct mt_fixture *f) {
    return mt_ok(f->redis, "expire", f->epoch, "100");
}

/* ---- DRAIN -------------------------------------------------------------------------------- */

static void test_drain(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_expect(mt_ok(f->redis, "drain", "node-1", "a", "on"),
              "{'instance':'node-1','draining':true,'connections':1}");
    mt_expect_events(f->events, "{'event':'instance.draining','instance':'node-1',"
                                "'incarnation':'a','at':'#int','connections':1}");
    mt_unchanged(f, mt_ok(f->redis, "drain", "node-1", "a", "on"));
    mt_refused(f->redis, MUSTER_DRAINING, "register", "c9", "node-1", "a");
    mt_refused(f->redis, MUSTER_DRAINING, "enter", "room", "c9", "node-1", "a");
    mt_refused(f->redis, MUSTER_DRAINING, "enter", "room", "c9", "node-1", "a", "{\"lead\":true}");
    /* who is there already goes on */
    mt_ok(f->redis, "join", "other", "c1", "node-1", "a");
    assert_null(mt_leader(f, "other"));
    mt_ok(f->redis, "leave", "other", "c1", "node-1", "a");
    mt_events_skip(f->events);
    json_t *moved = mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    assert_int_equal(mt_int(moved, "moved"), 1);
    mt_expect_events(f->events, "{'event':'leader.changed','leader':'c2','previous':'c1',"
                                "'reason':'draining','#more':0}");
    mt_expect(mt_ok(f->redis, "drain", "node-1", "a", "off"),
              "{'instance':'node-1','draining':false,'connections':1}");
    mt_expect_events(f->events, "{'event':'instance.undrained','instance':'node-1',"
                                "'incarnation':'a','at':'#int','connections':1}");
    mt_unchanged(f, mt_ok(f->redis, "drain", "node-1", "a", "off"));
    mt_ok(f->redis, "register", "c9", "node-1", "a");
}

/* Suspect and draining are two states; a heartbeat ends the one, not the other. */
static void test_drain_and_suspicion(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "drain", "node-1", "a", "on");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-1 state"), "suspect");
    json_t *reply = mt_ok(f->redis, "heartbeat", "node-1", "a");
    assert_string_equal(mt_str(reply, "state"), "up");
    assert_true(mt_bool(reply, "draining"));
    assert_int_equal(mt_int(mt_ok(f->redis, "elect", f->epoch, "node-1", "10"), "moved"), 1);
    mt_refused(f->redis, MUSTER_NOT_ELIGIBLE, "promote", "room", "c1");
}

static void test_drain_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "drain", "node-1", "a", "yes");
        mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "drain", "node-9", "a", "on");
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "drain", "node-1", "old", "on");
    });
}

/* ---- ttl and TOUCH ------------------------------------------------------------------------ */

static void test_ttl(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "register", "t1", "node-1", "a", "{\"ttl\":60000}", "{}");
    mt_enter(f, "room", "t2", "node-1", "a", "{\"ttl\":60000}");
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections t1");
    assert_string_equal(strchr(record, '/'), "//60000/////{}");
    assert_non_null(deadline_of(f, "node-1/a/t1"));
    assert_non_null(deadline_of(f, "node-1/a/t2"));
    assert_null(deadline_of(f, "node-1/a/c1"));
    mt_unchanged(f, {
        mt_ok(f->redis, "register", "t1", "node-1", "a", "{\"ttl\":90000}");
        json_t *reply = expire(f);
        assert_int_equal(mt_int(reply, "left"), 0);
        assert_true(mt_int(reply, "next") > 0);
    });
    mt_ok(f->redis, "unregister", "t1", "node-1", "a");
    assert_null(deadline_of(f, "node-1/a/t1"));
}

static void test_touch(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "register", "t1", "node-1", "a", "{\"ttl\":60000}", "{}");
    make_due(f, "node-1", "a", "t1");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "touch", "node-1", "a", "t1", "c9", "c1", "t1", "c2"),
              "{'touched':2,'unknown':['c9','c2']}");
    mt_expect_no_events(f->events);
    assert_true(strtoll(deadline_of(f, "node-1/a/t1"), NULL, 10) > 60000);
    mt_expect(expire(f),
              "{'expired':0,'removed':0,'dropped':0,'damaged':0,'left':0,'next':'#int'}");
    mt_unchanged(f, {
        mt_ok(f->redis, "touch", "node-1", "a", "c1");
        mt_ok(f->redis, "touch", "node-1", "a", "c9");
        mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "touch", "node-9", "a", "t1");
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "touch", "node-1", "old", "t1");
        mt_refused(f->redis, MUSTER_BAD_ID, "touch", "node-1", "a", "t1", "a b");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "touch", "node-1", "a");
    });
}

static void test_expired(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "t1", "node-1", "a", "{\"ttl\":60000,\"user\":\"u1\"}");
    mt_enter(f, "solo", "t1", "node-1", "a", NULL);
    make_due(f, "node-1", "a", "t1");
    mt_events_skip(f->events);
    mt_expect(expire(f), "{'expired':1,'removed':2,'dropped':0,'damaged':0,'left':0,'next':null}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':2,'last':false,'connection':'t1',"
                     "'user':'u1','instance':'node-1','reason':'expired'}",
                     "{'event':'member.left','session':'solo','connection':'t1','count':0,"
                     "'last':true,'closed':true,'reason':'expired','#more':0}");
    assert_int_equal(mt_integer(f->redis, "HEXISTS " MT_NS "instance:node-1:connections t1"), 0);
    mt_unchanged(f, expire(f));
    mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "join", "room", "t1", "node-1", "a");
}

/* ---- DISCONNECT --------------------------------------------------------------------------- */

static const char *disconnect(struct mt_fixture *f, const char *connection, const char *instance,
                              const char *incarnation, const char *grace) {
    json_t *reply = mt_ok(f->redis, "disconnect", connection, instance, incarnation, grace);
    mt_expect(reply, "{'connection':'%s','away':true,'until':'#int'}", connection);
    return mt_number(f->redis, mt_int(reply, "until"));
}

static void test_away(void **state) {
    struct mt_fixture *f = fresh(state);
    char pattern[200];
    const char *rank = rank_of(f, "c1/node-1/a");
    long long term = mt_term(f, "room");
    const char *until = disconnect(f, "c1", "node-1", "a", "1000");
    snprintf(pattern, sizeof pattern,
             "{'event':'member.away','session':'room','gen':'gen-1','seq':'#int','term':%lld,"
             "'at':'#int','connection':'c1','until':%s}",
             term, until);
    mt_expect_events(f->events, pattern,
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':'c2','previous':'c1','reason':'away'}");
    assert_string_equal(deadline_of(f, "node-1/a/c1"), until);
    assert_null(rank_of(f, "c1/node-1/a"));
    snprintf(pattern, sizeof pattern, ",\"priority\":3,\"away\":true,\"rank\":%s,\"profile\":{}}",
             rank);
    assert_non_null(strstr(member_of(f, "room", "c1"), pattern));
    /* a repeat does not extend */
    mt_unchanged(f, assert_string_equal(disconnect(f, "c1", "node-1", "a", "250000"), until));
    mt_refused(f->redis, MUSTER_NOT_ELIGIBLE, "promote", "room", "c1");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 0);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #count"), "2");
}

static void test_grace_is_capped(void **state) {
    struct mt_fixture *f = fresh(state);
    long long now = strtoll(mt_command(f->redis, "TIME")->element[0]->str, NULL, 10) * 1000;
    long long until = strtoll(disconnect(f, "c1", "node-1", "a", "9007199254740991"), NULL, 10);
    assert_true(until >= now + 300000 && until < now + 400000);
    until = strtoll(disconnect(f, "c2", "node-2", "b", ""), NULL, 10);
    assert_true(until >= now + 300000 && until < now + 400000);
}

static void test_disconnect_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "disconnect", "c9", "node-1", "a");
        mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "disconnect", "c2", "node-1", "a");
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "disconnect", "c1", "node-1", "old");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "disconnect", "c1", "node-1", "a", "-1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "disconnect", "c1", "node-1", "a", "soon");
    });
}

/* What brings an away connection back, each in a world of its own. */
static void back_by(struct mt_fixture *f, const char *how) {
    const char *rank = rank_of(f, "c1/node-1/a");
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_events_skip(f->events);
    if (strcmp(how, "register") == 0)
        mt_expect(mt_ok(f->redis, "register", "c1", "node-1", "a"),
                  "{'connection':'c1','registered':false}");
    else if (strcmp(how, "touch") == 0)
        mt_expect(mt_ok(f->redis, "touch", "node-1", "a", "c1"), "{'touched':1,'unknown':[]}");
    else
        assert_false(mt_bool(mt_ok(f->redis, how, "room", "c1", "node-1", "a"), "joined"));
    mt_expect_events(f->events,
                     "{'event':'member.resumed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','connection':'c1','old':'c1','member':"
                     "{'connection':'c1','instance':'node-1','incarnation':'a','user':'u1',"
                     "'joined_at':'#int','priority':3,'profile':{}}}");
    assert_string_equal(rank_of(f, "c1/node-1/a"), rank);
    assert_string_equal(mt_leader(f, "room"), "c2"); /* a leader is not displaced */
    assert_null(deadline_of(f, "node-1/a/c1"));
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_string_equal(strchr(record, '/'), "/u1/////room/{}");
    mt_unchanged(f, mt_ok(f->redis, "register", "c1", "node-1", "a"));
    mt_unchanged(f, mt_ok(f->redis, "touch", "node-1", "a", "c1"));
}

static void test_back_by_register(void **state) {
    back_by(fresh(state), "register");
}
static void test_back_by_touch(void **state) {
    back_by(fresh(state), "touch");
}
static void test_back_by_enter(void **state) {
    back_by(fresh(state), "enter");
}
static void test_back_by_join(void **state) {
    back_by(fresh(state), "join");
}

/* Joining another session brings back everywhere; a refusal brings back nowhere. */
static void test_back_by_joining_another(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "other", "c2", "node-2", "b", NULL);
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_SESSION_FULL, "join", "other", "c1", "node-1", "a",
                               "{\"limit\":1}"));
    assert_true(mt_bool(mt_ok(f->redis, "join", "other", "c1", "node-1", "a"), "joined"));
    mt_expect_events(f->events, "{'event':'member.resumed','session':'room','old':'c1','#more':0}",
                     "{'event':'member.joined','session':'other','count':2,'#more':0}");
}

/* Alone, and away: nobody leads and nobody is waited for, until it is back. */
static void test_away_alone(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    disconnect(f, "c1", "node-1", "a", "1000");
    assert_null(mt_leader(f, "solo"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless solo"), 0);
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    mt_events_skip(f->events);
    mt_ok(f->redis, "touch", "node-1", "a", "c1");
    mt_expect_events(f->events,
                     "{'event':'member.resumed','session':'solo','connection':'c1','#more':0}",
                     "{'event':'leader.changed','session':'solo','leader':'c1','previous':null,"
                     "'reason':'resumed','#more':0}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads solo"), 1);
    /* back on a suspect instance: it waits */
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "touch", "node-1", "a", "c1");
    assert_null(mt_leader(f, "solo"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless solo"), 1);
}

static void test_lead_false_goes_away(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c3", "node-1", "a", "{\"lead\":false}");
    disconnect(f, "c3", "node-1", "a", "1000");
    assert_non_null(
        strstr(member_of(f, "room", "c3"), ",\"lead\":false,\"away\":true,\"profile\""));
    mt_ok(f->redis, "touch", "node-1", "a", "c3");
    assert_non_null(strstr(member_of(f, "room", "c3"), ",\"lead\":false,\"profile\""));
    assert_null(rank_of(f, "c3/node-1/a"));
}

/* Two away members of one session come back in one call. */
static void test_two_back_at_once(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "leave", "room", "c2", "node-2", "b");
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
    disconnect(f, "c1", "node-1", "a", "1000");
    disconnect(f, "c3", "node-1", "a", "1000");
    long long seq = mt_seq(f, "room");
    mt_events_skip(f->events);
    mt_ok(f->redis, "touch", "node-1", "a", "c3", "c1");
    mt_expect_events(f->events, "{'event':'member.resumed','connection':'c3','#more':0}",
                     "{'event':'leader.changed','leader':'c3','reason':'resumed','#more':0}",
                     "{'event':'member.resumed','connection':'c1','#more':0}");
    assert_int_equal(mt_seq(f, "room"), seq + 3);
    assert_string_equal(mt_leader(f, "room"), "c3");
}

static void test_grace_ends(void **state) {
    struct mt_fixture *f = fresh(state);
    disconnect(f, "c1", "node-1", "a", "1000");
    make_due(f, "node-1", "a", "c1");
    mt_events_skip(f->events);
    mt_expect(expire(f), "{'expired':1,'removed':1,'dropped':0,'damaged':0,'left':0,'next':null}");
    mt_expect_events(f->events, "{'event':'member.left','connection':'c1','user':'u1','count':1,"
                                "'last':true,'reason':'disconnected','#more':0}");
    mt_unchanged(f, expire(f));
}

/* An entry that means nothing goes; what it names stays. */
static void test_stray_deadlines(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "t1", "node-1", "a", "{\"ttl\":60000}");
    const char *until = disconnect(f, "t1", "node-1", "a", "200000");
    mt_command(f->redis, "ZADD " MT_NS "deadlines 1 node-1/old/c1 2 node-1/a/c1 3 node-9/x/c1 "
                         "4 nonsense 5 node-1/a/t1 6 node-1/a/c9");
    mt_events_skip(f->events);
    mt_expect(expire(f),
              "{'expired':0,'removed':0,'dropped':6,'damaged':0,'left':0,'next':'#int'}");
    mt_expect_no_events(f->events);
    assert_string_equal(deadline_of(f, "node-1/a/t1"), until);
    assert_int_equal(mt_integer(f->redis, "ZCARD " MT_NS "deadlines"), 1);
}

/* The grace of an old incarnation does not touch its successor's connection of the same name. */
static void test_grace_of_an_old_incarnation(void **state) {
    struct mt_fixture *f = fresh(state);
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_start(f, "node-1", "a2");
    assert_true(mt_bool(
        mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\",\"ttl\":60000}"), "adopted"));
    assert_null(strstr(member_of(f, "room", "c1"), "away"));
    mt_command(f->redis, "ZADD " MT_NS "deadlines 1 node-1/a/c1");
    mt_events_skip(f->events);
    assert_int_equal(mt_int(expire(f), "dropped"), 1);
    mt_expect_no_events(f->events);
    assert_non_null(member_of(f, "room", "c1"));
    mt_ok(f->redis, "join", "other", "c1", "node-1", "a2"); /* its record stands, too */
}

static void test_adopted_while_away(void **state) {
    struct mt_fixture *f = fresh(state);
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    mt_expect_events(f->events,
                     "{'event':'member.resumed','connection':'c1','old':'c1','#more':0}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
}

/* The reaper leaves no deadline behind. */
static void test_reaping_takes_deadlines(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "register", "t1", "node-1", "a", "{\"ttl\":60000}");
    disconnect(f, "c1", "node-1", "a", "1000");
    mt_bury(f, "node-1", "a");
    mt_reap(f, "node-1:a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
}

/* One damaged session does not keep the connection, one damaged record does not stop the others. */
static void test_damage(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "t1", "node-1", "a", "{\"ttl\":60000}");
    mt_enter(f, "bad", "t1", "node-1", "a", NULL);
    mt_ok(f->redis, "register", "t2", "node-1", "a", "{\"ttl\":60000}");
    mt_command(f->redis, "HSET " MT_NS "session:bad #seq x");
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections t2 x");
    mt_command(f->redis, "ZADD " MT_NS "deadlines 1 node-1/a/t1 1 node-1/a/t2");
    json_t *reply = expire(f);
    assert_int_equal(mt_int(reply, "expired"), 1);
    assert_int_equal(mt_int(reply, "damaged"), 2);
    assert_int_equal(mt_int(reply, "removed"), 1);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "quarantine"), 2);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
}

static void test_expire_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "expire", "1", "10");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "expire", f->epoch, "0");
    });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_drain, mt_fixture_fresh),
        cmocka_unit_test_setup(test_drain_and_suspicion, mt_fixture_fresh),
        cmocka_unit_test_setup(test_drain_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_ttl, mt_fixture_fresh),
        cmocka_unit_test_setup(test_touch, mt_fixture_fresh),
        cmocka_unit_test_setup(test_expired, mt_fixture_fresh),
        cmocka_unit_test_setup(test_away, mt_fixture_fresh),
        cmocka_unit_test_setup(test_grace_is_capped, mt_fixture_fresh),
        cmocka_unit_test_setup(test_disconnect_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_back_by_register, mt_fixture_fresh),
        cmocka_unit_test_setup(test_back_by_touch, mt_fixture_fresh),
        cmocka_unit_test_setup(test_back_by_enter, mt_fixture_fresh),
        cmocka_unit_test_setup(test_back_by_join, mt_fixture_fresh),
        cmocka_unit_test_setup(test_back_by_joining_another, mt_fixture_fresh),
        cmocka_unit_test_setup(test_away_alone, mt_fixture_fresh),
        cmocka_unit_test_setup(test_lead_false_goes_away, mt_fixture_fresh),
        cmocka_unit_test_setup(test_two_back_at_once, mt_fixture_fresh),
        cmocka_unit_test_setup(test_grace_ends, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stray_deadlines, mt_fixture_fresh),
        cmocka_unit_test_setup(test_grace_of_an_old_incarnation, mt_fixture_fresh),
        cmocka_unit_test_setup(test_adopted_while_away, mt_fixture_fresh),
        cmocka_unit_test_setup(test_reaping_takes_deadlines, mt_fixture_fresh),
        cmocka_unit_test_setup(test_damage, mt_fixture_fresh),
        cmocka_unit_test_setup(test_expire_refused, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
