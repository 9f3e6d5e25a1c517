/* reap: slices, carried cursors, adoption in between, damage; and the namespace over maxmemory. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

enum { CONNECTIONS = 300, SESSIONS = 10 };

/* node-1 holds 300 connections, each in two of ten sessions; node-2 one in each session. */
static struct mt_fixture *populated(void **state) {
    struct mt_fixture *f = *state;
    char connection[32];
    char session[32];
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    for (int i = 0; i < CONNECTIONS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        for (int k = 0; k < 2; k++) {
            snprintf(session, sizeof session, "s%d", (i + k) % SESSIONS);
            mt_append(f->redis,
                      (const char *const[]){"enter", session, connection, "node-1", "a", NULL});
        }
    }
    mt_drain(f->redis, 2 * (size_t)CONNECTIONS);
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(session, sizeof session, "s%d", i);
        mt_enter(f, session, "other", "node-2", "b", NULL);
    }
    mt_events_skip(f->events);
    return f;
}

static void assert_only_others_are_left(struct mt_fixture *f) {
    char session[32];
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(session, sizeof session, "s%d", i);
        assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:%s", session), 6 + 1);
        assert_string_equal(mt_leader(f, session), "other");
        assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:%s #count", session), "1");
        assert_int_equal(mt_integer(f->redis, "ZCARD " MT_NS "session:%s:candidates", session), 1);
    }
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts " MT_NS "ghosts:node-1:a " MT_NS
                                          "ghosts:node-1:a:leads"),
                     0);
}

static void test_slices(void **state) {
    struct mt_fixture *f = populated(state);
    const char *cursor = "0";
    long long removed = 0;
    long long connections = 0;
    bool done = false;
    mt_bury(f, "node-1", "a");
    for (int slice = 0; !done; slice++) {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", cursor, "7");
        assert_true(mt_int(reply, "removed") <= 7);
        assert_int_equal(mt_int(reply, "quarantined"), 0);
        removed += mt_int(reply, "removed");
        connections += mt_int(reply, "connections");
        done = mt_bool(reply, "done");
        assert_int_equal(mt_int(reply, "left"), CONNECTIONS - connections);
        cursor = mt_str(reply, "cursor");
        assert_true(slice < 1000);
    }
    assert_int_equal(removed, 2 * CONNECTIONS);
    assert_int_equal(connections, CONNECTIONS);
    assert_only_others_are_left(f);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "reason", "instance-dead"),
                     2 * CONNECTIONS);
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "7");
        assert_true(mt_bool(reply, "done"));
        assert_int_equal(mt_int(reply, "removed"), 0);
    });
}

/* Another coordinator goes on with what is left, from any cursor. */
static void test_another_coordinator_goes_on(void **state) {
    struct mt_fixture *f = populated(state);
    mt_bury(f, "node-1", "a");
    mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "50");
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    mt_refused(f->redis, MUSTER_STALE_EPOCH, "reap", f->epoch, "node-1:a", "0", "50");
    json_t *reply = mt_ok(f->redis, "acquire", "other", "n", "600000", "0");
    f->epoch = mt_number(f->redis, mt_int(reply, "epoch"));
    mt_reap(f, "node-1:a");
    assert_only_others_are_left(f);
}

/* Half of the memberships are gone when the instance is back: of the rest nobody leaves, and no
 * membership is told twice. */
static void test_adoption_between_slices(void **state) {
    struct mt_fixture *f = populated(state);
    char connection[32];
    char session[32];
    long long removed = 0;
    const char *cursor = "0";
    mt_bury(f, "node-1", "a");
    while (removed < CONNECTIONS) {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", cursor, "33");
        removed += mt_int(reply, "removed");
        cursor = mt_str(reply, "cursor");
    }
    mt_start(f, "node-1", "a2");
    long long adopted = 0;
    long long joined = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        for (int k = 0; k < 2; k++) {
            snprintf(session, sizeof session, "s%d", (i + k) % SESSIONS);
            json_t *reply = mt_enter(f, session, connection, "node-1", "a2", NULL);
            if (mt_bool(reply, "joined"))
                joined++;
            else
                adopted += mt_bool(reply, "adopted");
        }
    }
    assert_int_equal(joined, removed);
    assert_int_equal(adopted, 2 * CONNECTIONS - removed);
    mt_reap(f, "node-1:a");
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", NULL, NULL), (size_t)removed);
    assert_int_equal(mt_events_count(f->events, 0, "member.joined", NULL, NULL), (size_t)removed);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections"),
                     CONNECTIONS);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:s0"),
                     6 + 2 * CONNECTIONS / SESSIONS + 1);
}

/* What cannot be read is set aside and does not hold up the rest. */
static void test_quarantine(void **state) {
    struct mt_fixture *f = populated(state);
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c7 not-a-record");
    mt_bury(f, "node-1", "a");
    const char *cursor = "0";
    long long quarantined = 0;
    bool done = false;
    for (int slice = 0; !done; slice++) {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", cursor, "100");
        quarantined += mt_int(reply, "quarantined");
        cursor = mt_str(reply, "cursor");
        done = mt_bool(reply, "done");
        assert_true(slice < 1000);
    }
    assert_int_equal(quarantined, 1);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "quarantine"), 1);
    redisReply *kept = mt_command(f->redis, "HVALS " MT_NS "quarantine");
    assert_string_equal(kept->element[0]->str, "not-a-record");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a"), 0);
}

/* A member that names another incarnation is not the ghost's. */
static void test_only_its_own(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "hall", "c2", "node-1", "a", NULL);
    mt_bury(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-2", "b", NULL); /* superseded */
    /* a stale entry in the ghost's record */
    mt_command(f->redis, "HSET " MT_NS "ghosts:node-1:a c1 1//////room/{}");
    mt_events_skip(f->events);
    mt_reap(f, "node-1:a");
    mt_expect_events(f->events, "{'event':'member.left','session':'hall','connection':'c2',"
                                "'#more':0}");
    assert_string_equal(mt_leader(f, "room"), "c1");
}

/* A restarted incarnation's ghost waits; its time is counted by Redis. */
static void test_early(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_start(f, "node-1", "a2");
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "10");
        assert_true(mt_int(reply, "early") > 0 && mt_int(reply, "early") <= 5000);
        assert_int_equal(mt_int(reply, "left"), 1);
        assert_false(mt_bool(reply, "done"));
    });
    mt_reap(f, "node-1:a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room"), 0);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "reason", "instance-restarted"),
                     1);
}

/* Redis' clock was set back by an hour: no ghost waits for longer than its grace. */
static void test_clock_set_back(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_start(f, "node-1", "a2");
    mt_command(f->redis, "ZINCRBY " MT_NS "ghosts 3600000 node-1:a");
    json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "10");
    assert_true(mt_int(reply, "early") > 0 && mt_int(reply, "early") <= 5000);
    mt_reap(f, "node-1:a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room"), 0);
}

/* Over maxmemory everything that removes, demotes or keeps alive still works. */
static void test_over_maxmemory(void **state) {
    struct mt_fixture *f = populated(state);
    mt_start(f, "node-3", "c");
    mt_start(f, "node-4", "d");
    mt_enter(f, "s0", "d1", "node-4", "d", NULL);
    mt_enter(f, "s0", "d2", "node-2", "b", NULL);
    mt_enter(f, "s0", "d3", "node-2", "b", "{\"ttl\":600000}");
    mt_command(f->redis, "CONFIG SET maxmemory 1");
    const char *error = NULL;
    static const char *const refused[][6] = {{"enter", "s0", "new", "node-2", "b", NULL},
                                             {"join", "s1", "other", "node-2", "b", NULL},
                                             {"register", "new", "node-2", "b", NULL, NULL},
                                             {"update", "other", "node-2", "b", "{\"a\":1}", NULL},
                                             {"start", "node-5", "e", NULL, NULL, NULL}};
    mt_unchanged(f, {
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            size_t count = 0;
            while (refused[i][count + 1] != NULL)
                count++;
            assert_int_equal(
                mt_call(f->redis, refused[i][0], count, refused[i] + 1, NULL, NULL, &error),
                MUSTER_STATUS_COUNT);
            assert_non_null(strstr(error, "OOM"));
        }
    });
    mt_ok(f->redis, "heartbeat", "node-2", "b");
    mt_ok(f->redis, "renew", f->epoch, "hand-1", "600000");
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", MT_SETTINGS);
    mt_ok(f->redis, "beats", f->epoch, "node-2", "b");
    assert_true(mt_bool(mt_ok(f->redis, "leave", "s0", "c0", "node-1", "a"), "left"));
    assert_true(mt_bool(mt_ok(f->redis, "kick", "s1", "c0"), "left"));
    mt_ok(f->redis, "unregister", "c1", "node-1", "a");
    mt_ok(f->redis, "promote", "s0", "d2");
    mt_ok(f->redis, "touch", "node-2", "b", "d3");
    mt_ok(f->redis, "disconnect", "d3", "node-2", "b", "0");
    mt_ok(f->redis, "touch", "node-2", "b", "d3");
    mt_ok(f->redis, "disconnect", "d3", "node-2", "b", "0");
    assert_int_equal(mt_int(mt_ok(f->redis, "expire", f->epoch, "10"), "expired"), 1);
    mt_ok(f->redis, "stop", "node-4", "d");
    mt_reap(f, "node-4:d");
    mt_suspect(f, "node-1", "a");
    json_t *reply = mt_ok(f->redis, "elect", f->epoch, "node-1", "512");
    assert_true(mt_int(reply, "moved") > 0);
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    mt_bury(f, "node-1", "a");
    mt_reap(f, "node-1:a");
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    mt_ok(f->redis, "acquire", "hand", "hand-2", "600000", "0");
    mt_ok(f->redis, "stop", "node-2", "b");
    mt_command(f->redis, "CONFIG SET maxmemory 0");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_slices, mt_fixture_fresh),
        cmocka_unit_test_setup(test_another_coordinator_goes_on, mt_fixture_fresh),
        cmocka_unit_test_setup(test_adoption_between_slices, mt_fixture_fresh),
        cmocka_unit_test_setup(test_quarantine, mt_fixture_fresh),
        cmocka_unit_test_setup(test_only_its_own, mt_fixture_fresh),
        cmocka_unit_test_setup(test_early, mt_fixture_fresh),
        cmocka_unit_test_setup(test_clock_set_back, mt_fixture_fresh),
        cmocka_unit_test_setup(test_over_maxmemory, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
