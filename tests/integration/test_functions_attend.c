/* attend: which daemons are about, and the newest library that one of them brings along. */
#include "lib/test.h"

#include <stdio.h>

#include "lib/fixture.h"
#include "redis/library.h"

static void expect(struct mt_fixture *f, const char *name_space, const char *id,
                   const char *library, int newest) {
    char expected[128];
    redisReply *reply = redisCommand(mt_redis_context(f->redis), "FCALL muster_attend 1 {%s} %s %s",
                                     name_space, id, library);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    snprintf(expected, sizeof expected, "{\"version\":%d,\"newest\":%d,\"settled\":false}",
             MU_LIBRARY_VERSION, newest);
    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
}

static void the_newest_counts(void **state) {
    struct mt_fixture *f = *state;
    mt_unchanged(f, {
        expect(f, "t", "a", "7", 7);
        expect(f, "t", "b", "9", 9);
        expect(f, "t", "a", "7", 9);
        expect(f, "t", "a", "8", 9);
        expect(f, "t", "b", "0", 8); /* it has gone */
        expect(f, "t", "b", "0", 8); /* and says so twice */
        expect(f, "t", "a", "6", 6);
        expect(f, "t", "a", "0", 0);
    });
}

/* The library is shared by all namespaces of a Redis. */
static void other_namespaces_count(void **state) {
    struct mt_fixture *f = *state;
    expect(f, "t", "a", "7", 7);
    expect(f, "u", "a", "9", 9);
    expect(f, "t", "a", "7", 9);
    expect(f, "u", "a", "0", 7);
}

static void it_does_not_wait_for_data(void **state) {
    struct mt_fixture *f = *state;
    mt_command(f->redis, "FLUSHALL");
    expect(f, "t", "a", "7", 7);
}

static void wrong_arguments(void **state) {
    struct mt_fixture *f = *state;
    mt_unchanged(f, {
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "attend", "a");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "attend", "a", "1", "2");
        mt_refused(f->redis, MUSTER_BAD_ID, "attend", "a b", "1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "attend", "a", "x");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "attend", "a", "-1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "attend", "a", "1000001");
    });
}

/* What could make it grow: beyond a thousand nobody is noted, and nobody goes back. */
static void there_is_a_bound(void **state) {
    struct mt_fixture *f = *state;
    for (int i = 0; i < 1000; i++)
        redisAppendCommand(mt_redis_context(f->redis), "FCALL muster_attend 1 {t} d%d 7", i);
    for (int i = 0; i < 1000; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(mt_redis_context(f->redis), (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
    expect(f, "t", "one-more", "9", 7);
    expect(f, "t", "d0", "0", 7);
    expect(f, "t", "one-more", "9", 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_newest_counts, mt_fixture_fresh),
        cmocka_unit_test_setup(other_namespaces_count, mt_fixture_fresh),
        cmocka_unit_test_setup(it_does_not_wait_for_data, mt_fixture_fresh),
        cmocka_unit_test_setup(wrong_arguments, mt_fixture_fresh),
        cmocka_unit_test_setup(there_is_a_bound, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
