/* ENTER has a fast path (58_enter_fast.lua) beside the general way: what they store, publish and
 * answer must be the same. One world goes the one way, its twin is forced into the other by an
 * option that says what is the default anyway. And what the fast path cannot do, it leaves
 * untouched. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dump.h"
#include "lib/events.h"
#include "lib/fixture.h"
#include "lib/redis.h"
#include "lib/world.h"

#define GENERAL "{\"priority\":0}"

/* Times and what grows with them differ between the two runs: every run of 12 to 16 digits becomes
 * one '#'. */
static char *without_times(const char *text) {
    char *out = calloc(strlen(text) + 1, 1);
    char *to = out;
    assert_non_null(out);
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789");
        if (digits >= 12 && digits <= 16) {
            *to++ = '#';
            text += digits;
        } else {
            *to++ = *text++;
        }
    }
    return out;
}

struct outcome {
    char *dump;
    char *events;
    char *answer;
};

static char *published_since(struct mt_fixture *f, size_t from) {
    size_t count = mt_events_sync(f->events);
    json_t *all = json_array();
    for (size_t i = from; i < count; i++)
        json_array_append(all, (json_t *)(uintptr_t)mt_events_at(f->events, i));
    char *text = json_dumps(all, JSON_SORT_KEYS);
    char *plain = without_times(text);
    json_decref(all);
    free(text);
    return plain;
}

static void run(struct mt_fixture *f, const char *session, const char *connection,
                const char *options, struct outcome *outcome) {
    assert_int_equal(mt_fixture_fresh((void *[]){f}), 0);
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-2", "b", NULL);
    mt_events_skip(f->events);
    size_t from = mt_events_sync(f->events);
    const json_t *answer = mt_ok(f->redis, "enter", session, connection, "node-2", "b", options,
                                 "{\"name\":\"a/b\",\"n\":[1,2.5]}");
    char *text = json_dumps(answer, JSON_SORT_KEYS);
    outcome->answer = without_times(text);
    free(text);
    outcome->events = published_since(f, from);
    text = mt_dump(f->redis);
    outcome->dump = without_times(text);
    free(text);
}

static void compare(struct mt_fixture *f, const char *session, const char *connection) {
    struct outcome fast;
    struct outcome general;
    run(f, session, connection, "", &fast);
    run(f, session, connection, GENERAL, &general);
    assert_string_equal(fast.answer, general.answer);
    assert_string_equal(fast.events, general.events);
    assert_string_equal(fast.dump, general.dump);
    free(fast.answer);
    free(fast.events);
    free(fast.dump);
    free(general.answer);
    free(general.events);
    free(general.dump);
}

static void assert_rank(struct mt_fixture *f, const char *session, long long seq) {
    long long rank = strtoll(
        mt_text(f->redis, "ZSCORE " MT_NS "session:%s:candidates c2/node-2/b", session), NULL, 10);
    assert_true(rank == 1023LL * (1LL << 42) + seq);
}

/* Joining, opening, and entering again. */
static void test_both_ways_do_the_same(void **state) {
    struct mt_fixture *f = *state;
    compare(f, "room", "c2");
    compare(f, "new-room", "c2");
    compare(f, "room", "c1");
    compare(f, "new-room", "c1");
}

/* Texts without their times do not say it: seq goes on by one for each event, and a candidate's
 * rank is the seq of its joining. */
static void test_seqs_go_on(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    long long seq = mt_seq(f, "room");
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    assert_true(mt_seq(f, "room") == seq + 1);
    assert_rank(f, "room", seq + 1);

    /* Opened after all that was handed out, whatever the time is. */
    mt_command(f->redis, "SET " MT_NS "clock 4102444800000");
    mt_ok(f->redis, "enter", "late", "c2b", "node-2", "b");
    assert_true(mt_seq(f, "late") == 4102444800003);
    mt_command(f->redis, "DEL " MT_NS "clock");
    mt_enter(f, "new-room", "c2", "node-2", "b", NULL);
    /* c2 had a record, so this went the general way; a fresh one goes the fast way. */
    mt_ok(f->redis, "enter", "newer-room", "c3", "node-2", "b");
    const json_t *last = mt_events_at(f->events, mt_events_sync(f->events) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "event")), "leader.changed");
    long long opened = mt_seq(f, "newer-room");
    assert_true(json_integer_value(json_object_get(last, "seq")) == opened);
    assert_true(json_integer_value(json_object_get(last, "term")) == opened - 1);
}

/* A key of a wrong type, whichever it is: an error, and all is as it was. */
static void test_damage_is_left_alone(void **state) {
    static const struct {
        const char *key;
        const char *session;
    } cases[] = {
        {"session:room:candidates", "room"},         {"session:room", "room"},
        {"instance:node-2:connections", "room"},     {"config", "room"},
        {"session:new-room:candidates", "new-room"}, {"sessions", "new-room"},
        {"instance:node-2:leads", "new-room"},       {"clock", "new-room"},
        {"instance:node-2:connections", "new-room"}, {"instance:node-2", "new-room"},
    };
    struct mt_fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mt_fixture_fresh(state), 0);
        mt_start(f, "node-1", "a");
        mt_start(f, "node-2", "b");
        mt_enter(f, "room", "c1", "node-1", "a", NULL);
        mt_command(f->redis, "DEL " MT_NS "%s", cases[i].key);
        mt_command(f->redis, "LPUSH " MT_NS "%s damage", cases[i].key);
        char *before = mt_dump(f->redis);
        mt_events_skip(f->events);
        const char *error = "";
        const char *const words[] = {cases[i].session, "c2", "node-2", "b"};
        assert_int_not_equal(mt_call(f->redis, "enter", 4, words, NULL, NULL, &error), MUSTER_OK);
        char *after = mt_dump(f->redis);
        assert_string_equal(before, after);
        mt_expect_no_events(f->events);
        free(before);
        free(after);
    }
}

/* The records of an instance are a hash like the instance itself. */
static void test_records_are_no_instance(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "incarnation", "node-1", "a", NULL);
    char record[512];
    snprintf(record, sizeof record, "%s",
             mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections incarnation"));
    const char *error = "";
    const char *const words[] = {"room", "c2", "node-1:connections", record};
    assert_int_equal(mt_call(f->redis, "enter", 4, words, NULL, NULL, &error), MUSTER_BAD_ID);
}

static long long calls_of(struct mt_fixture *f, const char *const words[], size_t count) {
    mt_command(f->redis, "CONFIG RESETSTAT");
    assert_int_equal(mt_call(f->redis, "enter", count, words, NULL, NULL, NULL), MUSTER_OK);
    const char *stats = mt_text(f->redis, "INFO commandstats");
    long long calls = 0;
    for (const char *at = strstr(stats, "calls="); at != NULL; at = strstr(at + 1, "calls="))
        calls += strtoll(at + strlen("calls="), NULL, 10);
    return calls;
}

/* The test above would prove nothing if both took the same way. */
static void test_the_ways_are_two(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    long long fast = calls_of(f, (const char *const[]){"room", "c2", "node-1", "a"}, 4);
    long long general = calls_of(f, (const char *const[]){"room", "c3", "node-1", "a", GENERAL}, 5);
    assert_true(fast < general);
    fast = calls_of(f, (const char *const[]){"room-2", "c4", "node-1", "a"}, 4);
    general = calls_of(f, (const char *const[]){"room-3", "c5", "node-1", "a", GENERAL}, 5);
    assert_true(fast < general);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_ways_do_the_same, mt_fixture_fresh),
        cmocka_unit_test_setup(test_seqs_go_on, mt_fixture_fresh),
        cmocka_unit_test_setup(test_the_ways_are_two, mt_fixture_fresh),
        cmocka_unit_test_setup(test_damage_is_left_alone, mt_fixture_fresh),
        cmocka_unit_test_setup(test_records_are_no_instance, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
