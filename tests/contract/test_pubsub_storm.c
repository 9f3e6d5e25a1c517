/* A storm on the channel of requests: tens of thousands of good, faulty and foreign messages and of
 * plain rubbish. Each is answered once or refused and counted; nothing is ever published into an
 * inbox that is not the requester's; the daemon does not grow. */
#include "lib/test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doors/pubsub.h"
#include "lib/wait.h"

enum {
    MESSAGES = 40000,
    BATCH = 500,
    LARGE = 300 << 10, /* beyond max_message */
    LARGE_EVERY = 400,
    GROWTH_MIB = 64,
};

enum fate { ANSWERED, TOO_LARGE, NOT_JSON, NO_REPLY_TO, NO_INSTANCE, FOREIGN, FATES };

static const char *const fate_names[FATES] = {"answers",     "too_large",   "not_json",
                                              "no_reply_to", "no_instance", "foreign_reply_to"};

#define ASK(rest) "{\"id\":\"k#\"," rest "}"
#define INBOX(of) "\"reply_to\":\"{t}:inbox:" of "\""

/* What is sent, with its number in place of #; and what must become of it. */
static const struct {
    enum fate fate;
    const char *text;
} kinds[] = {
    {ANSWERED, ASK("\"op\":\"LEADER\",\"args\":[\"r1\"],\"token\":\"instance:a\"," INBOX("a"))},
    {ANSWERED,
     ASK("\"op\":\"HEARTBEAT\",\"args\":[\"a\",\"x1\"],\"token\":\"instance:a\"," INBOX("a"))},
    {ANSWERED, ASK("\"op\":\"STATUS\",\"args\":[],\"token\":\"operator\"," INBOX("desk"))},
    /* Denied: nobody is known by that token, or there is none. */
    {ANSWERED, ASK("\"op\":\"LEADER\",\"args\":[\"r1\"],\"instance\":\"a\"," INBOX("a"))},
    {ANSWERED, ASK("\"op\":\"START\",\"args\":[\"a\",\"x2\"],\"token\":\"gibberish\"," INBOX("a"))},
    {ANSWERED, ASK("\"op\":\"START\",\"args\":[\"a\",\"x2\"],\"token\":\"intruder\"," INBOX("a"))},
    /* Faulty. */
    {ANSWERED, ASK("\"op\":\"LEADER\",\"args\":[1],\"instance\":\"a\"," INBOX("a"))},
    {ANSWERED, ASK("\"op\":\"NONE\",\"args\":[],\"token\":\"instance:a\"," INBOX("a"))},
    {ANSWERED, ASK("\"op\":\"LEADER\",\"args\":[\"\"],\"token\":\"instance:a\"," INBOX("a"))},
    {ANSWERED, ASK("\"what\":1,\"op\":\"STATUS\",\"args\":[],\"instance\":\"a\"," INBOX("a"))},
    /* Somebody else's inbox. */
    {FOREIGN, ASK("\"op\":\"LEADER\",\"args\":[\"r1\"],\"token\":\"instance:a\"," INBOX("victim"))},
    {FOREIGN, ASK("\"op\":\"START\",\"args\":[\"a\",\"x1\"]," INBOX("victim"))},
    {FOREIGN, ASK("\"op\":\"LEADER\",\"args\":[\"r\"],\"instance\":\"a\"," INBOX("victim"))},
    {FOREIGN,
     ASK("\"op\":\"START\",\"args\":[\"a\",\"x\"],\"token\":\"intruder\"," INBOX("victim"))},
    {FOREIGN, ASK("\"op\":\"NONE\",\"args\":[1],\"instance\":\"a\"," INBOX("victim"))},
    {NO_INSTANCE, ASK("\"op\":\"LEADER\",\"args\":[\"victim\"]," INBOX("victim"))},
    {NO_INSTANCE, ASK("\"op\":\"INSTANCE\",\"args\":[\"victim\"]," INBOX("victim"))},
    /* No inbox at all. */
    {NO_REPLY_TO, ASK("\"op\":\"STATUS\",\"args\":[],\"instance\":\"a\"")},
    {NO_REPLY_TO, ASK("\"op\":\"STATUS\",\"args\":[],\"reply_to\":\"{t}:request\"")},
    {NO_REPLY_TO, ASK("\"op\":\"STATUS\",\"args\":[],\"reply_to\":\"{t}:events:instances\"")},
    {NO_REPLY_TO, ASK("\"op\":\"STATUS\",\"args\":[],\"reply_to\":\"{u}:inbox:a\"")},
    {NO_REPLY_TO, ASK("\"op\":\"STATUS\",\"args\":[],\"reply_to\":\"{t}:inbox:*\"")},
    /* Rubbish. */
    {NOT_JSON, "k#"},
    {NOT_JSON, "{\"id\":\"k#\",\"op\":\"STATUS\",\"args\":[]," INBOX("victim")},
    {NOT_JSON, "[\"k#\"]"},
    {NOT_JSON, "{\"id\":\"k#\xff\"," INBOX("victim") "}"},
    {NOT_JSON, "{\"id\":\"k#\"," INBOX("victim") "," INBOX("victim") "}"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct storm {
    struct mt_stand *stand;
    struct mt_redis *publisher;
    struct mt_redis *watcher; /* of all inboxes */
    unsigned char *answered;  /* how often, by number */
    size_t answers;
    size_t sent[FATES];
};

static void collect(struct storm *storm, const redisReply *message) {
    struct mt_world *world = storm->stand->world;
    const char *channel = message->element[2]->str;
    const char *payload = message->element[3]->str;
    size_t number = MESSAGES;
    if (strcmp(channel, MT_NS "inbox:a") != 0 && strcmp(channel, MT_NS "inbox:desk") != 0)
        mt_fail(world, "published into %s: %s", channel, payload);
    if (strncmp(payload, "{\"id\":\"k", 8) == 0)
        number = strtoul(payload + 8, NULL, 10);
    if (number >= MESSAGES || storm->answered[number]++ != 0)
        mt_fail(world, "answered once too often: %s", payload);
    storm->answers++;
}

/* Reads what has come until as many answers are in as there should be. */
static void await_answers(struct storm *storm) {
    redisContext *context = mt_redis_context(storm->watcher);
    while (storm->answers < storm->sent[ANSWERED]) {
        void *reply = NULL;
        if (redisGetReply(context, &reply) != REDIS_OK)
            mt_fail(storm->stand->world, "%zu of %zu answers, then: %s", storm->answers,
                    storm->sent[ANSWERED], context->errstr);
        collect(storm, reply);
        freeReplyObject(reply);
    }
}

static void send_batch(struct storm *storm, size_t from, const char *large) {
    redisContext *context = mt_redis_context(storm->publisher);
    for (size_t i = from; i < from + BATCH; i++) {
        bool is_large = i % LARGE_EVERY == 0;
        const char *text = large;
        char small[512];
        if (!is_large) {
            const char *mark = strchr(kinds[i % KINDS].text, '#');
            snprintf(small, sizeof small, "%.*s%zu%s", (int)(mark - kinds[i % KINDS].text),
                     kinds[i % KINDS].text, i, mark + 1);
            text = small;
        }
        storm->sent[is_large ? TOO_LARGE : kinds[i % KINDS].fate]++;
        redisAppendCommand(context, "PUBLISH " MT_NS "request %b", text, strlen(text));
    }
    for (size_t i = 0; i < BATCH; i++) {
        void *reply = NULL;
        if (redisGetReply(context, &reply) != REDIS_OK || ((redisReply *)reply)->integer != 1)
            mt_fail(storm->stand->world, "a message was not heard by one daemon");
        freeReplyObject(reply);
    }
}

static long long resident_kib(pid_t pid) {
    char path[64], line[256];
    long long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    }
    fclose(file);
    assert_true(kib > 0);
    return kib;
}

/* The door's own numbers, which it logs when it ends. */
static uint64_t total(struct mt_stand *stand, const char *text, const char *name) {
    char needle[64];
    snprintf(needle, sizeof needle, "%s=", name);
    const char *found = strstr(text, needle);
    if (found == NULL)
        mt_fail(stand->world, "no %s in: %s", name, text);
    return strtoull(found + strlen(needle), NULL, 10);
}

static char *stop_and_read_totals(struct mt_stand *stand) {
    mt_stand_stop(stand, stand->daemons[0]);
    return mt_process_wait_line(stand->daemons[0], MT_STDERR, "plugin.transport_pubsub.totals");
}

static void test_storm(void **state) {
    struct mt_stand *stand = *state;
    struct storm storm = {.stand = stand};
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = stand->door->open(stand, "a", "instance:a");
    char *large = malloc(LARGE + 1);
    storm.answered = calloc(MESSAGES, 1);
    assert_non_null(large);
    assert_non_null(storm.answered);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    mt_ask_until(stand, client, "START", (const char *const[]){"a", "x1", NULL});
    mt_expect_silence(stand, client); /* what was asked before has been answered */
    stand->door->close(&client);
    storm.publisher = mt_redis_again(stand->redis);
    storm.watcher = mt_redis_again(stand->redis);
    redisSetTimeout(mt_redis_context(storm.watcher),
                    (struct timeval){.tv_sec = 60 * (long)mt_slowness()});
    mt_command(storm.watcher, "PSUBSCRIBE " MT_NS "inbox:*");
    mt_redis_forget(storm.watcher);

    long long before = 0;
    for (size_t from = 0; from < MESSAGES; from += BATCH) {
        if (from == MESSAGES / 8)
            before = resident_kib(mt_process_pid(daemon));
        send_batch(&storm, from, large);
        await_answers(&storm);
    }
    long long grown = resident_kib(mt_process_pid(daemon)) - before;
    print_message("%d messages, %zu answers; resident memory grew by %lld KiB\n", MESSAGES,
                  storm.answers, grown);
    if (mt_slowness() == 1 && grown > GROWTH_MIB * 1024LL)
        mt_fail(stand->world, "the daemon grew by %lld KiB", grown);

    /* What is no answer has left no trace but its count. */
    char *totals = stop_and_read_totals(stand);
    uint64_t sum = total(stand, totals, "answers");
    for (size_t i = 1; i < FATES; i++) {
        uint64_t counted = total(stand, totals, fate_names[i]);
        if (counted != storm.sent[i])
            mt_fail(stand->world, "%s: %" PRIu64 " counted, %zu sent", fate_names[i], counted,
                    storm.sent[i]);
        sum += counted;
    }
    assert_int_equal(sum, total(stand, totals, "messages"));
    assert_int_equal(total(stand, totals, "lost"), 0);
    /* Behind the daemon's end nothing more can come: the watcher hears of it by its own mark. */
    mt_command(storm.publisher, "PUBLISH " MT_NS "inbox:end x");
    void *reply = NULL;
    assert_int_equal(redisGetReply(mt_redis_context(storm.watcher), &reply), REDIS_OK);
    assert_string_equal(((redisReply *)reply)->element[2]->str, MT_NS "inbox:end");
    freeReplyObject(reply);
    free(totals);
    free(large);
    free(storm.answered);
    mt_redis_close(&storm.publisher);
    mt_redis_close(&storm.watcher);
}

/* ---- bounds ---- */

enum { PER_INBOX = 50, IN_ALL = 80, EACH = 200 };

static const char *small_bounds(struct mt_stand *stand, const char *daemon) {
    (void)stand;
    (void)daemon;
    return "{max_pending: 80, max_pending_per_inbox: 50}";
}

/* Sends requests that nobody ever decides about; counts how they are answered. */
static void press(struct mt_stand *stand, const char *instance, const char *token,
                  size_t statuses[MUSTER_STATUS_COUNT]) {
    struct mt_client *client = stand->door->open(stand, instance, token);
    for (size_t i = 0; i < EACH; i++)
        mt_post(stand, client, "LEADER", (const char *const[]){"never", NULL});
    for (size_t i = 0; i < EACH; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "every answer");
        statuses[answer.status]++;
        mt_answer_deinit(&answer);
    }
    mt_expect_silence(stand, client);
    stand->door->close(&client);
}

static void test_bounds(void **state) {
    struct mt_stand *stand = *state;
    size_t statuses[MUSTER_STATUS_COUNT] = {0};
    mt_stand_lead(stand, "daemon", true);
    press(stand, "a", "instance:a", statuses);
    assert_int_equal(statuses[MUSTER_TIMEOUT], PER_INBOX);
    assert_int_equal(statuses[MUSTER_OVERLOADED], EACH - PER_INBOX);
    /* Two of them fill the door; what is over makes room again. */
    struct mt_client *first = stand->door->open(stand, "a", "instance:a");
    for (size_t i = 0; i < PER_INBOX; i++)
        mt_post(stand, first, "LEADER", (const char *const[]){"never", NULL});
    memset(statuses, 0, sizeof statuses);
    press(stand, "b", "instance:b", statuses);
    assert_int_equal(statuses[MUSTER_TIMEOUT], IN_ALL - PER_INBOX);
    assert_int_equal(statuses[MUSTER_OVERLOADED], EACH - (IN_ALL - PER_INBOX));
    for (size_t i = 0; i < PER_INBOX; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(first, &answer), "every answer");
        assert_int_equal(answer.status, MUSTER_TIMEOUT);
        mt_answer_deinit(&answer);
    }
    mt_ask(stand, first, "LEADER", "r1");
    stand->door->close(&first);
    char *totals = stop_and_read_totals(stand);
    assert_int_equal(total(stand, totals, "overloaded"),
                     statuses[MUSTER_OVERLOADED] + EACH - PER_INBOX);
    free(totals);
}

static const char *const set[] = {"limits.request_timeout=3s", NULL};

static int set_up(void **state) {
    *state = mt_stand_create(*state, set);
    return 0;
}

/* All that fills the door must have been sent before the first of it is over. */
static int set_up_slow(void **state) {
    static const char *const slow[] = {"limits.request_timeout=12s", NULL};
    *state = mt_stand_create(*state, slow);
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    struct mt_door bounded = mt_door_pubsub;
    bounded.config = small_bounds;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_storm, set_up, tear_down,
                                                 (void *)(uintptr_t)&mt_door_pubsub),
        cmocka_unit_test_prestate_setup_teardown(test_bounds, set_up_slow, tear_down, &bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
