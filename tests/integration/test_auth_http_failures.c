/* auth_http and a service that fails: whatever is no answer is a denial that says whose fault it
 * is, while other requests are answered and the memory stays bounded. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/auth_http/service.h"

#define NO_USE "gave no usable answer"
#define NOT_THERE "cannot be reached"
#define TOO_LATE "did not answer in time"

static struct mt_service service;

static const char *denied(enum muster_status status, const char *session) {
    return mt_turned_down(service.stand, service.client, status, "ENTER", session, "c1", "node-1",
                          "k1");
}

static void expect_denied(enum muster_status status, const char *session, const char *reason) {
    const char *message = denied(status, session);
    if (strstr(message, reason) == NULL)
        mt_fail(service.stand->world, "%s: '%s' does not say '%s'", session, message, reason);
}

static void enter(const char *session) {
    mt_ask(service.stand, service.client, "ENTER", session, "c1", "node-1", "k1");
}

/* Nothing of a denied session is in Redis. */
static void expect_no_session(const char *session) {
    mt_turned_down(service.stand, service.client, MUSTER_UNKNOWN_SESSION, "SESSION", session);
    assert_int_equal(mt_integer(service.stand->redis, "EXISTS " MT_NS "session:%s", session), 0);
}

/* Every answer that is none: denied, and the service is named as the one at fault. */
static void test_no_answers(void **state) {
    static const struct {
        const char *session;
        const char *reason;
        const char *total;
    } cases[] = {
        {"reset-1", NOT_THERE, "unreachable"}, {"cut-1", NOT_THERE, "unreachable"},
        {"broken-1", NO_USE, "malformed"},     {"trailing-1", NO_USE, "malformed"},
        {"twice-1", NO_USE, "malformed"},      {"empty-1", NO_USE, "malformed"},
        {"list-1", NO_USE, "malformed"},       {"strange-1", NO_USE, "malformed"},
        {"typing-1", NO_USE, "malformed"},     {"utf8-1", NO_USE, "malformed"},
        {"bomb-1", NO_USE, "malformed"},       {"html-1", NO_USE, "type"},
        {"redirect-1", NO_USE, "status"},      {"keep-1", NO_USE, "status"},
        {"created-1", NO_USE, "status"},       {"forbidden-1", NO_USE, "status"},
        {"fault-1", NO_USE, "status"},         {"large-1", NO_USE, "too_large"},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    (void)state;
    mt_service_daemon(
        &service,
        mt_service_usual(&service, ", max_response: 4KiB, breaker_failures: 1000, timeout: 1m"));
    for (size_t i = 0; i < CASES; i++) {
        expect_denied(MUSTER_DENIED, cases[i].session, cases[i].reason);
        expect_no_session(cases[i].session);
        assert_int_equal(mt_service_asked(&service, cases[i].session), 1);
    }
    enter("allow-1");
    assert_int_equal(mt_service_asked(&service, NULL), CASES + 1); /* nobody went elsewhere */
    mt_stand_stop(service.stand, service.daemon);
    for (size_t i = 0; i < CASES; i++) {
        long long same = 0;
        for (size_t j = 0; j < CASES; j++)
            same += strcmp(cases[i].total, cases[j].total) == 0 ? 1 : 0;
        assert_int_equal(mt_service_total(&service, cases[i].total), same);
    }
}

/* Silence is a denial, and meanwhile others are served. */
static void test_silence(void **state) {
    static const char *const sessions[] = {"hang-1", "stall-1"};
    struct mt_stand *stand = service.stand;
    (void)state;
    mt_service_daemon(&service,
                      mt_service_usual(&service, ", timeout: 2s, breaker_failures: 1000"));
    struct mt_client *other = stand->door->open(stand, "node-2", NULL);
    mt_ask(stand, other, "START", "node-2", "k2");
    for (size_t i = 0; i < 2; i++) {
        struct mt_answer answer = {0};
        const char *id = mt_post(stand, service.client, "ENTER",
                                 (const char *const[]){sessions[i], "c1", "node-1", "k1", NULL});
        MT_WAIT(stand->world, mt_service_asked(&service, sessions[i]) == 1, "the question");
        mt_ask(stand, other, "STATUS", NULL);
        mt_ask(stand, other, "ENTER", "allow-1", "c2", "node-2", "k2");
        /* Both came before the answer to the first. */
        assert_false(stand->door->receive(service.client, &answer));
        mt_await(stand, service.client, id, &answer);
        assert_int_equal(answer.status, MUSTER_DENIED);
        assert_non_null(strstr(answer.message, TOO_LATE));
        mt_answer_deinit(&answer);
    }
    stand->door->close(&other);
    mt_stand_stop(stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "timeout"), 2);
}

static long long resident_kib(const struct mt_process *process) {
    char path[64];
    char line[256];
    long long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)mt_process_pid(process));
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (kib < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    fclose(file);
    return kib;
}

/* A gigabyte, in three ways. The highest use ever is looked at, not that of the moment. */
static void test_floods(void **state) {
    static const char *const sessions[] = {"flood-1", "announced-1", "heads-1"};
    (void)state;
    mt_service_daemon(&service,
                      mt_service_usual(&service, ", breaker_failures: 1000, timeout: 1m"));
    enter("allow-1");
    long long before = resident_kib(service.daemon);
    for (size_t i = 0; i < 3; i++)
        expect_denied(MUSTER_DENIED, sessions[i], NO_USE);
    long long grown = resident_kib(service.daemon) - before;
    if (grown > 16384LL * mt_slowness())
        mt_fail(service.stand->world, "it grew by %lld KiB", grown);
    mt_ask(service.stand, service.client, "STATUS", NULL);
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "too_large"), 3);
}

/* More than fit at the service wait; more than fit into the queue are told so. */
static void test_bounds(void **state) {
    enum { MANY = 8, PLACES = 2, WAITING = 3 };
    struct mt_stand *stand = service.stand;
    unsigned late = 0;
    unsigned busy = 0;
    (void)state;
    mt_service_daemon(&service,
                      mt_service_usual(&service, ", max_concurrent: 2, max_queued: 3, timeout: 3s, "
                                                 "breaker_failures: 1000"));
    for (int i = 0; i < MANY; i++)
        mt_post(stand, service.client, "ENTER",
                (const char *const[]){mt_service_text(&service, "hang-%d", i), "c1", "node-1", "k1",
                                      NULL});
    for (int i = 0; i < MANY; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(service.client, &answer), "an answer");
        if (answer.status == MUSTER_RATE_LIMITED) {
            assert_non_null(strstr(answer.message, "is busy"));
            assert_true(answer.retry);
            busy++;
        } else {
            assert_int_equal(answer.status, MUSTER_DENIED);
            assert_non_null(strstr(answer.message, TOO_LATE));
            late++;
        }
        mt_answer_deinit(&answer);
    }
    assert_int_equal(busy, MANY - PLACES - WAITING);
    assert_int_equal(late, PLACES + WAITING);
    /* Of those that waited, the time was over, too, or nearly so. */
    assert_in_range(mt_service_asked(&service, NULL), PLACES, PLACES + WAITING);
    enter("allow-1");
}

/* The queue moves on: many more than there are places are all answered. */
static void test_queue(void **state) {
    enum { MANY = 200 };
    struct mt_stand *stand = service.stand;
    (void)state;
    mt_service_daemon(&service, mt_service_usual(&service, ", max_concurrent: 2, timeout: 1m"));
    for (int i = 0; i < MANY; i++)
        mt_post(stand, service.client, "ENTER",
                (const char *const[]){mt_service_text(&service, "no-%d", i), "c1", "node-1", "k1",
                                      NULL});
    for (int i = 0; i < MANY; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(service.client, &answer), "an answer");
        assert_int_equal(answer.status, MUSTER_DENIED);
        assert_non_null(strstr(answer.message, "not for you"));
        mt_answer_deinit(&answer);
    }
    assert_int_equal(mt_service_asked(&service, NULL), MANY);
    assert_true(mt_int(mt_service_last(&service), "connection") <= 2);
}

/* The daemon ends at once while questions are at the service and in the queue. */
static void test_ends_meanwhile(void **state) {
    struct mt_stand *stand = service.stand;
    (void)state;
    mt_service_daemon(&service, mt_service_usual(&service, ", max_concurrent: 2, timeout: 5m"));
    for (int i = 0; i < 5; i++)
        mt_post(stand, service.client, "ENTER",
                (const char *const[]){mt_service_text(&service, "hang-%d", i), "c1", "node-1", "k1",
                                      NULL});
    MT_WAIT(stand->world, mt_service_asked(&service, NULL) == 2, "the questions");
    mt_stand_stop(stand, service.daemon);
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
        TEST(test_no_answers), TEST(test_silence), TEST(test_floods),
        TEST(test_bounds),     TEST(test_queue),   TEST(test_ends_meanwhile),
    };
    return cmocka_run_group_tests_name("auth_http_failures", tests, NULL, NULL);
}
