/* musterctl fsck against planted data: a clean namespace is clean, with the counts that it should
 * have; each violation is found, named with its code and its key, and nothing else is.
 *
 * The data is written with plain commands, as docs/ARCHITECTURE.md describes it: of the library
 * only what looks has a part in this. test_fsck_repair.c breaks what the functions wrote.
 */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/library.h"
#include "lib/redis.h"
#include "lib/server.h"
#include "lib/wait.h"
#include "lib/world.h"

#define OPENED 1700000000000LL
#define FUTURE "9000000000000"
#define RANK_STEP 4398046511104LL

struct ground {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis;
};

/* A command as one text with blanks between its words; '' is an empty word. */
static void run(struct ground *g, const char *text) {
    const char *argv[64];
    size_t count = 0;
    char *copy = strdup(text);
    char *rest = NULL;
    assert_non_null(copy);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < 64);
        argv[count++] = strcmp(word, "''") == 0 ? "" : word;
    }
    redisReply *reply = redisCommandArgv(mt_redis_context(g->redis), (int)count, argv, NULL);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        mt_fail(g->world, "%s: %s", text, reply != NULL ? reply->str : "no reply");
    freeReplyObject(reply);
    free(copy);
}

static void runf(struct ground *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void runf(struct ground *g, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    run(g, text);
}

/* ---- a clean namespace --------------------------------------------------------------------- */

static void instance(struct ground *g, const char *id, const char *incarnation) {
    runf(g, "ZADD {t}:instances %lld %s", OPENED, id);
    runf(g, "HSET {t}:instance:%s incarnation %s state up draining 0 started_at %lld", id,
         incarnation, OPENED);
    runf(g, "SET {t}:instance:%s:alive %s PX 600000", id, incarnation);
}

struct who {
    const char *connection, *instance, *incarnation, *user;
    int priority;
    const char *options; /* behind joined_at */
    int joined;          /* seq at joining, counted from the opening */
};

static void join(struct ground *g, const char *session, const struct who *who) {
    char user[64] = "";
    if (who->user != NULL)
        snprintf(user, sizeof user, ",\"user\":\"%s\"", who->user);
    runf(g,
         "HSET {t}:session:%s %s {\"connection\":\"%s\",\"instance\":\"%s\",\"incarnation\":\"%s\""
         "%s,\"joined_at\":%lld%s,\"profile\":{\"a\":[1,{}]}}",
         session, who->connection, who->connection, who->instance, who->incarnation, user, OPENED,
         who->options);
    if (strstr(who->options, "lead") == NULL && strstr(who->options, "away") == NULL)
        runf(g, "ZADD {t}:session:%s:candidates %lld %s/%s/%s", session,
             (1023 - who->priority) * RANK_STEP + OPENED + who->joined, who->connection,
             who->instance, who->incarnation);
    if (who->user != NULL)
        runf(g, "HINCRBY {t}:session:%s:users %s 1", session, who->user);
}

static void session(struct ground *g, const char *id, const char *leader, int count,
                    int anonymous) {
    runf(g, "ZADD {t}:sessions %lld %s", OPENED, id);
    runf(g,
         "HSET {t}:session:%s #seq %lld #leader %s #term %lld #count %d #anonymous %d #gen gen-1",
         id, OPENED + 20, leader, OPENED + 1, count, anonymous);
}

/*  room-1  c1 (leads) c2 of node-1, c3 of node-2 with priority, c4 never leads, c5 is away
 *  room-2  c2 (leads)
 *  room-3  c4, who never leads: nobody leads
 *  room-4  c9 of a ghost: nobody leads, leaderless
 *  room-5  kept without members */
static void plant(struct ground *g) {
    run(g, "FLUSHALL");
    run(g, "HSET {t}:config generation gen-1 run r1 packed gen-1/1000/3000/5000/4096/128");
    run(g, "SET {t}:clock 1700000000000");
    run(g, "SET {t}:epoch 1700000000005");
    run(g, "SET {t}:coordinator d1/n1/1700000000005/3/tcp://a/b PX 600000");
    instance(g, "node-1", "inc-1");
    instance(g, "node-2", "inc-2");
    run(g, "ZADD {t}:buried 1700000000000 node-9:old 1700000000000 node-1:inc-0");
    run(g, "ZADD {t}:ghosts " FUTURE " node-9:old");
    run(g, "HSET {t}:ghosts:node-9:old #reason instance-dead c9 1700000000000/////room/{}");
    run(g, "HSET {t}:ghosts:node-9:old c9 1700000000000//////room-4/{}");

    run(g, "HSET {t}:instance:node-1:connections c1 1700000000000/u1/////room-1/{\"a\":\"/\"}");
    run(g, "HSET {t}:instance:node-1:connections c2 1700000000000//////room-1,room-2/{}");
    run(g, "HSET {t}:instance:node-1:connections c6 1700000000000//////"
           "/{}");
    run(g, "HSET {t}:instance:node-2:connections c3 1700000000000/u1/////room-1/{}");
    run(g, "HSET {t}:instance:node-2:connections c4 1700000000000//////room-1,room-3/{}");
    run(g, "HSET {t}:instance:node-2:connections c5 "
           "1700000000000/u2/5000/1800000000000/ff//room-1/{}");
    run(g, "ZADD {t}:deadlines 1800000000000 node-2/inc-2/c5");

    session(g, "room-1", "c1", 5, 2);
    join(g, "room-1", &(struct who){"c1", "node-1", "inc-1", "u1", 0, "", 1});
    join(g, "room-1", &(struct who){"c2", "node-1", "inc-1", NULL, 0, "", 3});
    join(g, "room-1", &(struct who){"c3", "node-2", "inc-2", "u1", 5, ",\"priority\":5", 4});
    join(g, "room-1", &(struct who){"c4", "node-2", "inc-2", NULL, 0, ",\"lead\":false", 5});
    join(g, "room-1",
         &(struct who){"c5", "node-2", "inc-2", "u2", 0, ",\"away\":true,\"rank\":4500901580859398",
                       6});
    session(g, "room-2", "c2", 1, 1);
    join(g, "room-2", &(struct who){"c2", "node-1", "inc-1", NULL, 0, "", 1});
    session(g, "room-3", "''", 1, 1);
    join(g, "room-3", &(struct who){"c4", "node-2", "inc-2", NULL, 0, ",\"lead\":false", 1});
    session(g, "room-4", "''", 1, 1);
    join(g, "room-4", &(struct who){"c9", "node-9", "old", NULL, 0, "", 1});
    run(g, "SADD {t}:leaderless room-4");
    session(g, "room-5", "''", 0, 0);
    run(g, "HSET {t}:session:room-5 #keep 1 #limit 7 #meta {}");
    run(g, "SADD {t}:instance:node-1:leads room-1 room-2");
    run(g, "SET {other}:x 1"); /* another namespace */
}

/* Runs fsck; the report, owned by the caller. */
static json_t *fsck(struct ground *g, const char *const more[], int expected_exit) {
    const char *command[12] = {"--json", "fsck", "--patience", "0"};
    char *out = NULL;
    size_t count = 4;
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        command[count++] = more[i];
    int code = mt_ctl(g->world, g->server, command, &out);
    json_t *report = json_loads(out, 0, NULL);
    if (code != expected_exit || report == NULL)
        mt_fail(g->world, "fsck: exit %d, expected %d: %s", code, expected_exit, out);
    assert_true(json_is_true(json_object_get(report, "ok")) == (expected_exit == 0));
    free(out);
    return report;
}

static void test_clean(void **state) {
    struct ground *g = *state;
    plant(g);
    json_t *report = fsck(g, NULL, 0);
    /* 3 are memberships seen from both sides. 4 are keys: 10 single ones; of instances 2 hashes, 2
     * alive, 2 connections, 1 leads; 1 ghost; 5 sessions, 3 candidates, 1 users. 6 are leads, and
     * leaders. 7 are sessions, clock and config. 8 are two instances, a ghost, two that were
     * buried, a deadline and a record that has one. 9 are lease and epoch. */
    mt_expect(report, "{'namespace':'t','checked':{'1':5,'2':5,'3':16,'4':27,'5':5,'6':4,'7':7,"
                      "'8':7,'9':2},'findings':[],'found':0,'mended':0,'skipped':0,'unsettled':0,"
                      "'ok':true}");
    json_decref(report);
}

static void test_empty(void **state) {
    struct ground *g = *state;
    run(g, "FLUSHALL");
    json_t *report = fsck(g, NULL, 0);
    mt_expect(json_object_get(report, "checked"),
              "{'1':0,'2':0,'3':0,'4':0,'5':0,'6':0,'7':0,'8':0,'9':0}");
    json_decref(report);
}

/* ---- one violation at a time --------------------------------------------------------------- */

struct finding {
    const char *code;
    const char *key;  /* without the namespace */
    const char *what; /* a part of the sentence */
};

struct violation {
    const char *commands[5];
    struct finding findings[5];
};

#define C "{\"connection\":\"c1\",\"instance\":\"node-1\",\"incarnation\":\"inc-1\",\"user\":\"u1\""
#define R "HSET {t}:instance:node-1:connections "

static const struct violation violations[] = {
    /* 1: the leader */
    {{"HSET {t}:session:room-1 #leader nobody", "SREM {t}:instance:node-1:leads room-1"},
     {{"LEADER_NO_MEMBER", "session:room-1", "'nobody', who is no member"}}},
    {{"HSET {t}:session:room-1 #leader c4", "SREM {t}:instance:node-1:leads room-1",
      "SADD {t}:instance:node-2:leads room-1"},
     {{"LEADER_NO_CANDIDATE", "session:room-1", "'c4', who never leads"}}},
    {{"HSET {t}:session:room-1 #leader c5", "SREM {t}:instance:node-1:leads room-1",
      "SADD {t}:instance:node-2:leads room-1"},
     {{"LEADER_NO_CANDIDATE", "session:room-1", "'c5', who is away"}}},
    {{"HSET {t}:session:room-2 #leader ''", "SREM {t}:instance:node-1:leads room-2"},
     {{"NO_LEADER_UNLISTED", "session:room-2", "has candidates, among them the eligible 'c2'"}}},
    {{"SREM {t}:leaderless room-4"},
     {{"NO_LEADER_UNLISTED", "session:room-4", "not in leaderless"}}},
    {{"SADD {t}:leaderless room-1"}, {{"LEADERLESS_STALE", "session:room-1", "though 'c1' leads"}}},
    {{"SADD {t}:leaderless room-3"},
     {{"LEADERLESS_STALE", "session:room-3", "without a member that may lead"}}},
    {{"SADD {t}:leaderless room-8"},
     {{"LEADERLESS_STALE", "leaderless", "'room-8', which does not exist"}}},
    {{"SADD {t}:leaderless a/b"}, {{"LEADERLESS_STALE", "leaderless", "'a/b'"}}},
    {{"HSET {t}:session:room-2 #leader ''", "SREM {t}:instance:node-1:leads room-2",
      "SADD {t}:leaderless room-2"},
     {{"LEADERLESS_WAITS", "session:room-2", "though 'c2' is eligible, and nobody elects"}}},
    {{"HSET {t}:instance:node-1 state suspect"},
     {{"LEADER_WAITS", "session:room-1", "suspect or draining, and nobody moves it"},
      {"LEADER_WAITS", "session:room-2", "suspect or draining, and nobody moves it"}}},
    {{"HSET {t}:instance:node-1 draining 1", "SREM {t}:instance:node-1:leads room-2"},
     {{"LEADER_WAITS", "session:room-1", "nobody moves it"},
      {"LEADER_NOT_ELIGIBLE", "session:room-2", "is in no leads from which it would be moved"},
      {"LEADS_LACKS", "instance:node-1:leads", "lacks session 'room-2'"}}},
    {{"HSET {t}:session:room-4 #leader c9", "SREM {t}:leaderless room-4",
      "SADD {t}:ghosts:node-9:old:leads room-4"},
     {{"LEADER_WAITS", "session:room-4", "a ghost, and nobody moves it"}}},
    /* 2: existence */
    {{"ZADD {t}:sessions 1700000000000 room-8"},
     {{"SESSION_GONE", "sessions", "'room-8', which does not exist"}}},
    {{"ZREM {t}:sessions room-1"}, {{"SESSION_UNLISTED", "session:room-1", "is not in sessions"}}},
    {{"HDEL {t}:session:room-5 #keep"}, {{"SESSION_EMPTY", "session:room-5", "without a member"}}},
    {{"ZADD {t}:sessions 1 a/b"}, {{"SESSION_ENTRY", "sessions", "'a/b'"}}},
    /* 3: records and members */
    {{"HSET {t}:session:room-1 c1 rubbish"},
     {{"MEMBER_MALFORMED", "session:room-1", "'c1' cannot be read"}}},
    {{"HSET {t}:session:room-1 c1 " C ",\"joined_at\":5,\"profile\":{\"a\":01}}"},
     {{"MEMBER_MALFORMED", "session:room-1", "its profile is no strict JSON object"}}},
    {{"HSET {t}:session:room-1 c1 " C ",\"joined_at\":5,\"lord\":true,\"profile\":{}}"},
     {{"MEMBER_MALFORMED", "session:room-1", "something unknown"}}},
    {{R "c6 1/2/3"}, {{"RECORD_MALFORMED", "instance:node-1:connections", "'c6' cannot be read"}}},
    {{R "c6 1700000000000//////"
        "/[]"},
     {{"RECORD_MALFORMED", "instance:node-1:connections", "profile"}}},
    {{R "c/6 1700000000000//////"
        "/{}"},
     {{"RECORD_MALFORMED", "instance:node-1:connections", "no connection"}}},
    {{R "c6 1700000000000//////room-2,/{}"},
     {{"RECORD_MALFORMED", "instance:node-1:connections", "sessions"}}},
    {{"HDEL {t}:instance:node-2:connections c3"},
     {{"MEMBER_NO_RECORD", "session:room-1", "'c3' of node-2:inc-2 has no record"}}},
    {{R "c2 1700000000000//////room-2/{}"},
     {{"RECORD_NOT_LISTING", "instance:node-1:connections",
       "'c2' does not list session 'room-1'"}}},
    {{R "c6 1700000000000//////room-1/{}"},
     {{"RECORD_NO_MEMBER", "instance:node-1:connections",
       "'c6' lists session 'room-1', of which it is no"}}},
    {{R "c6 1700000000000//////room-8/{}"},
     {{"RECORD_NO_MEMBER", "instance:node-1:connections",
       "'c6' lists session 'room-8', of which it is no"}}},
    {{R "c1 1700000000000/u2/////room-1/{}"},
     {{"USERS_DIFFER", "session:room-1", "'u1', its record has 'u2'"}}},
    {{"HSET {t}:quarantine x y"}, {{"QUARANTINED", "quarantine", "1 records"}}},
    /* 4: keys */
    {{"ZADD {t}:instances 1 node-3"},
     {{"INSTANCE_NO_HASH", "instances", "'node-3', which has no hash"}}},
    {{"ZADD {t}:instances 1 a:b"}, {{"INSTANCE_ENTRY", "instances", "'a:b'"}}},
    {{"HSET {t}:instance:node-2 state dead"},
     {{"INSTANCE_MALFORMED", "instance:node-2", "neither up nor suspect"}}},
    {{"HSET {t}:instance:node-2 drain_rate 5"},
     {{"INSTANCE_MALFORMED", "instance:node-2", "the pace of its drain"}}},
    {{"HSET {t}:instance:node-2 mood good"},
     {{"INSTANCE_MALFORMED", "instance:node-2", "means nothing"}}},
    {{"HSET {t}:instance:node-3:connections c7 1700000000000//////"
      "/{}"},
     {{"CONNECTIONS_UNLISTED", "instance:node-3:connections",
       "1 connections of an instance that is not"}}},
    {{"ZADD {t}:ghosts " FUTURE " node-8:x", "ZADD {t}:buried 1 node-8:x"},
     {{"GHOST_NO_HASH", "ghosts:node-8:x", "does not exist"}}},
    {{"ZREM {t}:ghosts node-9:old"}, {{"GHOST_UNLISTED", "ghosts:node-9:old", "not in ghosts"}}},
    {{"HDEL {t}:ghosts:node-9:old #reason"},
     {{"GHOST_NO_REASON", "ghosts:node-9:old", "has no #reason"}}},
    {{"ZADD {t}:ghosts " FUTURE " node-9"}, {{"GHOST_ENTRY", "ghosts", "'node-9'"}}},
    {{"SET {t}:note hello"}, {{"KEY_UNKNOWN", "note", "muster does not know"}}},
    {{"SET {t}:session:a/b hello"}, {{"KEY_UNKNOWN", "session:a/b", "muster does not know"}}},
    {{"SET {t}:session:room-8 hello"},
     {{"KEY_TYPE", "session:room-8", "is a string and should be a hash"}}},
    {{"DEL {t}:deadlines", "SADD {t}:deadlines x"},
     {{"KEY_TYPE", "deadlines", "is a set and should be a zset"}}},
    {{"ZADD {t}:session:room-8:candidates 1 x"},
     {{"CANDIDATES_ORPHAN", "session:room-8:candidates", "a session that does not exist"}}},
    {{"HSET {t}:session:room-8:users u 1"},
     {{"USERS_ORPHAN", "session:room-8:users", "a session that does not exist"}}},
    /* 5: recounts */
    {{"HSET {t}:session:room-1 #count 6"},
     {{"COUNT_WRONG", "session:room-1", "'6', the recount is 5"}}},
    {{"HDEL {t}:session:room-1 #count"},
     {{"COUNT_WRONG", "session:room-1", "'', the recount is 5"}}},
    {{"HSET {t}:session:room-1 #anonymous 3"},
     {{"ANONYMOUS_WRONG", "session:room-1", "'3', the recount is 2"}}},
    {{"HSET {t}:session:room-1 #mood 1"}, {{"FIELD_UNKNOWN", "session:room-1", "'#mood'"}}},
    {{"HSET {t}:session:room-1:users u1 1"},
     {{"USERS_WRONG", "session:room-1:users", "'u1' has 2 connections here, stored is '1'"}}},
    {{"HDEL {t}:session:room-1:users u2"},
     {{"USERS_WRONG", "session:room-1:users", "'u2' has 1 connections here, stored is ''"}}},
    {{"HSET {t}:session:room-2:users u7 1"},
     {{"USERS_WRONG", "session:room-2:users", "'u7' has 0 connections here, stored is '1'"}}},
    {{"HSET {t}:session:room-1:users u1 two"},
     {{"USERS_WRONG", "session:room-1:users", "stored is 'two'"}}},
    {{"ZREM {t}:session:room-1:candidates c2/node-1/inc-1"},
     {{"CANDIDATE_MISSING", "session:room-1:candidates", "lacks 'c2/node-1/inc-1'"}}},
    {{"ZADD {t}:session:room-1:candidates 4500901580859394 c4/node-2/inc-2"},
     {{"CANDIDATE_STRAY", "session:room-1:candidates", "holds 'c4/node-2/inc-2'"}}},
    {{"ZADD {t}:session:room-1:candidates 4500901580859394 c3/node-2/inc-2"},
     {{"RANK_WRONG", "session:room-1:candidates", "not of priority 5"}}},
    {{"ZADD {t}:session:room-1:candidates 4500901580859999 c2/node-1/inc-1"},
     {{"RANK_WRONG", "session:room-1:candidates", "not of priority 0"}}},
    {{"HSET {t}:held:connections x 2"},
     {{"HELD_TOO_MANY", "held:connections", "'x' has '2', the recount is 0"}}},
    {{"HSET {t}:held:sessions x some"},
     {{"HELD_TOO_MANY", "held:sessions", "'x' has 'some', the recount is 0"}}},
    {{"HSET {t}:instance:node-1:connections c6 1700000000000/:x//////{}"},
     {{"HELD_TOO_FEW", "held:connections", "'x' has none, the recount is 1"}}},
    {{"HSET {t}:instance:node-1:connections c6 1700000000000/:x//////{}",
      "HSET {t}:held:connections x 1", "HSET {t}:held:sessions x 1"},
     {{"HELD_TOO_MANY", "held:sessions", "'x' has '1', the recount is 0"}}},
    {{"HSET {t}:instance:node-1:connections c2 1700000000000/:x/////room-1,room-2/{}",
      "HSET {t}:held:connections x 1", "HSET {t}:held:sessions x 1"},
     {{"HELD_TOO_FEW", "held:sessions", "'x' has '1', the recount is 2"}}},
    {{"HSET {t}:ghosts:node-9:old c9 1700000000000/::x/////room-4/{}",
      "HSET {t}:held:connections x 1", "HSET {t}:held:sessions x 1"},
     {{"HELD_TOO_MANY", "held:connections", "'x' has '1', the recount is 0"}}},
    {{"HSET {t}:instance:node-1:connections c6 1700000000000/:///////{}"},
     {{"RECORD_MALFORMED", "instance:node-1:connections", "its holder is no id"}}},
    /* 6: leads */
    {{"SREM {t}:instance:node-1:leads room-2"},
     {{"LEADS_LACKS", "instance:node-1:leads", "lacks session 'room-2'"}}},
    {{"SADD {t}:instance:node-2:leads room-2"},
     {{"LEADS_STRAY", "instance:node-2:leads", "lists session 'room-2'"}}},
    {{"SADD {t}:instance:node-2:leads room-8"},
     {{"LEADS_STRAY", "instance:node-2:leads", "lists session 'room-8'"}}},
    {{"SADD {t}:instance:node-2:leads a/b"}, {{"LEADS_ENTRY", "instance:node-2:leads", "'a/b'"}}},
    {{"SADD {t}:ghosts:node-9:old:leads room-1"},
     {{"LEADS_STRAY", "ghosts:node-9:old:leads", "lists session 'room-1'"}}},
    /* 7: numbers */
    {{"HSET {t}:session:room-2 #seq 1e3"}, {{"SEQ_BAD", "session:room-2", "#seq is '1e3'"}}},
    {{"HDEL {t}:session:room-2 #term"}, {{"TERM_BAD", "session:room-2", "#term is ''"}}},
    {{"HSET {t}:session:room-2 #term 1700000000030"},
     {{"TERM_ABOVE_SEQ", "session:room-2", "is above #seq"}}},
    {{"HSET {t}:session:room-2 #term 1699999999999"},
     {{"BELOW_OPENING", "session:room-2", "below its opening"}}},
    {{"HSET {t}:session:room-2 #gen ''"}, {{"GEN_BAD", "session:room-2", "no generation"}}},
    {{"SET {t}:clock now"}, {{"CLOCK_BAD", "clock", "'now'"}}},
    {{"HDEL {t}:config generation"}, {{"CONFIG_BAD", "config", "has generation ''"}}},
    /* 8: traces of the dead */
    {{"DEL {t}:ghosts:node-9:old", "ZREM {t}:ghosts node-9:old"},
     {{"MEMBER_OF_NOBODY", "session:room-4", "'c9' belongs to node-9:old, which is neither"}}},
    {{"HSET {t}:instance:node-3 incarnation x state up draining 0 started_at 1"},
     {{"INSTANCE_TRACE", "instance:node-3", "not in instances"}}},
    {{"SET {t}:instance:node-3:alive x"},
     {{"ALIVE_TRACE", "instance:node-3:alive", "not in instances"}}},
    {{"SADD {t}:ghosts:node-7:x:leads room-9"},
     {{"GHOST_TRACE", "ghosts:node-7:x:leads", "not in ghosts"}}},
    {{"ZADD {t}:buried 1 node-2:inc-2"},
     {{"INSTANCE_BURIED", "instance:node-2", "buried incarnation 'inc-2'"}}},
    {{"ZREM {t}:buried node-9:old"},
     {{"GHOST_NOT_BURIED", "ghosts:node-9:old", "without its entry in buried"}}},
    {{"ZADD {t}:ghosts 1700000000000 node-9:old"},
     {{"GHOST_OVERDUE", "ghosts:node-9:old", "nobody reaps it"}}},
    {{"ZADD {t}:buried 1 node-2"}, {{"BURIED_ENTRY", "buried", "'node-2'"}}},
    {{"ZADD {t}:deadlines 1 node-2/c5"}, {{"DEADLINE_ENTRY", "deadlines", "'node-2/c5'"}}},
    /* 9: the lease */
    {{"SET {t}:coordinator d1/n1/1700000000005/3 PX 600000"},
     {{"LEASE_MALFORMED", "coordinator", "is no lease"}}},
    {{"SET {t}:coordinator d1/n1/x/3/ PX 600000"},
     {{"LEASE_MALFORMED", "coordinator", "is no lease"}}},
    {{"SET {t}:coordinator d1/n1/1700000000005/3/"},
     {{"LEASE_FOREVER", "coordinator", "never expires"}}},
    {{"SET {t}:epoch 1700000000004"},
     {{"LEASE_AHEAD", "coordinator", "above the last one given out"}}},
    {{"DEL {t}:epoch"}, {{"LEASE_AHEAD", "coordinator", "there is no epoch"}}},
    {{"SET {t}:epoch first", "DEL {t}:coordinator"}, {{"EPOCH_BAD", "epoch", "'first'"}}},
};

/* Takes the finding out of the list; fails when it is not there. */
static void expect_finding(struct ground *g, json_t *findings, const struct finding *expected,
                           const char *because) {
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *key = mt_str(finding, "key");
        if (strcmp(mt_str(finding, "code"), expected->code) == 0 &&
            strcmp(key + strlen("{t}:"), expected->key) == 0 &&
            strstr(mt_str(finding, "what"), expected->what) != NULL) {
            assert_true(strlen(mt_str(finding, "how")) > 0);
            json_array_remove(findings, i);
            return;
        }
    }
    char *all = json_dumps(findings, JSON_INDENT(1));
    mt_fail(g->world, "after %s: no finding %s %s \"%s\" in %s", because, expected->code,
            expected->key, expected->what, all);
}

static void test_violations(void **state) {
    struct ground *g = *state;
    for (size_t i = 0; i < sizeof violations / sizeof violations[0]; i++) {
        const struct violation *violation = &violations[i];
        plant(g);
        for (size_t j = 0; violation->commands[j] != NULL; j++)
            run(g, violation->commands[j]);
        json_t *report = fsck(g, NULL, 1);
        json_t *findings = json_object_get(report, "findings");
        assert_int_equal(mt_int(report, "found"), json_array_size(findings));
        for (size_t j = 0; violation->findings[j].key != NULL; j++)
            expect_finding(g, findings, &violation->findings[j], violation->commands[0]);
        if (json_array_size(findings) > 0)
            mt_fail(g->world, "after %s: too many: %s", violation->commands[0],
                    json_dumps(findings, JSON_INDENT(1)));
        json_decref(report);
    }
}

/* ---- the report and what may be so for a while --------------------------------------------- */

static void test_report_for_people(void **state) {
    struct ground *g = *state;
    char *out = NULL;
    plant(g);
    assert_int_equal(mt_ctl(g->world, g->server, (const char *const[]){"fsck", NULL}, &out), 0);
    assert_non_null(strstr(out, "clean"));
    free(out);
    run(g, "HSET {t}:session:room-1 #count 6");
    run(g, "HSET {t}:session:room-2 #count 9");
    assert_int_equal(
        mt_ctl(g->world, g->server, (const char *const[]){"fsck", "--limit", "1", NULL}, &out), 1);
    assert_non_null(strstr(out, "[5] COUNT_WRONG {t}:session:room-1 #count is '6', the recount is "
                                "5; --repair: it is set to the recount\n"));
    assert_null(strstr(out, "[5] COUNT_WRONG {t}:session:room-2"));
    assert_non_null(strstr(out, "1 more were found"));
    assert_non_null(strstr(out, "2 findings"));
    free(out);
}

/* What a coordinator will mend is waited for, and no finding when it is mended meanwhile. */
static void test_patience(void **state) {
    struct ground *g = *state;
    plant(g);
    run(g, "ZADD {t}:ghosts 1700000000000 node-9:old");
    const char *argv[] = {MUSTER_BUILD_DIR "/musterctl",
                          "--url",
                          mt_server_url(g->server),
                          "--namespace",
                          "t",
                          "fsck",
                          "--patience",
                          "5m",
                          NULL};
    struct mt_process *process = mt_process_start(g->world, "patient", argv);
    /* It looks again and again: told by the number of calls. */
    for (int round = 0; round < 10; round++) {
        run(g, "CONFIG RESETSTAT");
        MT_WAIT(g->world,
                strstr(mt_text(g->redis, "INFO commandstats"), "cmdstat_fcall:calls=") != NULL,
                "another look");
    }
    assert_true(mt_process_running(process));
    run(g, "ZADD {t}:ghosts " FUTURE " node-9:old");
    assert_int_equal(mt_process_wait(process), 0);
}

/* ---- the events ---------------------------------------------------------------------------- */

static void publish(struct ground *g, const char *event, const char *gen, int seq, int term,
                    const char *more) {
    runf(g,
         "PUBLISH {t}:events:session:room-1 {\"event\":\"%s\",\"session\":\"room-1\",\"gen\":\"%s\""
         ",\"seq\":%d,\"term\":%d,\"at\":1%s}",
         event, gen, seq, term, more);
}

static json_t *listen(struct ground *g, void (*play)(struct ground *g), int expected_exit) {
    const char *argv[] = {MUSTER_BUILD_DIR "/musterctl",
                          "--json",
                          "--url",
                          mt_server_url(g->server),
                          "--namespace",
                          "t",
                          "fsck",
                          "--watch",
                          "3s",
                          NULL};
    static int number;
    char name[32];
    snprintf(name, sizeof name, "listen-%d", ++number);
    struct mt_process *process = mt_process_start(g->world, name, argv);
    free(mt_process_wait_line(process, MT_STDERR, "listening"));
    play(g);
    assert_int_equal(mt_process_wait(process), expected_exit);
    char *out = mt_process_output(process, MT_STDOUT);
    json_t *report = json_loads(out, 0, NULL);
    assert_non_null(report);
    free(out);
    return report;
}

static void play_well(struct ground *g) {
    publish(g, "member.joined", "g1", 5, 4, ",\"member\":{\"profile\":{\"n\":1e999}}");
    publish(g, "member.joined", "g1", 6, 4, "");
    publish(g, "leader.changed", "g1", 7, 5, ",\"leader\":\"c1\"");
    publish(g, "member.left", "g1", 8, 5, ",\"closed\":true");
    publish(g, "member.joined", "g1", 20, 20, "");
    publish(g, "leader.changed", "g1", 21, 21, ",\"leader\":\"c1\"");
    publish(g, "member.left", "g2", 90, 90, "");
}

static void play_badly(struct ground *g) {
    publish(g, "member.joined", "g1", 5, 4, "");
    publish(g, "member.joined", "g1", 7, 4, "");                    /* a gap */
    publish(g, "member.joined", "g1", 7, 4, "");                    /* twice */
    publish(g, "leader.changed", "g1", 8, 4, ",\"leader\":\"c2\""); /* the same term */
    publish(g, "leader.changed", "g1", 9, 3, ",\"leader\":\"c1\""); /* a term that falls */
    publish(g, "member.joined", "g1", 10, 6, "");                   /* grows by nothing */
    publish(g, "member.left", "g1", 11, 6, ",\"closed\":true");
    publish(g, "member.joined", "g1", 11, 6, ""); /* opened below */
    run(g, "PUBLISH {t}:events:session:room-1 rubbish");
}

static void test_events(void **state) {
    struct ground *g = *state;
    plant(g);
    json_t *report = listen(g, play_well, 0);
    assert_int_equal(mt_int(json_object_get(report, "checked"), "7"), 7 + 7);
    json_decref(report);
    report = listen(g, play_badly, 1);
    assert_int_equal(mt_int(report, "found"), 7);
    json_t *findings = json_object_get(report, "findings");
    static const char *const parts[][2] = {
        {"EVENT_GAP", "seq 7 after 5"},
        {"EVENT_GAP", "seq 7 after 7"},
        {"EVENT_TERM", "'c2', and the term stayed 4"},
        {"EVENT_TERM", "term 3 after 4"},
        {"EVENT_TERM", "it was 3 without"},
        {"EVENT_GAP", "of a new opening or generation has seq 11"},
        {"EVENT_BAD", "something that is no event"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        expect_finding(g, findings,
                       &(struct finding){parts[i][0], "events:session:room-1", parts[i][1]},
                       "events");
    json_decref(report);
}

static int start(void **state) {
    struct ground *g = calloc(1, sizeof *g);
    if (g == NULL)
        return -1;
    g->world = mt_world_create();
    g->server = mt_server_start(g->world, "redis", MT_SERVER_VOLATILE, NULL);
    g->redis = mt_server_connect(g->server);
    mt_library_load(g->redis);
    *state = g;
    return 0;
}

static int end(void **state) {
    struct ground *g = *state;
    mt_redis_close(&g->redis);
    mt_server_free(&g->server);
    mt_world_destroy(&g->world);
    free(g);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),      cmocka_unit_test(test_empty),
        cmocka_unit_test(test_violations), cmocka_unit_test(test_report_for_people),
        cmocka_unit_test(test_patience),   cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests_name("fsck", tests, start, end);
}
