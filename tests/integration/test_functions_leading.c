/* Who leads: priority, lead:false, PROMOTE, KICK, terms over openings, suspicion, limits of looks.
 */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

static struct mt_fixture *fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_events_skip(f->events);
    return f;
}

static void test_priority(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-1", "a", "{\"priority\":-1023}");
    mt_enter(f, "room", "c3", "node-1", "a", "{\"priority\":0}");
    mt_enter(f, "room", "c4", "node-1", "a", "{\"priority\":1023}");
    mt_enter(f, "room", "c5", "node-1", "a", "{\"priority\":1023}");
    /* never displaced by a better candidate */
    assert_string_equal(mt_leader(f, "room"), "c1");
    static const char *const order[] = {"c4", "c5", "c3", "c2"};
    const char *leader = "c1";
    for (size_t i = 0; i < 4; i++) {
        mt_ok(f->redis, "leave", "room", leader, "node-1", "a");
        leader = mt_leader(f, "room");
        assert_non_null(leader);
        assert_string_equal(leader, order[i]);
    }
    assert_non_null(strstr(mt_text(f->redis, "HGET " MT_NS "session:room c2"),
                           ",\"priority\":-1023,\"profile\""));
}

/* (1023 - priority) * 2^42 + seq at joining, stored without rounding. */
static void test_rank(void **state) {
    struct mt_fixture *f = fresh(state);
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a", "{\"priority\":-1023}");
    long long joined = mt_int(reply, "seq") - 1; /* leader.changed came after member.joined */
    const char *rank = mt_text(f->redis, "ZSCORE " MT_NS "session:room:candidates c1/node-1/a");
    assert_int_equal(strtoll(rank, NULL, 10), (2046LL << 42) + joined);
}

static void test_never_leads(void **state) {
    struct mt_fixture *f = fresh(state);
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a", "{\"lead\":false}");
    assert_null(mt_str(reply, "leader"));
    mt_expect_events(f->events,
                     "{'event':'member.joined','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'member':{'connection':'c1',"
                     "'instance':'node-1','incarnation':'a','joined_at':'#int','lead':false,"
                     "'profile':{}}}");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room:candidates"), 0);
    /* nobody to wait for */
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless room"), 0);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_NOT_ELIGIBLE, "promote", "room", "c1"));
    reply = mt_enter(f, "room", "c2", "node-2", "b", NULL);
    assert_string_equal(mt_str(reply, "leader"), "c2");
    mt_events_skip(f->events);
    mt_ok(f->redis, "leave", "room", "c2", "node-2", "b");
    assert_null(mt_leader(f, "room"));
    mt_expect_events(f->events, "{'event':'member.left','connection':'c2','#more':0}",
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':null,'previous':'c2','reason':'left'}");
}

static void test_promote(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    long long term = mt_term(f, "room");
    const char *stale = mt_number(f->redis, term - 1);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_TERM, "promote", "room", "c2", stale));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_NOT_MEMBER, "promote", "room", "c9"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_NOT_MEMBER, "promote", "hall", "c1"));
    json_t *promoted = mt_ok(f->redis, "promote", "room", "c2", mt_number(f->redis, term));
    mt_expect(promoted, "{'session':'room','leader':'c2','previous':'c1','term':%lld,'seq':%lld}",
              term + 1, mt_seq(f, "room"));
    mt_expect_events(f->events,
                     "{'event':'leader.changed','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','leader':'c2','previous':'c1',"
                     "'reason':'promoted'}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads room"), 0);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-2:leads room"), 1);
    /* who leads already: nothing changes, whatever the term */
    mt_unchanged(f, mt_ok(f->redis, "promote", "room", "c2"));
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "promote", "room", "c2", stale);
        assert_string_equal(mt_str(reply, "leader"), "c2");
        assert_int_equal(mt_int(reply, "term"), term + 1);
    });
    mt_suspect(f, "node-1", "a");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_NOT_ELIGIBLE, "promote", "room", "c1"));
}

static void test_kick(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "kick", "room", "c1", "rude \"words\" \xe2\x82\xac\\\n"),
              "{'session':'room','connection':'c1','left':true,'seq':'#int','leader':'c2',"
              "'term':'#int','count':1}");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':1,'last':true,'connection':'c1',"
                     "'user':'u1','instance':'node-1','reason':'kicked',"
                     "'detail':'rude \\\"words\\\" \xe2\x82\xac\\\\\\n'}",
                     "{'event':'leader.changed','leader':'c2','previous':'c1','reason':'kicked',"
                     "'#more':0}");
    /* out of this session only, and out of its record */
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    assert_string_equal(strchr(record, '/'), "/u1/////hall/{}");
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "kick", "room", "c1", "again");
        assert_false(mt_bool(reply, "left"));
        assert_int_equal(mt_int(reply, "count"), 1);
    });
    mt_unchanged(f, assert_false(mt_bool(mt_ok(f->redis, "kick", "cave", "c1"), "left")));
    /* without detail, and the last one */
    mt_ok(f->redis, "kick", "room", "c2");
    mt_expect_events(f->events,
                     "{'event':'member.left','session':'room','gen':'gen-1','seq':'#int',"
                     "'term':'#int','at':'#int','count':0,'connection':'c2','instance':'node-2',"
                     "'reason':'kicked','closed':true}");
}

/* KICK takes a dead member out of its ghost's record, too. */
static void test_kick_of_a_ghost(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_bury(f, "node-1", "a");
    mt_ok(f->redis, "kick", "room", "c1");
    assert_string_equal(mt_leader(f, "room"), "c2");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "ghosts:node-1:a:leads room"), 0);
    const char *record = mt_text(f->redis, "HGET " MT_NS "ghosts:node-1:a c1");
    assert_string_equal(strchr(record, '/'), "//////hall/{}");
    mt_events_skip(f->events);
    mt_reap(f, "node-1:a");
    mt_expect_events(f->events, "{'event':'member.left','session':'hall','connection':'c1',"
                                "'reason':'instance-dead','closed':true,'#more':0}");
}

/* Opened, closed and opened again within one ms, many times: a term never comes back. */
static void test_terms_never_repeat(void **state) {
    struct mt_fixture *f = fresh(state);
    long long term = 0;
    long long seq = 0;
    for (int i = 0; i < 500; i++) {
        json_t *reply = mt_enter(f, "room", "c1", "node-1", "a", NULL);
        assert_true(mt_int(reply, "term") > term);
        assert_true(mt_int(reply, "seq") > seq);
        term = mt_int(reply, "term");
        reply = mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
        seq = mt_int(reply, "seq");
    }
    /* nor when Redis's clock stands still or falls back: `clock` is the floor */
    mt_command(f->redis, "SET " MT_NS "clock 4000000000000");
    json_t *reply = mt_enter(f, "room", "c1", "node-1", "a", NULL);
    assert_true(mt_int(reply, "term") > 4000000000000);
    assert_true(mt_int(reply, "seq") > 4000000000000);
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    long long clock = strtoll(mt_text(f->redis, "GET " MT_NS "clock"), NULL, 10);
    assert_true(clock > 4000000000000);
}

/* A new generation lifts seq and term of every session at its first write. */
static void test_generation_lifts(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "rotate", f->epoch, "gen-2", "5000000000000", "run-2", MT_SETTINGS),
              "{'generation':'gen-2','clock':5000000000000,'epoch':5000000000000000}");
    mt_expect_events(f->events, "{'event':'generation.changed','generation':'gen-2','epoch':'#int',"
                                "'at':'#int'}");
    json_t *reply = mt_enter(f, "room", "c2", "node-2", "b", NULL);
    assert_string_equal(mt_str(reply, "gen"), "gen-2");
    assert_string_equal(mt_str(reply, "leader"), "c1");
    assert_true(mt_int(reply, "seq") > 5000000000000);
    assert_true(mt_int(reply, "term") > 5000000000000);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #gen"), "gen-2");
    /* the standing lease keeps its own epoch; the next one is above the floor */
    mt_ok(f->redis, "beats", f->epoch, "node-1", "a");
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    reply = mt_ok(f->redis, "acquire", "other", "n", "600000", "0");
    assert_int_equal(mt_int(reply, "epoch"), 5000000000000001);
}

static void test_suspect_moves_leaders(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    mt_suspect(f, "node-1", "a");
    /* somebody eligible joins where nobody leads; who leads stays until elected anew */
    assert_string_equal(mt_leader(f, "room"), "c1");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "elect", f->epoch, "node-1", "100"),
              "{'owner':'node-1','moved':1,'leaderless':1,'waiting':0,'left':0,'undecided':[],"
              "'#more':0}");
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, NULL, NULL, NULL), 2);
    assert_int_equal(mt_events_count(f->events, 0, "leader.changed", "reason", "instance-suspect"),
                     2);
    assert_string_equal(mt_leader(f, "room"), "c2");
    assert_null(mt_leader(f, "solo"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless solo"), 1);
    mt_unchanged(f, mt_ok(f->redis, "elect", f->epoch, "node-1", "100"));
    /* a joiner on a suspect instance does not lead; an eligible one does at once */
    mt_enter(f, "solo", "c3", "node-1", "a", NULL);
    assert_null(mt_leader(f, "solo"));
    mt_events_skip(f->events);
    json_t *reply = mt_enter(f, "solo", "c4", "node-2", "b", NULL);
    assert_string_equal(mt_str(reply, "leader"), "c4");
    mt_expect_events(f->events, "{'event':'member.joined','#more':0}",
                     "{'event':'leader.changed','leader':'c4','previous':null,'#more':0}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless solo"), 0);
    /* it speaks again: nobody gets a leadership back */
    mt_ok(f->redis, "heartbeat", "node-1", "a");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_ALIVE, "elect", f->epoch, "node-1", "100"));
    assert_string_equal(mt_leader(f, "room"), "c2");
}

/* Draining (DRAIN itself is not there yet) and suspicion are two things; either is enough. */
static void test_draining_is_not_eligible(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_command(f->redis, "HSET " MT_NS "instance:node-2 draining 1");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_NOT_ELIGIBLE, "promote", "room", "c2"));
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    assert_null(mt_leader(f, "room"));
    mt_suspect(f, "node-2", "b");
    json_t *reply = mt_ok(f->redis, "heartbeat", "node-2", "b");
    assert_string_equal(mt_str(reply, "state"), "up");
    assert_true(mt_bool(reply, "draining"));
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    assert_null(mt_leader(f, "room"));
    mt_command(f->redis, "HSET " MT_NS "instance:node-2 draining 0");
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    assert_string_equal(mt_leader(f, "room"), "c2");
}

static void test_sweep_after_revival(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_enter(f, "solo", "c1", "node-1", "a", NULL);
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "1");
    long long term = mt_term(f, "solo");
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "sweep", f->epoch, "0", "100");
        assert_int_equal(mt_int(reply, "elected"), 0);
        assert_int_equal(mt_int(reply, "left"), 1);
    });
    mt_ok(f->redis, "beats", f->epoch, "node-1", "a");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "sweep", f->epoch, "0", "100"),
              "{'cursor':'0','looked':1,'elected':1,'left':0,'undecided':[],'#more':0}");
    mt_expect_events(f->events, "{'event':'leader.changed','leader':'c1','previous':null,"
                                "'reason':'eligible-again','#more':0}");
    assert_int_equal(mt_term(f, "solo"), term + 1);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-1:leads solo"), 1);
}

/* More than 500 candidates that may not lead now: undecided, and the sweep goes on from there. */
static void test_more_candidates_than_looks(void **state) {
    struct mt_fixture *f = fresh(state);
    char connection[32];
    enum { INELIGIBLE = 1100 };
    mt_enter(f, "room", "first", "node-1", "a", NULL);
    for (int i = 0; i < INELIGIBLE; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_append(f->redis,
                  (const char *const[]){"enter", "room", connection, "node-1", "a", NULL});
    }
    mt_drain(f->redis, INELIGIBLE);
    mt_enter(f, "room", "hope", "node-2", "b", NULL);
    mt_suspect(f, "node-1", "a");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "elect", f->epoch, "node-1", "100");
    assert_int_equal(mt_int(reply, "leaderless"), 1);
    assert_int_equal(mt_int(reply, "left"), 0);
    mt_expect_events(f->events, "{'event':'leader.changed','leader':null,'previous':'first',"
                                "'reason':'instance-suspect','#more':0}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless room"), 1);
    const json_t *undecided = json_array_get(json_object_get(reply, "undecided"), 0);
    int rounds = 0;
    while (undecided != NULL) {
        assert_string_equal(json_string_value(json_array_get(undecided, 0)), "room");
        const char *rank = mt_number(f->redis, json_integer_value(json_array_get(undecided, 1)));
        reply = mt_ok(f->redis, "sweep", f->epoch, "-", "1", "room", rank);
        undecided = json_array_get(json_object_get(reply, "undecided"), 0);
        assert_true(++rounds < 10);
    }
    assert_int_equal(rounds, 2); /* 500 at the election, 500, and the rest */
    assert_string_equal(mt_leader(f, "room"), "hope");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless room"), 0);
    /* the leader leaves when nobody within reach may follow: null, not a wrong one */
    mt_ok(f->redis, "leave", "room", "hope", "node-2", "b");
    assert_null(mt_leader(f, "room"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless room"), 1);
}

/* In a slice with several such elections the later ones wait, still led by the old leader. */
static void test_elections_wait_for_the_next_slice(void **state) {
    struct mt_fixture *f = fresh(state);
    char connection[32];
    enum { SESSIONS = 3, EACH = 400 };
    for (int s = 0; s < SESSIONS; s++) {
        char session[32];
        snprintf(session, sizeof session, "room-%d", s);
        for (int i = 0; i < EACH; i++) {
            snprintf(connection, sizeof connection, "c%d", i);
            mt_append(f->redis,
                      (const char *const[]){"enter", session, connection, "node-1", "a", NULL});
        }
        mt_drain(f->redis, EACH);
        mt_enter(f, session, "hope", "node-2", "b", NULL);
    }
    mt_suspect(f, "node-1", "a");
    for (int slice = 1; slice <= SESSIONS; slice++) {
        json_t *reply = mt_ok(f->redis, "elect", f->epoch, "node-1", "100");
        assert_int_equal(mt_int(reply, "moved"), 1);
        assert_int_equal(mt_int(reply, "left"), SESSIONS - slice);
        assert_int_equal(mt_int(reply, "waiting"), SESSIONS - slice);
        assert_int_equal(json_array_size(json_object_get(reply, "undecided")), 0);
    }
    for (int s = 0; s < SESSIONS; s++) {
        char session[32];
        snprintf(session, sizeof session, "room-%d", s);
        assert_string_equal(mt_leader(f, session), "hope");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_priority, mt_fixture_fresh),
        cmocka_unit_test_setup(test_rank, mt_fixture_fresh),
        cmocka_unit_test_setup(test_never_leads, mt_fixture_fresh),
        cmocka_unit_test_setup(test_promote, mt_fixture_fresh),
        cmocka_unit_test_setup(test_kick, mt_fixture_fresh),
        cmocka_unit_test_setup(test_kick_of_a_ghost, mt_fixture_fresh),
        cmocka_unit_test_setup(test_terms_never_repeat, mt_fixture_fresh),
        cmocka_unit_test_setup(test_generation_lifts, mt_fixture_fresh),
        cmocka_unit_test_setup(test_suspect_moves_leaders, mt_fixture_fresh),
        cmocka_unit_test_setup(test_draining_is_not_eligible, mt_fixture_fresh),
        cmocka_unit_test_setup(test_sweep_after_revival, mt_fixture_fresh),
        cmocka_unit_test_setup(test_more_candidates_than_looks, mt_fixture_fresh),
        cmocka_unit_test_setup(test_elections_wait_for_the_next_slice, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
