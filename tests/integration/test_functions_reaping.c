/* reap: slices, carried cursors, adoption in between, damage; and the namespace over maxmemory. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"
#include "lib/replay.h"

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

static struct mt_replay *begin_replay(struct mt_fixture *f) {
    struct mt_replay *replay = mt_replay_create(f->world);
    mt_replay_load(replay, f->redis); /* forgets replies */
    f->epoch = mt_text(f->redis, "GET " MT_NS "epoch");
    mt_events_skip(f->events);
    return replay;
}

/* Holds the events since then against each other and against Redis. Returns how many there were. */
static size_t end_replay(struct mt_fixture *f, struct mt_replay **replay) {
    size_t next = 0;
    mt_events_sync(f->events);
    mt_replay_follow(*replay, f->events, &next);
    mt_replay_compare(*replay, f->redis);
    mt_replay_destroy(replay);
    return next;
}

/* One slice, for which a session is written once: its leader and its members, users with several
 * connections, members that are in other sessions too, away, never to lead, with a deadline. */
static void test_one_slice_of_all_kinds(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL); /* leads */
    mt_enter(f, "room", "c2", "node-1", "a", "{\"user\":\"ada\"}");
    mt_enter(f, "room", "c3", "node-1", "a", "{\"user\":\"ada\",\"ttl\":60000}");
    mt_enter(f, "room", "c4", "node-1", "a", "{\"user\":\"bob\",\"lead\":false}");
    mt_enter(f, "room", "c5", "node-1", "a", "{\"priority\":7,\"resume\":\"secret\"}");
    mt_enter(f, "room", "c6", "node-1", "a", NULL);
    mt_enter(f, "room", "other", "node-2", "b", "{\"user\":\"bob\"}");
    mt_enter(f, "hall", "c6", "node-1", "a", NULL);
    mt_enter(f, "hall", "c7", "node-1", "a", NULL);
    mt_enter(f, "yard", "c6", "node-1", "a", NULL);
    mt_enter(f, "yard", "c8", "node-1", "a", NULL);
    mt_enter(f, "yard", "c2", "node-2", "b", NULL); /* the same name, not the ghost's */
    mt_enter(f, "porch", "c9", "node-1", "a", "{\"user\":\"ada\"}");
    mt_ok(f->redis, "configure", "porch", "{\"keep\":true}");
    mt_ok(f->redis, "disconnect", "c7", "node-1", "a", "60000");
    mt_bury(f, "node-1", "a");
    mt_command(f->redis, "ZADD " MT_NS "ghosts 0 node-1:a"); /* it waits for the secret's owner */

    struct mt_replay *replay = begin_replay(f);
    json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "4096");
    assert_true(mt_bool(reply, "done"));
    assert_int_equal(mt_int(reply, "removed"), 11);
    assert_int_equal(mt_int(reply, "connections"), 9);
    size_t events = end_replay(f, &replay);

    assert_int_equal(mt_events_count(f->events, 0, "member.left", "session", "room"), 6);
    assert_int_equal(mt_events_count(f->events, 0, "leader.changed", "leader", "other"), 1);
    assert_int_equal(mt_events_count(f->events, 0, "leader.changed", "leader", "c2"), 1);
    size_t last = 0;
    size_t closed = 0;
    for (size_t i = 0; i < events; i++) {
        const json_t *event = mt_events_at(f->events, i);
        last += json_is_true(json_object_get(event, "last"));
        closed += json_is_true(json_object_get(event, "closed"));
    }
    assert_int_equal(last, 2); /* ada in room and in porch; bob is still here */
    assert_int_equal(closed, 1);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:room:users bob"), "1");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:room:users"), 1);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:porch #count"), "0");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:hall " MT_NS "deadlines " MT_NS
                                          "leaderless " MT_NS "session:porch:users " MT_NS
                                          "ghosts:node-1:a " MT_NS "ghosts:node-1:a:leads"),
                     0);
}

/* More members than one step ends, of one session, in one slice. */
static void test_a_large_group(void **state) {
    struct mt_fixture *f = *state;
    enum { MEMBERS = 1300 };
    char connection[32];
    mt_start(f, "node-1", "a");
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_append(f->redis,
                  (const char *const[]){"enter", "room", connection, "node-1", "a", NULL});
    }
    mt_drain(f->redis, MEMBERS);
    mt_bury(f, "node-1", "a");
    struct mt_replay *replay = begin_replay(f);
    const char *cursor = "0";
    for (bool done = false; !done;) {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", cursor, "1200");
        cursor = mt_str(reply, "cursor");
        done = mt_bool(reply, "done");
    }
    end_replay(f, &replay);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", NULL, NULL), MEMBERS);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:room " MT_NS
                                          "session:room:candidates " MT_NS "leaderless"),
                     0);
}

/* What cannot be handled is set aside, membership by membership; the rest of a session goes on. */
static void test_damaged_sessions(void **state) {
    struct mt_fixture *f = *state;
    static const char *const sessions[] = {"whole", "users",  "candidates",
                                           "count", "member", "hash"};
    char connection[32];
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    for (int i = 0; i < 6; i++) {
        mt_enter(f, sessions[i], "other", "node-2", "b", "{\"user\":\"eve\"}");
        for (int k = 0; k < 3; k++) {
            snprintf(connection, sizeof connection, "c%d-%d", i, k);
            mt_enter(f, sessions[i], connection, "node-1", "a", "{\"user\":\"ada\"}");
        }
    }
    mt_command(f->redis, "DEL " MT_NS "session:users:users " MT_NS
                         "session:candidates:candidates " MT_NS "session:hash");
    mt_command(f->redis, "RPUSH " MT_NS "session:users:users x");
    mt_command(f->redis, "RPUSH " MT_NS "session:candidates:candidates x");
    mt_command(f->redis, "RPUSH " MT_NS "session:hash x");
    mt_command(f->redis, "HSET " MT_NS "session:count #count x");
    mt_command(f->redis, "HSET " MT_NS "session:member c4-1 x");
    mt_bury(f, "node-1", "a");
    mt_events_skip(f->events);
    json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "4096");
    assert_true(mt_bool(reply, "done"));
    assert_int_equal(mt_int(reply, "removed"), 3 + 2);
    assert_int_equal(mt_int(reply, "connections"), 18);
    assert_int_equal(mt_int(reply, "quarantined"), 13);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "quarantine"), 13);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "session", "whole"), 3);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "session", "member"), 2);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", NULL, NULL), 5);
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:users #count"), "4");
    assert_string_equal(mt_text(f->redis, "HGET " MT_NS "session:member #count"), "2");
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
        cmocka_unit_test_setup(test_one_slice_of_all_kinds, mt_fixture_fresh),
        cmocka_unit_test_setup(test_a_large_group, mt_fixture_fresh),
        cmocka_unit_test_setup(test_damaged_sessions, mt_fixture_fresh),
        cmocka_unit_test_setup(test_only_its_own, mt_fixture_fresh),
        cmocka_unit_test_setup(test_early, mt_fixture_fresh),
        cmocka_unit_test_setup(test_clock_set_back, mt_fixture_fresh),
        cmocka_unit_test_setup(test_over_maxmemory, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
