/* The strict JSON check of the functions library against a real parser.
 *
 * Mutated texts go to START as meta; the verdict must be that of jansson, plus the two rules of
 * our own: the top is an object, and nesting is at most 32. Jansson refuses numbers beyond the
 * range of a double, which RFC 8259 allows: such texts are passed over.
 */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"
#include "lib/redis.h"
#include "lib/world.h"

#define TEXT_MAX 512
#define MUTATIONS 30000

struct text {
    char bytes[TEXT_MAX];
    size_t length;
};

static const char *const SEEDS[] = {
    "{}",
    "{\"a\":1}",
    "{\"user\":\"anna\",\"roles\":[\"a\",\"b\"],\"ok\":true,\"none\":null,\"n\":-0.5e+10}",
    "{\"nested\":{\"deep\":[[],[{}],[1,2.25,-3]]}}",
    "{ \"space\" :\t[ 1 ,\r\n 2 ] }",
    "{\"esc\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"}",
    "{\"utf8\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80\"}",
    "{\"false\":false,\"zero\":0,\"e\":1E5,\"d\":\"\x7f\"}",
    "{\"a\":\"}\",\"b\":\"{\",\"c\":\"[,:]\"}",
};

/* What a mutation puts in: what parsers stumble over. */
static const char *const PIECES[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "\\ude00",
    "\\u00",
    "0",
    "01",
    "-",
    "+",
    ".",
    "e",
    "1e5",
    "1.",
    ".5",
    "true",
    "tru",
    "null",
    "NaN",
    "Infinity",
    " ",
    "\t",
    "\n",
    "\x01",
    "\x00",
    "\x1f",
    "\x7f",
    "\x80",
    "\xc0\xaf",
    "\xe0\x80\x80",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xf0\x9f",
    "\xc3\xa4",
    "/",
    "'",
    "//",
    "/**/",
    "\x02",
    "\x03",
    "x",
    "{\"a\":\"}",
    "\v",
    "\f",
};

static uint64_t next_random(uint64_t *state) {
    /* xorshift64* (Vigna 2016): reproducible on every machine from the printed seed. */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t bound) {
    return (size_t)(next_random(state) % bound);
}

static void splice(struct text *text, size_t at, size_t removed, const char *piece, size_t length) {
    if (text->length - removed + length > TEXT_MAX)
        return;
    memmove(text->bytes + at + length, text->bytes + at + removed, text->length - at - removed);
    memcpy(text->bytes + at, piece, length);
    text->length = text->length - removed + length;
}

static void mutate(struct text *text, uint64_t *state) {
    for (size_t rounds = 1 + below(state, 3); rounds > 0; rounds--) {
        size_t at = below(state, text->length + 1);
        size_t left = text->length - at;
        switch (below(state, 3)) {
        case 0: {
            const char *piece = PIECES[below(state, sizeof PIECES / sizeof *PIECES)];
            size_t length = piece[0] == '\0' ? 1 : strlen(piece);
            splice(text, at, 0, piece, length);
            break;
        }
        case 1:
            splice(text, at, left > 0 ? 1 + below(state, left < 4 ? left : 4) : 0, "", 0);
            break;
        default: {
            /* A part of the text itself, elsewhere. */
            char copy[TEXT_MAX];
            size_t length = left < 24 ? left : 24;
            memcpy(copy, text->bytes + at, length);
            splice(text, below(state, text->length + 1), 0, copy, length);
            break;
        }
        }
    }
}

static size_t depth_of(const json_t *value) {
    size_t deepest = 0;
    if (json_is_object(value)) {
        const char *key;
        json_t *child;
        json_object_foreach((json_t *)value, key, child) {
            size_t depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    for (size_t index = 0; index < json_array_size(value); index++) {
        size_t depth = depth_of(json_array_get(value, index));
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_array(value) ? deepest + 1 : 0;
}

/* 1 valid, 0 not, -1 the parser cannot tell. */
static int verdict_of_parser(const struct text *text) {
    /* Jansson takes a raw NUL for the end of the text; RFC 8259 has no place for it. */
    if (memchr(text->bytes, '\0', text->length) != NULL)
        return 0;
    json_error_t error;
    json_t *value = json_loadb(text->bytes, text->length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (value == NULL)
        return json_error_code(&error) == json_error_numeric_overflow ? -1 : 0;
    int valid = json_is_object(value) && depth_of(value) <= 32;
    json_decref(value);
    return valid;
}

static enum muster_status start_with_meta(struct mt_fixture *f, const struct text *text,
                                          const char **error) {
    const char *values[] = {"node-1", "inc-1", text->bytes};
    const size_t lengths[] = {6, 5, text->length};
    return mt_call(f->redis, "start", 3, values, lengths, NULL, error);
}

static void test_agrees_with_a_real_parser(void **state) {
    struct mt_fixture *f = *state;
    const char *given = getenv("MUSTER_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : UINT64_C(20260101);
    print_message("seed %llu (MUSTER_TEST_SEED)\n", (unsigned long long)seed);
    uint64_t random = seed;
    size_t valid_seen = 0;
    size_t invalid_seen = 0;
    for (size_t round = 0; round < MUTATIONS; round++) {
        struct text text;
        const char *base = SEEDS[below(&random, sizeof SEEDS / sizeof *SEEDS)];
        text.length = strlen(base);
        memcpy(text.bytes, base, text.length);
        if (round >= sizeof SEEDS / sizeof *SEEDS)
            mutate(&text, &random);
        int expected = text.length == 0 ? -1 : verdict_of_parser(&text);
        if (expected < 0)
            continue;
        const char *error = "";
        enum muster_status status = start_with_meta(f, &text, &error);
        bool agrees = expected ? status == MUSTER_OK : status == MUSTER_BAD_JSON;
        if (!agrees)
            mt_fail(f->world, "round %zu: parser says %s, function says %s (%s), text: %.*s", round,
                    expected ? "valid" : "invalid", muster_status_code(status), error,
                    (int)text.length, text.bytes);
        valid_seen += (size_t)expected;
        invalid_seen += (size_t)!expected;
        if (round % 500 == 0)
            mt_redis_forget(f->redis);
    }
    print_message("%zu valid and %zu invalid texts\n", valid_seen, invalid_seen);
    assert_true(valid_seen > MUTATIONS / 20 && invalid_seen > MUTATIONS / 20);
}

static void nest(struct text *text, size_t depth) {
    text->length = 0;
    for (size_t level = 0; level < depth; level++) {
        memcpy(text->bytes + text->length, "{\"a\":", 5);
        text->length += 5;
    }
    text->bytes[text->length++] = '1';
    memset(text->bytes + text->length, '}', depth);
    text->length += depth;
}

static void test_depth_is_at_most_32(void **state) {
    struct mt_fixture *f = *state;
    struct text text;
    nest(&text, 32);
    assert_int_equal(start_with_meta(f, &text, NULL), MUSTER_OK);
    nest(&text, 33);
    assert_int_equal(start_with_meta(f, &text, NULL), MUSTER_BAD_JSON);
}

/* More shapes than the memo holds: it is emptied and goes on being right. */
static void test_memo_is_bounded(void **state) {
    struct mt_fixture *f = *state;
    struct text text;
    for (int round = 0; round < 3000; round++) {
        int length = snprintf(text.bytes, sizeof text.bytes, "{\"a\":[%.*s1]}", (round % 60) * 2,
                              "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
                              "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,");
        for (int space = round / 60; space > 0; space--)
            text.bytes[length++] = ' ';
        text.length = (size_t)length;
        assert_int_equal(start_with_meta(f, &text, NULL), MUSTER_OK);
        text.length -= (size_t)(round / 60) + 1;
        assert_int_equal(start_with_meta(f, &text, NULL), MUSTER_BAD_JSON);
        if (round % 500 == 0)
            mt_redis_forget(f->redis);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_agrees_with_a_real_parser, mt_fixture_fresh),
        cmocka_unit_test_setup(test_depth_is_at_most_32, mt_fixture_fresh),
        cmocka_unit_test_setup(test_memo_is_bounded, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
