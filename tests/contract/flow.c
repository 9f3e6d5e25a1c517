/* flow.c - many requests at once, and daemons that come and go. */
#include "contract/cases.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "lib/wait.h"

enum { MANY = 1000, VANISHING = 300 };

void mt_case_a_thousand_at_once(void **state) {
    struct mt_stand *stand = *state;
    const char *ids[MANY];
    bool answered[MANY] = {false};
    char session[32];
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");
    for (size_t i = 0; i < MANY; i++) {
        snprintf(session, sizeof session, "r%zu", i);
        /* Writes and reads in turn. */
        ids[i] = i % 2 == 0 ? mt_post(stand, client, "LEADER", (const char *const[]){session, NULL})
                            : mt_post(stand, client, "ENTER",
                                      (const char *const[]){session, "c1", "a", "x1", NULL});
    }
    for (size_t count = 0; count < MANY; count++) {
        struct mt_answer answer = {0};
        size_t i = MANY;
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        for (size_t at = 0; at < MANY && answer.id != NULL; at++)
            i = strcmp(ids[at], answer.id) == 0 ? at : i;
        if (i == MANY || answered[i]) {
            mt_fail(stand->world, "an answer with id %s, which nobody waits for", answer.id);
            return;
        }
        answered[i] = true;
        if (answer.status == MUSTER_TOO_MANY_SESSIONS && i % 2 == 1) {
            mt_answer_deinit(&answer);
            continue; /* one connection may be in 128 */
        }
        if (answer.status != MUSTER_OK)
            mt_fail(stand->world, "%s: %s", muster_status_code(answer.status), answer.message);
        snprintf(session, sizeof session, "r%zu", i);
        mt_expect(mt_parsed(stand, answer.json), "{'session':'%s','#more':0}", session);
        mt_answer_deinit(&answer);
    }
    mt_expect_silence(stand, client);
    stand->door->close(&client);
    mt_fsck(stand->world, stand->server);
}

void mt_case_same_ids(void **state) {
    struct mt_stand *stand = *state;
    static const char *const instances[] = {"a", "b"};
    struct mt_client *clients[2];
    mt_stand_lead(stand, "daemon", false);
    for (size_t i = 0; i < 2; i++)
        clients[i] = stand->door->open(stand, instances[i], NULL);
    for (size_t i = 0; i < 2; i++) {
        struct mt_argument arguments[] = {mt_argument(instances[i]), mt_argument("x1")};
        struct mt_request request = {
            .id = "same", .operation = "START", .arguments = arguments, .count = 2};
        mt_post_request(stand, clients[i], &request);
    }
    for (size_t i = 0; i < 2; i++) {
        struct mt_answer answer = {0};
        mt_await(stand, clients[i], "same", &answer);
        assert_int_equal(answer.status, MUSTER_OK);
        mt_expect(mt_parsed(stand, answer.json), "{'instance':'%s','#more':0}", instances[i]);
        mt_answer_deinit(&answer);
        mt_expect_silence(stand, clients[i]);
        stand->door->close(&clients[i]);
    }
}

void mt_case_nobody_serves(void **state) {
    struct mt_stand *stand = *state;
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    struct mt_request request = {.id = "early", .operation = "STATUS"};
    assert_false(stand->door->send(client, &request));
    mt_stand_lead(stand, "daemon", false);
    mt_ask_until(stand, client, "START", (const char *const[]){"a", "x1", NULL});
    mt_stand_stop(stand, stand->daemons[0]);
    MT_WAIT(stand->world, !stand->door->send(client, &request), "nobody who serves");
    stand->door->close(&client);
}

void mt_case_killed_daemon(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "first", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1");
    mt_process_kill(stand->daemons[0]);
    mt_stand_lead(stand, "second", false);
    const char *json =
        mt_ask_until(stand, client, "JOIN", (const char *const[]){"r1", "c1", "a", "x1", NULL});
    mt_expect(mt_parsed(stand, json), "{'joined':false,'leader':'c1','count':1,'#more':0}");
    stand->door->close(&client);
}

void mt_case_moved_coordinator(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "first", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");
    struct mt_process *second = mt_stand_daemon(stand, "second", false);
    mt_daemon_await(second, "daemon.ready");
    mt_expect_silence(stand, client); /* of two daemons one answers */
    /* It lets the lease go in good order; the standby takes over. */
    mt_stand_stop(stand, stand->daemons[0]);
    mt_ask_until(stand, client, "HEARTBEAT", (const char *const[]){"a", "x1", NULL});
    mt_daemon_await(second, "lease.acquired");
    for (size_t i = 0; i < 20; i++)
        mt_ask_until(stand, client, "HEARTBEAT", (const char *const[]){"a", "x1", NULL});
    stand->door->close(&client);
    mt_stand_stop(stand, second);
}

/* ---- with decisions that take their time ---- */

static void enter_slowly(struct mt_stand *stand, struct mt_client *client, size_t count) {
    char connection[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(connection, sizeof connection, "c%zu", i);
        mt_post(stand, client, "ENTER",
                (const char *const[]){i % 3 == 0 ? "never" : "slow", connection, "a", "x1", NULL});
    }
}

void mt_case_vanished_requesters(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = stand->door->open(stand, "a", "instance:a");
    struct mt_client *other = stand->door->open(stand, "b", "instance:b");
    mt_ask(stand, client, "START", "a", "x1");
    mt_ask(stand, other, "START", "b", "y1");
    enter_slowly(stand, client, VANISHING);
    stand->door->vanish(&client);
    mt_ask(stand, other, "ENTER", "r1", "c1", "b", "y1");
    /* One of the same name hears nothing of what the dead one asked for, or at most that. */
    client = stand->door->open(stand, "a", "instance:a");
    mt_ask_until(stand, client, "HEARTBEAT", (const char *const[]){"a", "x1", NULL});
    mt_expect_silence(stand, other);
    stand->door->close(&client);
    stand->door->close(&other);
    mt_stand_stop(stand, stand->daemons[0]);
}

void mt_case_stopped_daemon(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = stand->door->open(stand, "a", "instance:a");
    mt_ask(stand, client, "START", "a", "x1");
    enter_slowly(stand, client, VANISHING);
    mt_stand_stop(stand, stand->daemons[0]);
    stand->door->close(&client);
    mt_stand_lead(stand, "second", true);
    mt_fsck(stand->world, stand->server);
}
