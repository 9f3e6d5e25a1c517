/* The replies of the RESP door: exact bytes for both protocols, and hiredis as a reader of them. */
#include "lib/test.h"

#include <hiredis/hiredis.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "transport_resp/out.h"

static void expect(struct resp_out *out, const char *text, size_t length) {
    if (out->length != length || memcmp(out->data, text, length) != 0)
        fail_msg("%.*s\nwanted:\n%s", (int)out->length, out->data, text);
    resp_out_consume(out, out->length);
}
#define EXPECT(out, text) expect((out), (text), sizeof(text) - 1)

/* What both protocols write alike. */
static void alike(int protocol) {
    struct resp_out out = {.protocol = protocol};
    resp_out_status(&out, "OK");
    EXPECT(&out, "+OK\r\n");
    resp_out_status(&out, "a\r\nb");
    EXPECT(&out, "+a  b\r\n");
    resp_out_error(&out, "DENIED", "no\r\n+OK\nno");
    EXPECT(&out, "-DENIED no  +OK no\r\n");
    resp_out_error(&out, "A\nB", "");
    EXPECT(&out, "-A B \r\n");
    resp_out_integer(&out, 0);
    EXPECT(&out, ":0\r\n");
    resp_out_integer(&out, LLONG_MIN);
    EXPECT(&out, ":-9223372036854775808\r\n");
    resp_out_bulk(&out, "a\r\n\0b", 5);
    EXPECT(&out, "$5\r\na\r\n\0b\r\n");
    resp_out_bulk(&out, NULL, 0);
    EXPECT(&out, "$0\r\n\r\n");
    resp_out_array(&out, 3);
    EXPECT(&out, "*3\r\n");
    resp_out_array(&out, 0);
    EXPECT(&out, "*0\r\n");
    resp_out_deinit(&out);
    assert_int_equal(out.protocol, protocol);
    assert_null(out.data);
}

static void test_alike(void **state) {
    (void)state;
    alike(2);
    alike(3);
}

static void test_protocol_2(void **state) {
    struct resp_out out = {.protocol = 2};
    (void)state;
    resp_out_null(&out);
    EXPECT(&out, "$-1\r\n");
    resp_out_map(&out, 2);
    EXPECT(&out, "*4\r\n");
    resp_out_set(&out, 2);
    EXPECT(&out, "*2\r\n");
    resp_out_push(&out, 3);
    EXPECT(&out, "*3\r\n");
    resp_out_boolean(&out, true);
    EXPECT(&out, ":1\r\n");
    resp_out_boolean(&out, false);
    EXPECT(&out, ":0\r\n");
    resp_out_double(&out, 1.5);
    EXPECT(&out, "$3\r\n1.5\r\n");
    resp_out_deinit(&out);
}

static void test_protocol_3(void **state) {
    struct resp_out out = {.protocol = 3};
    (void)state;
    resp_out_null(&out);
    EXPECT(&out, "_\r\n");
    resp_out_map(&out, 2);
    EXPECT(&out, "%2\r\n");
    resp_out_set(&out, 2);
    EXPECT(&out, "~2\r\n");
    resp_out_push(&out, 3);
    EXPECT(&out, ">3\r\n");
    resp_out_boolean(&out, true);
    EXPECT(&out, "#t\r\n");
    resp_out_boolean(&out, false);
    EXPECT(&out, "#f\r\n");
    resp_out_double(&out, -0.25);
    EXPECT(&out, ",-0.25\r\n");
    resp_out_double(&out, (double)INFINITY);
    EXPECT(&out, ",inf\r\n");
    resp_out_double(&out, -(double)INFINITY);
    EXPECT(&out, ",-inf\r\n");
    resp_out_double(&out, -(double)NAN);
    EXPECT(&out, ",nan\r\n");
    resp_out_deinit(&out);
}

/* One reply of each kind in an array, read by somebody else; and then nothing is left. */
static void test_reader(void **state) {
    static const char payload[] = "{\"a\":\"\r\n\0\"}";
    struct resp_out out = {0};
    (void)state;
    resp_out_array(&out, 7);
    resp_out_status(&out, "OK");
    resp_out_error(&out, "UNKNOWN_SESSION", "there is\nnone");
    resp_out_integer(&out, -7);
    resp_out_bulk(&out, payload, sizeof payload);
    resp_out_null(&out);
    resp_out_map(&out, 1);
    resp_out_bulk(&out, "key", 3);
    resp_out_double(&out, 0.1);
    resp_out_push(&out, 0);
    redisReader *reader = redisReaderCreate();
    redisReply *reply = NULL;
    void *more = NULL;
    assert_int_equal(redisReaderFeed(reader, out.data, out.length), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, (void **)&reply), REDIS_OK);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 7);
    redisReply **element = reply->element;
    assert_int_equal(element[0]->type, REDIS_REPLY_STATUS);
    assert_string_equal(element[0]->str, "OK");
    assert_int_equal(element[1]->type, REDIS_REPLY_ERROR);
    assert_string_equal(element[1]->str, "UNKNOWN_SESSION there is none");
    assert_int_equal(element[2]->integer, -7);
    assert_int_equal(element[3]->len, sizeof payload);
    assert_memory_equal(element[3]->str, payload, sizeof payload);
    assert_int_equal(element[4]->type, REDIS_REPLY_NIL);
    assert_int_equal(element[5]->elements, 2);
    assert_true(strtod(element[5]->element[1]->str, NULL) == 0.1);
    assert_int_equal(element[6]->elements, 0);
    freeReplyObject(reply);
    assert_int_equal(redisReaderGetReply(reader, &more), REDIS_OK);
    assert_null(more);
    redisReaderFree(reader);
    resp_out_deinit(&out);
}

/* It grows by doubling, and gives back what a large reply needed. */
static void test_memory(void **state) {
    enum { SIZE = 300000 };
    static char large[SIZE];
    struct resp_out out = {0};
    (void)state;
    memset(large, 'x', sizeof large);
    resp_out_bulk(&out, large, SIZE);
    assert_true(out.capacity >= out.length && out.capacity < 2 * out.length);
    resp_out_status(&out, "OK");
    size_t length = out.length;
    resp_out_consume(&out, 100);
    assert_int_equal(out.sent, 100); /* not worth moving */
    resp_out_consume(&out, SIZE - 100);
    assert_int_equal(out.length - out.sent, length - SIZE);
    assert_int_equal(out.sent, 0);
    assert_memory_equal(out.data + out.length - 5, "+OK\r\n", 5);
    resp_out_consume(&out, out.length);
    assert_null(out.data);
    assert_int_equal(out.capacity, 0);
    resp_out_integer(&out, 1);
    resp_out_consume(&out, out.length);
    assert_non_null(out.data); /* small: kept */
    resp_out_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike),      cmocka_unit_test(test_protocol_2),
        cmocka_unit_test(test_protocol_3), cmocka_unit_test(test_reader),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
