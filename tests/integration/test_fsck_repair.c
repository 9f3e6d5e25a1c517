/* Planted violations on what the functions wrote: each code is provoked by hand, named by fsck, and
 * mended by --repair; afterwards nothing is found, and whoever followed the events knows exactly
 * what Redis holds, without a gap in seq. */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/fixture.h"
#include "lib/replay.h"
#include "registry/findings.h"

#define FUTURE "9000000000000"

enum {
    UNTOLD = 1, /* what was broken is what readers know: they read anew before the repair */
    GAP = 2,    /* a number of the stream was lost: they read anew after the repair */
};

struct plant {
    const char *code;
    const char *commands[5]; /* '' is an empty word */
    int flags;
    const char *by_hand; /* what a person or a coordinator does, where --repair cannot */
};

/* Moves the stream on, as the event would have that was not published. */
#define MOVED(session)                                                                             \
    "HINCRBY {t}:session:" session " #seq 1", "HINCRBY {t}:session:" session " #term 1"
#define RECORDS(node) "HSET {t}:instance:" node ":connections "

static const struct plant plants[] = {
    {"LEADER_NO_MEMBER",
     {"HSET {t}:session:room-1 #leader nobody", "SREM {t}:instance:node-1:leads room-1",
      MOVED("room-1")},
     UNTOLD,
     NULL},
    {"LEADER_NO_CANDIDATE",
     {"HSET {t}:session:room-1 #leader c4", "SREM {t}:instance:node-1:leads room-1",
      "SADD {t}:instance:node-2:leads room-1", MOVED("room-1")},
     UNTOLD,
     NULL},
    {"LEADER_NOT_ELIGIBLE",
     {"HSET {t}:instance:node-1 draining 1", "SREM {t}:instance:node-1:leads room-1"},
     0,
     NULL},
    {"LEADER_WAITS", {"HSET {t}:instance:node-1 state suspect"}, 0, NULL},
    {"NO_LEADER_UNLISTED",
     {"HSET {t}:session:room-2 #leader ''", "SREM {t}:instance:node-1:leads room-2",
      MOVED("room-2")},
     UNTOLD,
     NULL},
    {"LEADERLESS_WAITS",
     {"HSET {t}:session:room-2 #leader ''", "SREM {t}:instance:node-1:leads room-2",
      "SADD {t}:leaderless room-2", MOVED("room-2")},
     UNTOLD,
     NULL},
    {"LEADERLESS_STALE", {"SADD {t}:leaderless room-1 room-8 a/b"}, 0, NULL},
    {"SESSION_GONE", {"ZADD {t}:sessions 5 room-8"}, 0, NULL},
    {"SESSION_UNLISTED", {"ZREM {t}:sessions room-1"}, 0, NULL},
    {"SESSION_EMPTY",
     {"ZADD {t}:sessions 5 room-7",
      "HSET {t}:session:room-7 #seq 9 #leader '' #term 9 #count 0 #anonymous 0 #gen gen-1"},
     0,
     NULL},
    {"SESSION_ENTRY", {"ZADD {t}:sessions 5 a/b"}, 0, NULL},
    {"MEMBER_MALFORMED", {"HSET {t}:session:room-1 c4 rubbish"}, 0, NULL},
    {"MEMBER_MALFORMED",
     {"HSET {t}:session:room-1 c1 {\"user\":\"u1\",\"instance\":\"node-1\"}"},
     0,
     NULL},
    {"MEMBER_MALFORMED", {"HSET {t}:session:room-4 c3 {\"user\":\"u2\"}"}, 0, NULL},
    {"RECORD_MALFORMED", {RECORDS("node-1") "c1 1/2/3"}, 0, NULL},
    {"MEMBER_NO_RECORD", {"HDEL {t}:instance:node-2:connections c4"}, 0, NULL},
    {"MEMBER_NO_RECORD", {"DEL {t}:instance:node-1:connections"}, 0, NULL},
    {"RECORD_NOT_LISTING", {RECORDS("node-2") "c4 5///////{}"}, 0, NULL},
    {"RECORD_NO_MEMBER", {RECORDS("node-3") "c8 5//////room-1,room-8/{}"}, 0, NULL},
    {"RECORD_NO_MEMBER", {"HSET {t}:ghosts:node-9:old g2 5//////room-1/{}"}, 0, NULL},
    {"USERS_DIFFER", {RECORDS("node-1") "c3 5/u9/////room-1,room-2,room-4/{}"}, 0, NULL},
    {"AWAY_DIFFERS",
     {RECORDS("node-1") "c1 5/u1//" FUTURE "///room-1/{}",
      "ZADD {t}:deadlines " FUTURE " node-1/inc-1/c1"},
     0,
     NULL},
    {"AWAY_DIFFERS",
     {"FCALL muster_disconnect 1 {t} c1 node-1 inc-1 60000",
      RECORDS("node-1") "c1 5/u1/////room-1/{}"},
     0,
     NULL},
    {"QUARANTINED", {"HSET {t}:quarantine x y"}, 0, "DEL {t}:quarantine"},
    {"INSTANCE_NO_HASH", {"ZADD {t}:instances 5 node-7"}, 0, NULL},
    {"INSTANCE_MALFORMED", {"HSET {t}:instance:node-3 state dead mood good started_at x"}, 0, NULL},
    {"INSTANCE_MALFORMED", {"HSET {t}:instance:node-1 incarnation a:b"}, 0, NULL},
    {"INSTANCE_MALFORMED",
     {"HSET {t}:instance:node-3 draining 1 drain_rate 5 drain_notice 100 drain_told x "
      "drain_rounds 0 drain_until 0 drain_cursor -"},
     0,
     NULL},
    {"INSTANCE_ENTRY", {"ZADD {t}:instances 5 a:b"}, 0, NULL},
    {"CONNECTIONS_UNLISTED", {"ZREM {t}:instances node-2"}, 0, NULL},
    {"CONNECTIONS_UNLISTED", {RECORDS("node-6") "c7 5///////{}"}, 0, NULL},
    {"CONNECTIONS_UNLISTED",
     {"ZREM {t}:instances node-1", "DEL {t}:instance:node-1 {t}:instance:node-1:alive"},
     0,
     NULL},
    {"GHOST_NO_HASH",
     {"ZADD {t}:ghosts " FUTURE " node-8:x", "ZADD {t}:buried 5 node-8:x"},
     0,
     NULL},
    {"GHOST_UNLISTED", {"ZREM {t}:ghosts node-9:old"}, 0, "ZADD {t}:ghosts " FUTURE " node-9:old"},
    {"GHOST_NO_REASON", {"HDEL {t}:ghosts:node-9:old #reason"}, 0, NULL},
    {"GHOST_ENTRY", {"ZADD {t}:ghosts " FUTURE " node-9"}, 0, NULL},
    {"KEY_UNKNOWN", {"SET {t}:note x"}, 0, "DEL {t}:note"},
    {"KEY_TYPE",
     {"SET {t}:session:room-8 x", "SET {t}:session:room-1:users:x y"},
     0,
     "DEL {t}:session:room-1:users:x"},
    {"CANDIDATES_ORPHAN", {"ZADD {t}:session:room-8:candidates 1 x"}, 0, NULL},
    {"USERS_ORPHAN", {"HSET {t}:session:room-8:users u1 1"}, 0, NULL},
    {"COUNT_WRONG", {"HSET {t}:session:room-1 #count 6"}, 0, NULL},
    {"COUNT_WRONG", {"HDEL {t}:session:room-1 #count #anonymous"}, 0, NULL},
    {"ANONYMOUS_WRONG", {"HSET {t}:session:room-1 #anonymous 4"}, 0, NULL},
    {"USERS_WRONG", {"HSET {t}:session:room-1:users u1 3 u7 1"}, 0, NULL},
    {"USERS_WRONG", {"DEL {t}:session:room-1:users"}, 0, NULL},
    {"CANDIDATE_MISSING", {"ZREM {t}:session:room-1:candidates c2/node-2/inc-2"}, 0, NULL},
    {"CANDIDATE_MISSING", {"DEL {t}:session:room-1:candidates"}, 0, NULL},
    {"CANDIDATE_STRAY", {"ZADD {t}:session:room-1:candidates 5 c9/node-2/inc-2"}, 0, NULL},
    {"RANK_WRONG", {"ZADD {t}:session:room-1:candidates 7 c2/node-2/inc-2"}, 0, NULL},
    {"FIELD_UNKNOWN", {"HSET {t}:session:room-1 #mood good"}, 0, NULL},
    {"FIELD_BAD", {"HSET {t}:session:room-1 #limit many #meta [] #keep yes"}, 0, NULL},
    {"LEADS_LACKS", {"SREM {t}:instance:node-1:leads room-1"}, 0, NULL},
    {"HELD_TOO_FEW", {"HSET {t}:held:connections h1 1"}, 0, NULL},
    {"HELD_TOO_FEW", {"DEL {t}:held:connections", "HDEL {t}:held:sessions h2"}, 0, NULL},
    {"KEY_TYPE", {"DEL {t}:held:sessions", "SET {t}:held:sessions x"}, 0, NULL},
    {"HELD_TOO_MANY", {"HINCRBY {t}:held:sessions h1 1"}, 0, NULL},
    {"HELD_TOO_MANY", {"HSET {t}:held:connections h9 2 a/b 1"}, 0, NULL},
    {"HELD_TOO_MANY", {"HSET {t}:held:connections h9 0"}, 0, NULL},
    {"HELD_TOO_MANY", {"HSET {t}:held:sessions h2 some"}, 0, NULL},
    {"LEADS_STRAY", {"SADD {t}:instance:node-3:leads room-1 room-8"}, 0, NULL},
    {"LEADS_STRAY", {"SADD {t}:ghosts:node-9:old:leads room-1"}, 0, NULL},
    {"LEADS_ENTRY", {"SADD {t}:instance:node-3:leads a/b"}, 0, NULL},
    {"SEQ_BAD", {"HSET {t}:session:room-1 #seq 1e3"}, GAP, NULL},
    {"TERM_BAD", {"HDEL {t}:session:room-1 #term"}, 0, NULL},
    {"TERM_ABOVE_SEQ", {"HINCRBY {t}:session:room-1 #term 100000"}, GAP, NULL},
    {"BELOW_OPENING", {"HSET {t}:session:room-1 #term 5"}, 0, NULL},
    {"GEN_BAD", {"HSET {t}:session:room-1 #gen ''"}, 0, NULL},
    {"CLOCK_BAD", {"SET {t}:clock soon"}, 0, NULL},
    {"CONFIG_BAD", {"HSET {t}:config generation other"}, 0, "HSET {t}:config generation gen-1"},
    {"MEMBER_OF_NOBODY", {"DEL {t}:ghosts:node-9:old", "ZREM {t}:ghosts node-9:old"}, 0, NULL},
    {"INSTANCE_TRACE", {"HSET {t}:instance:node-6 incarnation x"}, 0, NULL},
    {"INSTANCE_TRACE", {"SADD {t}:instance:node-6:leads room-1"}, 0, NULL},
    {"ALIVE_TRACE", {"SET {t}:instance:node-6:alive x"}, 0, NULL},
    {"INSTANCE_BURIED", {"ZADD {t}:buried 5 node-3:inc-3"}, 0, NULL},
    {"GHOST_TRACE", {"SADD {t}:ghosts:node-6:x:leads room-1"}, 0, NULL},
    {"GHOST_NOT_BURIED", {"ZREM {t}:buried node-9:old"}, 0, NULL},
    {"GHOST_OVERDUE", {"ZADD {t}:ghosts 5 node-9:old"}, 0, "ZADD {t}:ghosts " FUTURE " node-9:old"},
    {"BURIED_ENTRY", {"ZADD {t}:buried 5 node-2"}, 0, NULL},
    {"DEADLINE_ENTRY", {"ZADD {t}:deadlines 5 node-2/c5"}, 0, NULL},
    {"DEADLINE_MISSING", {RECORDS("node-3") "c8 5//5000/" FUTURE "////{}"}, 0, NULL},
    {"DEADLINE_OVERDUE",
     {"ZADD {t}:deadlines 5 node-3/inc-3/c8"},
     0,
     "ZREM {t}:deadlines node-3/inc-3/c8"},
    {"LEASE_MALFORMED", {"SET {t}:coordinator hand/hand-1/x/3/ PX 600000"}, 0, NULL},
    {"LEASE_FOREVER", {"PERSIST {t}:coordinator"}, 0, NULL},
    {"LEASE_AHEAD", {"SET {t}:epoch 5"}, 0, NULL},
    {"EPOCH_BAD", {"SET {t}:epoch first"}, 0, NULL},
};

#define PLANTS (sizeof plants / sizeof plants[0])

/* A command as one text with blanks between its words. */
static void run(struct mt_fixture *f, const char *text) {
    const char *argv[32];
    size_t count = 0;
    char *copy = strdup(text);
    char *rest = NULL;
    assert_non_null(copy);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < 32);
        argv[count++] = strcmp(word, "''") == 0 ? "" : word;
    }
    redisReply *reply = redisCommandArgv(mt_redis_context(f->redis), (int)count, argv, NULL);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        mt_fail(f->world, "%s: %s", text, reply != NULL ? reply->str : "no reply");
    freeReplyObject(reply);
    free(copy);
}

/* room-1: c1 (leads) c3 of node-1, c2 and c4 (never leads) of node-2; room-2: c3 (leads), c2;
 * room-3: c2 (leads) and g1 of a ghost; room-4: c3; room-5: c6, who is away; room-6 is kept without
 * members. c7 of node-2 has a ttl and is in no session. node-3 has no connection. */
static void populate(struct mt_fixture *f) {
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    mt_start(f, "node-3", "inc-3");
    mt_start(f, "node-9", "old");
    mt_enter(f, "room-1", "c1", "node-1", "inc-1", "{\"user\":\"u1\"}");
    mt_enter(f, "room-1", "c2", "node-2", "inc-2", "{\"user\":\"u1\"}");
    mt_enter(f, "room-1", "c3", "node-1", "inc-1", "{\"user\":\"u2\",\"priority\":5}");
    mt_enter(f, "room-1", "c4", "node-2", "inc-2", "{\"lead\":false}");
    mt_enter(f, "room-2", "c3", "node-1", "inc-1", "{\"quota\":{\"holder\":\"h1\"}}");
    mt_enter(f, "room-2", "c2", "node-2", "inc-2", "{\"quota\":{\"holder\":\"h1\"}}");
    mt_enter(f, "room-3", "c2", "node-2", "inc-2", "");
    mt_enter(f, "room-3", "g1", "node-9", "old", "{\"quota\":{\"holder\":\"h2\"}}");
    mt_enter(f, "room-4", "c3", "node-1", "inc-1", "");
    mt_enter(f, "room-5", "c6", "node-2", "inc-2", "{\"ttl\":600000,\"resume\":\"secret\"}");
    mt_ok(f->redis, "disconnect", "c6", "node-2", "inc-2", "60000");
    mt_ok(f->redis, "register", "c7", "node-2", "inc-2", "{\"ttl\":600000}");
    mt_ok(f->redis, "configure", "room-6", "{\"keep\":true,\"limit\":9}", "{\"a\":1}");
    mt_bury(f, "node-9", "old");
    mt_command(f->redis, "ZADD " MT_NS "ghosts " FUTURE " node-9:old");
}

static json_t *fsck(struct mt_fixture *f, const char *option, int *code) {
    char *out = NULL;
    *code = mt_ctl(f->world, f->server,
                   (const char *const[]){"--json", "fsck", "--patience", "0", option, NULL}, &out);
    json_t *report = json_loads(out, 0, NULL);
    if (report == NULL)
        mt_fail(f->world, "fsck: exit %d: %s", *code, out);
    free(out);
    return report;
}

static bool names(const json_t *report, const char *code, bool mended) {
    size_t index = 0;
    json_t *finding = NULL;
    json_array_foreach(json_object_get(report, "findings"), index, finding) {
        if (strcmp(mt_str(finding, "code"), code) == 0 && (!mended || mt_bool(finding, "mended")))
            return true;
    }
    return false;
}

static void expect(struct mt_fixture *f, const struct plant *plant, const json_t *report,
                   bool fine) {
    if (!fine)
        mt_fail(f->world, "%s after %s: %s", plant->code, plant->commands[0],
                json_dumps(report, JSON_INDENT(1)));
}

static void one(struct mt_fixture *f, const struct plant *plant) {
    struct mt_replay *replay = mt_replay_create(f->world);
    size_t next = 0;
    int code = 0;
    populate(f);
    mt_events_skip(f->events);
    mt_replay_load(replay, f->redis);
    for (size_t i = 0; i < 5 && plant->commands[i] != NULL; i++)
        run(f, plant->commands[i]);
    if ((plant->flags & UNTOLD) != 0)
        mt_replay_load(replay, f->redis);

    size_t told = mt_events_sync(f->events);
    json_t *report = fsck(f, NULL, &code);
    expect(f, plant, report, code == 1 && names(report, plant->code, false));
    assert_int_equal(mt_events_sync(f->events), told);
    json_decref(report);

    report = fsck(f, "--repair", &code);
    bool mends = mu_finding_info(plant->code)->mends;
    expect(f, plant, report, names(report, plant->code, mends));
    expect(f, plant, report, (code == 1) == (plant->by_hand != NULL));
    json_decref(report);
    if (plant->by_hand != NULL)
        run(f, plant->by_hand);
    report = fsck(f, NULL, &code);
    expect(f, plant, report, code == 0);
    json_decref(report);

    mt_events_sync(f->events);
    if ((plant->flags & GAP) != 0) {
        mt_replay_destroy(&replay);
        replay = mt_replay_create(f->world);
        mt_events_skip(f->events);
        mt_replay_load(replay, f->redis);
    }
    mt_start(f, "node-4", "inc-4");
    mt_enter(f, "room-1", "c5", "node-4", "inc-4", "{\"user\":\"u1\"}");
    mt_enter(f, "room-2", "c5", "node-4", "inc-4", "");
    mt_ok(f->redis, "leave", "room-1", "c5", "node-4", "inc-4");
    mt_events_sync(f->events);
    mt_replay_follow(replay, f->events, &next);
    mt_replay_compare(replay, f->redis);
    report = fsck(f, NULL, &code);
    expect(f, plant, report, code == 0);
    json_decref(report);
    mt_replay_destroy(&replay);
}

static void test_plants(void **state) {
    for (size_t i = 0; i < PLANTS; i++) {
        mt_fixture_fresh(state);
        one(*state, &plants[i]);
    }
}

/* Every code of the table has a plant, but for those of the events (test_fsck.c). */
static void test_every_code(void **state) {
    struct mt_fixture *f = *state;
    for (size_t i = 0; i < mu_finding_count; i++) {
        bool planted = strncmp(mu_finding_infos[i].code, "EVENT_", 6) == 0;
        for (size_t j = 0; j < PLANTS && !planted; j++)
            planted = strcmp(plants[j].code, mu_finding_infos[i].code) == 0;
        if (!planted)
            mt_fail(f->world, "nothing plants %s", mu_finding_infos[i].code);
    }
}

/* The table in docs/FSCK.md is this one. */
static void test_documented(void **state) {
    struct mt_fixture *f = *state;
    static char text[65536];
    char row[512];
    FILE *file = fopen(MUSTER_SOURCE_DIR "/docs/FSCK.md", "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    assert_true(length < sizeof text - 1);
    text[length] = '\0';
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < mu_finding_count; i++) {
        const struct mu_finding_info *info = &mu_finding_infos[i];
        snprintf(row, sizeof row, "\n| %d | `%s` | %s | %s | %s |\n", info->invariant, info->code,
                 info->waits ? "w" : "", info->mends ? "--repair" : "hand", info->how);
        if (strstr(text, row) == NULL)
            mt_fail(f->world, "docs/FSCK.md lacks the row%s", row);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_documented),
        cmocka_unit_test(test_plants),
    };
    return cmocka_run_group_tests_name("fsck_repair", tests, mt_fixture_start, mt_fixture_end);
}
