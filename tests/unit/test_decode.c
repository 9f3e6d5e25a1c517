/* Decoding, by the table of operations: every operation as it should be, and each of its arguments
 * wrong once. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "request/decode.h"

enum { MOST = 10, LIMIT = 512 };

static char too_long_id[130];
static char too_large[LIMIT + 2];

static struct muster_text text_of(const char *data) {
    return (struct muster_text){data, strlen(data)};
}

/* The letter of argument `index`; a starred one repeats. */
static char letter_at(const struct muster_operation_info *info, size_t index) {
    size_t length = strcspn(info->arguments, "*");
    return info->arguments[index < length ? index : length - 1];
}

static size_t letters(const struct muster_operation_info *info) {
    return strcspn(info->arguments, "*");
}

static const char *good_for(char letter) {
    switch (letter) {
    case 'w':
        return "i:n";
    case 'x':
        return "off";
    case 't':
    case 'k':
    case 'z':
    case 'g':
        return "18446744073709551615";
    case 'o':
    case 'p':
    case 'm':
        return "{}";
    default:
        return "x";
    }
}

/* Texts that this letter does not allow; ends with NULL. */
static const char *const *bad_for(char letter, enum muster_status *status) {
    static const char *const ids[] = {"",    "a b", "a:b",       "\xc3\xa9",
                                      "a/b", "{a}", too_long_id, NULL};
    static const char *const owners[] = {"", "i", ":n", "i:", "i:n:m", "i n:x", ":", NULL};
    static const char *const whole[] = {
        "", "-1", "+1", "1.5", " 1", "0x1", "1e3", "a", "184467440737095516150", NULL};
    static const char *const grace[] = {"-1", "5s", " ", "184467440737095516150", NULL};
    static const char *const on_off[] = {"", "On", "true", "1", "onn", "of", NULL};
    static const char *const secret[] = {"", NULL};
    static const char *const none[] = {NULL};
    *status = MUSTER_BAD_REQUEST;
    switch (letter) {
    case 's':
    case 'c':
    case 'C':
    case 'i':
    case 'n':
        *status = MUSTER_BAD_ID;
        return ids;
    case 'w':
        *status = MUSTER_BAD_ID;
        return owners;
    case 't':
    case 'k':
    case 'z':
        return whole;
    case 'g':
        return grace;
    case 'x':
        return on_off;
    case 'r':
        return secret;
    default:
        assert_non_null(strchr("opmd", letter)); /* a new letter needs a row here */
        return none;
    }
}

static size_t fill(const struct muster_operation_info *info, struct muster_text arguments[MOST]) {
    size_t count = letters(info);
    for (size_t i = 0; i < count; i++)
        arguments[i] = text_of(good_for(letter_at(info, i)));
    if (info->arguments[count] == '*') {
        arguments[count] = arguments[count - 1];
        count++;
    }
    return count;
}

static enum muster_status decode(enum muster_operation operation, size_t count,
                                 const struct muster_text *arguments, struct mu_error *error) {
    memset(error, 0, sizeof *error);
    return mu_decode(operation, count, arguments, LIMIT, error);
}

/* Every sentence names operation and argument, and is printable. */
static void expect_fault(enum muster_operation operation, size_t count, size_t index,
                         const struct muster_text *arguments, enum muster_status status) {
    struct mu_error error;
    char begins[64];
    enum muster_status got = decode(operation, count, arguments, &error);
    snprintf(begins, sizeof begins, "%s: argument %zu (", mu_operations[operation].name, index + 1);
    if (got != status || strncmp(error.text, begins, strlen(begins)) != 0)
        fail_msg("%s argument %zu '%s': %s, '%s'", mu_operations[operation].name, index + 1,
                 arguments[index].data, muster_status_code(got), error.text);
    for (const char *at = error.text; *at != '\0'; at++)
        assert_true(*at >= 0x20 && *at < 0x7f);
}

static void each_wrong_once(enum muster_operation operation) {
    const struct muster_operation_info *info = &mu_operations[operation];
    struct muster_text arguments[MOST];
    size_t count = fill(info, arguments);
    for (size_t i = 0; i < count; i++) {
        struct muster_text kept = arguments[i];
        enum muster_status status;
        const char *const *bad = bad_for(letter_at(info, i), &status);
        for (; *bad != NULL; bad++) {
            arguments[i] = text_of(*bad);
            expect_fault(operation, count, i, arguments, status);
        }
        arguments[i] = (struct muster_text){"a\0b", 3};
        expect_fault(operation, count, i, arguments, MUSTER_BAD_REQUEST);
        arguments[i] = text_of(too_large);
        expect_fault(operation, count, i, arguments, MUSTER_TOO_LARGE);
        arguments[i] = kept;
    }
}

static void test_every_operation(void **state) {
    (void)state;
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        const struct muster_operation_info *info = &mu_operations[i];
        struct muster_text arguments[MOST];
        struct mu_error error;
        size_t count = fill(info, arguments);
        /* Each number from the least to the most; none beyond. */
        for (size_t n = info->least; n <= count; n++)
            if (decode((enum muster_operation)i, n, arguments, &error) != MUSTER_OK)
                fail_msg("%s with %zu: %s", info->name, n, error.text);
        if (info->least > 0)
            assert_int_equal(decode((enum muster_operation)i, info->least - 1, arguments, &error),
                             MUSTER_BAD_REQUEST);
        assert_int_equal(decode((enum muster_operation)i, info->most + 1, arguments, &error),
                         MUSTER_BAD_REQUEST);
        assert_non_null(strstr(error.text, info->usage));
        each_wrong_once((enum muster_operation)i);
    }
}

#define SENTENCE(operation, wanted, expected, ...)                                                 \
    do {                                                                                           \
        const struct muster_text of_[] = {__VA_ARGS__};                                            \
        struct mu_error error_;                                                                    \
        assert_int_equal(                                                                          \
            decode(MUSTER_OPERATION_##operation, sizeof of_ / sizeof *of_, of_, &error_),          \
            MUSTER_##wanted);                                                                      \
        assert_string_equal(error_.text, expected);                                                \
    } while (0)
#define A(literal)                                                                                 \
    { literal, sizeof(literal) - 1 }

static void test_sentences(void **state) {
    struct mu_error error;
    (void)state;
    SENTENCE(ENTER, BAD_REQUEST,
             "ENTER got 1 arguments; expected: ENTER session connection instance incarnation "
             "[options [profile]]",
             A("room"));
    assert_int_equal(decode(MUSTER_OPERATION_STATUS, 1, &(struct muster_text)A("x"), &error),
                     MUSTER_BAD_REQUEST);
    assert_string_equal(error.text, "STATUS got 1 arguments; expected: STATUS");
    SENTENCE(LEADER, BAD_ID,
             "LEADER: argument 1 (session) 'a b' must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + "
             "= -",
             A("a b"));
    SENTENCE(LEADER, BAD_ID,
             "LEADER: argument 1 (session) 'a?? ?b' must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ "
             "| + = -",
             A("a\r\n \xff"
               "b"));
    SENTENCE(DRAIN, BAD_REQUEST, "DRAIN: argument 3 (on|off) 'maybe' must be on or off", A("i"),
             A("n"), A("maybe"));
    SENTENCE(CHECK, BAD_REQUEST, "CHECK: argument 2 (term) '-1' must be a whole number", A("room"),
             A("-1"));
    SENTENCE(DISCONNECT, BAD_REQUEST,
             "DISCONNECT: argument 4 (grace) '5s' must be a whole number of milliseconds", A("c"),
             A("i"), A("n"), A("5s"));
    SENTENCE(RESUME, BAD_ID,
             "RESUME: argument 5 (old_instance:old_incarnation) 'i' must be two ids with a colon "
             "between them",
             A("c"), A("i"), A("n"), A("o"), A("i"), A("s3cr3t"));
    SENTENCE(RESUME, BAD_REQUEST,
             "RESUME: argument 6 (secret) '' must be a secret of at least one byte", A("c"), A("i"),
             A("n"), A("o"), A("i:n"), A(""));
    SENTENCE(TOUCH, BAD_ID,
             "TOUCH: argument 4 (connection) '' must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + "
             "= -",
             A("i"), A("n"), A("c"), A(""));
    SENTENCE(COUNT, BAD_REQUEST, "COUNT: argument 2 (session) has a NUL byte; none is allowed",
             A("a"), A("b\0c"));
    assert_int_equal(
        mu_decode(MUSTER_OPERATION_LEADER, 1, &(struct muster_text)A("abcde"), 4, &error),
        MUSTER_TOO_LARGE);
    assert_string_equal(error.text, "LEADER: argument 1 (session) has 5 bytes; allowed are 4");
}

/* Up to the limit, and up to 128 bytes, all is well. */
static void test_limits(void **state) {
    struct muster_text many[MUSTER_ARGUMENTS_MAX + 1];
    struct mu_error error;
    (void)state;
    struct muster_text id = {too_long_id + 1, 128};
    assert_int_equal(decode(MUSTER_OPERATION_LEADER, 1, &id, &error), MUSTER_OK);
    const struct muster_text update[] = {A("c"), A("i"), A("n"), {too_large + 1, LIMIT}};
    assert_int_equal(decode(MUSTER_OPERATION_UPDATE, 4, update, &error), MUSTER_OK);
    for (size_t i = 0; i <= MUSTER_ARGUMENTS_MAX; i++)
        many[i] = text_of("s");
    assert_int_equal(decode(MUSTER_OPERATION_COUNT, MUSTER_ARGUMENTS_MAX, many, &error), MUSTER_OK);
    assert_int_equal(decode(MUSTER_OPERATION_COUNT, MUSTER_ARGUMENTS_MAX + 1, many, &error),
                     MUSTER_BAD_REQUEST);
}

static void expect_is(const char *got, const char *wanted) {
    if (wanted == NULL)
        assert_null(got);
    else
        assert_string_equal(got, wanted);
}

/* Every argument stands in the resource under its letter. */
static void test_resources(void **state) {
    static const char *const values[MOST] = {"a0", "a1", "a2", "a3", "a4",
                                             "a5", "a6", "a7", "a8", "a9"};
    (void)state;
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        enum muster_operation operation = (enum muster_operation)i;
        const struct muster_operation_info *info = &mu_operations[i];
        for (size_t count = info->least; count <= letters(info); count++) {
            static const char wanted[] = "scinC";
            struct muster_text arguments[MOST];
            struct muster_resource got;
            for (size_t j = 0; j < MOST; j++)
                arguments[j] = text_of(values[j]);
            mu_decode_resource(operation, count, arguments, 0, &got);
            const char *const fields[] = {got.session, got.connection, got.instance,
                                          got.incarnation, got.resumed};
            assert_string_equal(got.operation, info->name);
            assert_null(got.user);
            assert_null(got.claims);
            for (size_t j = 0; j < 5; j++) {
                const char *at = strchr(info->arguments, wanted[j]);
                size_t position = at != NULL ? (size_t)(at - info->arguments) : SIZE_MAX;
                expect_is(fields[j], position < count ? values[position] : NULL);
            }
        }
    }
}

static void test_steps(void **state) {
    const struct muster_text three[] = {A("r1"), A("r2"), A("r3")};
    struct muster_resource resource;
    (void)state;
    assert_int_equal(mu_decode_steps(MUSTER_OPERATION_COUNT, 3), 3);
    assert_int_equal(mu_decode_steps(MUSTER_OPERATION_TOUCH, 5), 1);
    for (size_t i = 0; i < 3; i++) {
        mu_decode_resource(MUSTER_OPERATION_COUNT, 3, three, i, &resource);
        assert_string_equal(resource.session, three[i].data);
    }
    assert_int_equal(mu_decode_position(MUSTER_OPERATION_JOIN, 'o'), 4);
    assert_int_equal(mu_decode_position(MUSTER_OPERATION_LEADER, 'o'), SIZE_MAX);
    assert_null(mu_decode_argument(MUSTER_OPERATION_JOIN, 'o', 4, three));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation), cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_resources),
        cmocka_unit_test(test_steps),
    };
    memset(too_long_id, 'a', 129);
    memset(too_large, 'a', LIMIT + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
