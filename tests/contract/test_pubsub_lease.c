/* The pub/sub door is open where and while a daemon coordinates: of two daemons one listens, one
 * that was frozen and overtaken closes it, and one that ends answers what it has taken. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doors/pubsub.h"
#include "lib/wait.h"

enum { PENDING = 60, ASKED = 20 };

static long long listeners(struct mt_stand *stand) {
    const redisReply *reply = mt_command(stand->redis, "PUBSUB NUMSUB " MT_NS "request");
    long long count = reply->element[1]->integer;
    mt_redis_forget(stand->redis);
    return count;
}

/* Each is answered once: an answer too many would come before the next one's. */
static void ask_some(struct mt_stand *stand, struct mt_client *client) {
    for (size_t i = 0; i < ASKED; i++)
        mt_ask(stand, client, "HEARTBEAT", "a", "x1");
    mt_expect_silence(stand, client);
    assert_int_equal(listeners(stand), 1);
}

static void test_one_of_two(void **state) {
    struct mt_stand *stand = *state;
    struct mt_process *first = mt_stand_lead(stand, "first", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask_until(stand, client, "START", (const char *const[]){"a", "x1", NULL});
    struct mt_process *second = mt_stand_daemon(stand, "second", false);
    mt_daemon_await(second, "daemon.ready");
    ask_some(stand, client);
    mt_process_signal(first, SIGSTOP);
    mt_daemon_await(second, "lease.acquired");
    mt_daemon_await(second, "plugin.transport_pubsub.open");
    mt_process_signal(first, SIGCONT);
    mt_daemon_await(first, "plugin.transport_pubsub.closed");
    MT_WAIT(stand->world, listeners(stand) == 1, "one daemon that listens");
    stand->door->close(&client);
    client = stand->door->open(stand, "a", NULL); /* what was answered twice until now is past */
    ask_some(stand, client);
    stand->door->close(&client);
    mt_stand_stop(stand, first);
    mt_stand_stop(stand, second);
    assert_int_equal(listeners(stand), 0);
}

static void test_ends_with_answers(void **state) {
    struct mt_stand *stand = *state;
    size_t statuses[MUSTER_STATUS_COUNT] = {0};
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = stand->door->open(stand, "a", "instance:a");
    mt_ask_until(stand, client, "START", (const char *const[]){"a", "x1", NULL});
    for (size_t i = 0; i < PENDING; i++)
        mt_post(stand, client, "LEADER",
                (const char *const[]){i % 2 == 0 ? "never" : "slow", NULL});
    mt_expect_silence(stand, client); /* it has read them all */
    mt_stand_stop(stand, daemon);
    for (size_t i = 0; i < PENDING; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        statuses[answer.status]++;
        mt_answer_deinit(&answer);
    }
    assert_int_equal(statuses[MUSTER_OK] + statuses[MUSTER_TIMEOUT], PENDING);
    assert_true(statuses[MUSTER_TIMEOUT] >= PENDING / 2); /* nobody decides about these */
    stand->door->close(&client);
}

/* Leases short enough to wait for; a deadline for decisions that is longer than the door's patience
 * when it ends. */
static const char *const set[] = {"coordinator.lease=1500ms", "coordinator.renew=500ms",
                                  "limits.request_timeout=1m", NULL};

static int set_up(void **state) {
    *state = mt_stand_create(&mt_door_pubsub, set);
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_of_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_with_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
