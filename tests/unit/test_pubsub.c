/* The pub/sub door without a daemon: how messages are read, whose inbox may be answered, and what
 * an answer looks like. */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/operations.h"
#include "transport_pubsub/answer.h"
#include "transport_pubsub/rule.h"

#define PREFIX "{t}:inbox:"
#define HEAD "{\"id\":\"1\",\"reply_to\":\"{t}:inbox:a\",\"op\":\"JOIN\",\"args\":"

static struct pubsub_message *read_fine(const char *text) {
    struct pubsub_message *message = NULL;
    assert_int_equal(pubsub_message_read(text, strlen(text), PREFIX, &message), PUBSUB_ACCEPTED);
    assert_non_null(message);
    return message;
}

static void expect_refused(const char *text, enum pubsub_refusal why) {
    struct pubsub_message *message = NULL;
    enum pubsub_refusal got = pubsub_message_read(text, strlen(text), PREFIX, &message);
    if (got != why)
        fail_msg("%s: %d, wanted %d", text, (int)got, (int)why);
    assert_null(message);
}

static void expect_fault(const char *text, enum muster_status status, const char *sentence) {
    struct pubsub_message *message = read_fine(text);
    if (message->fault != status || strstr(message->sentence, sentence) == NULL)
        fail_msg("%s: %s (%d), wanted %s", text, message->sentence, (int)message->fault, sentence);
    pubsub_message_free(&message);
}

static void expect_argument(const struct pubsub_message *message, size_t index, const char *text,
                            size_t length) {
    assert_int_equal(message->arguments[index].length, length);
    assert_memory_equal(message->arguments[index].data, text, length + 1); /* with its NUL */
}

static void test_whole(void **state) {
    (void)state;
    struct pubsub_message *message =
        read_fine(" {\"token\" : \"s3cret\",\n\"args\":[\"r1\" , \"\\u00e4\\u0000\\\"\",\"\"],"
                  "\"timeout_ms\":2500, \"id\":\"\\u0041\\\"x\",\"instance\":\"b\","
                  "\"op\":\"join\",\"reply_to\":\"{t}:inbox:node-1\" }\r\n");
    assert_int_equal(message->fault, MUSTER_OK);
    assert_string_equal(message->id, "\"\\u0041\\\"x\""); /* as it came */
    assert_string_equal(message->operation.data, "join");
    assert_string_equal(message->token.data, "s3cret");
    assert_string_equal(message->inbox, "node-1");
    assert_string_equal(message->instance, "b");
    assert_int_equal(message->timeout_ms, 2500);
    assert_int_equal(message->count, 3);
    expect_argument(message, 0, "r1", 2);
    expect_argument(message, 1, "\xc3\xa4\0\"", 4);
    expect_argument(message, 2, "", 0);
    const char *token = message->token.data;
    pubsub_message_forget_token(message);
    assert_null(message->token.data);
    assert_memory_equal(token, "\0\0\0\0\0\0", 6);
    pubsub_message_free(&message);
    pubsub_message_free(&message);
}

/* Objects keep every byte, wherever brackets and quotes stand. */
static void test_objects(void **state) {
    (void)state;
    static const char *const objects[] = {
        "{}",
        "{ \"n\" : 90071992547409931234567890 , \"e\":[ ],\"f\":1.10e+2 }",
        "{\"}\":\"]\",\"a\\\"b\":\"{[\\\\\"}",
        "{\"a\":{\"b\":[{\"c\":null},true,[[]]]},\"d\":\"\xc3\xa4\\u00e4\\u0000\"}",
        "{\"x\":\n\t\"y\"\r}",
    };
    enum { COUNT = sizeof objects / sizeof objects[0] };
    char text[1024];
    int length = snprintf(text, sizeof text, HEAD "[");
    for (size_t i = 0; i < COUNT; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s\"t\\\\\",\n%s",
                           i > 0 ? " , " : "", objects[i]);
    snprintf(text + length, sizeof text - (size_t)length, "]}");
    struct pubsub_message *message = read_fine(text);
    assert_int_equal(message->fault, MUSTER_OK);
    assert_int_equal(message->count, 2 * COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        expect_argument(message, 2 * i, "t\\", 2);
        expect_argument(message, 2 * i + 1, objects[i], strlen(objects[i]));
    }
    pubsub_message_free(&message);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const no_json[] = {
        "",
        " ",
        "rubbish",
        "{",
        "[]",
        "\"x\"",
        "1",
        "null",
        "{\"id\":01}",
        "{\"id\":NaN}",
        "{\"a\":1}x",
        "{\"a\":\"\xff\"}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"id\":\"1\",\"i\\u0064\":\"2\"}", /* the same key, written otherwise */
        "{\"args\":[{\"a\":1,\"a\":2}]}",
    };
    for (size_t i = 0; i < sizeof no_json / sizeof no_json[0]; i++)
        expect_refused(no_json[i], PUBSUB_NOT_JSON);
    /* Behind a number jansson would pass it over. */
    static const char nul[] = "{\"a\":1\0,\"b\":2}";
    struct pubsub_message *message = NULL;
    assert_int_equal(pubsub_message_read(nul, sizeof nul - 1, PREFIX, &message), PUBSUB_NOT_JSON);
    assert_null(message);
    static const char *const inboxes[] = {
        "\"{t}:inbox:\"",
        "\"{u}:inbox:a\"",
        "\"inbox:a\"",
        "\"{t}:request\"",
        "\"{t}:inbox:a b\"",
        "\"{t}:inbox:a:b\"",
        "1",
        "null",
        "\"{t}:inbox:a\\u0000\"",
        "\"{t}:inbox:\xc3\xa4\"",
        "[\"{t}:inbox:a\"]",
    };
    for (size_t i = 0; i < sizeof inboxes / sizeof inboxes[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"id\":\"1\",\"op\":\"STATUS\",\"args\":[],\"reply_to\":%s}",
                 inboxes[i]);
        expect_refused(text, PUBSUB_NO_REPLY_TO);
    }
    expect_refused("{}", PUBSUB_NO_REPLY_TO);
    char text[512];
    snprintf(text, sizeof text, "{\"reply_to\":\"" PREFIX "%0129d\"}", 0);
    expect_refused(text, PUBSUB_NO_REPLY_TO);
    snprintf(text, sizeof text, "{\"reply_to\":\"" PREFIX "%0128d\"}", 0);
    expect_fault(text, MUSTER_BAD_REQUEST, "has id, op and args");
}

#define WITH(fields) "{\"reply_to\":\"{t}:inbox:a\"," fields "}"

static void test_faults(void **state) {
    (void)state;
    char text[2048];
    expect_fault(WITH("\"id\":1,\"op\":\"X\",\"args\":[]"), MUSTER_BAD_REQUEST, "id is not");
    expect_fault(WITH("\"id\":\"\",\"op\":\"X\",\"args\":[]"), MUSTER_BAD_REQUEST, "id is not");
    expect_fault(WITH("\"id\":\"\\u0000\",\"op\":\"X\",\"args\":[]"), MUSTER_BAD_REQUEST,
                 "id is not");
    snprintf(text, sizeof text, WITH("\"id\":\"%0129d\",\"op\":\"X\",\"args\":[]"), 0);
    expect_fault(text, MUSTER_BAD_REQUEST, "id is not");
    expect_fault(WITH("\"id\":\"1\",\"op\":[],\"args\":[]"), MUSTER_BAD_REQUEST, "op is not");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":{}"), MUSTER_BAD_REQUEST, "args is not");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[\"a\",1]"), MUSTER_BAD_REQUEST,
                 "argument 2 is neither");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[[]]"), MUSTER_BAD_REQUEST,
                 "argument 1 is neither");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\""), MUSTER_BAD_REQUEST, "has id, op and args");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[],\"token\":\"\""), MUSTER_BAD_REQUEST,
                 "token is not");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[],\"instance\":\"a b\""), MUSTER_BAD_ID,
                 "instance is not");
    expect_fault(WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[],\"reply\":\"\""), MUSTER_BAD_REQUEST,
                 "no such field");
    static const char *const times[] = {"0", "-1", "1.5", "1e3", "\"1\"", "null", "9999999999999"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        snprintf(text, sizeof text, WITH("\"id\":\"1\",\"op\":\"X\",\"args\":[],\"timeout_ms\":%s"),
                 times[i]);
        expect_fault(text, MUSTER_BAD_REQUEST, "timeout_ms is not");
    }
}

/* {"x":{"x":…1…}}, so many deep. */
static void nest(char *out, size_t depth) {
    for (size_t i = 0; i < depth; i++)
        out = stpcpy(out, "{\"x\":");
    out = stpcpy(out, "1");
    for (size_t i = 0; i < depth; i++)
        out = stpcpy(out, "}");
}

static void test_bounds(void **state) {
    (void)state;
    char object[512], text[8192];
    nest(object, PUBSUB_DEPTH_MAX);
    snprintf(text, sizeof text, HEAD "[%s]}", object);
    struct pubsub_message *message = read_fine(text);
    assert_int_equal(message->fault, MUSTER_OK);
    pubsub_message_free(&message);
    nest(object, PUBSUB_DEPTH_MAX + 1);
    snprintf(text, sizeof text, HEAD "[%s]}", object);
    expect_fault(text, MUSTER_BAD_JSON, "nested more than 32 deep");
    for (size_t extra = 0; extra < 2; extra++) {
        char *end = stpcpy(text, HEAD "[\"\"");
        for (size_t i = 1; i < MUSTER_ARGUMENTS_MAX + extra; i++)
            end = stpcpy(end, ",\"\"");
        stpcpy(end, "]}");
        message = read_fine(text);
        assert_int_equal(message->fault, extra == 0 ? MUSTER_OK : MUSTER_BAD_REQUEST);
        assert_int_equal(message->count, extra == 0 ? MUSTER_ARGUMENTS_MAX : 0);
        pubsub_message_free(&message);
    }
}

/* ---- the rule ---- */

static void expect_rule(const struct muster_principal *principal, const char *fields,
                        enum pubsub_refusal wanted) {
    char text[512];
    snprintf(text, sizeof text, "{\"id\":\"1\",\"reply_to\":\"{t}:inbox:a\",%s}", fields);
    struct pubsub_message *message = read_fine(text);
    enum pubsub_refusal got = pubsub_rule(message, principal, mu_operations, MUSTER_OPERATIONS);
    if (got != wanted)
        fail_msg("%s: %d, wanted %d", text, (int)got, (int)wanted);
    pubsub_message_free(&message);
}

static void test_rule(void **state) {
    (void)state;
    const struct muster_principal bound = {
        .id = "a", .kind = MUSTER_PRINCIPAL_INSTANCE, .instance = "a"};
    const struct muster_principal other = {
        .id = "b", .kind = MUSTER_PRINCIPAL_INSTANCE, .instance = "b"};
    const struct muster_principal bound_operator = {
        .id = "o", .kind = MUSTER_PRINCIPAL_OPERATOR, .instance = "b"};
    const struct muster_principal an_operator = {.id = "o", .kind = MUSTER_PRINCIPAL_OPERATOR};
    const struct muster_principal unbound = {.id = "u", .kind = MUSTER_PRINCIPAL_INSTANCE};
    const struct muster_principal user = {.id = "u", .kind = MUSTER_PRINCIPAL_USER};
    const struct muster_principal anonymous = {
        .id = "anonymous", .kind = MUSTER_PRINCIPAL_ANONYMOUS, .instance = "a"};
    const struct muster_principal *unknown[] = {NULL, &anonymous, &unbound, &user};
    const char *start = "\"op\":\"start\",\"args\":[\"a\",\"x\"]";
    const char *start_b = "\"op\":\"START\",\"args\":[\"b\",\"x\"]";
    const char *enter = "\"op\":\"ENTER\",\"args\":[\"r\",\"c\",\"a\",\"x\"]";
    const char *enter_b = "\"op\":\"ENTER\",\"args\":[\"r\",\"a\",\"b\",\"a\"]";
    const char *read = "\"op\":\"LEADER\",\"args\":[\"a\"]";

    expect_rule(&bound, start, PUBSUB_ACCEPTED);
    expect_rule(&bound, start_b, PUBSUB_ACCEPTED); /* authorization refuses it, and says so to a */
    expect_rule(&bound, read, PUBSUB_ACCEPTED);
    expect_rule(&other, start, PUBSUB_FOREIGN_REPLY_TO);
    expect_rule(&other, read, PUBSUB_FOREIGN_REPLY_TO);
    expect_rule(&bound_operator, start, PUBSUB_FOREIGN_REPLY_TO);
    expect_rule(&an_operator, start_b, PUBSUB_ACCEPTED);
    expect_rule(&an_operator, read, PUBSUB_ACCEPTED);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        expect_rule(unknown[i], start, PUBSUB_ACCEPTED);
        expect_rule(unknown[i], enter, PUBSUB_ACCEPTED);
        expect_rule(unknown[i], start_b, PUBSUB_FOREIGN_REPLY_TO);
        expect_rule(unknown[i], enter_b, PUBSUB_FOREIGN_REPLY_TO);
        expect_rule(unknown[i], read, PUBSUB_NO_INSTANCE);
        /* What a read asks about is not who asks. */
        expect_rule(unknown[i], "\"op\":\"INSTANCE\",\"args\":[\"a\"]", PUBSUB_NO_INSTANCE);
        expect_rule(unknown[i], "\"op\":\"INSTANCE\",\"args\":[\"b\"],\"instance\":\"a\"",
                    PUBSUB_ACCEPTED);
        expect_rule(unknown[i], "\"op\":\"LEADER\",\"args\":[\"r\"],\"instance\":\"a\"",
                    PUBSUB_ACCEPTED);
        expect_rule(unknown[i], "\"op\":\"LEADER\",\"args\":[\"r\"],\"instance\":\"b\"",
                    PUBSUB_FOREIGN_REPLY_TO);
        expect_rule(unknown[i], "\"op\":\"NONE\",\"args\":[],\"instance\":\"a\"", PUBSUB_ACCEPTED);
        expect_rule(unknown[i], "\"op\":\"START\",\"args\":[],\"instance\":\"a\"", PUBSUB_ACCEPTED);
        /* Both are there and differ. */
        expect_rule(unknown[i], "\"op\":\"START\",\"args\":[\"b\",\"x\"],\"instance\":\"a\"",
                    PUBSUB_FOREIGN_REPLY_TO);
        expect_rule(unknown[i], "\"op\":\"START\",\"args\":[\"a\",\"x\"],\"instance\":\"b\"",
                    PUBSUB_FOREIGN_REPLY_TO);
    }
}

/* ---- answers ---- */

static void expect_answer(const struct muster_result *result, const char *wanted) {
    size_t length = 0;
    char *text = pubsub_answer("\"7\"", result, &length);
    assert_string_equal(text, wanted);
    assert_int_equal(length, strlen(wanted));
    free(text);
}

static void test_answers(void **state) {
    (void)state;
    struct muster_result result = {.json = "{\"n\": 90071992547409931}", .length = 24};
    expect_answer(&result, "{\"id\":\"7\",\"ok\":{\"n\": 90071992547409931}}");
    result = pubsub_error(MUSTER_SESSION_FULL, "a \"full\"\n\xc3\xa4");
    expect_answer(&result, "{\"id\":\"7\",\"error\":{\"code\":\"SESSION_FULL\",\"message\":"
                           "\"a \\\"full\\\"\\n\xc3\xa4\",\"retry\":true}}");
    result = pubsub_error(MUSTER_DENIED, "cut \xc3");
    expect_answer(&result, "{\"id\":\"7\",\"error\":{\"code\":\"DENIED\",\"message\":"
                           "\"(not printable)\",\"retry\":false}}");
    result = pubsub_error(MUSTER_STATUS_COUNT, NULL);
    expect_answer(&result, "{\"id\":\"7\",\"error\":{\"code\":\"INTERNAL\",\"message\":\"\","
                           "\"retry\":false}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),   cmocka_unit_test(test_objects),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_rule),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
