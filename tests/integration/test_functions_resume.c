/* RESUME: a new connection takes the place of an old one, wherever that stands. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define SECRET "{\"user\":\"u1\",\"resume\":\"s3cret\"}"
#define USER "{\"user\":\"u1\"}"

/* room: c1 (node-1, leads, user u1, with a secret), c2 (node-2); side: c1 alone. */
static struct mt_fixture *fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_ok(f->redis, "enter", "room", "c1", "node-1", "a",
          "{\"user\":\"u1\",\"resume\":\"s3cret\",\"priority\":3}", "{\"n\":1}");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_ok(f->redis, "join", "side", "c1", "node-1", "a");
    mt_events_skip(f->events);
    return f;
}

static const char *rank_of(struct mt_fixture *f, const char *candidate) {
    return mt_text(f->redis, "ZSCORE " MT_NS "session:room:candidates %s", candidate);
}

static json_t *resume(struct mt_fixture *f) {
    json_t *reply =
        mt_ok(f->redis, "resume", "c7", "node-2", "b", "c1", "node-1:a", "s3cret", USER);
    mt_expect(reply, "{'connection':'c7','resumed':'c1','sessions':['room','side']}");
    return reply;
}

#define RESUMED(session)                                                                           \
    "{'event':'member.resumed','session':'" session "','gen':'gen-1','seq':'#int','term':'#int',"  \
    "'at':'#int','connection':'c7','old':'c1','member':{'connection':'c7','instance':'node-2',"    \
    "'incarnation':'b','user':'u1','joined_at':'#int','#more':0}}"
#define LED_AGAIN(session)                                                                         \
    "{'event':'leader.changed','session':'" session "','gen':'gen-1','seq':'#int','term':'#int',"  \
    "'at':'#int','leader':'c7','previous':'c1','reason':'resumed'}"

static void assert_taken_over(struct mt_fixture *f, const char *rank) {
    assert_null(mt_text(f->redis, "HGET " MT_NS "session:room c1"));
    assert_non_null(strstr(mt_text(f->redis, "HGET " MT_NS "session:room c7"),
                           ",\"priority\":3,\"profile\":{\"n\":1}}"));
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room #count"), "2");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room:users u1"), "1");
    assert_null(rank_of(f, "c1/node-1/a"));
    assert_string_equal(rank_of(f, "c7/node-2/b"), rank);
    assert_int_equal(mt_integer(f->redis, "HEXISTS " MT_NS "instance:node-1:connections c1"), 0);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1:leads"), 0);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-2:connections c7");
    assert_non_null(strstr(record, "/u1////node-1:a:c1:"));
    assert_non_null(strstr(record, "/room,side/{\"n\":1}"));
}

static void test_the_secret_is_a_hash(void **state) {
    struct mt_fixture *f = fresh(state);
    char *dump = mt_dump(f->redis);
    assert_null(strstr(dump, "s3cret"));
    free(dump);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-1 secrets"), "1");
    assert_null(mt_text(f->redis, "HGET " MT_NS "instance:node-2 secrets"));
}

static void test_live(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    long long term = mt_term(f, "room");
    resume(f);
    mt_expect_events(f->events, RESUMED("room"), LED_AGAIN("room"), RESUMED("side"),
                     LED_AGAIN("side"));
    assert_taken_over(f, rank);
    assert_int_equal(mt_term(f, "room"), term + 1);
    assert_int_equal(mt_integer(f->redis, "SCARD " MT_NS "instance:node-2:leads"), 2);
    mt_unchanged(f, resume(f)); /* the answer was lost */
    /* the old one is gone for its instance */
    mt_refused(f->redis, MUSTER_UNKNOWN_CONNECTION, "join", "room", "c1", "node-1", "a");
}

static void test_away(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    mt_ok(f->redis, "disconnect", "c1", "node-1", "a", "60000");
    mt_events_skip(f->events);
    resume(f);
    mt_expect_events(f->events, RESUMED("room"), RESUMED("side"),
                     "{'event':'leader.changed','session':'side','leader':'c7','previous':null,"
                     "'reason':'resumed','#more':0}");
    assert_taken_over(f, rank);
    assert_string_equal(mt_leader(f, "room"), "c2");
}

static void test_suspect(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    mt_suspect(f, "node-1", "a");
    mt_events_skip(f->events);
    resume(f);
    mt_expect_events(f->events, RESUMED("room"), LED_AGAIN("room"), RESUMED("side"),
                     LED_AGAIN("side"));
    assert_taken_over(f, rank);
}

/* From the ghost of a stopped instance: it waits, because there is a secret. */
static void test_ghost(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *rank = rank_of(f, "c1/node-1/a");
    mt_ok(f->redis, "stop", "node-1", "a");
    json_t *early = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "100");
    assert_true(mt_int(early, "early") > 0);
    mt_events_skip(f->events);
    resume(f);
    mt_expect_events(f->events, RESUMED("room"), LED_AGAIN("room"), RESUMED("side"),
                     LED_AGAIN("side"));
    assert_taken_over(f, rank);
    mt_reap(f, "node-1:a");
    mt_expect_no_events(f->events);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a:leads"), 0);
}

/* What the reaper has removed is gone; the rest is resumed. */
static void test_half_reaped(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "stop", "node-1", "a");
    mt_command(f->redis, "ZADD " MT_NS "ghosts XX 1 node-1:a");
    json_t *slice = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "1");
    while (mt_int(slice, "removed") == 0)
        slice = mt_ok(f->redis, "reap", f->epoch, "node-1:a", mt_str(slice, "cursor"), "1");
    mt_expect(mt_ok(f->redis, "resume", "c7", "node-2", "b", "c1", "node-1:a", "s3cret", USER),
              "{'connection':'c7','resumed':'c1','sessions':['side']}");
    mt_reap(f, "node-1:a");
    assert_null(mt_text(f->redis, "HGET " MT_NS "session:room c7"));
    assert_non_null(mt_text(f->redis, "HGET " MT_NS "session:side c7"));
}

static void test_without_a_secret_nothing_waits(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_ok(f->redis, "stop", "node-1", "a");
    assert_true(mt_bool(mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "100"), "done"));
}

/* The same id elsewhere is another connection: a leader gets a new term. */
static void test_same_id(void **state) {
    struct mt_fixture *f = fresh(state);
    long long term = mt_term(f, "room");
    mt_ok(f->redis, "resume", "c1", "node-2", "b", "c1", "node-1:a", "s3cret", USER, "{\"n\":2}");
    assert_string_equal(mt_leader(f, "room"), "c1");
    assert_int_equal(mt_term(f, "room"), term + 1);
    const char *member = mt_text(f->redis, "HGET " MT_NS "session:room c1");
    assert_non_null(strstr(member, "\"instance\":\"node-2\""));
    assert_non_null(strstr(member, ",\"profile\":{\"n\":2}}"));
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "instance:node-2:leads room"), 1);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1:leads"), 0);
}

static void test_same_instance(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "resume", "c7", "node-1", "a", "c1", "node-1:a", "s3cret",
          "{\"user\":\"u1\",\"resume\":\"next\",\"ttl\":60000}");
    assert_string_equal(mt_leader(f, "room"), "c7");
    assert_int_equal(mt_integer(f->redis, "SCARD " MT_NS "instance:node-1:leads"), 2);
    assert_non_null(mt_text(f->redis, "ZSCORE " MT_NS "deadlines node-1/a/c7"));
    /* and on with the new secret; the old one is of no use */
    mt_refused(f->redis, MUSTER_BAD_TOKEN, "resume", "c8", "node-2", "b", "c7", "node-1:a",
               "s3cret", USER);
    mt_ok(f->redis, "resume", "c8", "node-2", "b", "c7", "node-1:a", "next", USER);
    assert_string_equal(mt_leader(f, "room"), "c8");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "deadlines"), 0);
}

/* Onto a suspect instance: who led is replaced in the same step, by the next one. */
static void test_onto_a_suspect(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-3", "c");
    mt_suspect(f, "node-3", "c");
    mt_events_skip(f->events);
    mt_ok(f->redis, "resume", "c7", "node-3", "c", "c1", "node-1:a", "s3cret", USER);
    mt_expect_events(f->events, "{'event':'member.resumed','session':'room','#more':0}",
                     "{'event':'leader.changed','session':'room','leader':'c2','previous':'c1',"
                     "'reason':'instance-suspect','#more':0}",
                     "{'event':'member.resumed','session':'side','#more':0}",
                     "{'event':'leader.changed','session':'side','leader':null,'previous':'c1',"
                     "'reason':'instance-suspect','#more':0}");
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "leaderless side"), 1);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "instance:node-3:leads"), 0);
    mt_ok(f->redis, "heartbeat", "node-3", "c");
    assert_int_equal(mt_int(mt_ok(f->redis, "sweep", f->epoch, "0", "100"), "elected"), 1);
    assert_string_equal(mt_leader(f, "side"), "c7");
}

/* Onto a draining instance: it may come, and leads nothing there. */
static void test_onto_a_draining(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_start(f, "node-3", "c");
    mt_ok(f->redis, "drain", "node-3", "c", "on");
    mt_events_skip(f->events);
    mt_ok(f->redis, "resume", "c7", "node-3", "c", "c1", "node-1:a", "s3cret", USER);
    mt_expect_events(f->events, "{'event':'member.resumed','session':'room','#more':0}",
                     "{'event':'leader.changed','session':'room','leader':'c2','previous':'c1',"
                     "'reason':'draining','#more':0}",
                     "{'event':'member.resumed','session':'side','#more':0}",
                     "{'event':'leader.changed','session':'side','leader':null,'previous':'c1',"
                     "'reason':'draining','#more':0}");
    mt_ok(f->redis, "drain", "node-3", "c", "off");
    assert_int_equal(mt_int(mt_ok(f->redis, "sweep", f->epoch, "0", "100"), "elected"), 1);
    assert_string_equal(mt_leader(f, "side"), "c7");
}

static void test_refused(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "register", "c8", "node-2", "b");
#define REFUSED(status, ...) mt_refused(f->redis, status, "resume", __VA_ARGS__)
    mt_unchanged(f, {
        REFUSED(MUSTER_BAD_TOKEN, "c7", "node-2", "b", "c1", "node-1:a", "guess", USER);
        REFUSED(MUSTER_BAD_TOKEN, "c7", "node-2", "b", "c1", "node-1:a", "", USER);
        REFUSED(MUSTER_BAD_TOKEN, "c7", "node-1", "a", "c2", "node-2:b", "s3cret", USER);
        REFUSED(MUSTER_UNKNOWN_CONNECTION, "c7", "node-2", "b", "c9", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_UNKNOWN_CONNECTION, "c7", "node-2", "b", "c1", "node-1:x", "s3cret", USER);
        REFUSED(MUSTER_CONNECTION_TAKEN, "c8", "node-2", "b", "c1", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_CONNECTION_TAKEN, "c1", "node-1", "a", "c1", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_CONNECTION_TAKEN, "c2", "node-1", "a", "c1", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_BAD_REQUEST, "c7", "node-2", "b", "c1", "node-1:a", "s3cret");
        REFUSED(MUSTER_BAD_REQUEST, "c7", "node-2", "b", "c1", "node-1:a", "s3cret",
                "{\"user\":\"u2\"}");
        REFUSED(MUSTER_BAD_REQUEST, "c7", "node-2", "b", "c1", "node-1", "s3cret", USER);
        REFUSED(MUSTER_BAD_ID, "c7", "node-2", "b", "c1", "node-1:", "s3cret", USER);
        REFUSED(MUSTER_UNKNOWN_INSTANCE, "c7", "node-9", "b", "c1", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_STALE_INCARNATION, "c7", "node-2", "x", "c1", "node-1:a", "s3cret", USER);
    });
}

/* One secret, two who use it: the first takes all, the second finds nothing. */
static void test_used_twice(void **state) {
    struct mt_fixture *f = fresh(state);
    resume(f);
    mt_unchanged(f, {
        REFUSED(MUSTER_UNKNOWN_CONNECTION, "c8", "node-2", "b", "c1", "node-1:a", "s3cret", USER);
        REFUSED(MUSTER_CONNECTION_TAKEN, "c7", "node-2", "b", "c1", "node-1:a", "other", USER);
    });
}

/* The end of the grace against the resumption, in either order. */
static void test_against_the_end_of_grace(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "disconnect", "c1", "node-1", "a", "0");
    resume(f);
    mt_command(f->redis, "ZADD " MT_NS "deadlines 1 node-1/a/c1");
    mt_events_skip(f->events);
    assert_int_equal(mt_int(mt_ok(f->redis, "expire", f->epoch, "10"), "expired"), 0);
    mt_expect_no_events(f->events);
    mt_enter(f, "room", "c3", "node-1", "a", SECRET);
    mt_ok(f->redis, "disconnect", "c3", "node-1", "a", "0");
    assert_int_equal(mt_int(mt_ok(f->redis, "expire", f->epoch, "10"), "expired"), 1);
    REFUSED(MUSTER_UNKNOWN_CONNECTION, "c9", "node-2", "b", "c3", "node-1:a", "s3cret", USER);
}

static void test_a_wrong_type_changes_nothing(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_command(f->redis, "SET " MT_NS "instance:node-2:leads x");
    mt_unchanged(f,
                 REFUSED(MUSTER_INTERNAL, "c7", "node-2", "b", "c1", "node-1:a", "s3cret", USER));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_secret_is_a_hash, mt_fixture_fresh),
        cmocka_unit_test_setup(test_live, mt_fixture_fresh),
        cmocka_unit_test_setup(test_away, mt_fixture_fresh),
        cmocka_unit_test_setup(test_suspect, mt_fixture_fresh),
        cmocka_unit_test_setup(test_ghost, mt_fixture_fresh),
        cmocka_unit_test_setup(test_half_reaped, mt_fixture_fresh),
        cmocka_unit_test_setup(test_without_a_secret_nothing_waits, mt_fixture_fresh),
        cmocka_unit_test_setup(test_same_id, mt_fixture_fresh),
        cmocka_unit_test_setup(test_same_instance, mt_fixture_fresh),
        cmocka_unit_test_setup(test_onto_a_suspect, mt_fixture_fresh),
        cmocka_unit_test_setup(test_onto_a_draining, mt_fixture_fresh),
        cmocka_unit_test_setup(test_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_used_twice, mt_fixture_fresh),
        cmocka_unit_test_setup(test_against_the_end_of_grace, mt_fixture_fresh),
        cmocka_unit_test_setup(test_a_wrong_type_changes_nothing, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
