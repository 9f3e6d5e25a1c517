/* What the door changes in options: the credential goes, the user and lead:false come. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "request/options.h"

static enum muster_status take(const char *text, struct mu_options *out, struct mu_error *error) {
    struct muster_text options = {text, strlen(text)};
    memset(error, 0, sizeof *error);
    return mu_options_take(&options, out, error);
}

struct good {
    const char *options, *credential, *user, *rest;
};

static const struct good good[] = {
    {"", NULL, NULL, NULL},
    {"{}", NULL, NULL, NULL},
    {" {\"ttl\": 5} ", NULL, NULL, NULL}, /* untouched, byte for byte */
    {"{\"user\":\"ada\"}", NULL, "ada", NULL},
    {"{\"user\":7}", NULL, NULL, NULL}, /* the functions say what is wrong with it */
    {"{\"credential\":\"x\"}", "x", NULL, "{}"},
    {"{\"credential\":\"x\",\"user\":\"ada\"}", "x", "ada", "{\"user\":\"ada\"}"},
    {"{ \"a\" : 1.0, \"credential\":\"x y\\n\\u00e9\", \"b\":[true,null,{}] }", "x y\n\xc3\xa9",
     NULL, "{\"a\":1.0,\"b\":[true,null,{}]}"},
    {"{\"a\":{\"credential\":\"inner\"},\"credential\":\"x\"}", "x", NULL,
     "{\"a\":{\"credential\":\"inner\"}}"}, /* only that of the options themselves */
    {"{\"n\":9007199254740993,\"credential\":\"x\"}", "x", NULL, "{\"n\":9007199254740993}"},
};

static void expect_text(const char *text, const char *expected) {
    if (expected == NULL)
        assert_null(text);
    else
        assert_string_equal(text, expected);
}

static void test_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct mu_options options;
        struct mu_error error;
        assert_int_equal(take(good[i].options, &options, &error), MUSTER_OK);
        expect_text(options.credential, good[i].credential);
        expect_text(options.user, good[i].user);
        expect_text(options.rest, good[i].rest);
        if (options.credential != NULL)
            assert_int_equal(options.credential_length, strlen(options.credential));
        mu_options_deinit(&options);
        assert_null(options.credential);
        assert_null(options.rest);
    }
}

struct bad {
    const char *options;
    enum muster_status status;
    const char *sentence;
};

static const char strict[] = "the options must be one strict JSON object";
static const char text[] = "option 'credential' must be a string that is not empty";

static const char quota[] =
    "option 'quota' is set by the authorizers of this door, not by who asks";

static const struct bad bad[] = {
    {"[]", MUSTER_BAD_JSON, strict},
    {"\"credential\"", MUSTER_BAD_JSON, strict},
    {"null", MUSTER_BAD_JSON, strict},
    {" ", MUSTER_BAD_JSON, strict},
    {"{", MUSTER_BAD_JSON, strict},
    {"{} {}", MUSTER_BAD_JSON, strict},
    {"{\"a\":1,}", MUSTER_BAD_JSON, strict},
    {"{'a':1}", MUSTER_BAD_JSON, strict},
    {"{\"a\":NaN}", MUSTER_BAD_JSON, strict},
    {"{\"a\":01}", MUSTER_BAD_JSON, strict},
    {"{\"a\":\"\xff\"}", MUSTER_BAD_JSON, strict},
    /* Which of the two would be verified, and which stored? */
    {"{\"credential\":\"x\",\"credential\":\"y\"}", MUSTER_BAD_JSON, strict},
    {"{\"user\":\"ada\",\"user\":\"bob\"}", MUSTER_BAD_JSON, strict},
    {"{\"credential\":\"a\\u0000b\"}", MUSTER_BAD_JSON, strict},
    {"{\"credential\":\"\"}", MUSTER_BAD_REQUEST, text},
    {"{\"credential\":null}", MUSTER_BAD_REQUEST, text},
    {"{\"credential\":5}", MUSTER_BAD_REQUEST, text},
    {"{\"credential\":{\"token\":\"x\"}}", MUSTER_BAD_REQUEST, text},
    {"{\"quota\":{\"holder\":\"x\"}}", MUSTER_BAD_REQUEST, quota},
    {"{\"quota\":null}", MUSTER_BAD_REQUEST, quota},
    {"{\"qu\\u006fta\":{\"holder\":\"x\",\"connections\":9}}", MUSTER_BAD_REQUEST, quota},
    {"{\"credential\":\"x\",\"quota\":1}", MUSTER_BAD_REQUEST, quota},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mu_options options;
        struct mu_error error;
        if (take(bad[i].options, &options, &error) != bad[i].status)
            fail_msg("%s: %s", bad[i].options, error.text);
        assert_string_equal(error.text, bad[i].sentence);
        assert_null(options.rest);
        mu_options_deinit(&options);
    }
}

/* No sentence may repeat a secret. */
static void test_a_refusal_is_silent(void **state) {
    static const char *const secrets[] = {"{\"credential\":\"s3cr3t\",}",
                                          "{\"credential\":[\"s3cr3t\"]}"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct mu_options options;
        struct mu_error error;
        assert_int_not_equal(take(secrets[i], &options, &error), MUSTER_OK);
        assert_null(strstr(error.text, "s3cr3t"));
        mu_options_deinit(&options);
    }
}

static void expect_made(char *made, const char *expected) {
    assert_non_null(made);
    assert_string_equal(made, expected);
    free(made);
}

static void test_put_in(void **state) {
    (void)state;
    expect_made(mu_options_with_user("", "ada"), "{\"user\":\"ada\"}");
    expect_made(mu_options_with_user("{}", "ada"), "{\"user\":\"ada\"}");
    expect_made(mu_options_with_user("{\"user\":\"bob\",\"a\":1}", "ada"),
                "{\"user\":\"ada\",\"a\":1}");
    expect_made(mu_options_without_lead(""), "{\"lead\":false}");
    expect_made(mu_options_without_lead("{\"lead\":true,\"a\":1}"), "{\"lead\":false,\"a\":1}");
    expect_made(mu_options_without_lead("{\"lead\":\"yes\"}"), "{\"lead\":false}");
    expect_made(mu_options_with_quota("", &(struct mu_quota){"x", 3, 5}),
                "{\"quota\":{\"holder\":\"x\",\"connections\":3,\"sessions\":5}}");
    expect_made(mu_options_with_quota("{\"user\":\"ada\"}", &(struct mu_quota){"x", UINT32_MAX, 0}),
                "{\"user\":\"ada\",\"quota\":{\"holder\":\"x\",\"connections\":4294967295}}");
    expect_made(mu_options_with_quota("{}", &(struct mu_quota){"x", 0, 1}),
                "{\"quota\":{\"holder\":\"x\",\"sessions\":1}}");
    assert_null(mu_options_with_quota("[]", &(struct mu_quota){"x", 1, 1}));
    assert_null(mu_options_with_user("[]", "ada"));
    assert_null(mu_options_with_user("{", "ada"));
    assert_null(mu_options_with_user("{}", "\xff"));
    assert_null(mu_options_without_lead("nonsense"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_refusal_is_silent),
        cmocka_unit_test(test_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
