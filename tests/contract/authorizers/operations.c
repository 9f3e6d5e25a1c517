/* operations.c - every operation, asked by somebody about whom the authorizer says this or that. */
#include <stdlib.h>
#include <string.h>

#include "contract/authorizers/authority.h"
#include "lib/dump.h"
#include "lib/test.h"
#include "lib/wait.h"

/* In an order in which each succeeds. `$` is the session. */
static const struct step {
    enum muster_operation operation;
    const char *texts[8];
} steps[] = {
#define STEP(name, ...)                                                                            \
    {                                                                                              \
        MUSTER_OPERATION_##name, {                                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
    STEP(START, "a", "x1", "{\"zone\":\"eu\"}"),
    STEP(HEARTBEAT, "a", "x1"),
    STEP(REGISTER, "c1", "a", "x1"),
    STEP(ENTER, "$", "c2", "a", "x1", "{\"resume\":\"secret\"}"),
    STEP(JOIN, "$", "c1", "a", "x1"),
    STEP(UPDATE, "c1", "a", "x1", "{\"v\":2}"),
    STEP(TOUCH, "a", "x1", "c1"),
    STEP(CONFIGURE, "$", "{\"limit\":50}"),
    STEP(PROMOTE, "$", "c1"),
    STEP(MEMBERS, "$"),
    STEP(USERS, "$"),
    STEP(COUNT, "$"),
    STEP(ISMEMBER, "$", "c1"),
    STEP(LEADER, "$"),
    STEP(CHECK, "$", "1"),
    STEP(SESSION, "$"),
    STEP(SESSIONS, NULL),
    STEP(CONNECTION, "c1"),
    STEP(INSTANCE, "a"),
    STEP(INSTANCES, NULL),
    STEP(STATUS, NULL),
    STEP(ORDER, "brake-release"),
    STEP(DISCONNECT, "c2", "a", "x1", "60000"),
    STEP(RESUME, "c7", "a", "x1", "c2", "a:x1", "secret"),
    STEP(KICK, "$", "c7", "rude"),
    STEP(LEAVE, "$", "c1", "a", "x1"),
    STEP(UNREGISTER, "c1", "a", "x1"),
    STEP(DRAIN, "a", "x1", "on"),
    STEP(STOP, "a", "x1"),
#undef STEP
};
enum { STEPS = sizeof steps / sizeof steps[0], MOST_TEXTS = 8, PREPARED = 5, LATE_MS = 1000 };

/* An operation that was added to the table needs a step. */
_Static_assert((int)STEPS == (int)MUSTER_OPERATIONS, "each operation once");

static void texts_of(const struct step *step, const struct mt_asker *asker,
                     const char *texts[MOST_TEXTS + 1]) {
    size_t i = 0;
    for (; i < MOST_TEXTS && step->texts[i] != NULL; i++) {
        bool session = strcmp(step->texts[i], "$") == 0;
        texts[i] = !session ? step->texts[i] : asker->session != NULL ? asker->session : "r1";
    }
    texts[i] = NULL;
}

static bool covered(const struct mt_suite *suite, const struct step *step) {
    return suite->authority->covers == NULL || suite->authority->covers(step->operation);
}

static void ask_every(struct mt_suite *suite, const struct mt_asker *asker,
                      enum muster_status status, const char *part, bool only_covered) {
    struct mt_client *client = mt_suite_open(suite, asker, "a");
    bool seen[MUSTER_OPERATIONS] = {false};
    for (size_t i = 0; i < STEPS; i++) {
        const char *texts[MOST_TEXTS + 1];
        assert_false(seen[steps[i].operation]);
        seen[steps[i].operation] = true;
        if (only_covered && !covered(suite, &steps[i]))
            continue;
        texts_of(&steps[i], asker, texts);
        mt_suite_expect(suite, client, status, part, mu_operations[steps[i].operation].name, texts);
    }
    suite->stand->door->close(&client);
}

/* Makes data that every one of the steps would change or read: the first few, past all doors. */
static void prepare(struct mt_suite *suite, const struct mt_asker *asker) {
    for (size_t i = 0; i < PREPARED; i++) {
        const char *texts[MOST_TEXTS + 1];
        bool error = true;
        texts_of(&steps[i], asker, texts);
        mt_fcall(suite->stand, mu_operations[steps[i].operation].name, texts, &error);
        assert_false(error);
    }
}

static void expect_refused(struct mt_suite *suite, enum mt_says says, enum muster_status status,
                           const char *part) {
    struct mt_asker asker = mt_suite_asker(suite, says, "a");
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", "deny");
    char *empty = mt_suite_dump(suite);
    ask_every(suite, &asker, status, part, true); /* on no data at all */
    char *after = mt_suite_dump(suite);
    mt_assert_same_dump(empty, after);
    free(empty);
    free(after);
    prepare(suite, &asker);
    char *before = mt_suite_dump(suite);
    ask_every(suite, &asker, status, part, true);
    after = mt_suite_dump(suite);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
    mt_fsck(suite->stand->world, suite->stand->server);
    mt_stand_stop(suite->stand, daemon);
}

void mt_authority_denied(void **state) {
    struct mt_suite *suite = *state;
    expect_refused(suite, MT_DENIED, MUSTER_DENIED, suite->authority->reason);
}

void mt_authority_undecided_denied(void **state) {
    expect_refused(*state, MT_UNDECIDED, MUSTER_DENIED, "no authorizer allows it");
}

static void expect_done(struct mt_suite *suite, enum mt_says says, const char *otherwise) {
    struct mt_asker asker = mt_suite_asker(suite, says, "a");
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", otherwise);
    ask_every(suite, &asker, MUSTER_OK, NULL, false);
    mt_fsck(suite->stand->world, suite->stand->server);
    mt_stand_stop(suite->stand, daemon);
}

void mt_authority_allowed(void **state) {
    const struct mt_suite *suite = *state;
    /* What an authorizer has no opinion about must be allowed by the default. */
    expect_done(*state, MT_ALLOWED, suite->authority->covers == NULL ? "deny" : "allow");
}

void mt_authority_undecided_allowed(void **state) {
    expect_done(*state, MT_UNDECIDED, "allow");
}

void mt_authority_slow(void **state) {
    expect_done(*state, MT_SLOW, "deny");
}

/* All at once: each waits for its deadline. */
void mt_authority_late(void **state) {
    struct mt_suite *suite = *state;
    struct mt_stand *stand = suite->stand;
    struct mt_asker asker = mt_suite_asker(suite, MT_LATE, "a");
    struct mt_process *daemon = mt_suite_lead(suite, "daemon", "allow");
    size_t asked = 0;
    prepare(suite, &asker);
    char *before = mt_suite_dump(suite);
    struct mt_client *client = mt_suite_open(suite, &asker, "a");
    for (size_t i = 0; i < STEPS; i++) {
        const char *texts[MOST_TEXTS + 1];
        if (!covered(suite, &steps[i]))
            continue;
        struct mt_argument arguments[MOST_TEXTS];
        struct mt_request request = {.id = mt_next_id(stand),
                                     .operation = mu_operations[steps[i].operation].name,
                                     .arguments = arguments,
                                     .timeout_ms = LATE_MS * mt_slowness()};
        texts_of(&steps[i], &asker, texts);
        for (; texts[request.count] != NULL; request.count++)
            arguments[request.count] = mt_argument(texts[request.count]);
        mt_post_request(stand, client, &request);
        asked++;
    }
    for (; asked > 0; asked--) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        if (answer.status != MUSTER_TIMEOUT ||
            strstr(answer.message, suite->authority->plugin) == NULL)
            mt_fail(stand->world, "%s %s", muster_status_code(answer.status),
                    answer.message != NULL ? answer.message : answer.json);
        mt_answer_deinit(&answer);
    }
    stand->door->close(&client);
    char *after = mt_suite_dump(suite);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
    mt_stand_stop(stand, daemon);
}
