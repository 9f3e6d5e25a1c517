/* musterctl --via pubsub: what it prints, and its exit status. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "contract/doors/pubsub.h"

static char *ctl(struct mt_stand *stand, int expected, const char *const words[]) {
    const char *command[32] = {"--via", "pubsub"};
    char *out = NULL;
    size_t count = 2;
    for (size_t i = 0; words[i] != NULL; i++)
        command[count++] = words[i];
    int code = mt_ctl(stand->world, stand->server, command, &out);
    if (code != expected)
        mt_fail(stand->world, "musterctl %s: exit %d, expected %d\n%s", words[0], code, expected,
                out);
    return out;
}
#define CTL(stand, expected, ...) ctl((stand), (expected), (const char *const[]){__VA_ARGS__, NULL})
#define RUN(stand, expected, ...) free(CTL(stand, expected, __VA_ARGS__))

static void expect_text(struct mt_stand *stand, char *out, const char *part) {
    if (strstr(out, part) == NULL)
        mt_fail(stand->world, "no \"%s\" in:\n%s", part, out);
    free(out);
}

static void test_nobody(void **state) {
    struct mt_stand *stand = *state;
    RUN(stand, 3, "status");
    RUN(stand, 3, "call", "STATUS");
    /* Somebody listens and does not answer. */
    struct mt_redis *deaf = mt_redis_again(stand->redis);
    mt_command(deaf, "SUBSCRIBE " MT_NS "request");
    RUN(stand, 3, "call", "STATUS", "--timeout", "100ms");
    mt_redis_close(&deaf);
}

static void test_usage(void **state) {
    struct mt_stand *stand = *state;
    RUN(stand, 2, "call");
    RUN(stand, 2, "watch");
    RUN(stand, 2, "call", "STATUS", "--timeout", "0");
    RUN(stand, 2, "call", "STATUS", "--instance", "a b");
    RUN(stand, 2, "call", "STATUS", "--token", "file:/nowhere/token");
    RUN(stand, 2, "sessions", "--offset", "3");
    RUN(stand, 2, "--via", "pigeon", "status");
    assert_int_equal(
        mt_ctl(stand->world, stand->server, (const char *const[]){"call", "STATUS", NULL}, NULL),
        2);
    RUN(stand, 2, "call", "LEADER", "\xff");
}

static void test_commands(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", false);
    /* musterctl listens where the instance does, and goes: without this the instance would look
     * dead. */
    struct mt_redis *inbox = mt_redis_again(stand->redis);
    mt_command(inbox, "SUBSCRIBE " MT_NS "inbox:a");
    RUN(stand, 0, "call", "START", "a", "x1", "{\"big\":12345678901234567890}");
    expect_text(stand,
                CTL(stand, 0, "call", "ENTER", "r1", "c1", "a", "x1", "{\"user\":\"u1\"}",
                    "{\"n\": 12345678901234567890}"),
                "\"joined\":true");
    RUN(stand, 0, "call", "ENTER", "r1", "c2", "a", "x1");
    RUN(stand, 1, "call", "SESSION", "nowhere");
    RUN(stand, 1, "call", "NONSENSE");
    RUN(stand, 1, "call", "LEADER", "a b");
    expect_text(stand, CTL(stand, 0, "call", "--", "COUNT", "r1", "-r2"), "[2,0]");

    expect_text(stand, CTL(stand, 0, "status"), "instances    1 up, 0 suspect, 0 draining\n");
    expect_text(stand, CTL(stand, 0, "status", "--json"), "\"connections\":2");
    expect_text(stand, CTL(stand, 0, "instances"), "a         up               2      1  x1\n");
    expect_text(stand, CTL(stand, 0, "instances", "--json"), "{\"big\":12345678901234567890}");
    expect_text(stand, CTL(stand, 0, "sessions"), "r1             2  c1\n");
    expect_text(stand, CTL(stand, 0, "sessions", "--json"), "\"cursor\":\"0\"");
    expect_text(stand, CTL(stand, 0, "members", "r1"), "session r1: 2 members, leader c1");
    expect_text(stand, CTL(stand, 0, "members", "r1", "--json"), "{\"n\": 12345678901234567890}");
    RUN(stand, 1, "members", "a b");
    expect_text(stand, CTL(stand, 0, "drain", "a", "--rate", "10/s"),
                "a drains: 1 leadership and 2 connections; `musterctl undrain a` ends that\n");
    expect_text(stand, CTL(stand, 0, "drain", "a", "--wait", "--json"),
                "\"connections\":2,\"seconds\":");
    expect_text(stand, CTL(stand, 0, "undrain", "a"), "a does not drain any more\n");
    RUN(stand, 1, "undrain", "b");
    RUN(stand, 2, "drain", "a b");

    mt_process_signal(stand->daemons[0], SIGSTOP);
    RUN(stand, 3, "call", "STATUS", "--timeout", "200ms");
    mt_process_signal(stand->daemons[0], SIGCONT);
    RUN(stand, 0, "call", "STATUS");
    mt_redis_close(&inbox);
}

static void test_tokens(void **state) {
    struct mt_stand *stand = *state;
    const char *path = mt_world_path(stand->world, "token");
    char option[256];
    mt_stand_lead(stand, "daemon", true);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("operator\n", file);
    fclose(file);
    snprintf(option, sizeof option, "file:%s", path);
    assert_int_equal(chmod(path, 0644), 0);
    RUN(stand, 2, "status", "--token", option); /* open to everybody */
    assert_int_equal(chmod(path, 0600), 0);
    RUN(stand, 0, "status", "--token", option);
    RUN(stand, 1, "status"); /* anonymous: DENIED */
    RUN(stand, 1, "status", "--token", "nobody-knows-it");
    /* Bound to an instance: only its own inbox is answered. */
    RUN(stand, 3, "call", "START", "a", "x1", "--token", "instance:a", "--timeout", "300ms");
    RUN(stand, 0, "call", "START", "a", "x1", "--token", "instance:a", "--instance", "a");
    RUN(stand, 1, "call", "KICK", "r1", "c1", "--token", "instance:a", "--instance", "a");
    RUN(stand, 0, "call", "KICK", "r1", "c1", "--token", option);
}

static int set_up(void **state) {
    *state = mt_stand_create(&mt_door_pubsub, NULL);
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
