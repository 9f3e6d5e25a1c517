/* The journal that the functions write: what is in it, what is not, its bound, and that no harm
 * comes of it. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define JOURNAL MT_NS "journal"
#define ENTRY_MAX 2600 /* bytes: "about 2 KiB", and what Redis adds */

#define SETTINGS(entries)                                                                          \
    "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,\"profile\":4096,"  \
    "\"sessions_per_connection\":128,\"grace_ms\":300000,\"journal\":" #entries "}"

static void empty(struct mt_fixture *f) {
    mt_command(f->redis, "DEL " JOURNAL);
}

/* All entries, the oldest first. The caller owns the array. */
static json_t *read_journal(struct mt_fixture *f) {
    json_t *entries = json_array();
    const redisReply *reply = mt_command(f->redis, "XRANGE " JOURNAL " - +");
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *fields = reply->element[i]->element[1];
        assert_int_equal(fields->elements, 2);
        assert_string_equal(fields->element[0]->str, "entry");
        assert_in_range(fields->element[1]->len, 2, ENTRY_MAX);
        json_t *entry = json_loads(fields->element[1]->str, 0, NULL);
        if (entry == NULL)
            mt_fail(f->world, "no JSON: %s", fields->element[1]->str);
        json_array_append_new(entries, entry);
    }
    return entries;
}

/* The journal is exactly this; it is emptied. */
static void expect_journal_at(struct mt_fixture *f, int line, const char *pattern) {
    json_t *entries = read_journal(f);
    mt_expect_at(entries, __FILE__, line, "%s", pattern);
    json_decref(entries);
    empty(f);
}
#define expect_journal(f, pattern) expect_journal_at((f), __LINE__, (pattern))

static void expect_nothing(struct mt_fixture *f) {
    assert_int_equal(mt_integer(f->redis, "EXISTS " JOURNAL), 0);
}

/* node-1 (a) with c1, who leads room, and c2; node-2 (b) with c3. Their journal is forgotten. */
static struct mt_fixture *populated(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_enter(f, "room", "c3", "node-2", "b", NULL);
    empty(f);
    return f;
}

/* ---- what everybody does for himself ---- */

static void test_nothing(void **state) {
    struct mt_fixture *f = populated(state);
    mt_enter(f, "hall", "c4", "node-2", "b", "{\"user\":\"u\",\"ttl\":60000}");
    mt_ok(f->redis, "register", "c5", "node-2", "b");
    mt_ok(f->redis, "join", "room", "c5", "node-2", "b");
    mt_ok(f->redis, "join", "hall", "c5", "node-2", "b", "{\"exclusive\":true}");
    mt_ok(f->redis, "update", "c5", "node-2", "b", "{\"a\":1}");
    mt_ok(f->redis, "touch", "node-2", "b", "c4");
    mt_ok(f->redis, "heartbeat", "node-1", "a");
    mt_ok(f->redis, "start", "node-1", "a");
    mt_ok(f->redis, "drain", "node-1", "a", "off");
    mt_ok(f->redis, "disconnect", "c2", "node-1", "a");
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a"); /* c3 leads */
    assert_string_equal(mt_leader(f, "room"), "c3");
    mt_ok(f->redis, "unregister", "c3", "node-2", "b"); /* nobody can lead */
    mt_ok(f->redis, "promote", "hall", mt_leader(f, "hall"));
    mt_ok(f->redis, "kick", "room", "nobody");
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    mt_ok(f->redis, "expire", f->epoch, "10");
    expect_nothing(f);
}

static void test_adoption_is_silent(void **state) {
    struct mt_fixture *f = populated(state);
    mt_start(f, "node-1", "z");
    empty(f);
    mt_enter(f, "room", "c1", "node-1", "z", NULL);
    mt_enter(f, "room", "c2", "node-1", "z", NULL);
    assert_string_equal(mt_leader(f, "room"), "c1");
    expect_nothing(f);
}

/* ---- instances ---- */

static void test_instances(void **state) {
    struct mt_fixture *f = *state;
    empty(f);
    mt_start(f, "node-1", "a");
    expect_journal(f, "[{'event':'instance.started','instance':'node-1','incarnation':'a',"
                      "'connections':0,'at':'#int'}]");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_ok(f->redis, "drain", "node-1", "a", "on");
    mt_ok(f->redis, "drain", "node-1", "a", "on");
    mt_ok(f->redis, "drain", "node-1", "a", "off");
    expect_journal(f, "[{'event':'instance.draining','instance':'node-1','incarnation':'a',"
                      "'connections':1,'at':'#int'},"
                      "{'event':'instance.undrained','instance':'node-1','incarnation':'a',"
                      "'connections':1,'at':'#int'}]");
    mt_start(f, "node-1", "b");
    expect_journal(f, "[{'event':'instance.dead','instance':'node-1','incarnation':'a',"
                      "'reason':'instance-restarted','connections':1,'leads':1,'by':'b',"
                      "'at':'#int'},"
                      "{'event':'instance.started','instance':'node-1','incarnation':'b',"
                      "'connections':0,'at':'#int'}]");
    mt_ok(f->redis, "stop", "node-1", "b");
    mt_ok(f->redis, "stop", "node-1", "b");
    expect_journal(f, "[{'event':'instance.stopped','instance':'node-1','incarnation':'b',"
                      "'reason':'instance-stopped','connections':0,'leads':0,'at':'#int'}]");
}

static void test_verdicts(void **state) {
    static const char why[] = "{\"signal\":\"silence\",\"silent_ms\":3001}";
    struct mt_fixture *f = populated(state);
    const char *score = mt_score(f, "node-1");
    mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score, why);
    mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score, why); /* not again */
    mt_ok(f->redis, "beats", f->epoch, "node-1", "a");
    score = mt_score(f, "node-1");
    mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score); /* of an older coordinator */
    mt_ok(f->redis, "bury", f->epoch, "node-1", "a", score, "instance-dead", why);
    expect_journal(f, "[{'event':'instance.suspect','instance':'node-1','incarnation':'a',"
                      "'connections':2,'leads':1,'heard_at':'#int','at':'#int',"
                      "'why':{'signal':'silence','silent_ms':3001}},"
                      "{'event':'instance.up','instance':'node-1','incarnation':'a',"
                      "'connections':2,'at':'#int'},"
                      "{'event':'instance.suspect','instance':'node-1','incarnation':'a',"
                      "'connections':2,'leads':1,'heard_at':'#int','at':'#int'},"
                      "{'event':'instance.dead','instance':'node-1','incarnation':'a',"
                      "'reason':'instance-dead','connections':2,'leads':1,'heard_at':'#int',"
                      "'at':'#int','why':{'signal':'silence','silent_ms':3001}}]");
}

static void test_why_is_checked(void **state) {
    struct mt_fixture *f = populated(state);
    const char *score = mt_score(f, "node-1");
    char large[600];
    memset(large, ' ', sizeof large - 1);
    large[0] = '{';
    large[sizeof large - 2] = '}';
    large[sizeof large - 1] = '\0';
    mt_unchanged(
        f, mt_refused(f->redis, MUSTER_BAD_JSON, "suspect", f->epoch, "node-1", "a", score, "[1]"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_JSON, "bury", f->epoch, "node-1", "a", score,
                               "instance-dead", "{\"a\":1}}"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_TOO_LARGE, "bury", f->epoch, "node-1", "a", score,
                               "instance-dead", large));
    expect_nothing(f);
}

/* ---- leaders and members ---- */

static void test_slices(void **state) {
    struct mt_fixture *f = populated(state);
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    mt_bury(f, "node-1", "a");
    empty(f);
    mt_enter(f, "room", "c9", "node-2", "b", NULL);
    mt_reap(f, "node-1:a");
    json_t *entries = read_journal(f);
    mt_expect(entries, "[{'event':'member.left','reason':'instance-dead','owner':'node-1:a',"
                       "'members':'#array','at':'#int'}]");
    assert_int_equal(json_array_size(json_object_get(json_array_get(entries, 0), "members")), 2);
    json_decref(entries);
}

static void test_leaders(void **state) {
    struct mt_fixture *f = populated(state);
    mt_suspect(f, "node-1", "a");
    empty(f);
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    expect_journal(f, "[{'event':'leader.changed','reason':'instance-suspect','owner':'node-1:a',"
                      "'sessions':[['room','c1','c3','#int','node-2:b']],'at':'#int'}]");
    mt_suspect(f, "node-2", "b");
    empty(f);
    mt_ok(f->redis, "elect", f->epoch, "node-2", "10");
    mt_ok(f->redis, "beats", f->epoch, "node-1", "a");
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    expect_journal(f, "[{'event':'leader.changed','reason':'instance-suspect','owner':'node-2:b',"
                      "'sessions':[['room','c3',null,'#int',null]],'at':'#int'},"
                      "{'event':'instance.up','instance':'node-1','incarnation':'a',"
                      "'connections':2,'at':'#int'},"
                      "{'event':'leader.changed','reason':'eligible-again',"
                      "'sessions':[['room',null,'c1','#int','node-1:a']],'at':'#int'}]");
    mt_ok(f->redis, "promote", "room", "c2");
    expect_journal(f, "[{'event':'leader.changed','reason':'promoted','owner':'node-1:a',"
                      "'sessions':[['room','c1','c2','#int','node-1:a']],'at':'#int'}]");
    mt_ok(f->redis, "disconnect", "c2", "node-1", "a", "1");
    expect_journal(f, "[{'event':'leader.changed','reason':'away','owner':'node-1:a',"
                      "'sessions':[['room','c2','c1','#int','node-1:a']],'at':'#int'}]");
}

static void test_ends(void **state) {
    struct mt_fixture *f = populated(state);
    mt_ok(f->redis, "kick", "room", "c1", "rude \"words\"");
    expect_journal(f, "[{'event':'member.left','reason':'kicked','owner':'node-1:a',"
                      "'detail':'rude \\\"words\\\"','members':[['c1','room']],'at':'#int'},"
                      "{'event':'leader.changed','reason':'kicked','owner':'node-1:a',"
                      "'sessions':[['room','c1','c2','#int','node-1:a']],'at':'#int'}]");
    /* Over its time, in no session and in one. */
    mt_ok(f->redis, "register", "t1", "node-2", "b", "{\"ttl\":60000}");
    mt_enter(f, "room", "t2", "node-2", "b", "{\"ttl\":60000}");
    mt_command(f->redis, "ZADD " MT_NS "deadlines XX 1 node-2/b/t1 2 node-2/b/t2");
    mt_ok(f->redis, "expire", f->epoch, "100");
    expect_journal(f, "[{'event':'member.left','reason':'expired','owner':'node-2:b',"
                      "'members':[['t1'],['t2','room']],'at':'#int'}]");
    mt_ok(f->redis, "disconnect", "c3", "node-2", "b", "0");
    mt_ok(f->redis, "expire", f->epoch, "100");
    expect_journal(f, "[{'event':'member.left','reason':'disconnected','owner':'node-2:b',"
                      "'members':[['c3','room']],'at':'#int'}]");
    /* The same connection at another instance, after the death of the first. */
    mt_bury(f, "node-1", "a");
    empty(f);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    expect_journal(f, "[{'event':'member.left','reason':'superseded','owner':'node-1:a',"
                      "'by':'node-2:b','members':[['c2','room']],'at':'#int'}]");
}

static void test_resume(void **state) {
    struct mt_fixture *f = populated(state);
    mt_enter(f, "hall", "c4", "node-1", "a", "{\"resume\":\"s\"}");
    mt_ok(f->redis, "register", "c5", "node-1", "a", "{\"resume\":\"s\"}");
    mt_ok(f->redis, "resume", "c5", "node-2", "b", "c5", "node-1:a", "s");
    expect_journal(f, "[{'event':'connection.resumed','connection':'c5','owner':'node-2:b',"
                      "'old':'c5','old_owner':'node-1:a','at':'#int'}]");
    mt_ok(f->redis, "resume", "c6", "node-2", "b", "c4", "node-1:a", "s");
    mt_ok(f->redis, "resume", "c6", "node-2", "b", "c4", "node-1:a", "s");
    expect_journal(f, "[{'event':'leader.changed','reason':'resumed',"
                      "'sessions':[['hall','c4','c6','#int','node-2:b']],'at':'#int'},"
                      "{'event':'connection.resumed','connection':'c6','owner':'node-2:b',"
                      "'old':'c4','old_owner':'node-1:a','sessions':['hall'],'at':'#int'}]");
}

static void test_coordinators(void **state) {
    struct mt_fixture *f = *state;
    empty(f);
    mt_ok(f->redis, "brake", f->epoch, "engaged", "3", "4");
    mt_ok(f->redis, "brake", f->epoch, "engaged", "3", "4");
    mt_ok(f->redis, "brake", f->epoch, "released", "hold");
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", SETTINGS(50));
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    json_t *reply = mt_ok(f->redis, "acquire", "other", "n", "60000", "0");
    mt_ok(f->redis, "acquire", "other", "n", "60000", "0"); /* asked again */
    assert_non_null(reply);
    expect_journal(f, "[{'event':'brake.engaged','silent':3,'instances':4,'at':'#int'},"
                      "{'event':'brake.released','reason':'hold','at':'#int'},"
                      "{'event':'generation.changed','generation':'gen-2','epoch':'#int',"
                      "'id':'hand','at':'#int'},"
                      "{'event':'coordinator.released','id':'hand','epoch':'#int','at':'#int'},"
                      "{'event':'coordinator.elected','id':'other','epoch':'#int','at':'#int'}]");
}

/* ---- bounds ---- */

enum { MANY = 3000, LONG_ID = 128 };

static void enter_many(struct mt_fixture *f) {
    char connection[LONG_ID + 1];
    for (int i = 0; i < MANY; i++) {
        snprintf(connection, sizeof connection, "c%0*d", LONG_ID - 1, i);
        mt_append(f->redis,
                  (const char *const[]){"enter", "room", connection, "node-1", "a", NULL});
    }
    mt_drain(f->redis, MANY);
}

static void test_bound(void **state) {
    struct mt_fixture *f = *state;
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", SETTINGS(100));
    mt_start(f, "node-1", "a");
    enter_many(f);
    mt_bury(f, "node-1", "a");
    empty(f);
    mt_reap(f, "node-1:a"); /* some 14 to an entry */
    json_t *entries = read_journal(f);
    /* Redis trims by whole nodes of at most 100 entries. */
    assert_in_range(json_array_size(entries), 100, 200);
    json_decref(entries);
    assert_in_range(mt_integer(f->redis, "MEMORY USAGE " JOURNAL), 1, 1024 * 1024);
}

static void test_everybody_is_named(void **state) {
    struct mt_fixture *f = *state;
    static bool named[MANY];
    size_t total = 0;
    mt_start(f, "node-1", "a");
    enter_many(f);
    mt_bury(f, "node-1", "a");
    empty(f);
    mt_reap(f, "node-1:a");
    json_t *entries = read_journal(f);
    size_t index;
    json_t *entry;
    json_array_foreach(entries, index, entry) {
        json_t *members = json_object_get(entry, "members");
        size_t i;
        json_t *member;
        json_array_foreach(members, i, member) {
            const char *name = json_string_value(json_array_get(member, 0));
            named[strtol(name + 1, NULL, 10)] = true;
            total++;
        }
    }
    assert_int_equal(total, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_true(named[i]);
    json_decref(entries);
}

static void test_none(void **state) {
    struct mt_fixture *f = populated(state);
    mt_ok(f->redis, "drain", "node-1", "a", "on");
    assert_int_equal(mt_integer(f->redis, "EXISTS " JOURNAL), 1);
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", SETTINGS(0));
    expect_nothing(f);
    mt_ok(f->redis, "drain", "node-1", "a", "off");
    mt_ok(f->redis, "kick", "room", "c1");
    mt_ok(f->redis, "release", f->epoch, "hand-1");
    expect_nothing(f);
}

/* ---- no harm ---- */

/* The same calls with and without a key that is no stream have the same answers and leave the same
 * data. */
static void test_wrong_type(void **state) {
    struct mt_fixture *f = populated(state);
    mt_command(f->redis, "SET " JOURNAL " x");
    mt_start(f, "node-3", "c");
    mt_enter(f, "room", "c7", "node-3", "c", "{\"resume\":\"s\"}");
    mt_ok(f->redis, "promote", "room", "c7");
    mt_ok(f->redis, "resume", "c8", "node-2", "b", "c7", "node-3:c", "s");
    mt_ok(f->redis, "kick", "room", "c8");
    mt_ok(f->redis, "drain", "node-3", "c", "on");
    mt_ok(f->redis, "stop", "node-3", "c");
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    mt_bury(f, "node-1", "a");
    mt_reap(f, "node-1:a");
    mt_ok(f->redis, "brake", f->epoch, "engaged", "1", "2");
    mt_ok(f->redis, "brake", f->epoch, "released", "hold");
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", SETTINGS(10));
    assert_string_equal(mt_text(f->redis, "GET " JOURNAL), "x");
    assert_string_equal(mt_leader(f, "room"), "c3");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "session:room"), 6 + 1);
    mt_ok(f->redis, "release", f->epoch, "hand-1");
}

/* Over maxmemory what may still run, runs, and says so. */
static void test_full(void **state) {
    struct mt_fixture *f = populated(state);
    mt_command(f->redis, "CONFIG SET maxmemory 1");
    mt_ok(f->redis, "kick", "room", "c1");
    mt_bury(f, "node-1", "a");
    mt_reap(f, "node-1:a");
    mt_command(f->redis, "CONFIG SET maxmemory 0");
    expect_journal(f, "[{'event':'member.left','reason':'kicked','#more':0},"
                      "{'event':'leader.changed','reason':'kicked','#more':0},"
                      "{'event':'instance.dead','#more':0},"
                      "{'event':'member.left','reason':'instance-dead','#more':0},"
                      "{'event':'leader.changed','reason':'instance-dead','#more':0}]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing, mt_fixture_fresh),
        cmocka_unit_test_setup(test_adoption_is_silent, mt_fixture_fresh),
        cmocka_unit_test_setup(test_instances, mt_fixture_fresh),
        cmocka_unit_test_setup(test_verdicts, mt_fixture_fresh),
        cmocka_unit_test_setup(test_why_is_checked, mt_fixture_fresh),
        cmocka_unit_test_setup(test_slices, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leaders, mt_fixture_fresh),
        cmocka_unit_test_setup(test_ends, mt_fixture_fresh),
        cmocka_unit_test_setup(test_resume, mt_fixture_fresh),
        cmocka_unit_test_setup(test_coordinators, mt_fixture_fresh),
        cmocka_unit_test_setup(test_bound, mt_fixture_fresh),
        cmocka_unit_test_setup(test_everybody_is_named, mt_fixture_fresh),
        cmocka_unit_test_setup(test_none, mt_fixture_fresh),
        cmocka_unit_test_setup(test_wrong_type, mt_fixture_fresh),
        cmocka_unit_test_setup(test_full, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
