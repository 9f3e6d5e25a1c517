/* ENTER has a fast path (58_enter_fast.lua) beside the general way: what they store, publish and
 * answer must be the same. One world goes the one way, its twin is forced into the other by an
 * option that says what is the default anyway. */
#include "lib/test.h"

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

static void run(struct mt_fixture *f, const char *options, struct outcome *outcome) {
    assert_int_equal(mt_fixture_fresh((void *[]){f}), 0);
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room", "c1", "node-1", "a", NULL);
    long long seq = mt_seq(f, "room");
    mt_events_skip(f->events);
    size_t from = mt_events_sync(f->events);
    const json_t *answer = mt_ok(f->redis, "enter", "room", "c2", "node-2", "b", options,
                                 "{\"name\":\"a/b\",\"n\":[1,2.5]}");
    char *text = json_dumps(answer, JSON_SORT_KEYS);
    outcome->answer = without_times(text);
    free(text);
    size_t count = mt_events_sync(f->events);
    json_t *all = json_array();
    for (size_t i = from; i < count; i++)
        json_array_append(all, (json_t *)(uintptr_t)mt_events_at(f->events, i));
    text = json_dumps(all, JSON_SORT_KEYS);
    outcome->events = without_times(text);
    json_decref(all);
    free(text);
    text = mt_dump(f->redis);
    outcome->dump = without_times(text);
    free(text);
    assert_int_equal(mt_seq(f, "room"), seq + 1);
    long long rank =
        strtoll(mt_text(f->redis, "ZSCORE " MT_NS "session:room:candidates c2/node-2/b"), NULL, 10);
    assert_true(rank == 1023LL * (1LL << 42) + seq + 1);
}

static void test_both_ways_do_the_same(void **state) {
    struct mt_fixture *f = *state;
    struct outcome fast;
    struct outcome general;
    run(f, "", &fast);
    run(f, GENERAL, &general);
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
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_ways_do_the_same, mt_fixture_fresh),
        cmocka_unit_test_setup(test_the_ways_are_two, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
