/* `musterctl explain`: each way to end and each change of leader, with its reason. The test plays
 * the coordinator; what a daemon says of its signals is in test_explain_signals.c. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/fixture.h"

#define WHY                                                                                        \
    "{\"signal\":\"lifeline\",\"silent_ms\":400,\"heard_by\":\"channel\",\"daemon\":\"d2\","       \
    "\"quiet_ms\":390,\"coordinator\":\"d1\"}"

/* What musterctl prints; it must end with `code`. The caller frees it. */
static char *run(struct mt_fixture *f, bool json, const char *kind, const char *name, int code) {
    char *out = NULL;
    const char *const command[] = {"explain", kind, name, json ? "--json" : NULL, NULL};
    int ended = mt_ctl(f->world, f->server, command, &out);
    if (ended != code)
        mt_fail(f->world, "explain %s %s ended with %d, not %d:\n%s", kind, name, ended, code, out);
    return out;
}

static json_t *story_of(struct mt_fixture *f, const char *kind, const char *name, int code) {
    char *out = run(f, true, kind, name, code);
    json_t *story = json_loads(out, 0, NULL);
    if (story == NULL)
        mt_fail(f->world, "no JSON: %s", out);
    free(out);
    return story;
}

/* Each of `words` (ended by NULL) is said. */
static void expect_words(struct mt_fixture *f, const char *kind, const char *name,
                         const char *const words[]) {
    char *out = run(f, false, kind, name, 0);
    for (size_t i = 0; words[i] != NULL; i++)
        if (strstr(out, words[i]) == NULL)
            mt_fail(f->world, "explain %s %s does not say '%s':\n%s", kind, name, words[i], out);
    free(out);
}
#define expect_said(f, kind, name, ...)                                                            \
    expect_words((f), (kind), (name), (const char *const[]){__VA_ARGS__, NULL})

/* The last entry of the history is this; the story is freed. */
static void expect_last(struct mt_fixture *f, json_t *story, int line, const char *pattern) {
    json_t *history = json_object_get(story, "history");
    size_t count = json_array_size(history);
    if (count == 0)
        mt_fail(f->world, "line %d: there is no history", line);
    mt_expect_at(json_array_get(history, count - 1), __FILE__, line, "%s", pattern);
    json_decref(story);
}
#define expect_connection(f, name, pattern)                                                        \
    expect_last((f), story_of((f), "connection", (name), 0), __LINE__, (pattern))
#define expect_session(f, name, pattern)                                                           \
    expect_last((f), story_of((f), "session", (name), 0), __LINE__, (pattern))

/* room: c1 (leads) and c2 of node-1 (a), c3 of node-2 (b), c4 there never leads. */
static struct mt_fixture *populated(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", "{\"resume\":\"s\"}");
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_enter(f, "room", "c3", "node-2", "b", NULL);
    mt_enter(f, "room", "c4", "node-2", "b", "{\"lead\":false}");
    return f;
}

/* ---- ends ---- */

static void test_dead(void **state) {
    struct mt_fixture *f = populated(state);
    const char *score = mt_score(f, "node-1");
    mt_ok(f->redis, "suspect", f->epoch, "node-1", "a", score, WHY);
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    expect_session(f, "room",
                   "{'event':'leader.changed','reason':'instance-suspect','owner':'node-1:a',"
                   "'session':'room','previous':'c1','leader':'c3','leader_owner':'node-2:b',"
                   "'term':'#int','at':'#int','because':[{'event':'instance.suspect','why':"
                   "{'signal':'lifeline','daemon':'d2','#more':0},'#more':0}]}");
    expect_said(f, "session", "room", "c3 of node-2 (b) leads since", "in place of c1",
                "its instance was suspect", "ended at daemon d2, quiet for 0.3s",
                "last heard on the channel heartbeat, 0.4s before; coordinator d1",
                "1  c1          node-1:a  no: suspect", "2  c2          node-1:a  no: suspect",
                "3  c3          node-2:b  leads", "3 could lead and 1 never do");
    expect_said(f, "instance", "node-1", "Incarnation a is suspect", "It became suspect at",
                "daemon d2");
    mt_ok(f->redis, "bury", f->epoch, "node-1", "a", score, "instance-dead",
          "{\"signal\":\"silence\",\"silent_ms\":10001,\"heard_by\":\"score\","
          "\"coordinator\":\"d1\"}");
    expect_said(f, "connection", "c2", "Its instance node-1 (a) is gone", "still to be removed",
                "It is in session room.");
    expect_said(f, "instance", "node-1", "It is gone: incarnation a was declared dead at",
                "silence of 10.0s", "last seen when its time in Redis changed",
                "Of incarnation a 2 connections are still to be removed");
    mt_reap(f, "node-1:a");
    expect_connection(f, "c2",
                      "{'event':'member.left','reason':'instance-dead','owner':'node-1:a',"
                      "'connection':'c2','session':'room','at':'#int','because':["
                      "{'event':'instance.suspect','#more':0},{'event':'instance.dead','#more':0}"
                      "]}");
    expect_said(f, "connection", "c2", "It is registered nowhere",
                "was of instance node-1:a and ended at", "its instance was dead",
                "Instance node-1 (a): suspect at", "Instance node-1 (a): dead at",
                "silence of 10.0s");
}

static void test_stopped(void **state) {
    struct mt_fixture *f = populated(state);
    mt_ok(f->redis, "stop", "node-1", "a");
    mt_reap(f, "node-1:a");
    expect_connection(f, "c1",
                      "{'event':'leader.changed','reason':'instance-stopped','previous':'c1',"
                      "'leader':'c3','because':[{'event':'instance.stopped','#more':0}],"
                      "'#more':0}");
    expect_said(f, "connection", "c1", "It is registered nowhere", "its instance was stopped");
    expect_said(f, "instance", "node-1", "incarnation a was stopped (STOP) at");
}

static void test_restarted(void **state) {
    struct mt_fixture *f = populated(state);
    mt_start(f, "node-1", "z");
    mt_reap(f, "node-1:a");
    expect_said(f, "connection", "c2", "its instance was started anew",
                "incarnation z was started in its place");
    expect_said(f, "instance", "node-1", "Incarnation z is up", "node-1 (a) dead (restarted)");
}

static void test_kicked(void **state) {
    struct mt_fixture *f = populated(state);
    mt_ok(f->redis, "kick", "room", "c1", "rude \x1b[31m");
    expect_said(f, "connection", "c1", "It is registered at instance node-1 (a)",
                "c1 (node-1:a) left session room: somebody removed it (KICK), with the words: "
                "rude \\x1b[31m");
    expect_said(f, "session", "room", "c2 of node-1 (a) leads since", "in place of c1");
}

static void test_deadlines(void **state) {
    struct mt_fixture *f = populated(state);
    mt_enter(f, "room", "t1", "node-2", "b", "{\"ttl\":60000}");
    expect_said(f, "connection", "t1", "Its ttl ends in", "unless there is a TOUCH");
    mt_command(f->redis, "ZADD " MT_NS "deadlines XX 1 node-2/b/t1");
    mt_ok(f->redis, "disconnect", "c3", "node-2", "b", "60000");
    expect_said(f, "connection", "c3", "It is away (DISCONNECT)", "It is in session room.");
    expect_said(f, "session", "room", "c3          node-2:b  no: away");
    mt_ok(f->redis, "disconnect", "c2", "node-1", "a", "0");
    mt_ok(f->redis, "expire", f->epoch, "100");
    expect_said(f, "connection", "t1", "its ttl passed without a TOUCH");
    expect_said(f, "connection", "c2", "it was away (DISCONNECT) until its grace ended");
}

static void test_taken_over(void **state) {
    struct mt_fixture *f = populated(state);
    mt_ok(f->redis, "resume", "c9", "node-2", "b", "c1", "node-1:a", "s");
    expect_said(f, "connection", "c1", "c9 (node-2:b) resumed it and took its place (RESUME)");
    char *out = run(f, true, "connection", "c9", 0);
    assert_non_null(strstr(out, "It resumed node-1:a:c1 (RESUME)."));
    const char *stored = mt_text(f->redis, "HGET " MT_NS "instance:node-2:connections c9");
    const char *hash = strrchr(stored, ':'); /* …:<hash>/room/{} */
    assert_non_null(hash);
    char secret[41];
    snprintf(secret, sizeof secret, "%s", hash + 1);
    assert_int_equal(strspn(secret, "0123456789abcdef"), 40);
    assert_null(strstr(out, secret));
    free(out);
    expect_said(f, "session", "room", "c9 of node-2 (b) leads since", "came back (RESUME)");
    mt_bury(f, "node-1", "a");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    expect_said(f, "connection", "c2", "It is registered at instance node-2 (b)",
                "another connection of that name came in its place, from node-2:b");
}

/* ---- leaders ---- */

static void test_leaders(void **state) {
    struct mt_fixture *f = populated(state);
    expect_said(f, "session", "room", "it is the first leader since the session was opened at");
    mt_ok(f->redis, "promote", "room", "c2");
    expect_said(f, "session", "room", "c2 of node-1 (a) leads since",
                "somebody asked for it (PROMOTE)");
    mt_ok(f->redis, "disconnect", "c2", "node-1", "a");
    expect_said(f, "session", "room", "c1 of node-1 (a) leads since", "in place of c2",
                "it went away (DISCONNECT)");
    mt_ok(f->redis, "drain", "node-1", "a", "on");
    expect_said(f, "session", "room", "Its instance is draining: the coordinator is about");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    expect_session(f, "room",
                   "{'event':'leader.changed','reason':'draining','leader':'c3',"
                   "'because':[{'event':'instance.draining','#more':0}],'#more':0}");
    expect_said(f, "instance", "node-1", "up and draining", "It drains since DRAIN at");
    mt_suspect(f, "node-2", "b");
    mt_ok(f->redis, "elect", f->epoch, "node-2", "10");
    expect_said(f, "session", "room", "Nobody leads since", "of 2 candidates nobody was eligible");
    mt_ok(f->redis, "drain", "node-1", "a", "off");
    mt_ok(f->redis, "sweep", f->epoch, "0", "10");
    expect_said(f, "session", "room", "c1 of node-1 (a) leads since",
                "nobody could lead before, and then this one could");
    /* From here on by its own doing. */
    mt_ok(f->redis, "beats", f->epoch, "node-2", "b");
    mt_ok(f->redis, "leave", "room", "c1", "node-1", "a");
    expect_said(f, "session", "room", "c3 of node-2 (b) leads with term",
                "took the lead from another: that was its client's own doing (LEAVE,");
}

/* Many who leave do not hide the change of leader before them. */
static void test_crowd(void **state) {
    struct mt_fixture *f = populated(state);
    char name[16];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "n%d", i);
        mt_enter(f, "room", name, "node-1", "a", NULL);
    }
    mt_suspect(f, "node-1", "a");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    mt_bury(f, "node-1", "a");
    mt_reap(f, "node-1:a");
    expect_said(f, "session", "room", "c3 of node-2 (b) leads since", "in place of c1",
                " more were left out");
    json_t *story = story_of(f, "session", "room", 0);
    assert_int_equal(json_array_size(json_object_get(story, "history")), 20 + 1);
    assert_int_equal(mt_int(story, "omitted"), 32 + 1 - 21);
    json_decref(story);
}

/* ---- what is not known ---- */

static void test_unknown(void **state) {
    struct mt_fixture *f = populated(state);
    static const char *const kinds[] = {"session", "connection", "instance"};
    for (size_t i = 0; i < 3; i++) {
        char *out = run(f, false, kinds[i], "nobody", 1);
        assert_non_null(strstr(out, "Nothing in the journal (3 entries, back to "));
        assert_non_null(strstr(out, "before that time"));
        free(out);
        json_t *story = story_of(f, kinds[i], "nobody", 1);
        assert_false(mt_bool(story, "found"));
        assert_int_equal(json_array_size(json_object_get(story, "history")), 0);
        json_decref(story);
    }
    mt_ok(f->redis, "unregister", "c2", "node-1", "a");
    char *out = run(f, false, "connection", "c2", 1);
    assert_non_null(strstr(out, "registered nowhere, with no instance and no ghost"));
    assert_non_null(strstr(out, "its client's own doing (LEAVE, UNREGISTER"));
    free(out);
    /* A name that is a part of others is another one. */
    free(run(f, false, "connection", "c", 1));
    free(run(f, false, "instance", "node", 1));
}

/* More than one page, and more than are shown. */
static void test_long_history(void **state) {
    struct mt_fixture *f = populated(state);
    enum { TIMES = 700 };
    for (int i = 0; i < TIMES; i++)
        mt_append(f->redis, (const char *const[]){"promote", "room", i % 2 ? "c1" : "c2", NULL});
    mt_drain(f->redis, TIMES);
    json_t *story = story_of(f, "session", "room", 0);
    json_t *history = json_object_get(story, "history");
    assert_int_equal(json_array_size(history), 20);
    assert_int_equal(mt_int(story, "omitted"), TIMES - 20);
    assert_string_equal(mt_str(json_array_get(history, 19), "leader"), "c1");
    assert_int_equal(mt_int(json_array_get(history, 19), "term"), mt_term(f, "room"));
    assert_int_equal(mt_int(json_array_get(history, 0), "term"), mt_term(f, "room") - 19);
    json_decref(story);
    char *out = NULL;
    const char *const all[] = {"explain", "session", "room", "--limit", "0", "--json", NULL};
    assert_int_equal(mt_ctl(f->world, f->server, all, &out), 0);
    story = json_loads(out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(story, "history")), TIMES);
    json_decref(story);
    free(out);
}

static void test_without_a_journal(void **state) {
    struct mt_fixture *f = populated(state);
    mt_command(f->redis, "SET " MT_NS "journal x");
    mt_ok(f->redis, "promote", "room", "c2");
    expect_said(f, "session", "room", "c2 of node-1 (a) leads with term",
                "The journal cannot be read (WRONGTYPE");
    mt_command(f->redis, "DEL " MT_NS "journal");
    expect_said(f, "instance", "node-1", "Incarnation a is up");
    char *out = run(f, false, "connection", "nobody", 1);
    assert_non_null(strstr(out, "The journal is empty, so what ended it is not known."));
    free(out);
}

static void test_usage(void **state) {
    struct mt_fixture *f = *state;
    static const char *const wrong[][6] = {
        {"explain"},
        {"explain", "session"},
        {"explain", "room", "x"},
        {"explain", "session", "a", "b"},
        {"explain", "session", "a b"},
        {"explain", "session", "a", "--via", "resp"},
        {"explain", "session", "a", "--via", "pubsub"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mt_ctl(f->world, f->server, wrong[i], NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dead, mt_fixture_fresh),
        cmocka_unit_test_setup(test_stopped, mt_fixture_fresh),
        cmocka_unit_test_setup(test_restarted, mt_fixture_fresh),
        cmocka_unit_test_setup(test_kicked, mt_fixture_fresh),
        cmocka_unit_test_setup(test_deadlines, mt_fixture_fresh),
        cmocka_unit_test_setup(test_taken_over, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leaders, mt_fixture_fresh),
        cmocka_unit_test_setup(test_crowd, mt_fixture_fresh),
        cmocka_unit_test_setup(test_unknown, mt_fixture_fresh),
        cmocka_unit_test_setup(test_long_history, mt_fixture_fresh),
        cmocka_unit_test_setup(test_without_a_journal, mt_fixture_fresh),
        cmocka_unit_test_setup(test_usage, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
