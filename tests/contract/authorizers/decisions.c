/* decisions.c - what else is owed: credentials, a cache, an end, load, new configuration. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/authorizers/authority.h"
#include "lib/dump.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { PENDING = 30, MANY = 2000, RELOADS = 10, BETWEEN = 10 };

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Instances `a` and `b` are there, past all doors. */
static void start_instances(struct mt_suite *suite) {
    bool error = true;
    mt_fcall(suite->stand, "START", TEXTS("a", "x1"), &error);
    assert_false(error);
    mt_fcall(suite->stand, "START", TEXTS("b", "y1"), &error);
    assert_false(error);
}

static const char *session_of(const struct mt_asker *asker, const char *otherwise) {
    return asker->session != NULL ? asker->session : otherwise;
}

/* ---- credentials of end users ---- */

static const char *options_with(struct mt_suite *suite, const char *credential) {
    json_t *options = json_pack("{s:s}", "credential", credential);
    char *text = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    return mt_keep_text(suite->stand, text);
}

void mt_authority_credentials(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    if (suite->authority->credential == NULL) {
        print_message("%s knows no end users\n", suite->authority->plugin);
        skip();
        return;
    }
    const char *good = suite->authority->credential(stand, MT_ALLOWED);
    const char *bad = suite->authority->credential(stand, MT_DENIED);
    struct mt_asker asker = mt_suite_asker(suite, MT_ALLOWED, "a");
    const char *session = session_of(&asker, "r1");
    mt_suite_lead(suite, "daemon", "deny");
    start_instances(suite);
    struct mt_client *client = mt_suite_open(suite, &asker, "a");
    char *before = mt_suite_dump(suite);
    if (bad != NULL)
        mt_suite_expect(suite, client, MUSTER_UNAUTHENTICATED, NULL, "ENTER",
                        TEXTS(session, "c1", "a", "x1", options_with(suite, bad)));
    mt_suite_expect(suite, client, MUSTER_UNAUTHENTICATED, NULL, "ENTER",
                    TEXTS(session, "c1", "a", "x1", options_with(suite, "nobody-knows-this")));
    mt_suite_expect(suite, client, MUSTER_UNAUTHENTICATED, NULL, "REGISTER",
                    TEXTS("c1", "a", "x1", options_with(suite, "nobody-knows-this")));
    char *after = mt_suite_dump(suite);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
    mt_suite_expect(suite, client, MUSTER_OK, NULL, "ENTER",
                    TEXTS(session, "c1", "a", "x1", options_with(suite, good)));
    const char *member = mt_text(stand->redis, "HGET " MT_NS "session:%s c1", session);
    assert_non_null(member);
    assert_string_equal(mt_str(mt_parsed(stand, member), "user"), suite->authority->user);
    stand->door->close(&client);
}

/* ---- cached decisions ---- */

static enum muster_status ask_gate(struct mt_suite *suite, struct mt_client *client) {
    struct mt_stand *stand = suite->stand;
    struct mt_answer answer = {0};
    mt_await(stand, client, mt_post(stand, client, "LEADER", TEXTS(MT_GATE)), &answer);
    enum muster_status status = answer.status;
    mt_answer_deinit(&answer);
    return status;
}

void mt_authority_cached(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    struct mt_asker asker = mt_suite_asker(suite, MT_ALLOWED, "a");
    if (suite->authority->turn == NULL) {
        print_message("%s never changes its mind here\n", suite->authority->plugin);
        skip();
        return;
    }
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", "deny");
    struct mt_client *client = mt_suite_open(suite, &asker, "a");
    const char *const flush[] = {"flush", "--yes", NULL};
    enum muster_status said = MUSTER_OK;
    suite->authority->turn(stand, daemon, true);
    MT_WAIT(stand->world, ask_gate(suite, client) == MUSTER_OK, "an open gate");
    for (unsigned i = 0; i < 2; i++) {
        /* Shut, then open again: what was said before holds until it is flushed. */
        enum muster_status then = said == MUSTER_OK ? MUSTER_DENIED : MUSTER_OK;
        suite->authority->turn(stand, daemon, then == MUSTER_OK);
        assert_int_equal(ask_gate(suite, client), said);
        assert_int_equal(mt_ctl(stand->world, stand->server, flush, NULL), 0);
        MT_WAIT(stand->world, ask_gate(suite, client) == then, "the new answer");
        said = then;
    }
    stand->door->close(&client);
    mt_stand_stop(stand, daemon);
}

/* ---- the end ---- */

void mt_authority_stopped(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    struct mt_asker asker = suite->authority->asker(stand, MT_LATE, "a");
    if (!asker.possible)
        asker = mt_suite_asker(suite, MT_DENIED, "a");
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", "allow");
    start_instances(suite);
    char *before = mt_suite_dump(suite);
    struct mt_client *client = mt_suite_open(suite, &asker, "a");
    for (size_t i = 0; i < PENDING; i++)
        mt_post(stand, client, "ENTER", TEXTS(session_of(&asker, "r1"), "c1", "a", "x1"));
    mt_stand_stop(stand, daemon);
    struct mt_answer answer = {0};
    while (stand->door->receive(client, &answer)) {
        assert_int_not_equal(answer.status, MUSTER_OK);
        mt_answer_deinit(&answer);
    }
    stand->door->close(&client);
    char *after = mt_suite_dump(suite);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
}

/* ---- many ---- */

/* As many are to come, and all of them say this. */
static void receive_all(struct mt_suite *suite, struct mt_client *client, size_t count,
                        enum muster_status status) {
    struct mt_stand *stand = suite->stand;
    for (size_t i = 0; i < count; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        if (answer.status != status)
            mt_fail(stand->world, "%s %s, wanted %s", muster_status_code(answer.status),
                    answer.message != NULL ? answer.message : answer.json,
                    muster_status_code(status));
        mt_answer_deinit(&answer);
    }
}

void mt_authority_load(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    struct mt_asker good = mt_suite_asker(suite, MT_ALLOWED, "a");
    struct mt_asker bad = mt_suite_asker(suite, MT_DENIED, "b");
    const char *open = session_of(&good, "r1");
    const char *shut = session_of(&bad, "r1");
    struct mt_process *daemon =
        mt_suite_lead(suite, "daemon", suite->authority->covers == NULL ? "deny" : "allow");
    start_instances(suite);
    struct mt_client *allowed = mt_suite_open(suite, &good, "a");
    struct mt_client *denied = mt_suite_open(suite, &bad, "b");
    const size_t many = suite->authority->many != 0 ? suite->authority->many : MANY;
    for (size_t i = 0; i < many; i++) {
        char connection[32];
        snprintf(connection, sizeof connection, "c%zu", i);
        mt_post(stand, allowed, "ENTER", TEXTS(open, connection, "a", "x1"));
        snprintf(connection, sizeof connection, "d%zu", i);
        mt_post(stand, denied, "ENTER", TEXTS(shut, connection, "b", "y1"));
    }
    receive_all(suite, allowed, many, MUSTER_OK);
    receive_all(suite, denied, many, MUSTER_DENIED);
    assert_int_equal(atoi(mt_text(stand->redis, "HGET " MT_NS "session:%s #count", open)), many);
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "instance:b:connections"), 0);
    stand->door->close(&allowed);
    stand->door->close(&denied);
    mt_stand_stop(stand, daemon);
}

void mt_authority_reload(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    struct mt_asker good = mt_suite_asker(suite, MT_ALLOWED, "a");
    struct mt_asker bad = mt_suite_asker(suite, MT_DENIED, "b");
    struct mt_process *daemon =
        mt_suite_lead(suite, "daemon", suite->authority->covers == NULL ? "deny" : "allow");
    start_instances(suite);
    struct mt_client *allowed = mt_suite_open(suite, &good, "a");
    struct mt_client *denied = mt_suite_open(suite, &bad, "b");
    for (size_t i = 0; i < RELOADS; i++) {
        for (size_t j = 0; j < BETWEEN; j++) {
            if (j == BETWEEN / 2) /* with questions pending */
                mt_process_signal(daemon, SIGHUP);
            mt_post(stand, allowed, "ENTER", TEXTS(session_of(&good, "r1"), "c1", "a", "x1"));
            mt_post(stand, denied, "ENTER", TEXTS(session_of(&bad, "r1"), "d1", "b", "y1"));
        }
        receive_all(suite, allowed, BETWEEN, MUSTER_OK);
        receive_all(suite, denied, BETWEEN, MUSTER_DENIED);
        mt_daemon_await(daemon, "config.reloaded");
    }
    stand->door->close(&allowed);
    stand->door->close(&denied);
    mt_stand_stop(stand, daemon);
}
