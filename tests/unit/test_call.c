/* How replies of Redis to FCALL become answers, and how keys are written. */
#include "lib/test.h"

#include <string.h>

#include "registry/call.h"

static struct mu_answer read_text(int type, char *text) {
    redisReply reply = {.type = type, .str = text};
    struct mu_answer answer;
    reply.len = strlen(text);
    mu_answer_read(&reply, &answer);
    return answer;
}

static void check_error(const char *text, enum muster_status status, const char *message) {
    char copy[256];
    strcpy(copy, text);
    struct mu_answer answer = read_text(REDIS_REPLY_ERROR, copy);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.message, message);
    assert_null(answer.json);
}

static void test_json_goes_through_untouched(void **state) {
    (void)state;
    char text[] = "{\"a\":1.50}";
    struct mu_answer answer = read_text(REDIS_REPLY_STRING, text);
    assert_int_equal(answer.status, MUSTER_OK);
    assert_ptr_equal(answer.json, text);
    assert_int_equal(answer.length, strlen(text));
    assert_null(answer.message);
}

static void test_codes_of_muster(void **state) {
    (void)state;
    check_error("UNKNOWN_INSTANCE instance 'x' is not registered", MUSTER_UNKNOWN_INSTANCE,
                "instance 'x' is not registered");
    check_error("STALE_EPOCH the lease is held by another", MUSTER_STALE_EPOCH,
                "the lease is held by another");
    check_error("ALIVE", MUSTER_ALIVE, muster_status_meaning(MUSTER_ALIVE));
    check_error("INTERNAL damaged", MUSTER_INTERNAL, "damaged");
}

static void test_errors_of_redis(void **state) {
    static const char *const temporary[] = {
        "OOM command not allowed when used memory > 'maxmemory'.",
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down",
        "BUSY Redis is busy running a script.",
        "MISCONF Redis is configured to save RDB snapshots",
        "ERR Function not found",
    };
    static const char *const others[] = {
        "ERR wrong number of arguments for 'fcall' command",
        "NOPERM this user has no permissions",
        "WRONGTYPE Operation against a key",
        "OOMPH is no word of Redis",
        "unknown_instance in lower case",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++) {
        check_error(temporary[i], MUSTER_UNAVAILABLE, temporary[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        check_error(others[i], MUSTER_INTERNAL, others[i]);
    }
}

static void test_other_replies_are_faults(void **state) {
    static const int types[] = {REDIS_REPLY_NIL, REDIS_REPLY_INTEGER, REDIS_REPLY_ARRAY,
                                REDIS_REPLY_STATUS};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        redisReply reply = {.type = types[i]};
        struct mu_answer answer;
        mu_answer_read(&reply, &answer);
        assert_int_equal(answer.status, MUSTER_INTERNAL);
        assert_non_null(answer.message);
    }
}

/* hiredis's own calls give NULL when the connection broke. */
static void test_no_reply_is_a_timeout(void **state) {
    (void)state;
    struct mu_answer answer;
    mu_answer_read(NULL, &answer);
    assert_int_equal(answer.status, MUSTER_TIMEOUT);
    assert_non_null(answer.message);
}

static void test_key(void **state) {
    (void)state;
    char key[MU_KEY_SIZE];
    assert_ptr_equal(mu_key(key, "muster", "session:%s:%d", "room-1", 7), key);
    assert_string_equal(key, "{muster}:session:room-1:7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_goes_through_untouched),
        cmocka_unit_test(test_codes_of_muster),
        cmocka_unit_test(test_errors_of_redis),
        cmocka_unit_test(test_other_replies_are_faults),
        cmocka_unit_test(test_no_reply_is_a_timeout),
        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
