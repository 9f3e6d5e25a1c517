/* Tokens, credentials of end users and resume secrets appear nowhere: not in the log (at level
 * debug), not in Redis, not in what it is told or publishes, not in the memory of the daemon once
 * their requests are over.
 *
 * Every secret holds a mark, random for this run, behind what the rules (rules/rules.c) go by. The
 * mark stands at the end: what frees memory may overwrite the first bytes of a secret. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "contract/doors/pubsub.h"
#include "lib/dump.h"
#include "lib/memory.h"
#include "lib/wait.h"

enum { PENDING = 12, FLOOD = 200, UNRELATED = 40, LARGE = 300 << 10, PROFILE = 4000, MARK = 16 };

#define INBOX ",\"reply_to\":\"" MT_NS "inbox:a\""

struct marks {
    struct mt_stand *stand;
    struct mt_client *client; /* whose token is no secret */
    struct mt_redis *ear;     /* hears what is published */
    struct mt_redis *monitor; /* what Redis is told */
    char secret[MARK + 1];    /* of tokens and credentials */
    char resume[MARK + 1];    /* of resume secrets, which Redis is told */
    size_t found;
};

static void make_mark(char mark[MARK + 1]) {
    unsigned char bytes[MARK / 2];
    assert_int_equal(getrandom(bytes, sizeof bytes, 0), sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(mark + 2 * i, 3, "%02x", bytes[i]);
}

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

/* ---- where they must not be ---- */

static void expect_without(struct marks *marks, const char *text, const char *where) {
    if (strstr(text, marks->secret) != NULL || strstr(text, marks->resume) != NULL)
        mt_fail(marks->stand->world, "a secret stands in %s: %s", where, text);
}

/* Redis is told a request by its requester, and a resume secret by the daemon. */
static void look_at_monitor(struct marks *marks) {
    redisContext *context = mt_redis_context(marks->monitor);
    bool resumed = false;
    mt_command(marks->stand->redis, "ECHO end-of-%s", marks->secret);
    for (bool end = false; !end;) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        const char *line = reply->str;
        bool asks = strstr(line, "\"PUBLISH\" \"" MT_NS "request\"") != NULL;
        bool secrets = strstr(line, marks->secret) != NULL;
        bool call = strstr(line, "\"FCALL\"") != NULL;
        end = secrets && strstr(line, "\"ECHO\"") != NULL;
        resumed = resumed || (call && strstr(line, marks->resume) != NULL);
        if (!asks && !end && (secrets || (!call && strstr(line, marks->resume) != NULL)))
            mt_fail(marks->stand->world, "Redis was told a secret: %s", line);
        freeReplyObject(reply);
    }
    assert_true(resumed); /* or this would look at nothing */
}

static void look_at_messages(struct marks *marks) {
    redisContext *context = mt_redis_context(marks->ear);
    size_t heard = 0;
    mt_command(marks->stand->redis, "PUBLISH end end");
    for (bool end = false; !end; heard++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->elements, 4);
        end = strcmp(reply->element[2]->str, "end") == 0;
        if (strcmp(reply->element[2]->str, MT_NS "request") != 0)
            expect_without(marks, reply->element[3]->str, reply->element[2]->str);
        freeReplyObject(reply);
    }
    assert_true(heard > FLOOD);
}

static void found(void *context, const char *map, const char *around, size_t length) {
    struct marks *marks = context;
    char shown[200];
    size_t used = 0;
    for (size_t i = 0; i < length && used < sizeof shown - 1; i++)
        shown[used++] = around[i] >= 0x20 && around[i] < 0x7f ? around[i] : '.';
    shown[used] = '\0';
    if (marks->found++ < 40)
        print_error("%s: %s\n", map, shown);
}

static void look_at_memory(struct marks *marks, const struct mt_process *daemon) {
    pid_t pid = mt_process_pid(daemon);
    if (!mt_memory_is_plain())
        return;
    /* The search finds what is there: the names of sessions are no secret. */
    assert_true(mt_memory_count(pid, MT_NAMESPACE, sizeof MT_NAMESPACE, NULL, NULL) > 0);
    size_t secrets = mt_memory_count(pid, marks->secret, MARK, found, marks);
    size_t resumes = mt_memory_count(pid, marks->resume, MARK, found, marks);
    if (secrets > 0 || resumes > 0)
        mt_fail(
            marks->stand->world,
            "in the daemon's memory: %zu times a token or credential, %zu times a resume secret",
            secrets, resumes);
}

static struct mt_redis *listen_with(struct mt_stand *stand, const char *command) {
    struct mt_redis *redis = mt_redis_again(stand->redis);
    redisSetTimeout(mt_redis_context(redis), (struct timeval){.tv_sec = 60 * (long)mt_slowness()});
    mt_command(redis, command);
    return redis;
}

static void test_nowhere(void **state) {
    struct mt_stand *stand = *state;
    struct marks marks = {.stand = stand};
    make_mark(marks.secret);
    make_mark(marks.resume);
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", true);
    marks.client = stand->door->open(stand, "a", "instance:a");
    marks.ear = listen_with(stand, "PSUBSCRIBE *");
    marks.monitor = listen_with(stand, "MONITOR");
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

    look_at_memory(&marks, daemon);
    look_at_monitor(&marks);
    look_at_messages(&marks);
    char *log = mt_process_output(daemon, MT_STDERR);
    assert_non_null(strstr(log, "\"event\":\"auth.denied\""));
    assert_non_null(strstr(log, "\"event\":\"auth.allowed\""));
    expect_without(&marks, log, "the log");
    free(log);
    char *dump = mt_dump(stand->redis);
    expect_without(&marks, dump, "Redis");
    free(dump);

    mt_stand_stop(stand, daemon);
    stand->door->close(&marks.client);
    mt_redis_close(&marks.ear);
    mt_redis_close(&marks.monitor);
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
