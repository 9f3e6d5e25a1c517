/* The way of a request, from the door to Redis and back, over a real Redis: each stage, who is
 * asked what, and what of it reaches Redis. Ends and bounds are in test_requests_ends.c. */
#include "requests_bench.h"

static void test_every_stage(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct muster_credentials credentials = {.token = {"tok", 3}};
    struct mu_submission with = {.credentials = &credentials};
    assert_int_equal(
        submit_with(b, &heard, &with, "enter", MT_ARGUMENTS("room", "c1", "node-1", "inc-a")),
        MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_OK);
    assert_string_equal(b->token, "tok");
    assert_string_equal(b->principal, "node-1");
    assert_string_equal(b->session, "room");
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_ENTER], 1);
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_LEAD], 1);
    assert_string_equal(mt_leader(b->f, "room"), "c1");
    /* An anonymous one, a read. */
    ASK_OK(b, &heard, "LEADER", "room");
    assert_non_null(strstr(heard.text, "\"leader\":\"c1\""));
    assert_string_equal(b->principal, "anonymous");
    /* What the functions refuse is the reply, too. */
    ASK(b, &heard, "JOIN", "room", "nobody", "node-1", "inc-a");
    assert_int_not_equal(heard.status, MUSTER_OK);
    assert_int_equal(counts(b).submitted[MUSTER_OPERATION_ENTER], 1);
    assert_int_equal(counts(b).statuses[MUSTER_OK], 2);
    assert_int_equal(counts(b).pending, 0);
    assert_int_equal(counts(b).bytes, 0);
}

/* Whatever is refused on the way changes nothing. */
static void test_refused_before_redis(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct muster_credentials credentials = {.token = {"tok", 3}};
    struct mu_submission with = {.credentials = &credentials};
    const char *const enter[] = {"room", "c1", "node-1", "inc-a", NULL};
    char *before = mt_dump(b->f->redis);
    ASK_FAILS(b, &heard, BAD_REQUEST, "there is no operation 'DANCE'; STATUS is one", "DANCE");
    ASK(b, &heard, "ENTER", "a room", "c1", "node-1", "inc-a");
    assert_int_equal(heard.status, MUSTER_BAD_ID);
    ASK_FAILS(b, &heard, BAD_JSON, "the options must be one strict JSON object", "ENTER", "room",
              "c1", "node-1", "inc-a", "{\"credential\":\"s3cr3t\",}");
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_ENTER], 0);
    b->caller = MUSTER_DENY;
    b->reason = "unknown token";
    assert_int_equal(submit_with(b, &heard, &with, "ENTER", enter), MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_UNAUTHENTICATED);
    assert_string_equal(heard.text, "unknown token");
    b->end_user = MUSTER_DENY;
    ASK_FAILS(b, &heard, UNAUTHENTICATED, "unknown token", "ENTER", "room", "c1", "node-1", "inc-a",
              "{\"credential\":\"s3cr3t\"}");
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_DENY;
    b->reason = "not this room";
    ASK_FAILS(b, &heard, DENIED, "not this room", "ENTER", "room", "c1", "node-1", "inc-a");
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_DEFER;
    ASK_FAILS(b, &heard, DENIED, "no authorizer allows it", "ENTER", "room", "c1", "node-1",
              "inc-a");
    settle(b);
    char *after = mt_dump(b->f->redis);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
}

/* A stranger's bytes come back fit for a line, and nothing is guessed from a part of a name. */
static void test_names_of_strangers(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct mu_submission with = {.operation = {"STATUS\0x", 8}};
    assert_int_equal(submit_with(b, &heard, &with, "", MT_ARGUMENTS(NULL)), MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_BAD_REQUEST);
    ASK_FAILS(b, &heard, BAD_REQUEST, "there is no operation 'a??+OK?'; STATUS is one",
              "a\r\n+OK\xff");
    ASK_FAILS(b, &heard, BAD_REQUEST,
              "there is no operation 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'; STATUS is one",
              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_int_equal(counts(b).unknown_operation, 3);
}

/* A text without data is an empty one. */
static void test_no_data(void **state) {
    static const struct muster_text texts[] = {{"i", 1}, {"n", 1}, {NULL, 0}};
    struct bench *b = *state;
    struct heard heard = {0};
    struct mu_submission submission = {.owner = b,
                                       .door = "test",
                                       .operation = {"DRAIN", 5},
                                       .arguments = texts,
                                       .count = 3,
                                       .reply = on_reply,
                                       .context = &heard};
    assert_int_equal(mu_requests_submit(b->requests, &submission, NULL), MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_string_equal(heard.text, "DRAIN: argument 3 (on|off) '' must be on or off");
}

/* ---- end users ---- */

/* All that any client sends to Redis, until `text` passes by. */
static void expect_never_sent(struct mt_redis *monitor, const char *secret, const char *needed,
                              const char *until) {
    bool seen = false;
    for (;;) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(mt_redis_context(monitor), &reply), REDIS_OK);
        const char *line = ((redisReply *)reply)->str;
        assert_non_null(line);
        if (strstr(line, secret) != NULL)
            fail_msg("sent to Redis: %s", line);
        seen = seen || strstr(line, needed) != NULL;
        bool end = strstr(line, until) != NULL;
        freeReplyObject(reply);
        if (end)
            break;
    }
    assert_true(seen);
}

static const char *record(const struct bench *b, const char *connection) {
    const char *text =
        mt_text(b->f->redis, "HGET " MT_NS "instance:node-1:connections %s", connection);
    assert_non_null(text);
    return text;
}

static void test_credential(void **state) {
    struct bench *b = *state;
    struct heard heard;
    struct mt_redis *monitor = mt_redis_again(b->f->redis);
    mt_text(monitor, "MONITOR");
    b->named = "ada";
    ASK_OK(b, &heard, "ENTER", "room", "c1", "node-1", "inc-a",
           "{\"credential\":\"s3cr3t\",\"user\":\"bob\"}");
    assert_string_equal(b->token, "s3cr3t");
    assert_string_equal(b->requested, "bob");
    assert_string_equal(b->user, "ada"); /* as verified, not as asked */
    assert_string_equal(b->claims, "{\"plan\":\"gold\"}");
    assert_non_null(strstr(record(b, "c1"), "ada"));
    assert_null(strstr(heard.text, "s3cr3t"));
    b->named = NULL; /* the one that was asked for */
    ASK_OK(b, &heard, "REGISTER", "c2", "node-1", "inc-a",
           "{\"user\":\"eve\",\"credential\":\"s3cr3t\"}");
    assert_string_equal(b->user, "eve");
    assert_non_null(strstr(record(b, "c2"), "eve"));
    /* Where none is taken, none gets through either. */
    ASK_FAILS(b, &heard, BAD_REQUEST, "option 'credential' is for REGISTER, ENTER and RESUME",
              "JOIN", "room", "c2", "node-1", "inc-a", "{\"credential\":\"s3cr3t\"}");
    ASK_FAILS(b, &heard, BAD_REQUEST, "option 'credential' is for REGISTER, ENTER and RESUME",
              "CONFIGURE", "room", "{\"credential\":\"s3cr3t\"}");
    mt_text(b->f->redis, "ECHO that-was-all");
    expect_never_sent(monitor, "s3cr3t", "muster_enter", "that-was-all");
    mt_redis_close(&monitor);
    char *dump = mt_dump(b->f->redis);
    assert_null(strstr(dump, "s3cr3t"));
    free(dump);
}

static void test_user_as_the_caller_says(void **state) {
    struct bench *b = *state;
    struct heard heard;
    ASK_OK(b, &heard, "REGISTER", "c1", "node-1", "inc-a", "{\"user\":\"ada\"}");
    assert_string_equal(b->user, "ada");
    assert_string_equal(b->claims, "(none)");
    assert_non_null(strstr(record(b, "c1"), "ada"));
    b->verdicts[MUSTER_ACTION_CONNECTION_REGISTER] = MUSTER_DENY;
    ASK(b, &heard, "REGISTER", "c2", "node-1", "inc-a", "{\"user\":\"root\"}");
    assert_string_equal(b->user, "root");
    assert_int_equal(heard.status, MUSTER_DENIED);
}

/* ---- session.lead ---- */

static void test_joins_without_lead(void **state) {
    struct bench *b = *state;
    struct heard heard;
    b->verdicts[MUSTER_ACTION_SESSION_LEAD] = MUSTER_DENY;
    ASK_OK(b, &heard, "ENTER", "room", "c1", "node-1", "inc-a");
    ASK_OK(b, &heard, "REGISTER", "c2", "node-1", "inc-a");
    ASK_OK(b, &heard, "JOIN", "room", "c2", "node-1", "inc-a", "{\"lead\":true}");
    assert_null(mt_leader(b->f, "room"));
    b->verdicts[MUSTER_ACTION_SESSION_LEAD] = MUSTER_ALLOW;
    ASK_OK(b, &heard, "ENTER", "room", "c3", "node-1", "inc-a", "{\"lead\":true}");
    assert_string_equal(mt_leader(b->f, "room"), "c3");
    ASK_OK(b, &heard, "MEMBERS", "room");
    const char *at = heard.text;
    unsigned without = 0;
    while ((at = strstr(at, "\"lead\":false")) != NULL) {
        without++;
        at++;
    }
    assert_int_equal(without, 2);
    /* Not asked of what does not join. */
    unsigned asked = b->asked[MUSTER_ACTION_SESSION_LEAD];
    ASK_OK(b, &heard, "LEAVE", "room", "c1", "node-1", "inc-a");
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_LEAD], asked);
}

/* Who may not enter is not asked about leading; no answer about leading is no answer. */
static void test_lead_is_no_way_in(void **state) {
    struct bench *b = *state;
    struct heard heard;
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_DENY;
    ASK(b, &heard, "ENTER", "room", "c1", "node-1", "inc-a");
    assert_int_equal(heard.status, MUSTER_DENIED);
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_LEAD], 0);
    b->verdicts[MUSTER_ACTION_SESSION_ENTER] = MUSTER_ALLOW;
    b->verdicts[MUSTER_ACTION_SESSION_LEAD] = MUSTER_LATER;
    struct mu_submission with = {.timeout_ms = 20};
    assert_int_equal(
        submit_with(b, &heard, &with, "ENTER", MT_ARGUMENTS("room", "c1", "node-1", "inc-a")),
        MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_TIMEOUT);
    settle(b);
    assert_int_equal(mt_integer(b->f->redis, "EXISTS " MT_NS "session:room"), 0);
}

/* ---- many questions, and questions alone ---- */

static void test_each_session_is_asked_about(void **state) {
    static char names[MUSTER_ARGUMENTS_MAX][16];
    const char *sessions[MUSTER_ARGUMENTS_MAX + 1] = {NULL};
    struct bench *b = *state;
    struct heard heard;
    for (size_t i = 0; i < MUSTER_ARGUMENTS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "room-%zu", i);
        sessions[i] = names[i];
    }
    struct mu_submission with = {0};
    assert_int_equal(submit_with(b, &heard, &with, "COUNT", sessions), MUSTER_OK);
    SPIN(b, heard.replies > 0, "the reply");
    assert_int_equal(heard.status, MUSTER_OK);
    assert_int_equal(b->asked[MUSTER_ACTION_SESSION_READ], MUSTER_ARGUMENTS_MAX);
    assert_string_equal(b->session, "room-1023");
    b->verdicts[MUSTER_ACTION_SESSION_READ] = MUSTER_DENY; /* one denied, all denied */
    ASK(b, &heard, "COUNT", "a", "b", "c");
    assert_int_equal(heard.status, MUSTER_DENIED);
    assert_string_equal(b->session, "a");
}

static void on_done(void *context, const struct mu_ruling *verdict) {
    struct heard *heard = context;
    heard->replies++;
    heard->status = verdict->status;
    note(heard->text, sizeof heard->text,
         verdict->caller != NULL ? mu_caller_principal(verdict->caller)->id : verdict->reason);
}

static void test_questions_alone(void **state) {
    struct bench *b = *state;
    struct heard who = {0};
    struct heard whether = {0};
    struct muster_credentials credentials = {.token = {"tok", 3}};
    struct muster_resource resource = {.session = "room", .resumed = "old"};
    b->verdicts[MUSTER_ACTION_EVENTS_SUBSCRIBE] = MUSTER_DENY;
    b->reason = "not these";
    assert_int_equal(
        mu_requests_authenticate(b->requests, b, "test", &credentials, on_done, &who, &who.id),
        MUSTER_OK);
    assert_int_equal(mu_requests_authorize(b->requests, b, "test", NULL,
                                           MUSTER_ACTION_EVENTS_SUBSCRIBE, &resource, on_done,
                                           &whether, &whether.id),
                     MUSTER_OK);
    assert_int_equal(who.replies + whether.replies, 0);
    assert_int_equal(mu_requests_pending(b->requests, b), 2);
    SPIN(b, who.replies + whether.replies == 2, "both");
    assert_string_equal(who.text, "node-1");
    assert_int_equal(whether.status, MUSTER_DENIED);
    assert_string_equal(whether.text, "not these");
    assert_string_equal(b->resumed, "old");
    assert_int_equal(mu_requests_pending(b->requests, b), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_every_stage),
        T(test_refused_before_redis),
        T(test_names_of_strangers),
        T(test_no_data),
        T(test_credential),
        T(test_user_as_the_caller_says),
        T(test_joins_without_lead),
        T(test_lead_is_no_way_in),
        T(test_each_session_is_asked_about),
        T(test_questions_alone),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
