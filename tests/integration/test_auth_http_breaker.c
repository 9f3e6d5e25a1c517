/* auth_http leaves a service alone that fails, and notices when it is back; and it takes a new
 * configuration while it runs. */
#include "lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/auth_http/service.h"

#define LEFT_ALONE "is left alone for a moment"

static struct mt_service service;

static void enter(const char *session) {
    mt_ask(service.stand, service.client, "ENTER", session, "c1", "node-1", "k1");
}

static void expect_denied(const char *session, const char *reason) {
    const char *message = mt_turned_down(service.stand, service.client, MUSTER_DENIED, "ENTER",
                                         session, "c1", "node-1", "k1");
    if (strstr(message, reason) == NULL)
        mt_fail(service.stand->world, "%s: '%s' does not say '%s'", session, message, reason);
}

static const char *post(const char *session) {
    return mt_post(service.stand, service.client, "ENTER",
                   (const char *const[]){session, "c1", "node-1", "k1", NULL});
}

static void expect_answer(const char *id, enum muster_status status, const char *part) {
    struct mt_answer answer = {0};
    mt_await(service.stand, service.client, id, &answer);
    if (answer.status != status || (part != NULL && strstr(answer.message, part) == NULL))
        mt_fail(service.stand->world, "%s %s", muster_status_code(answer.status), answer.message);
    mt_answer_deinit(&answer);
}

static void start(const char *more) {
    mt_service_daemon(&service, mt_service_usual(&service, more));
}

/* Dies; is left alone, even when it is back; a new configuration begins anew. */
static void test_opens(void **state) {
    (void)state;
    start(", breaker_failures: 3, breaker_open: 1h");
    enter("allow-1");
    mt_service_kill(&service);
    for (int i = 0; i < 3; i++)
        expect_denied("allow-1", "cannot be reached");
    mt_daemon_await(service.daemon, "plugin.auth_http.breaker_opened");
    expect_denied("allow-1", LEFT_ALONE);
    mt_service_restart(&service);
    expect_denied("allow-1", LEFT_ALONE);
    mt_ask(service.stand, service.client, "STATUS", NULL);
    assert_int_equal(mt_service_asked(&service, NULL), 0);
    mt_service_reload(&service,
                      mt_service_usual(&service, ", breaker_failures: 3, breaker_open: 1h"),
                      "plugin.reloaded");
    enter("allow-1");
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "opened"), 1);
    assert_int_equal(mt_service_total(&service, "unreachable"), 3);
    assert_int_equal(mt_service_total(&service, "breaker"), 2);
}

/* Connections that are kept may be gone when they are needed: nobody notices. */
static void test_restarts(void **state) {
    (void)state;
    start("");
    for (int i = 0; i < 3; i++) {
        enter("allow-1");
        mt_service_kill(&service);
        mt_service_restart(&service);
    }
    enter("allow-1");
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "unreachable"), 0);
    assert_int_equal(mt_service_total(&service, "allowed"), 4);
}

static bool is_allowed(void) {
    struct mt_answer answer = {0};
    mt_await(service.stand, service.client, post("allow-1"), &answer);
    bool allowed = answer.status == MUSTER_OK;
    mt_answer_deinit(&answer);
    return allowed;
}

static bool opened_again(void) {
    bool found = false;
    for (char *line; (line = mt_process_next_line(service.daemon, MT_STDERR)) != NULL; free(line))
        found = found || strstr(line, "plugin.auth_http.breaker_opened") != NULL;
    return found;
}

static void test_closes(void **state) {
    (void)state;
    start(", breaker_failures: 2, breaker_open: 100ms");
    mt_service_kill(&service);
    for (int i = 0; i < 2; i++)
        expect_denied("allow-1", "cannot be reached");
    mt_daemon_await(service.daemon, "plugin.auth_http.breaker_opened");
    /* It is tried again, in vain, and left alone again. */
    MT_WAIT(service.stand->world, !is_allowed() && opened_again(), "a probe that fails");
    mt_service_restart(&service);
    MT_WAIT(service.stand->world, is_allowed(), "a service that is asked again");
    mt_daemon_await(service.daemon, "plugin.auth_http.breaker_closed");
    enter("allow-2");
}

/* While one probe is under way nobody else asks, however long it takes. */
static void test_one_probe(void **state) {
    struct mt_world *world = service.stand->world;
    (void)state;
    start(", breaker_failures: 2, breaker_open: 100ms, timeout: 5m");
    expect_denied("fault-1", "gave no usable answer");
    expect_denied("fault-1", "gave no usable answer");
    mt_daemon_await(service.daemon, "plugin.auth_http.breaker_opened");
    /* Denied at once while it is open; without an answer once it is the probe. */
    struct mt_wait wait = mt_wait_begin(world, "a probe", __FILE__, __LINE__);
    for (bool answered = true; answered; mt_wait_step(&wait)) {
        struct mt_answer answer = {0};
        post("hang-1");
        while (!(answered = service.stand->door->receive(service.client, &answer)) &&
               mt_service_asked(&service, "hang-1") == 0)
            mt_wait_step(&wait);
        mt_answer_deinit(&answer);
    }
    for (int i = 0; i < 3; i++)
        expect_denied("allow-1", LEFT_ALONE);
    assert_int_equal(mt_service_asked(&service, "hang-1"), 1);
    assert_int_equal(mt_service_asked(&service, "allow-1"), 0);
}

/* Denials and requests that it does not like come from a service that lives; so does any answer
 * between two failures. */
static void test_stays_closed(void **state) {
    (void)state;
    start(", breaker_failures: 2, breaker_open: 1h");
    for (int i = 0; i < 4; i++) {
        expect_denied("no-1", "not for you");
        expect_denied("forbidden-1", "gave no usable answer");
    }
    for (int i = 0; i < 4; i++) {
        expect_denied("broken-1", "gave no usable answer");
        enter("allow-1");
    }
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "opened"), 0);
    /* Each kind is told, and the second of a kind only counted. */
    char *log = mt_process_output(service.daemon, MT_STDERR);
    assert_non_null(strstr(log, "status: No error, status 403; 0 more failed so"));
    assert_non_null(strstr(log, "malformed: no strict JSON; 0 more failed so"));
    free(log);
}

/* Who waits for a place need not wait for a service that is left alone. */
static void test_queue_is_emptied(void **state) {
    unsigned alone = 0;
    unsigned broken = 0;
    (void)state;
    start(", breaker_failures: 1, breaker_open: 1h, max_concurrent: 1, timeout: 5m");
    const char *first = post("hang-1");
    MT_WAIT(service.stand->world, mt_service_asked(&service, "hang-1") == 1, "the question");
    for (size_t i = 0; i < 3; i++)
        post("allow-1");
    mt_ask(service.stand, service.client, "STATUS", NULL); /* so they are in the queue */
    mt_service_kill(&service);
    for (size_t i = 0; i < 4; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(service.stand->world, service.stand->door->receive(service.client, &answer),
                "an answer");
        assert_int_equal(answer.status, MUSTER_DENIED);
        bool is_first = strcmp(answer.id, first) == 0;
        broken += is_first && strstr(answer.message, "cannot be reached") != NULL ? 1 : 0;
        alone += !is_first && strstr(answer.message, LEFT_ALONE) != NULL ? 1 : 0;
        mt_answer_deinit(&answer);
    }
    assert_int_equal(broken, 1);
    assert_int_equal(alone, 3);
}

/* ---- a new configuration ---- */

static void write_secret(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void test_reload(void **state) {
    const char *path = mt_world_path(service.stand->world, "secret");
    const char *more = mt_service_text(&service, ", authorization: 'file:%s'", path);
    (void)state;
    write_secret(path, "first\n");
    start(more);
    enter("allow-1");
    assert_string_equal(mt_str(mt_service_last(&service), "authorization"), "first");
    write_secret(path, "second\n");
    enter("allow-1");
    assert_string_equal(mt_str(mt_service_last(&service), "authorization"), "first");
    /* What is under way ends as it began. */
    const char *slow = post("slow-1");
    MT_WAIT(service.stand->world, mt_service_asked(&service, "slow-1") == 1, "the question");
    mt_service_reload(&service, mt_service_usual(&service, more), "plugin.reloaded");
    expect_answer(slow, MUSTER_OK, NULL);
    enter("allow-1");
    assert_string_equal(mt_str(mt_service_last(&service), "authorization"), "second");
    /* All of it or nothing. */
    write_secret(path, "third\n");
    mt_service_reload(
        &service,
        mt_service_text(&service, "url: 'ftp://127.0.0.1/', authorization: 'file:%s'", path),
        "plugin.reload_refused");
    enter("allow-1");
    assert_string_equal(mt_str(mt_service_last(&service), "authorization"), "second");
    /* Another service, and what was cached of the old one is forgotten. */
    enter("cached-1");
    mt_service_reload(&service,
                      mt_service_text(&service, "url: 'http://127.0.0.1:%d/other'", service.port),
                      "plugin.reloaded");
    enter("cached-1");
    assert_string_equal(mt_str(mt_service_last(&service), "path"), "/other");
    assert_null(mt_str(mt_service_last(&service), "authorization"));
    mt_stand_stop(service.stand, service.daemon);
}

/* The daemon ends while a replaced client still has a transfer. */
static void test_ends_after_reload(void **state) {
    (void)state;
    start(", timeout: 5m");
    for (int i = 1; i <= 3; i++) {
        const char *session = mt_service_text(&service, "hang-%d", i);
        post(session);
        MT_WAIT(service.stand->world, mt_service_asked(&service, session) == 1, "the question");
        mt_service_reload(&service, mt_service_usual(&service, ", timeout: 5m"), "plugin.reloaded");
    }
    mt_stand_stop(service.stand, service.daemon);
}

static int set_up(void **state) {
    (void)state;
    mt_service_create(&service);
    mt_service_start(&service, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mt_service_destroy(&service);
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_opens),     TEST(test_restarts),          TEST(test_closes),
        TEST(test_one_probe), TEST(test_stays_closed),      TEST(test_queue_is_emptied),
        TEST(test_reload),    TEST(test_ends_after_reload),
    };
    return cmocka_run_group_tests_name("auth_http_breaker", tests, NULL, NULL);
}
