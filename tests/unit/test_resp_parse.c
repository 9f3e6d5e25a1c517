/* The parser of the RESP door: what it takes, what it refuses, and that it is the same however the
 * bytes are cut, checked against a slow reading of the whole text (tests/fuzz/resp_oracle.h). */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/resp_oracle.h"

/* Small, so that short texts reach them. */
static const struct resp_limits small = {
    .arguments = 12, .argument = 64, .request = 160, .inline_line = 80};
static const struct resp_limits large = {
    .arguments = 1024, .argument = 1 << 20, .request = 4 << 20, .inline_line = 65536};

struct row {
    const char *text;
    size_t length;
    const char *transcript;
};
#define ROW(text, transcript)                                                                      \
    { (text), sizeof(text) - 1, (transcript) }

static const struct row rows[] = {
    /* Arrays. */
    ROW("*1\r\n$4\r\nPING\r\n", "request @14 4:PING\nmore\n"),
    ROW("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "request @20 4:ECHO 0:\nmore\n"),
    ROW("*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n*1\r\n$1\r\nb\r\n",
        "request @19 1:a 2:\r\n\nrequest @30 1:b\nmore\n"),
    ROW("*0\r\n", "request @4\nmore\n"),
    ROW("*-1\r\n*0\r\nPING\r\n", "request @5\nrequest @9\nrequest @15 4:PING\nmore\n"),
    ROW("*1\r\n$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n",
        "request @75 64:0123456789012345678901234567890123456789012345678901234567890123\n"
        "more\n"),
    ROW("*12\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n"
        "$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n",
        "request @77 0: 0: 0: 0: 0: 0: 0: 0: 0: 0: 0: 0:\nmore\n"),
    /* Not whole. */
    ROW("", "more\n"),
    ROW("*", "more\n"),
    ROW("*1\r\n$3\r\nab", "more\n"),
    ROW("*1\r\n$3\r\nabc\r", "more\n"),
    ROW("PING", "more\n"),
    ROW("PING\r", "more\n"),
    /* Numbers. */
    ROW("*13\r\n", "broken @3\n"),
    ROW("*2147483647\r\n", "broken @3\n"),
    ROW("*99999999999999999999999999999999\r\n", "broken @3\n"),
    ROW("*-2\r\n", "broken @3\n"),
    ROW("*-0\r\n", "broken @3\n"),
    ROW("*-12\r\n", "broken @4\n"),
    ROW("*--1\r\n", "broken @3\n"),
    ROW("*+1\r\n", "broken @2\n"),
    ROW("*01\r\n", "broken @3\n"),
    ROW("*00\r\n", "broken @3\n"),
    ROW("* 1\r\n", "broken @2\n"),
    ROW("*1 \r\n", "broken @3\n"),
    ROW("*\r\n", "broken @2\n"),
    ROW("*1\n", "broken @3\n"),
    ROW("*1\rx", "broken @4\n"),
    ROW("*1\r\r\n", "broken @4\n"),
    ROW("*0x1\r\n", "broken @3\n"),
    ROW("*1\0\r\n", "broken @3\n"),
    ROW("*1\r\n$\r\n", "broken @6\n"),
    ROW("*1\r\n$-1\r\n", "broken @6\n"),
    ROW("*1\r\n$+1\r\na\r\n", "broken @6\n"),
    ROW("*1\r\n$01\r\na\r\n", "broken @7\n"),
    ROW("*1\r\n$65\r\n", "broken @7\n"),
    ROW("*1\r\n$1073741824\r\n", "broken @8\n"),
    ROW("*1\r\n$18446744073709551617\r\na\r\n", "broken @8\n"),
    ROW("*1\r\n$1\na\r\n", "broken @7\n"),
    ROW("*1\r\n$1e0\r\n", "broken @7\n"),
    /* Frames. */
    ROW("*1\r\n$1\r\nab\r\n", "broken @10\n"),
    ROW("*1\r\n$1\r\na\n", "broken @10\n"),
    ROW("*1\r\n$1\r\na\rb", "broken @11\n"),
    ROW("*1\r\n$1\r\n\r\n\r\n*1", "broken @10\n"),
    ROW("*1\r\nPING\r\n", "broken @5\n"),
    ROW("*1\r\n*1\r\n$1\r\na\r\n", "broken @5\n"),
    ROW("*2\r\n$1\r\na\r\n*1\r\n", "broken @12\n"),
    ROW("*1\r\n:1\r\n", "broken @5\n"),
    ROW("*1\r\n\r\n", "broken @5\n"),
    /* Both lengths are fine, together they are not: 160 bytes. */
    ROW("*3\r\n$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
        "$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
        "$9\r\n",
        "broken @150\n"),
    ROW("*3\r\n$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
        "$64\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
        "$8\r\n12345678\r\n",
        "request @160 64:0123456789012345678901234567890123456789012345678901234567890123 "
        "64:0123456789012345678901234567890123456789012345678901234567890123 8:12345678\n"
        "more\n"),
    /* Other types. */
    ROW("$4\r\nPING\r\n", "broken @1\n"),
    ROW("+OK\r\n", "broken @1\n"),
    ROW("-ERR\r\n", "broken @1\n"),
    ROW(":1\r\n", "broken @1\n"),
    ROW("%1\r\n", "broken @1\n"),
    ROW("~1\r\n", "broken @1\n"),
    ROW(">1\r\n", "broken @1\n"),
    ROW("|1\r\n", "broken @1\n"),
    ROW("_\r\n", "broken @1\n"),
    ROW("#t\r\n", "broken @1\n"),
    ROW(",1\r\n", "broken @1\n"),
    ROW("(1\r\n", "broken @1\n"),
    ROW("!1\r\n", "broken @1\n"),
    ROW("=1\r\n", "broken @1\n"),
    ROW("\0", "broken @1\n"),
    ROW("\x16\x03\x01\x02", "broken @1\n"), /* the hello of TLS */
    /* Inline. */
    ROW("PING\r\n", "request @6 4:PING\nmore\n"),
    ROW("PING\n\nECHO  a\t b \n",
        "request @5 4:PING\nrequest @6\nrequest @18 4:ECHO 1:a 1:b\nmore\n"),
    ROW("  PING\r\n", "request @8 4:PING\nmore\n"),
    ROW("   \r\n", "request @5\nmore\n"),
    ROW("\r\n", "request @2\nmore\n"),
    ROW("a *1 $2\r\n", "request @9 1:a 2:*1 2:$2\nmore\n"),
    ROW("\xc3\xa4\r\n", "request @4 2:\xc3\xa4\nmore\n"),
    ROW("PING\r\r\n", "broken @6\n"),
    ROW("PI\rNG\n", "broken @4\n"),
    ROW("PI\0NG\n", "broken @3\n"),
    ROW("PI\x1bNG\n", "broken @3\n"),
    ROW("PI\x7f\n", "broken @3\n"),
    ROW("a b c d e f g h i j k l\n", "request @24 1:a 1:b 1:c 1:d 1:e 1:f 1:g 1:h 1:i 1:j 1:k "
                                     "1:l\nmore\n"),
    ROW("a b c d e f g h i j k l m\n", "broken @26\n"),
    ROW("0123456789012345678901234567890123456789012345678901234567890123\n",
        "request @65 64:0123456789012345678901234567890123456789012345678901234567890123\nmore\n"),
    ROW("01234567890123456789012345678901234567890123456789012345678901234\n", "broken @66\n"),
    ROW("0123456789012345678901234567890123456789 012345678901234567890123456789012345678\n",
        "request @81 40:0123456789012345678901234567890123456789 "
        "39:012345678901234567890123456789012345678\nmore\n"),
    ROW("0123456789012345678901234567890123456789 0123456789012345678901234567890123456789",
        "broken @81\n"),
    /* Quotes. */
    ROW("a \"b c\" 'd e'\n", "request @14 1:a 3:b c 3:d e\nmore\n"),
    ROW("\"\" ''\n", "request @6 0: 0:\nmore\n"),
    ROW("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n", "request @19 8:\n\r\t\b\a\\\"q\nmore\n"),
    ROW("\"\\x41\\xfF\\x4\\xg0\"\n", "request @18 7:A\xffx4xg0\nmore\n"),
    ROW("'\\n\\'\\\\x'\n", "request @10 6:\\n'\\\\x\nmore\n"),
    ROW("'a\\\\'\n", "broken @6\n"), /* the second backslash takes the quote */
    ROW("a\"b c\"\n", "request @7 4:ab c\nmore\n"),
    ROW("\"it's\" 'a\"b'\n", "request @13 4:it's 3:a\"b\nmore\n"),
    ROW("\"a\"b\n", "broken @5\n"),
    ROW("\"a\"\"b\"\n", "broken @7\n"),
    ROW("'a'b\n", "broken @5\n"),
    ROW("\"a\n", "broken @3\n"),
    ROW("'a\r\n", "broken @4\n"),
    ROW("a \"\n", "broken @4\n"),
    ROW("\"a\\\"\n", "broken @5\n"),
    ROW("\"a\\\n", "broken @4\n"),
    ROW("'a\\'\n", "broken @5\n"),
    /* HTTP. */
    ROW("GET / HTTP/1.1\r\n", "http @5\n"),
    ROW("get /x HTTP/1.1\r\n", "http @5\n"),
    ROW("POST /v1 HTTP/1.1\r\nHost: x\r\n\r\n", "http @6\n"),
    ROW("OPTIONS / HTTP/1.1\r\n", "http @9\n"),
    ROW("CONNECT /", "http @9\n"),
    ROW("PING\r\nHost: localhost\r\n", "request @6 4:PING\nhttp @11\n"),
    ROW("HOST:x\r\n", "http @5\n"),
    ROW("GET x\r\n", "request @7 3:GET 1:x\nmore\n"),
    ROW("GETS /\r\n", "request @8 4:GETS 1:/\nmore\n"),
    ROW("ECHO GET /\r\n", "request @12 4:ECHO 3:GET 1:/\nmore\n"),
    ROW("*2\r\n$3\r\nGET\r\n$1\r\n/\r\n", "request @20 3:GET 1:/\nmore\n"),
};

static size_t whole(void *context, size_t left) {
    (void)context;
    return left;
}

static size_t one_byte(void *context, size_t left) {
    (void)context;
    (void)left;
    return 1;
}

/* The first piece has *context bytes, and the rest comes at once. */
static size_t at_point(void *context, size_t left) {
    size_t *point = context;
    size_t size = *point > 0 && *point < left ? *point : left;
    *point = 0;
    return size;
}

static void expect(const char *text, size_t length, const struct resp_limits *limits, fuzz_cut cut,
                   void *context, const char *transcript) {
    struct fuzz_transcript got = {0};
    struct fuzz_transcript wanted = {(char *)(uintptr_t)transcript, strlen(transcript), 0};
    fuzz_parse(text, length, limits, cut, context, &got);
    if (!fuzz_transcript_same(&got, &wanted))
        fail_msg("%.*s:\n%.*swanted:\n%s", (int)length, text, (int)got.length, got.text,
                 transcript);
    fuzz_transcript_deinit(&got);
}

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        expect(row->text, row->length, &small, whole, NULL, row->transcript);
        expect(row->text, row->length, &small, one_byte, NULL, row->transcript);
        for (size_t point = 1; point < row->length; point++) {
            size_t left = point;
            expect(row->text, row->length, &small, at_point, &left, row->transcript);
        }
    }
}

/* The slow reading says the same, so the table stands for it, too. */
static void test_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct fuzz_transcript got = {0};
        fuzz_oracle(row->text, row->length, &small, &got);
        if (got.length != strlen(row->transcript) ||
            memcmp(got.text, row->transcript, got.length) != 0)
            fail_msg("%.*s:\n%.*swanted:\n%s", (int)row->length, row->text, (int)got.length,
                     got.text, row->transcript);
        fuzz_transcript_deinit(&got);
    }
}

/* Any two rows one behind the other, and each with one byte changed or left out. */
static void test_mixed(void **state) {
    enum { ROWS = sizeof rows / sizeof rows[0] };
    static const char bytes[] = "*$0123456789-\r\n \"'\\ax/\xff";
    char text[1024];
    unsigned seed = 7;
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct fuzz_transcript got = {0};
        struct fuzz_transcript wanted = {0};
        seed = seed * 1103515245 + 12345;
        const struct row *one = &rows[(seed >> 8) % ROWS];
        const struct row *two = &rows[(seed >> 16) % ROWS];
        size_t length = one->length + two->length;
        size_t place = length > 0 ? (seed >> 4) % length : 0;
        memcpy(text, one->text, one->length);
        memcpy(text + one->length, two->text, two->length);
        if (length > 0 && i % 3 == 0)
            text[place] = bytes[(seed >> 12) % (sizeof bytes - 1)];
        if (length > 0 && i % 3 == 1) {
            memmove(text + place, text + place + 1, length - place - 1);
            length--;
        }
        fuzz_oracle(text, length, &small, &wanted);
        fuzz_parse(text, length, &small, i % 2 == 0 ? whole : one_byte, NULL, &got);
        if (!fuzz_transcript_same(&got, &wanted))
            fail_msg("%.*s:\n%.*swanted:\n%.*s", (int)length, text, (int)got.length, got.text,
                     (int)wanted.length, wanted.text);
        fuzz_transcript_deinit(&got);
        fuzz_transcript_deinit(&wanted);
    }
}

static void expect_error(const char *text, const char *sentence) {
    struct resp_parser parser;
    size_t consumed = 0;
    resp_parser_init(&parser, &small);
    assert_int_equal(resp_parse(&parser, text, strlen(text), &consumed), RESP_BROKEN);
    assert_string_equal(parser.error, sentence);
    resp_parser_deinit(&parser);
}

static void test_sentences(void **state) {
    (void)state;
    expect_error("*2147483647\r\n",
                 "expected the number of arguments to be at most 12, found more");
    expect_error("*-5\r\n", "expected '1' behind '*-', found '5'");
    expect_error("*1\n", "expected the number of arguments as decimal digits and CRLF, found 0x0a");
    expect_error("*1\r\n*1\r\n", "expected '$' before an argument, found '*'");
    expect_error("*1\r\n$1073741824\r\n",
                 "expected the length of an argument to be at most 64, found more");
    expect_error("*1\r\n$1\r\nab", "expected 0x0d behind an argument, found 'b'");
    expect_error(":1\r\n", "expected '*' or an inline request, found ':'");
    expect_error("\x16\x03", "expected '*' or an inline request as plain text, found 0x16");
    expect_error("\"a\n", "expected a closing quote and a space behind it in an inline request, "
                          "found none");
}

/* Giants that are only announced cost nothing; a large request is given back after it. */
static void test_memory(void **state) {
    static const char head[] = "*2\r\n$1048576\r\n";
    enum { SIZE = 1 << 20, PIECE = 1000 };
    struct resp_parser parser;
    size_t consumed = 0;
    size_t grown = 0;
    char piece[PIECE];
    (void)state;
    memset(piece, 'x', sizeof piece);
    resp_parser_init(&parser, &large);
    assert_null(parser.data);
    assert_null(parser.arguments);
    assert_int_equal(resp_parse(&parser, "*1024\r\n", 7, &consumed), RESP_MORE);
    assert_int_equal(parser.capacity, 0);
    assert_int_equal(parser.slots, 0);
    resp_parser_deinit(&parser);

    assert_int_equal(resp_parse(&parser, head, sizeof head - 1, &consumed), RESP_MORE);
    assert_int_equal(parser.capacity, 0);
    for (size_t sent = 0; sent < SIZE; sent += consumed) {
        size_t before = parser.capacity;
        size_t size = SIZE - sent < PIECE ? SIZE - sent : PIECE;
        assert_int_equal(resp_parse(&parser, piece, size, &consumed), RESP_MORE);
        assert_int_equal(consumed, size);
        assert_true(parser.capacity <= 2 * (sent + size) + PIECE);
        grown += parser.capacity != before;
    }
    assert_true(grown > 5 && grown <= 14); /* doubling, not creeping */
    static const char rest[] = "\r\n$1\r\na\r\nPING\r\n";
    assert_int_equal(resp_parse(&parser, rest, sizeof rest - 1, &consumed), RESP_REQUEST);
    assert_int_equal(parser.count, 2);
    assert_int_equal(parser.arguments[0].length, SIZE);
    assert_int_equal(consumed, 9);
    assert_int_equal(resp_parse(&parser, rest + 9, 6, &consumed), RESP_REQUEST);
    assert_string_equal(parser.arguments[0].data, "PING");
    assert_true(parser.capacity <= RESP_KEEP_BYTES);
    resp_parser_deinit(&parser);
}

/* Nothing of a request is left, nor of the longer ones before it. */
static void test_wipe(void **state) {
    static const char requests[] =
        "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$20\r\nsecretsecretsecretse\r\n"
        "PING\r\n*1\r\n$4\r\nse";
    struct resp_parser parser;
    size_t consumed = 0;
    size_t at = 0;
    (void)state;
    resp_parser_init(&parser, &small);
    assert_int_equal(resp_parse(&parser, requests, sizeof requests - 1, &consumed), RESP_REQUEST);
    at += consumed;
    assert_int_equal(resp_parse(&parser, requests + at, sizeof requests - 1 - at, &consumed),
                     RESP_REQUEST);
    at += consumed;
    const char *data = parser.data;
    resp_parser_wipe(&parser);
    assert_ptr_equal(parser.data, data); /* small: kept */
    assert_int_equal(parser.count, 0);
    for (size_t i = 0; i < 31; i++)
        assert_int_equal(data[i], 0);
    /* In the middle of a request it does nothing. */
    assert_int_equal(resp_parse(&parser, requests + at, sizeof requests - 1 - at, &consumed),
                     RESP_MORE);
    resp_parser_wipe(&parser);
    assert_int_equal(resp_parse(&parser, "cr\r\n", 4, &consumed), RESP_REQUEST);
    assert_string_equal(parser.arguments[0].data, "secr");
    resp_parser_deinit(&parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_mixed),  cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
