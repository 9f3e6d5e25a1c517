/* The fenced functions: lease, confirmation, verdicts; every refusal that a daemon relies on. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"
#include "lib/wait.h"

static struct mt_fixture *fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_events_skip(f->events);
    return f;
}

static void test_acquire(void **state) {
    struct mt_fixture *f = *state;
    long long epoch = strtoll(f->epoch, NULL, 10);
    const char *value = mt_text(f->redis, "GET " MT_NS "coordinator");
    mt_unchanged(f, {
        json_t *held = mt_ok(f->redis, "acquire", "other", "n2", "3000", "0", "10.0.0.1:7411");
        mt_expect(held, "{'acquired':false,'holder':'%s','ttl':'#int'}", value);
        assert_true(mt_int(held, "ttl") > 0);
    });
    /* the same nonce while holding: the reply to an earlier attempt was lost */
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "acquire", "hand", "hand-1", "3000", "0"),
                              "{'acquired':true,'epoch':%lld,'generation':'gen-1','run':'run-1',"
                              "'confirmed':true,'now':'#int'}",
                              epoch));
    /* the same configured id is not the same holder */
    mt_unchanged(f, assert_false(mt_bool(mt_ok(f->redis, "acquire", "hand", "hand-2", "3000", "0"),
                                         "acquired")));
    mt_expect(mt_ok(f->redis, "release", f->epoch, "hand-1"), "{'released':true}");
    mt_expect_events(f->events, "{'event':'coordinator.released','id':'hand','epoch':'#int',"
                                "'at':'#int'}");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_EPOCH, "release", f->epoch, "hand-1"));
    json_t *reply = mt_ok(f->redis, "acquire", "other", "n2", "60000", "0", "10.0.0.1:7411");
    assert_true(mt_int(reply, "epoch") > epoch);
    mt_expect_events(f->events, "{'event':'coordinator.elected','id':'other','epoch':'#int',"
                                "'at':'#int'}");
    value = mt_text(f->redis, "GET " MT_NS "coordinator");
    assert_non_null(strstr(value, "other/n2/"));
    assert_non_null(strstr(value, "/0/10.0.0.1:7411"));
    assert_true(mt_integer(f->redis, "PTTL " MT_NS "coordinator") > 0);
}

static bool time_passed(struct mt_redis *redis, long long since) {
    redisReply *time = mt_command(redis, "TIME");
    return strtoll(time->element[0]->str, NULL, 10) * 1000 +
               strtoll(time->element[1]->str, NULL, 10) / 1000 >
           since + 1;
}

/* All data are lost, several times at once, and nobody remembers an epoch: they do not fall,
 * whatever the nonces are, and are above what a rotation had lifted them to. */
static void test_epochs_after_losses(void **state) {
    struct mt_fixture *f = *state;
    long long last = 0;
    for (int i = 0; i < 20; i++) {
        char nonce[16];
        snprintf(nonce, sizeof nonce, "n%d", i * 7919 % 1000);
        mt_command(f->redis, "FLUSHALL");
        json_t *reply = mt_ok(f->redis, "acquire", "fresh", nonce, "60000", "0");
        assert_true(mt_int(reply, "epoch") > last);
        last = mt_int(reply, "epoch");
        long long now = mt_int(reply, "now");
        assert_true(last > (now + 10000) * 1000);
        MT_WAIT(f->world, time_passed(f->redis, now), "a millisecond to pass");
        mt_redis_forget(f->redis);
    }
}

/* Two servers in one millisecond: a replica is promoted, and its old master is started anew. */
static void test_epochs_of_two(void **state) {
    struct mt_fixture *f = *state;
    char lease[100];
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    mt_command(f->redis, "SET " MT_NS "epoch 8000000000000000"); /* both are behind it */
    mt_command(f->redis, "HDEL " MT_NS "config generation");
    json_t *reply = mt_ok(f->redis, "acquire", "one", "n-one", "60000", "0");
    long long one = mt_int(reply, "epoch");
    mt_command(f->redis, "SET " MT_NS "epoch 8000000000000000");
    mt_command(f->redis, "DEL " MT_NS "coordinator");
    reply = mt_ok(f->redis, "acquire", "two", "n-two", "60000", "0");
    assert_true(mt_int(reply, "epoch") != one);
    snprintf(lease, sizeof lease, "two/n-two/%lld/0/", (long long)mt_int(reply, "epoch"));
    assert_string_equal(mt_text(f->redis, "GET " MT_NS "coordinator"), lease);
}

/* Compare-and-set for a standby: a lease that does not move any more is taken over, one that was
 * renewed meanwhile is not. */
static void test_acquire_expected(void **state) {
    struct mt_fixture *f = *state;
    const char *seen = mt_text(f->redis, "GET " MT_NS "coordinator");
    mt_ok(f->redis, "renew", f->epoch, "hand-1", "600000");
    mt_unchanged(
        f, assert_false(mt_bool(mt_ok(f->redis, "acquire", "other", "n2", "60000", "0", "", seen),
                                "acquired")));
    seen = mt_text(f->redis, "GET " MT_NS "coordinator");
    json_t *reply = mt_ok(f->redis, "acquire", "other", "n2", "60000", "0", "", seen);
    assert_true(mt_bool(reply, "acquired"));
    assert_true(mt_int(reply, "epoch") > strtoll(f->epoch, NULL, 10));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_EPOCH, "renew", f->epoch, "hand-1", "3000"));
}

/* Sentinels went to another master and back: the same data, but another run. */
static void test_epoch_of_another_run(void **state) {
    struct mt_fixture *f = fresh(state);
    char epoch[24];
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    json_t *reply = mt_ok(f->redis, "acquire", "hand", "hand-2", "60000", "0", "", "", "run-1");
    assert_true(mt_bool(reply, "confirmed"));
    snprintf(epoch, sizeof epoch, "%lld", (long long)mt_int(reply, "epoch"));
    mt_ok(f->redis, "release", epoch, "hand-2");
    reply = mt_ok(f->redis, "acquire", "hand", "hand-3", "60000", "0", "", "", "run-1@2");
    assert_false(mt_bool(reply, "confirmed"));
    assert_true(mt_int(reply, "epoch") > (mt_int(reply, "now") + 10000) * 1000);
    assert_string_equal(mt_str(reply, "run"), "run-1");
    mt_refused(f->redis, MUSTER_UNAVAILABLE, "heartbeat", "node-1", "a");
    mt_refused(f->redis, MUSTER_BAD_ID, "acquire", "hand", "hand-3", "60000", "0", "", "", "run/1");
}

/* Who saw a later epoch than the data know of: they are older, and are not served until rotated. */
static void test_epoch_floor(void **state) {
    struct mt_fixture *f = fresh(state);
    char epoch[24];
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    snprintf(epoch, sizeof epoch, "%lld", strtoll(f->epoch, NULL, 10) + 1);
    json_t *reply = mt_ok(f->redis, "acquire", "hand", "hand-2", "60000", epoch);
    assert_true(mt_bool(reply, "confirmed"));
    snprintf(epoch, sizeof epoch, "%lld", (long long)mt_int(reply, "epoch"));
    mt_ok(f->redis, "release", epoch, "hand-2");

    reply = mt_ok(f->redis, "acquire", "hand", "hand-3", "60000", "8000000000000000");
    snprintf(epoch, sizeof epoch, "%lld", (long long)mt_int(reply, "epoch"));
    assert_true(mt_int(reply, "epoch") > 8000000000000000);
    assert_string_equal(mt_text(f->redis, "GET " MT_NS "epoch"), epoch);
    mt_expect(reply,
              "{'acquired':true,'epoch':%s,'generation':'gen-1','run':null,'confirmed':false,"
              "'now':'#int'}",
              epoch);
    mt_refused(f->redis, MUSTER_UNAVAILABLE, "heartbeat", "node-1", "a");
    mt_ok(f->redis, "rotate", epoch, "gen-2", "0", "run-1", MT_SETTINGS);
    mt_ok(f->redis, "heartbeat", "node-1", "a");
    mt_ok(f->redis, "release", epoch, "hand-3");
    reply = mt_ok(f->redis, "acquire", "hand", "hand-4", "60000", "0");
    assert_int_equal(mt_int(reply, "epoch"), strtoll(epoch, NULL, 10) + 1);
    assert_true(mt_bool(reply, "confirmed"));
}

static void test_renew(void **state) {
    struct mt_fixture *f = *state;
    mt_expect(mt_ok(f->redis, "renew", f->epoch, "hand-1", "600000"),
              "{'epoch':%s,'renewals':1,'confirmed':true,'now':'#int'}", f->epoch);
    mt_expect(mt_ok(f->redis, "renew", f->epoch, "hand-1", "600000"),
              "{'epoch':%s,'renewals':2,'confirmed':true,'now':'#int'}", f->epoch);
    mt_expect_no_events(f->events);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_STALE_EPOCH, "renew", f->epoch, "other", "3000"));
}

static void assert_fenced(struct mt_fixture *f, const char *epoch) {
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "renew", epoch, "hand-1", "3000");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "release", epoch, "hand-1");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "confirm", epoch, "gen-1", "run-1", MT_SETTINGS);
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "rotate", epoch, "gen-2", "0", "run-1",
                   MT_SETTINGS);
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "beats", epoch, "node-1", "a");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "suspect", epoch, "node-1", "a",
                   mt_score(f, "node-1"));
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "bury", epoch, "node-1", "a",
                   mt_score(f, "node-1"), "instance-dead");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "elect", epoch, "node-1", "10");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "sweep", epoch, "0", "10");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "sweep", epoch, "-", "10", "room", "0");
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "reap", epoch, "node-1:a", "0", "10");
    });
}

static void test_stale_epoch(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *old = f->epoch;
    mt_ok(f->redis, "release", old, "hand-1");
    assert_fenced(f, old); /* nobody took over */
    json_t *reply = mt_ok(f->redis, "acquire", "other", "n2", "600000", "0");
    assert_fenced(f, old);
    assert_fenced(f, mt_number(f->redis, mt_int(reply, "epoch") + 1));
    /* public functions need no lease: nobody waits for a coordinator */
    mt_enter(f, "room", "c3", "node-1", "a", NULL);
}

static bool lease_is_gone(void *context) {
    struct mt_fixture *f = context;
    return mt_integer(f->redis, "EXISTS " MT_NS "coordinator") == 0;
}

/* An expired lease refuses itself, even if nobody took over. */
static void test_expired_lease(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_ok(f->redis, "renew", f->epoch, "hand-1", "1");
    mt_wait_until(f->world, lease_is_gone, f, "the lease to expire");
    assert_fenced(f, f->epoch);
}

static void test_confirm(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", MT_SETTINGS),
                              "{'generation':'gen-1','confirmed':true}"));
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-7", MT_SETTINGS);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "config run"), "run-7");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "confirm", f->epoch, "gen-9", "run-7",
                               MT_SETTINGS));
    mt_command(f->redis, "DEL " MT_NS "config");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "confirm", f->epoch, "gen-1", "run-1",
                               MT_SETTINGS));
    json_t *reply = mt_ok(f->redis, "acquire", "hand", "hand-1", "600000", "0");
    mt_expect(reply,
              "{'acquired':true,'epoch':%s,'generation':null,'run':null,'confirmed':false,"
              "'now':'#int'}",
              f->epoch);
}

static void test_beats(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_suspect(f, "node-2", "b");
    mt_command(f->redis, "ZADD " MT_NS "instances 1 node-1");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "beats", f->epoch, "node-1", "a", "node-2", "b", "node-9", "x",
                    "node-1", "stale"),
              "{'beats':2,'up':['node-2'],'unknown':['node-9','node-1']}");
    mt_expect_events(f->events, "{'event':'instance.up','instance':'node-2','incarnation':'b',"
                                "'at':'#int','connections':1}");
    assert_true(atoll(mt_score(f, "node-1")) > 1);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "instance:node-2 state"), "up");
    /* 256 pairs and no more */
    const char *words[2 + 2 * 257] = {"beats", f->epoch};
    for (size_t i = 0; i < 256; i++) {
        words[2 + 2 * i] = "node-1";
        words[3 + 2 * i] = "a";
    }
    assert_int_equal(mt_int(mt_ok_at(f->redis, __FILE__, __LINE__, words), "beats"), 256);
}

static void test_suspect(void **state) {
    struct mt_fixture *f = fresh(state);
    const char *score = mt_score(f, "node-1");
    mt_expect(mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score),
              "{'instance':'node-1','state':'suspect','leads':1}");
    mt_expect_events(f->events, "{'event':'instance.suspect','instance':'node-1',"
                                "'incarnation':'a','at':'#int','connections':1}");
    mt_unchanged(f, mt_expect(mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score),
                              "{'instance':'node-1','state':'suspect','leads':1}"));
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:room"), 6 + 2); /* nobody left */
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "suspect", f->epoch, "node-9", "a", score);
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "suspect", f->epoch, "node-1", "z", score);
        mt_refused(f->redis, MUSTER_ALIVE, "suspect", f->epoch, "node-2", "b", "1");
        mt_refused(f->redis, MUSTER_ALIVE, "bury", f->epoch, "node-2", "b", "1", "instance-dead");
    });
}

static void test_bury(void **state) {
    struct mt_fixture *f = fresh(state);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "bury", f->epoch, "node-9", "a", "1",
                   "instance-dead");
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "bury", f->epoch, "node-1", "z",
                   mt_score(f, "node-1"), "instance-dead");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "bury", f->epoch, "node-1", "a",
                   mt_score(f, "node-1"), "because");
    });
    const char *score = mt_score(f, "node-1");
    mt_expect(mt_ok(f->redis, "bury", f->epoch, "node-1", "a", score, "instance-dead"),
              "{'instance':'node-1','incarnation':'a','buried':true,'connections':1,'leads':1}");
    mt_expect_events(f->events, "{'event':'instance.dead','instance':'node-1','incarnation':'a',"
                                "'at':'#int','reason':'instance-dead','connections':1}");
    assert_int_equal(
        mt_integer(f->redis, "EXISTS " MT_NS "instance:node-1 " MT_NS "instance:node-1:alive " MT_NS
                             "instance:node-1:connections " MT_NS "instance:node-1:leads"),
        0);
    assert_int_equal(mt_integer(f->redis, "SISMEMBER " MT_NS "ghosts:node-1:a:leads room"), 1);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "ghosts:node-1:a #reason"),
                        "instance-dead");
    assert_non_null(mt_text(f->redis, "ZSCORE " MT_NS "buried node-1:a"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "bury", f->epoch, "node-1", "a",
                               score, "instance-dead"));
    /* its leaderships move like those of a suspect one */
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "elect", f->epoch, "node-1:a", "10");
    assert_int_equal(mt_int(reply, "moved"), 1);
    mt_expect_events(f->events, "{'event':'leader.changed','leader':'c2','previous':'c1',"
                                "'reason':'instance-dead','#more':0}");
    /* an owner that is not known has nothing left */
    mt_unchanged(f, {
        reply = mt_ok(f->redis, "elect", f->epoch, "node-7:x", "10");
        assert_int_equal(mt_int(reply, "left"), 0);
        reply = mt_ok(f->redis, "elect", f->epoch, "node-7", "10");
        assert_int_equal(mt_int(reply, "left"), 0);
    });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_acquire, mt_fixture_fresh),
        cmocka_unit_test_setup(test_acquire_expected, mt_fixture_fresh),
        cmocka_unit_test_setup(test_epochs_after_losses, mt_fixture_fresh),
        cmocka_unit_test_setup(test_epochs_of_two, mt_fixture_fresh),
        cmocka_unit_test_setup(test_epoch_of_another_run, mt_fixture_fresh),
        cmocka_unit_test_setup(test_epoch_floor, mt_fixture_fresh),
        cmocka_unit_test_setup(test_renew, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stale_epoch, mt_fixture_fresh),
        cmocka_unit_test_setup(test_expired_lease, mt_fixture_fresh),
        cmocka_unit_test_setup(test_confirm, mt_fixture_fresh),
        cmocka_unit_test_setup(test_beats, mt_fixture_fresh),
        cmocka_unit_test_setup(test_suspect, mt_fixture_fresh),
        cmocka_unit_test_setup(test_bury, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
