/* A drain at a rate: the pace that DRAIN stores, and `move`, which tells connections to go. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define PACE "{\"rate\":200,\"notice\":5000}"

enum { SMALL = 300, LARGE = 1500 };

/* node-1 with `count` connections in no session, and node-2. */
static struct mt_fixture *fresh(void **state, int count) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    for (int i = 0; i < count; i++) {
        char connection[32];
        snprintf(connection, sizeof connection, "c%d", i);
        mt_append(f->redis,
                  (const char *const[]){"register", connection, "node-1", "a", "", "{}", NULL});
    }
    mt_drain(f->redis, (size_t)count);
    mt_events_skip(f->events);
    return f;
}

static const char *field(struct mt_fixture *f, const char *name) {
    return mt_text(f->redis, "HGET " MT_NS "instance:node-1 %s", name);
}

static json_t *move(struct mt_fixture *f, const char *budget) {
    return mt_ok(f->redis, "move", f->epoch, "node-1", "a", budget);
}

/* As if the last notice were over. */
static void notice_is_over(struct mt_fixture *f) {
    mt_command(f->redis, "HSET " MT_NS "instance:node-1 drain_until 1");
}

/* Counts in `told` (by the number in the name) who was told since the last call; how many events.
 */
static size_t take_told(struct mt_fixture *f, int *told) {
    size_t count = mt_events_sync(f->events);
    for (size_t i = 0; i < count; i++) {
        const json_t *event = mt_events_at(f->events, i);
        const json_t *list = json_object_get(event, "connections");
        assert_string_equal(mt_str(event, "event"), "instance.move");
        assert_string_equal(mt_str(event, "incarnation"), "a");
        assert_int_equal(mt_int(event, "until"), mt_int(event, "at") + 5000);
        assert_in_range(json_array_size(list), 1, 128);
        for (size_t j = 0; j < json_array_size(list); j++)
            told[atoi(json_string_value(json_array_get(list, j)) + 1)]++;
    }
    mt_events_skip(f->events);
    return count;
}

static void test_pace_is_kept(void **state) {
    struct mt_fixture *f = fresh(state, 1);
    mt_expect(mt_ok(f->redis, "drain", "node-1", "a", "on", PACE),
              "{'instance':'node-1','draining':true,'connections':1,'rate':200,'notice':5000}");
    mt_expect_events(f->events, "{'event':'instance.draining','instance':'node-1',"
                                "'incarnation':'a','at':'#int','connections':1}");
    assert_string_equal(field(f, "drain_rate"), "200");
    assert_string_equal(field(f, "drain_notice"), "5000");
    mt_unchanged(f, mt_ok(f->redis, "drain", "node-1", "a", "on", PACE));
    mt_unchanged(
        f, mt_ok(f->redis, "drain", "node-1", "a", "on", "{ \"notice\" : 5000, \"rate\" : 200 }"));

    /* Another pace: what was told stays. */
    move(f, "10");
    mt_events_skip(f->events);
    mt_expect(mt_ok(f->redis, "drain", "node-1", "a", "on", "{\"rate\":7}"),
              "{'instance':'node-1','draining':true,'connections':1,'rate':7,'notice':30000}");
    mt_expect_events(f->events, "{'event':'instance.draining','#more':0}");
    assert_string_equal(field(f, "drain_told"), "1");
    assert_string_equal(field(f, "drain_notice"), "30000");

    /* No pace: nobody is told any more, and it drains as before. */
    mt_expect(mt_ok(f->redis, "drain", "node-1", "a", "on"),
              "{'instance':'node-1','draining':true,'connections':1}");
    mt_expect_events(f->events, "{'event':'instance.draining','#more':0}");
    assert_null(field(f, "drain_rate"));
    assert_null(field(f, "drain_cursor"));
    mt_unchanged(f, mt_ok(f->redis, "drain", "node-1", "a", "on", "{\"rate\":0}"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_ALIVE, "move", f->epoch, "node-1", "a", "1"));

    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    assert_string_equal(field(f, "drain_told"), "0");
    mt_ok(f->redis, "drain", "node-1", "a", "off");
    mt_command(f->redis, "HGETALL " MT_NS "instance:node-1");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1"), 4);
    mt_unchanged(f, mt_refused(f->redis, MUSTER_ALIVE, "move", f->epoch, "node-1", "a", "1"));
}

static void test_refused(void **state) {
    static const char *const wrong[] = {
        "{\"rate\":-1}",     "{\"rate\":10001}",     "{\"rate\":1.5}", "{\"rate\":\"9\"}",
        "{\"notice\":99}",   "{\"notice\":3600001}", "{\"user\":1}",   "{\"rate\":true}",
        "{\"user\":\"u1\"}", "{\"rates\":1}",
    };
    struct mt_fixture *f = fresh(state, 1);
    mt_unchanged(f, {
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            mt_refused(f->redis, MUSTER_BAD_REQUEST, "drain", "node-1", "a", "on", wrong[i]);
        mt_refused(f->redis, MUSTER_BAD_JSON, "drain", "node-1", "a", "on", "[1]");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "drain", "node-1", "a", "off", PACE);
        mt_refused(f->redis, MUSTER_ALIVE, "move", f->epoch, "node-1", "a", "1");
    });
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_STALE_EPOCH, "move", "1", "node-1", "a", "1");
        mt_refused(f->redis, MUSTER_STALE_INCARNATION, "move", f->epoch, "node-1", "b", "1");
        mt_refused(f->redis, MUSTER_UNKNOWN_INSTANCE, "move", f->epoch, "node-9", "a", "1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "move", f->epoch, "node-1", "a", "0");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "move", f->epoch, "node-1", "a", "513");
    });
}

/* Nobody is told while a leadership is left. */
static void test_leaderships_first(void **state) {
    struct mt_fixture *f = fresh(state, 0);
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    mt_enter(f, "room", "c2", "node-2", "b", NULL);
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_events_skip(f->events);
    mt_unchanged(f, mt_expect(move(f, "10"), "{'instance':'node-1','told':0,'left':1,'leads':1,"
                                             "'rate':200,'round':0,'wait':0}"));
    mt_ok(f->redis, "elect", f->epoch, "node-1", "10");
    mt_events_skip(f->events);
    mt_expect(move(f, "10"), "{'instance':'node-1','told':1,'left':1,'leads':0,'rate':200,"
                             "'round':1,'wait':5000}");
    mt_expect_events(f->events,
                     "{'event':'instance.move','instance':'node-1','incarnation':'a','at':'#int',"
                     "'until':'#int','connections':['c1']}");
}

/* Each once a round, as many a call as allowed; some of those who were told go meanwhile. */
static void test_rounds_of_a_small_one(void **state) {
    struct mt_fixture *f = fresh(state, SMALL);
    int told[SMALL] = {0};
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_events_skip(f->events);
    int calls = 0;
    for (json_t *reply = NULL; reply == NULL || mt_int(reply, "round") == 0; calls++) {
        reply = move(f, "7");
        assert_int_equal(mt_int(reply, "told"), calls < SMALL / 7 ? 7 : SMALL % 7);
        assert_int_equal(take_told(f, told), 1);
        for (int i = 0; i < SMALL; i += 2) {
            char connection[32];
            snprintf(connection, sizeof connection, "c%d", i);
            if (told[i] == 1)
                mt_ok(f->redis, "unregister", connection, "node-1", "a");
        }
    }
    for (int i = 0; i < SMALL; i++)
        assert_int_equal(told[i], 1);
    assert_string_equal(field(f, "drain_told"), "300");

    /* The notice runs; then who is left is told again. */
    mt_unchanged(f, mt_expect(move(f, "7"), "{'instance':'node-1','told':0,'left':150,'leads':0,"
                                            "'rate':200,'round':1,'wait':'#int'}"));
    notice_is_over(f);
    mt_expect(move(f, "512"), "{'instance':'node-1','told':150,'left':150,'leads':0,'rate':200,"
                              "'round':2,'wait':5000}");
    assert_int_equal(take_told(f, told), 2);
    for (int i = 0; i < SMALL; i++)
        assert_int_equal(told[i], i % 2 == 0 ? 1 : 2);
    assert_string_equal(field(f, "drain_told"), "150");
    notice_is_over(f);
    mt_command(f->redis, "DEL " MT_NS "instance:node-1:connections");
    mt_unchanged(f, mt_expect(move(f, "7"), "{'instance':'node-1','told':0,'left':0,'leads':0,"
                                            "'rate':200,'round':2,'wait':0}"));
}

static void test_round_of_a_large_one(void **state) {
    struct mt_fixture *f = fresh(state, LARGE);
    int told[LARGE] = {0};
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_events_skip(f->events);
    size_t calls = 0;
    for (json_t *reply = NULL; reply == NULL || mt_int(reply, "round") == 0;) {
        reply = move(f, "50");
        assert_true(++calls < LARGE);
        assert_in_range(mt_int(reply, "told"), 0, 128);
        take_told(f, told);
    }
    for (int i = 0; i < LARGE; i++)
        assert_int_equal(told[i], 1);
    assert_string_equal(field(f, "drain_cursor"), "-");

    notice_is_over(f);
    move(f, "512");
    assert_true(take_told(f, told) >= 4);
}

/* So many came by RESUME that a round by names has become too large: the next one has them. */
static void test_small_one_grows(void **state) {
    struct mt_fixture *f = fresh(state, SMALL);
    int told[LARGE] = {0};
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_events_skip(f->events);
    move(f, "10");
    take_told(f, told);
    for (int i = SMALL; i < LARGE; i++) {
        mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c%d 1///////{}", i);
    }
    mt_expect(move(f, "10"), "{'told':0,'round':1,'left':1500,'wait':'#int','#more':0}");
    notice_is_over(f);
    while (mt_int(move(f, "512"), "round") == 1)
        take_told(f, told);
    take_told(f, told);
    for (int i = 0; i < LARGE; i++)
        assert_in_range(told[i], 1, 2);
}

/* A name that is no id would break the event. */
static void test_damage(void **state) {
    struct mt_fixture *f = fresh(state, 1);
    int told[2] = {0};
    mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections a\"b x");
    mt_ok(f->redis, "drain", "node-1", "a", "on", PACE);
    mt_events_skip(f->events);
    assert_int_equal(mt_int(move(f, "10"), "round"), 1);
    assert_int_equal(take_told(f, told), 1);
    assert_int_equal(told[0], 1);
    mt_command(f->redis, "HSET " MT_NS "instance:node-1 drain_told many");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_INTERNAL, "move", f->epoch, "node-1", "a", "1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pace_is_kept, mt_fixture_fresh),
        cmocka_unit_test_setup(test_refused, mt_fixture_fresh),
        cmocka_unit_test_setup(test_leaderships_first, mt_fixture_fresh),
        cmocka_unit_test_setup(test_rounds_of_a_small_one, mt_fixture_fresh),
        cmocka_unit_test_setup(test_round_of_a_large_one, mt_fixture_fresh),
        cmocka_unit_test_setup(test_small_one_grows, mt_fixture_fresh),
        cmocka_unit_test_setup(test_damage, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
