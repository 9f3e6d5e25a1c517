/* A session that is too large for one look: it is checked and mended in pages, each of which is
 * bounded, and nothing is said of one that only changes while it is read. */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/fixture.h"
#include "lib/replay.h"

enum { MEMBERS = 700, BUDGET = 32 };
#define S MT_NS "session:big"

static struct mt_fixture *populated(void **state) {
    struct mt_fixture *f = *state;
    char connection[32];
    char user[64];
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        snprintf(user, sizeof user, "{\"user\":\"u%d\"}", i % 50);
        mt_append(f->redis, (const char *const[]){
                                "enter", "big", connection, i % 2 == 0 ? "node-1" : "node-2",
                                i % 2 == 0 ? "inc-1" : "inc-2", i % 3 == 0 ? "" : user,
                                "{\"some\":\"thing longer than a few bytes, as is usual\"}", NULL});
    }
    mt_drain(f->redis, MEMBERS);
    return f;
}

/* Every page of `kind` `name`: no finding, and no more than about the budget each. */
static size_t walk(struct mt_fixture *f, const char *kind, const char *name) {
    const char *cursor = "0";
    size_t looked = 0;
    do {
        json_t *reply = mt_ok(f->redis, "look", "-", kind, name, cursor, "32");
        size_t page =
            (size_t)mt_int(reply, "looked") + json_array_size(json_object_get(reply, "rest"));
        assert_true(page <= 2 * BUDGET + 16); /* a bucket of the hash may overhang */
        assert_int_equal(json_array_size(json_object_get(reply, "findings")), 0);
        looked += page;
        cursor = mt_str(reply, "cursor");
    } while (strcmp(cursor, "0") != 0);
    return looked;
}

static void test_bounded(void **state) {
    struct mt_fixture *f = populated(state);
    json_t *reply = mt_ok(f->redis, "look", "-", "session", "big", "0", "32");
    mt_expect(json_object_get(reply, "rest"),
              "[['members','big'],['candidates','big'],['recount','big']]");
    assert_true(walk(f, "members", "big") >= MEMBERS);
    assert_true(walk(f, "candidates", "big") >= MEMBERS);
    assert_true(walk(f, "records", "node-1:inc-1") >= MEMBERS / 2);
    mt_command(f->redis, "CONFIG RESETSTAT");
    mt_fsck(f->world, f->server);
    const char *stats = mt_text(f->redis, "INFO commandstats");
    const char *whole = strstr(stats, "cmdstat_hgetall:calls=");
    assert_non_null(whole);
    assert_int_equal(strtol(whole + strlen("cmdstat_hgetall:calls="), NULL, 10), 2); /* instances */
}

static void expect_codes(const json_t *report, const char *const codes[], size_t count) {
    const json_t *findings = json_object_get(report, "findings");
    for (size_t i = 0; i < count; i++) {
        bool there = false;
        for (size_t j = 0; j < json_array_size(findings); j++)
            there = there || strcmp(mt_str(json_array_get(findings, j), "code"), codes[i]) == 0;
        if (!there)
            fail_msg("no %s in %s", codes[i], json_dumps(report, JSON_INDENT(1)));
    }
}

static json_t *fsck(struct mt_fixture *f, const char *option, int expected) {
    char *out = NULL;
    int code =
        mt_ctl(f->world, f->server,
               (const char *const[]){"--json", "fsck", "--patience", "0", option, NULL}, &out);
    json_t *report = json_loads(out, 0, NULL);
    if (report == NULL || code != expected)
        mt_fail(f->world, "fsck: exit %d: %s", code, out);
    free(out);
    return report;
}

static void test_repaired(void **state) {
    static const char *const codes[] = {
        "USERS_WRONG",      "CANDIDATE_MISSING", "CANDIDATE_STRAY", "RANK_WRONG",
        "MEMBER_NO_RECORD", "COUNT_WRONG",       "ANONYMOUS_WRONG", "RECORD_NO_MEMBER",
        "MEMBER_MALFORMED", "RECORD_NOT_LISTING"};
    struct mt_fixture *f = populated(state);
    struct mt_replay *replay = mt_replay_create(f->world);
    size_t next = 0;
    mt_events_skip(f->events);
    mt_replay_load(replay, f->redis);
    mt_command(f->redis, "HSET " S ":users u1 99 nobody 3");
    mt_command(f->redis, "HDEL " S ":users u2");
    mt_command(f->redis, "ZREM " S ":candidates c10/node-1/inc-1 c11/node-2/inc-2");
    mt_command(f->redis, "ZADD " S ":candidates 5 c12/node-9/inc-9 6 rubbish 7 c14/node-1/inc-1");
    mt_command(f->redis, "HDEL " MT_NS "instance:node-1:connections c20 c22");
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c24 5/u24/////other/{}");
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c26 5/u26///////{}");
    mt_command(f->redis, "HINCRBY " S " #anonymous 1");
    /* c33 has no user. The recount of users waits until it is gone. */
    mt_command(f->redis, "HSET " S " c33 rubbish");
    json_t *report = fsck(f, NULL, 1);
    static const char *const first[] = {"CANDIDATE_MISSING", "CANDIDATE_STRAY", "RANK_WRONG",
                                        "MEMBER_NO_RECORD", "MEMBER_MALFORMED"};
    expect_codes(report, first, sizeof first / sizeof first[0]);
    json_decref(report);
    mt_expect_no_events(f->events);
    json_decref(fsck(f, "--repair", 0));
    mt_command(f->redis, "HINCRBY " S " #count 1");
    report = fsck(f, "--repair", 0);
    expect_codes(report, &codes[5], 1);
    json_decref(report);
    report = fsck(f, NULL, 0);
    assert_int_equal(mt_int(report, "unsettled"), 0);
    json_decref(report);
    mt_enter(f, "big", "c9999", "node-1", "inc-1", "{\"user\":\"u1\"}");
    mt_events_sync(f->events);
    mt_replay_follow(replay, f->events, &next);
    mt_replay_compare(replay, f->redis);
    mt_replay_destroy(&replay);
}

/* Nothing happens where there is nothing to mend, whatever the caller believes. */
static void mend_what_is_right(struct mt_fixture *f) {
    static const char *const cases[][3] = {
        {"COUNT_WRONG", "session", "big"},
        {"MEMBER_NO_RECORD", "member", "big/c1"},
        {"MEMBER_OF_NOBODY", "member", "big/c1"},
        {"CANDIDATE_STRAY", "candidate", "big/c1/node-2/inc-2"},
        {"RECORD_MALFORMED", "record", "node-2:inc-2/c1"},
        {"LEADS_STRAY", "lead", "node-1:inc-1/big"},
        {"GHOST_NO_HASH", "ghost", "node-1:inc-1"},
        {"INSTANCE_MALFORMED", "instance", "node-1"},
        {"SESSION_ENTRY", "entry", "sessions/big"},
        {"KEY_TYPE", "key", "session:big"},
        {"EPOCH_BAD", "global", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *reply = mt_ok(f->redis, "repair", "-", cases[i][0], cases[i][1], cases[i][2]);
        assert_false(mt_bool(reply, "mended"));
    }
}

/* A recount is refused once the session has moved on. */
static void test_stale_recount(void **state) {
    struct mt_fixture *f = populated(state);
    char name[256];
    mt_command(f->redis, "HSET " S ":users u1 99");
    snprintf(name, sizeof name, "big/%lld/gen-1/u1/5", mt_seq(f, "big"));
    mt_enter(f, "big", "c9999", "node-1", "inc-1", "{\"user\":\"u1\"}");
    mt_unchanged(f, {
        json_t *reply = mt_ok(f->redis, "repair", "-", "USERS_WRONG", "recount", name);
        assert_false(mt_bool(reply, "mended"));
    });
    mt_unchanged(f, mend_what_is_right(f));
    mt_refused(f->redis, MUSTER_STALE_EPOCH, "repair", "5", "COUNT_WRONG", "session", "big");
    mt_refused(f->redis, MUSTER_STALE_EPOCH, "look", "5", "session", "big", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "nothing", "big", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "records", "big", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "record", "big/c1", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "entry", "epoch/c1", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "member", "big", "0", "32");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "repair", "-", "USERS_WRONG", "recount", "big/5");
}

/* Holders of more connections than one look reads: counted in pages, of ghosts as well. */
static void test_held(void **state) {
    static const char *const codes[] = {"HELD_TOO_FEW", "HELD_TOO_MANY"};
    struct mt_fixture *f = *state;
    char connection[32];
    char options[64];
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        snprintf(options, sizeof options, "{\"quota\":{\"holder\":\"h%d\"}}", i % 3);
        for (int session = 0; session < 2; session++)
            mt_append(f->redis,
                      (const char *const[]){"enter", session == 0 ? "big" : "large", connection,
                                            i % 2 == 0 ? "node-1" : "node-2",
                                            i % 2 == 0 ? "inc-1" : "inc-2", options, NULL});
    }
    mt_drain(f->redis, (size_t)2 * MEMBERS);
    mt_start(f, "node-2", "inc-3"); /* some are adopted, the others are a ghost's */
    for (int i = 1; i < MEMBERS; i += 4) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_enter(f, "big", connection, "node-2", "inc-3", NULL);
    }
    mt_command(f->redis, "ZADD " MT_NS "ghosts 9000000000000 node-2:inc-2");
    json_t *reply = mt_ok(f->redis, "look", "-", "held", "-", "0", "32");
    mt_expect(json_object_get(reply, "rest"), "[['recount',':held']]");
    mt_fsck(f->world, f->server);

    mt_events_skip(f->events);
    mt_command(f->redis, "HINCRBY " MT_NS "held:connections h0 -1");
    mt_command(f->redis, "HDEL " MT_NS "held:sessions h1");
    mt_command(f->redis, "HINCRBY " MT_NS "held:sessions h2 1");
    mt_command(f->redis, "HSET " MT_NS "held:connections nobody 3");
    mt_command(f->redis, "HSET " MT_NS "held:sessions %s 3", "a/b%%c\x01");
    json_t *report = fsck(f, NULL, 1);
    expect_codes(report, codes, 2);
    assert_int_equal(mt_int(report, "found"), 5);
    json_decref(report);
    mt_expect_no_events(f->events);
    json_decref(fsck(f, "--repair", 0));
    report = fsck(f, NULL, 0);
    assert_int_equal(mt_int(report, "unsettled"), 0);
    json_decref(report);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "held:connections"), 3);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "held:sessions"), 3);

    mt_unchanged(f, {
        reply = mt_ok(f->redis, "repair", "-", "HELD_TOO_FEW", "recount", "connections/h0/5/6");
        assert_false(mt_bool(reply, "mended"));
    });
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "repair", "-", "HELD_TOO_FEW", "recount",
               "sessions/h0");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "repair", "-", "HELD_TOO_FEW", "recount",
               "all/h0/5/6");
    mt_refused(f->redis, MUSTER_BAD_REQUEST, "look", "-", "holder", "all/h0", "0", "32");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bounded, mt_fixture_fresh),
        cmocka_unit_test_setup(test_repaired, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stale_recount, mt_fixture_fresh),
        cmocka_unit_test_setup(test_held, mt_fixture_fresh),
    };
    return cmocka_run_group_tests_name("fsck_large", tests, mt_fixture_start, mt_fixture_end);
}
