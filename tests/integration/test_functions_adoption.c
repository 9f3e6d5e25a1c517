/* Adoption: who returns with a new incarnation keeps membership, rank and leadership, silently. */
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

static void assert_adopted(struct mt_fixture *f, const char *old_rank, long long term) {
    assert_null(rank_of(f, "c1/node-1/a"));
    assert_string_equal(rank_of(f, "c1/node-1/a2"), old_rank);
    assert_string_equal(mt_leader(f, "room"), "c1");
    assert_int_equal(mt_term(f, "room"), term);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 1);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a:leads"), 0);
    assert_int_equal(mt_integer(f->redis, "HEXISTS " MT_NS "ghosts:node-1:a c1"), 0);
    const char *member = mt_text(f->redis, "HGET " MT_NS "session:room c1");
    assert_non_null(strstr(member, "\"incarnation\":\"a2\""));
    assert_non_null(strstr(member, "\"priority\":3")); /* the old join options stay */
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_string_equal(strchr(record, '/'), "/u1/////room/{}");
}

static void test_restarted_is_adopted(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    long long term = mt_term(f, "room");
    long long seq = mt_seq(f, "room");
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    mt_expect(mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}"),
              "{'session':'room','connection':'c1','joined':false,'adopted':true,'gen':'gen-1',"
              "'seq':%lld,'leader':'c1','term':%lld,'count':2}",
              seq, term);
    mt_expect_no_events(f->events);
    assert_adopted(f, rank, term);
    mt_unchanged(f, mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}"));
    /* the reaper finds nothing to do */
    mt_reap(f, "node-1:a");
    mt_expect_no_events(f->events);
    assert_string_equal(mt_leader(f, "room"), "c1");
}

static void test_buried_is_adopted(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    long long term = mt_term(f, "room");
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    assert_true(mt_bool(reply, "adopted"));
    mt_expect_no_events(f->events);
    assert_adopted(f, rank, term);
    mt_reap(f, "node-1:a");
    mt_expect_no_events(f->events);
}

/* JOIN after REGISTER adopts as ENTER does. */
static void test_join_adopts(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-1", "a2");
    mt_ok(f->redis, "register", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "join", "room", "c1", "node-1", "a2");
    assert_true(mt_bool(reply, "adopted"));
    mt_expect_no_events(f->events);
}

static void test_another_profile_is_told(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "enter", "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}",
                          "{\"new\":true}");
    assert_true(mt_bool(reply, "adopted"));
    mt_expect_events(f->events,
                     "{'event':'member.updated','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','member':{'connection':'c1','instance':'node-1',"
                     "'incarnation':'a2','user':'u1','joined_at':'#int','priority':3,"
                     "'profile':{'new':true}}}");
}

/* The first adoption in a generation lifts the term: who follows the session, and has read it since
 * the rotation, hears of that. The second one is silent again. */
static void test_a_lifted_term_is_told(void **state) {
    struct mt_fixture *f = fresh(state);
    long long seq = mt_seq(f, "room");
    const char *floor = mt_number(f->redis, seq + 1000000);
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", floor, "run-1", MT_SETTINGS);
    mt_start(f, "node-1", "a2");
    mt_start(f, "node-2", "b2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "room", "c2", "node-2", "b2", NULL);
    assert_true(mt_bool(reply, "adopted"));
    assert_true(mt_int(reply, "term") > seq + 1000000);
    char told[300];
    snprintf(told, sizeof told,
             "{'event':'member.updated','session':'room','gen':'gen-2','seq':%lld,'term':%lld,"
             "'at':'#int','member':{'connection':'c2','instance':'node-2','incarnation':'b2',"
             "'joined_at':'#int','profile':{}}}",
             mt_int(reply, "seq"), mt_int(reply, "term"));
    mt_expect_events(f->events, told);
    assert_true(mt_bool(mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}"), "adopted"));
    mt_expect_no_events(f->events);
    assert_string_equal(mt_leader(f, "room"), "c1");
}

static void assert_superseded(struct mt_fixture *f, const char *instance, const char *user_part,
                              const char *first) {
    char joined[300];
    snprintf(joined, sizeof joined,
             "{'event':'member.joined','count':2,%s'member':{'connection':'c1','instance':'%s',"
             "'incarnation':'a2',%s'joined_at':'#int','profile':{}},'#more':0}",
             first, instance, user_part);
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'last':true,'connection':'c1',"
                     "'user':'u1','instance':'node-1','reason':'superseded'}",
                     "{'event':'leader.changed','leader':'c2','previous':'c1',"
                     "'reason':'superseded','#more':0}",
                     joined);
    assert_string_equal(mt_leader(f, "room"), "c2");
    assert_null(rank_of(f, "c1/node-1/a"));
    mt_reap(f, "node-1:a");
    mt_expect_no_events(f->events);
}

static void test_another_user_supersedes(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u2\"}");
    assert_true(mt_bool(reply, "joined"));
    assert_superseded(f, "node-1", "'user':'u2',", "'first':true,");
    assert_int_equal(mt_integer(f->redis, "HEXISTS " MT_NS "session:room:users u1"), 0);
}

static void test_no_user_supersedes_a_user(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    mt_enter(f, "room", "c1", "node-1", "a2", NULL);
    assert_superseded(f, "node-1", "", "");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #anonymous"), "2");
}

static void test_another_instance_supersedes(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-3", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "room", "c1", "node-3", "a2", "{\"user\":\"u1\"}");
    assert_true(mt_bool(reply, "joined"));
    assert_superseded(f, "node-3", "'user':'u1',", "'first':true,");
}

/* The old one was the only member: the session goes on, it does not close in between. */
static void test_the_only_member_is_superseded(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-3", "a2");
    long long term = mt_term(f, "solo");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "solo", "c1", "node-3", "a2", "{\"user\":\"u9\"}");
    assert_string_equal(mt_str(reply, "leader"), "c1");
    assert_int_equal(mt_int(reply, "count"), 1);
    assert_true(mt_int(reply, "term") > term);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "reason", "superseded"), 1);
    assert_int_equal(mt_events_count(f->events, 0, "member.joined", NULL, NULL), 1);
    mt_reap(f, "node-1:a");
    assert_string_equal(mt_leader(f, "solo"), "c1");
}

static void test_taken(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_CONNECTION_TAKEN, "enter", "room", "c1", "node-2", "b"));
    mt_ok(f->redis, "register", "c1", "node-2", "b");
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_CONNECTION_TAKEN, "join", "room", "c1", "node-2", "b"));
    /* a suspect owner is live still */
    mt_suspect(f, "node-1", "a");
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_CONNECTION_TAKEN, "enter", "room", "c1", "node-2", "b"));
    /* they do not meet elsewhere */
    mt_enter(f, "hall", "c1", "node-2", "b", NULL);
}

/* Leadership that was moved away meanwhile is not given back. */
static void test_leadership_that_moved_stays(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    mt_expect_no_events(f->events);
    assert_string_equal(mt_leader(f, "room"), "c2");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 0);
    mt_reap(f, "node-1:a");
}

/* Nobody led: who is adopted onto an eligible instance leads at once. */
static void test_adopted_where_nobody_leads(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    assert_null(mt_leader(f, "solo"));
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "solo", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    assert_true(mt_bool(reply, "adopted"));
    assert_string_equal(mt_str(reply, "leader"), "c1");
    mt_expect_events(f->events, "{'event':'leader.changed','leader':'c1','previous':null,"
                                "'reason':'eligible-again','#more':0}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless solo"), 0);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads solo"), 1);
}

/* Whoever would lead on an instance that is not eligible is replaced at once. */
static void test_adopted_onto_a_suspect(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-1", "a2");
    mt_suspect(f, "node-1", "a2");
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a2", "{\"user\":\"u1\"}");
    assert_true(mt_bool(reply, "adopted"));
    assert_string_equal(mt_str(reply, "leader"), "c2");
    mt_expect_events(f->events, "{'event':'leader.changed','leader':'c2','previous':'c1',"
                                "'reason':'instance-suspect','#more':0}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a:leads"), 0);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 0);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-2:leads room"), 1);
}

/* Half of the members are adopted, the other half is reaped: the first see neither leave nor join.
 */
static void test_half_before_the_reaper(void **state) {
    struct mt_fixture *f = *state;
    enum { CONNECTIONS = 40 };
    char connection[32];
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "other", "node-2", "b", NULL);
    for (int i = 0; i < CONNECTIONS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_enter(f, "room", connection, "node-1", "a", NULL);
    }
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-1", "a2");
    mt_events_skip(f->events);
    for (int i = 0; i < CONNECTIONS / 2; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_enter(f, "room", connection, "node-1", "a2", NULL);
    }
    mt_expect_no_events(f->events);
    mt_reap(f, "node-1:a");
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "reason", "instance-dead"),
                     CONNECTIONS / 2);
    for (int i = 0; i < CONNECTIONS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        assert_int_equal(mt_events_count(f->events, 0, "member.left", "connection", connection),
                         i < CONNECTIONS / 2 ? 0 : 1);
    }
    /* the reaper was there first: these are joins like any other */
    for (int i = CONNECTIONS / 2; i < CONNECTIONS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        json_t *reply = mt_enter(f, "room", connection, "node-1", "a2", NULL);
        assert_true(mt_bool(reply, "joined"));
    }
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:room"), 6 + CONNECTIONS + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_restarted_is_adopted, mt_fixture_fresh),
        cmocka_unit_test_setup(test_buried_is_adopted, mt_fixture_fresh),
        cmocka_unit_test_setup(test_join_adopts, mt_fixture_fresh),
        cmocka_unit_test_setup(test_another_profile_is_told, mt_fixture_fresh),
        cmocka_unit_test_setup(test_a_lifted_term_is_told, mt_fixture_fresh),
        cmocka_unit_test_setup(test_another_user_supersedes, mt_fixture_fresh),
        cmocka_unit_test_setup(test_no_user_supersedes_a_user, mt_fixture_fresh),
        cmocka_unit_test_setup(test_another_instance_supersedes, mt_fixture_fresh),
        cmocka_unit_test_setup(test_the_only_member_is_superseded, mt_fixture_fresh),
        cmocka_unit_test_setup(test_taken, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leadership_that_moved_stays, mt_fixture_fresh),
        cmocka_unit_test_setup(test_adopted_where_nobody_leads, mt_fixture_fresh),
        cmocka_unit_test_setup(test_adopted_onto_a_suspect, mt_fixture_fresh),
        cmocka_unit_test_setup(test_half_before_the_reaper, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
