/* Loading the functions library: when it is missing, older, newer, and when it cannot be. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stage.h"
#include "redis/library.h"
#include "registry/call.h"

struct fixture {
    struct mt_stage stage;
    struct mu_link *link;
    unsigned done;
    bool loaded;
    struct mu_error error;
    unsigned answers;
    enum muster_status status;
    char text[512];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mt_stage_up(&f->stage, MT_SERVER_VOLATILE, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_link_close(&f->link, NULL, NULL);
    mt_stage_down(&f->stage);
    free(f);
    return 0;
}

static void on_done(void *context, const struct mu_error *error, bool loaded) {
    struct fixture *f = context;
    f->done++;
    f->error = *error;
    f->loaded = loaded;
    if (error->status == MUSTER_OK) {
        mu_link_open(f->link);
    }
}

static void on_connected(void *context) {
    struct fixture *f = context;
    mu_library_ensure(f->link, on_done, f);
}

static void ensure(struct fixture *f) {
    struct mu_redis_address address;
    assert_int_equal(mu_redis_address_parse(mt_server_url(f->stage.server), &address, NULL),
                     MUSTER_OK);
    struct mu_link_options options = {
        .address = &address, .context = f, .on_connected = on_connected};
    f->link = mu_link_create(mt_loop_uv(f->stage.loop), &options);
    mu_redis_address_deinit(&address);
    MT_SPIN(f->stage.loop, f->done == 1, "the library");
}

static void on_answer(void *context, const struct mu_answer *answer) {
    struct fixture *f = context;
    f->answers++;
    f->status = answer->status;
    assert_true((answer->status == MUSTER_OK) == (answer->json != NULL));
    assert_true((answer->status == MUSTER_OK) == (answer->message == NULL));
    snprintf(f->text, sizeof f->text, "%s", answer->json ? answer->json : answer->message);
}

static void call(struct fixture *f, const char *operation, size_t count, const char *const *words) {
    unsigned before = f->answers;
    assert_int_equal(mu_call(f->link, "t", operation, count, words, on_answer, f), MUSTER_OK);
    MT_SPIN(f->stage.loop, f->answers == before + 1, "an answer");
}

/* A library in place of ours that answers muster_version with this. */
static void pretend(struct fixture *f, const char *answer) {
    char code[512];
    snprintf(code, sizeof code,
             "#!lua name=muster\nredis.register_function{function_name='muster_version', "
             "flags={'no-writes'}, callback=function() return %s end}",
             answer);
    mt_command(f->stage.redis, "FUNCTION LOAD REPLACE %s", code);
}

static void test_missing_is_loaded(void **state) {
    struct fixture *f = *state;
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_OK);
    assert_true(f->loaded);
    call(f, "version", 0, NULL);
    assert_int_equal(f->status, MUSTER_OK);
    char expected[64];
    snprintf(expected, sizeof expected, "{\"version\":%d,", MU_LIBRARY_VERSION);
    assert_int_equal(strncmp(f->text, expected, strlen(expected)), 0);
}

static void test_present_is_kept(void **state) {
    struct fixture *f = *state;
    ensure(f);
    mu_link_close(&f->link, NULL, NULL);
    f->done = 0;
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_OK);
    assert_false(f->loaded);
}

static void test_older_is_replaced(void **state) {
    struct fixture *f = *state;
    pretend(f, "'{\"version\":0,\"min_reader\":0}'");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_OK);
    assert_true(f->loaded);
}

static void test_newer_that_allows_us_is_kept(void **state) {
    struct fixture *f = *state;
    pretend(f, "'{\"version\":1000,\"min_reader\":1}'");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_OK);
    assert_false(f->loaded);
    call(f, "version", 0, NULL);
    assert_non_null(strstr(f->text, "1000"));
}

static void test_newer_that_wants_newer_programs(void **state) {
    struct fixture *f = *state;
    pretend(f, "'{\"version\":1000,\"min_reader\":999}'");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_UNAVAILABLE);
    assert_non_null(strstr(f->error.text, "999"));
    assert_false(mu_link_is_open(f->link));
}

static void test_what_is_no_version(void **state) {
    struct fixture *f = *state;
    pretend(f, "'{\"version\":\"1\"}'");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_UNAVAILABLE);
    mu_link_close(&f->link, NULL, NULL);
    f->done = 0;
    pretend(f, "7");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_UNAVAILABLE);
}

/* The name is there, but a function in it belongs to another library. */
static void test_cannot_be_loaded(void **state) {
    struct fixture *f = *state;
    mt_command(f->stage.redis, "FUNCTION LOAD %s",
               "#!lua name=other\nredis.register_function('muster_enter', function() end)");
    ensure(f);
    assert_int_equal(f->error.status, MUSTER_UNAVAILABLE);
    assert_non_null(strstr(f->error.text, "cannot be loaded"));
    assert_non_null(strstr(f->error.text, "muster_enter"));
}

static void test_calls(void **state) {
    struct fixture *f = *state;
    ensure(f);
    call(f, "no_such_function", 0, NULL);
    assert_int_equal(f->status, MUSTER_UNAVAILABLE);
    call(f, "version", 1, (const char *const[]){"too much"});
    assert_int_equal(f->status, MUSTER_BAD_REQUEST);
    assert_true(strncmp(f->text, "BAD_REQUEST", 11) != 0);
    /* More arguments than fit into a small array of the caller. */
    const char *many[1025];
    for (size_t i = 0; i < 1025; i++) {
        many[i] = "x";
    }
    call(f, "enter", 1024, many);
    assert_int_equal(f->status, MUSTER_BAD_REQUEST);
    assert_int_equal(mu_call(f->link, "t", "enter", 1025, many, on_answer, f), MUSTER_BAD_REQUEST);
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, !mu_link_is_open(f->link), "the loss");
    assert_int_equal(mu_call_now(f->link, "t", "version", 0, NULL, on_answer, f),
                     MUSTER_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_missing_is_loaded),
        TEST(test_present_is_kept),
        TEST(test_older_is_replaced),
        TEST(test_newer_that_allows_us_is_kept),
        TEST(test_newer_that_wants_newer_programs),
        TEST(test_what_is_no_version),
        TEST(test_cannot_be_loaded),
        TEST(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
