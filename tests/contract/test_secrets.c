/* Tokens, credentials of end users and resume secrets appear nowhere: not in the log (at level
 * debug), not in Redis, not in what it is told or publishes, not in the memory of the daemon once
 * their requests are over.
 *
 * Every secret ends with a mark, random for this run, behind what the rules (rules/rules.c) go by.
 */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doors/pubsub.h"
#include "contract/witness.h"
#include "lib/wait.h"

enum {
    PENDING = 12,
    FLOOD = 200,
    UNRELATED = 40,
    LARGE = 300 << 10,
    PROFILE = 4000,
    MARK = MT_WITNESS_TAIL
};

#define INBOX ",\"reply_to\":\"" MT_NS "inbox:a\""

struct marks {
    struct mt_stand *stand;
    struct mt_client *client; /* whose token is no secret */
    const char *secret;       /* of tokens and credentials */
    const char *resume;       /* of resume secrets */
};

/* `format` with the mark for its %s; lives as long as the stand. */
static const char *with_mark(struct marks *marks, const char *format, const char *mark)
    __attribute__((format_arg(2)));
static const char *with_mark(struct marks *marks, const char *format, const char *mark) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    const char *at = strstr(format, "%s");
    assert_non_null(out);
    assert_non_null(at);
    fprintf(out, "%.*s%s%s", (int)(at - format), format, mark, at + 2);
    fclose(out);
    return mt_keep_text(marks->stand, text);
}

static const char *secret(struct marks *marks, const char *format) {
    return with_mark(marks, format, marks->secret);
}

/* Asks with a token of its own, and demands this answer. */
static void ask_as(struct marks *marks, const char *token, enum muster_status status,
                   const char *operation, const char *const texts[]) {
    struct mt_stand *stand = marks->stand;
    struct mt_answer answer = {0};
    struct mt_client *client = stand->door->open(stand, "a", token);
    mt_await(stand, client, mt_post(stand, client, operation, texts), &answer);
    if (answer.status != status)
        mt_fail(stand->world, "%s with %s: %s %s", operation, token,
                muster_status_code(answer.status), answer.message ? answer.message : "");
    mt_answer_deinit(&answer);
    stand->door->close(&client);
}
#define ASK_AS(marks, format, status, operation, ...)                                              \
    ask_as((marks), secret((marks), (format)), (status), (operation),                              \
           (const char *const[]){__VA_ARGS__, NULL})

/* ---- the requests ---- */

static void use_tokens(struct marks *marks) {
    ASK_AS(marks, "secret:%s", MUSTER_OK, "MEMBERS", "r1");
    ASK_AS(marks, "slow:secret:%s", MUSTER_OK, "MEMBERS", "r1");
    ASK_AS(marks, "refused:%s", MUSTER_UNAUTHENTICATED, "MEMBERS", "r1");
    ASK_AS(marks, "slow:refused:%s", MUSTER_UNAUTHENTICATED, "MEMBERS", "r1");
    ASK_AS(marks, "nobody-knows:%s", MUSTER_DENIED, "MEMBERS", "r1");
    ASK_AS(marks, "never:%s", MUSTER_TIMEOUT, "MEMBERS", "r1");
    ASK_AS(marks, "secret:%s", MUSTER_BAD_REQUEST, "FROBNICATE", "r1");
    ASK_AS(marks, "secret:%s", MUSTER_BAD_REQUEST, "MEMBERS", "r1", "x");
    ASK_AS(marks, "secret:%s", MUSTER_UNKNOWN_SESSION, "SESSION", "nowhere");
}

static void ask(struct marks *marks, enum muster_status status, const char *operation,
                const char *const texts[]) {
    ask_as(marks, "instance:a", status, operation, texts);
}
#define ASK(marks, status, operation, ...)                                                         \
    ask((marks), (status), (operation), (const char *const[]){__VA_ARGS__, NULL})

static void use_credentials(struct marks *marks) {
    static const struct {
        const char *options;
        enum muster_status status;
    } credentials[] = {
        {"{\"credential\":\"secret:%s\"}", MUSTER_OK},
        {"{\"credential\":\"slow:secret:%s\",\"lead\":false}", MUSTER_OK},
        {"{\"credential\":\"refused:%s\"}", MUSTER_UNAUTHENTICATED},
        {"{\"credential\":\"never:%s\"}", MUSTER_TIMEOUT},
        {"{\"credential\":\"nobody-knows:%s\",\"user\":\"u1\"}", MUSTER_UNAUTHENTICATED},
        {"{\"credential\":{\"deep\":\"%s\"}}", MUSTER_BAD_REQUEST},
        {"{\"credential\":\"secret:%s\",\"no-option\":1}", MUSTER_BAD_REQUEST},
        {"{\"credential\":\"\\u0073ecret:%s\",\"priority\":5}", MUSTER_OK},
    };
    for (size_t i = 0; i < sizeof credentials / sizeof credentials[0]; i++)
        ASK(marks, credentials[i].status, "ENTER", "r1", i % 2 ? "c1" : "c2", "a", "x1",
            secret(marks, credentials[i].options));
    ASK(marks, MUSTER_OK, "REGISTER", "c3", "a", "x1",
        secret(marks, "{\"credential\":\"secret:%s\"}"));
    ASK(marks, MUSTER_DENIED, "ENTER", "closed", "c4", "a", "x1",
        secret(marks, "{\"credential\":\"secret:%s\"}"));
    /* Where none belongs, or something is amiss. */
    ASK(marks, MUSTER_BAD_REQUEST, "JOIN", "r1", "c3", "a", "x1",
        secret(marks, "{\"credential\":\"secret:%s\"}"));
    ASK(marks, MUSTER_BAD_REQUEST, "CONFIGURE", "r1",
        secret(marks, "{\"credential\":\"secret:%s\"}"));
    ASK(marks, MUSTER_STALE_INCARNATION, "ENTER", "r1", "c4", "a", "x0",
        secret(marks, "{\"credential\":\"secret:%s\"}"));
}

/* Only resume secrets: a credential in broken options could not be told from any other text. */
static void use_resume_secrets(struct marks *marks) {
    const char *options = with_mark(marks, "{\"resume\":\"%s\"}", marks->resume);
    const char *wrong = with_mark(marks, "wrong%s", marks->resume);
    ASK(marks, MUSTER_OK, "ENTER", "r2", "c5", "a", "x1", options);
    ASK(marks, MUSTER_OK, "ENTER", "crowd", "c5", "a", "x1", options); /* rewritten: no lead */
    ASK(marks, MUSTER_BAD_TOKEN, "RESUME", "c6", "a", "x1", "c5", "a:x1", wrong);
    ASK(marks, MUSTER_OK, "RESUME", "c6", "a", "x1", "c5", "a:x1", marks->resume, options);
    ASK(marks, MUSTER_BAD_ID, "RESUME", "c 6", "a", "x1", "c5", "a:x1", marks->resume, options);
    ASK(marks, MUSTER_UNKNOWN_CONNECTION, "RESUME", "c7", "a", "x1", "c9", "a:x1", marks->resume);
}

/* Messages that are no requests. */
static void use_rubbish(struct marks *marks) {
    static const char *const messages[] = {
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"token\":\"%s\"",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"token\":\"%s\",\"token\":\"x\"" INBOX "}",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"token\":[\"%s\"]" INBOX "}",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"tokem\":\"%s\"" INBOX "}",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"token\":\"secret:%s\"}",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"token\":\"instance:b\",\"x\":\"%s\"" INBOX
        "}",
        "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[[\"%s\"]],\"token\":\"instance:a\"" INBOX "}",
        "%s",
    };
    struct mt_stand *stand = marks->stand;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const char *message = secret(marks, messages[i]);
        MT_WAIT(stand->world, stand->door->send_raw(marks->client, message, strlen(message)),
                "somebody who reads it");
    }
    /* Beyond the bounds of a token and of a message. */
    for (size_t size = 10000; size <= LARGE; size += LARGE - 10000) {
        char *large = malloc(size + 200);
        assert_non_null(large);
        int head =
            sprintf(large, "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[]" INBOX ",\"token\":\"");
        for (size_t i = 0; i < size; i += MARK)
            memcpy(large + head + i, marks->secret, MARK);
        size_t length = (size_t)head + size / MARK * MARK;
        memcpy(large + length, "\"}", 2);
        MT_WAIT(stand->world, stand->door->send_raw(marks->client, large, length + 2),
                "somebody who reads it");
        free(large);
    }
}

/* More at once than the door lets wait. */
static void overload(struct marks *marks) {
    struct mt_stand *stand = marks->stand;
    size_t statuses[MUSTER_STATUS_COUNT] = {0};
    struct mt_client *client = stand->door->open(stand, "b", secret(marks, "never:%s"));
    for (size_t i = 0; i < FLOOD; i++)
        mt_post(stand, client, "MEMBERS", (const char *const[]){"r1", NULL});
    for (size_t i = 0; i < FLOOD; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        statuses[answer.status]++;
        mt_answer_deinit(&answer);
    }
    stand->door->close(&client);
    assert_int_equal(statuses[MUSTER_TIMEOUT], PENDING);
    assert_int_equal(statuses[MUSTER_OVERLOADED], FLOOD - PENDING);
}

/* Secrets far behind the beginning of buffers, where what comes later does not overwrite them. */
static void fill_buffers(struct marks *marks, struct mt_process *daemon) {
    struct mt_stand *stand = marks->stand;
    char *profile = malloc(PROFILE + 1);
    assert_non_null(profile);
    memset(profile, 'x', PROFILE);
    memcpy(profile, "{\"p\":\"", 6);
    memcpy(profile + PROFILE - 2, "\"}", 3);
    ASK_AS(marks, "secret:%s", MUSTER_OK, "ENTER", "r3", "c8", "a", "x1", "", profile);
    const char *options = with_mark(marks, "{\"resume\":\"%s\"}", marks->resume);
    struct mt_client *client = stand->door->open(stand, "a", "instance:a");
    mt_process_signal(daemon, SIGSTOP); /* so that it gets all of them at once */
    for (size_t i = 0; i < PENDING; i++)
        mt_post(stand, client, "ENTER",
                (const char *const[]){"r3", "c9", "a", "x1", options, profile, NULL});
    mt_process_signal(daemon, SIGCONT);
    free(profile);
    for (size_t i = 0; i < PENDING; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        assert_int_equal(answer.status, MUSTER_OK);
        mt_answer_deinit(&answer);
    }
    stand->door->close(&client);
}

static void test_nowhere(void **state) {
    struct mt_stand *stand = *state;
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", true);
    struct mt_witness *witness = mt_witness_create(stand);
    struct marks marks = {.stand = stand,
                          .client = stand->door->open(stand, "a", "instance:a"),
                          .secret = mt_witness_mark(witness),
                          .resume = mt_witness_mark(witness)};
    mt_witness_keep(witness, marks.secret, false);
    mt_witness_keep(witness, marks.resume, true);
    mt_ask(stand, marks.client, "START", "a", "x1");

    use_tokens(&marks);
    use_credentials(&marks);
    use_resume_secrets(&marks);
    use_rubbish(&marks);
    overload(&marks);
    fill_buffers(&marks, daemon);
    struct mt_client *other = stand->door->open(stand, "z", "instance:z");
    for (size_t i = 0; i < UNRELATED; i++)
        mt_ask(stand, other, "MEMBERS", "r1");
    stand->door->close(&other);

    mt_witness_judge(witness, daemon);
    mt_stand_stop(stand, daemon);
    stand->door->close(&marks.client);
    mt_witness_destroy(&witness);
}

static const char *config(struct mt_stand *stand, const char *daemon) {
    (void)stand;
    (void)daemon;
    return "{max_pending: 12}";
}

static const char *const set[] = {"limits.request_timeout=1s", NULL};

static int set_up(void **state) {
    *state = mt_stand_create(*state, set);
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    struct mt_door door = mt_door_pubsub;
    door.config = config;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_nowhere, set_up, tear_down, &door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
