/* The reader of replies against hiredis's own objects: whatever comes, in whatever pieces, gives
 * the same reply or is refused by both. And its bounds. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "redis/reader.h"

/* ---- the same? ---- */

static bool same_text(const redisReply *a, const redisReply *b) {
    if (!a->str || !b->str) {
        return a->str == b->str;
    }
    return a->len == b->len && memcmp(a->str, b->str, (size_t)a->len + 1) == 0;
}

static bool same(const redisReply *a, const redisReply *b) {
    if (!a || !b) {
        return false;
    }
    if (a->type != b->type || a->integer != b->integer || a->elements != b->elements ||
        !same_text(a, b)) {
        return false;
    }
#if HIREDIS_MAJOR >= 1
    if (memcmp(&a->dval, &b->dval, sizeof a->dval) != 0 ||
        (a->type == REDIS_REPLY_VERB && memcmp(a->vtype, b->vtype, 4) != 0)) {
        return false;
    }
#endif
    for (size_t i = 0; i < (size_t)a->elements; i++) {
        if (!same(a->element[i], b->element[i])) {
            return false;
        }
    }
    return true;
}

/* Both readers, side by side. */
struct pair {
    struct mu_reader *ours;
    redisReader *theirs;
    size_t replies;
    bool refused;
};

static void open_pair(struct pair *pair) {
    *pair = (struct pair){.ours = mu_reader_create(0), .theirs = redisReaderCreate()};
    assert_non_null(pair->theirs);
}

static void close_pair(struct pair *pair) {
    mu_reader_destroy(&pair->ours);
    redisReaderFree(pair->theirs);
}

static void feed(struct pair *pair, const char *bytes, size_t length) {
    struct mu_error error;
    /* A copy of the exact size: a sanitizer sees who reads beyond it. */
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bool fed = mu_reader_feed(pair->ours, copy, length, &error) == MUSTER_OK;
    assert_int_equal(fed, redisReaderFeed(pair->theirs, copy, length) == REDIS_OK);
    free(copy);
    while (fed && !pair->refused) {
        const redisReply *ours = NULL;
        void *theirs = NULL;
        pair->refused = redisReaderGetReply(pair->theirs, &theirs) != REDIS_OK;
        assert_int_equal(mu_reader_next(pair->ours, &ours, &error) != MUSTER_OK, pair->refused);
        assert_int_equal(ours == NULL, theirs == NULL);
        if (pair->refused) {
            assert_non_null(strstr(error.text, "protocol error: "));
        }
        if (!theirs) {
            return;
        }
        assert_true(same(ours, theirs));
        freeReplyObject(theirs);
        pair->replies++;
    }
}

/* ---- what comes ---- */

/* With hiredis before 1.0 those of protocol 3 are refused. */
static const char *const wires[] = {
    "+OK\r\n",
    "+\r\n",
    "-ERR no such thing\r\n",
    ":0\r\n:-9223372036854775808\r\n:9223372036854775807\r\n",
    "$0\r\n\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "$5\r\na\r\n\0b\r\n",
    "*3\r\n$1\r\na\r\n$-1\r\n:7\r\n",
    "*2\r\n*2\r\n-ERR inside\r\n+fine\r\n*0\r\n+behind\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n:2\r\n",
    "*4\r\n$7\r\nmessage\r\n$2\r\nch\r\n*-1\r\n$3\r\n\r\n\n\r\n",
    "_\r\n",
    "#t\r\n#f\r\n",
    ",3.25\r\n,inf\r\n,-inf\r\n",
    "=8\r\ntxt:some\r\n",
    "(3492890328409238509324850943850943825024385\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n_\r\n#t\r\n",
    "~3\r\n:1\r\n:2\r\n*1\r\n~0\r\n",
    ">3\r\n+message\r\n$1\r\nc\r\n,1.5\r\n+OK\r\n",
    "|1\r\n+ttl\r\n:9\r\n+OK\r\n",
    "HTTP/1.1 400 Bad Request\r\n",
    ":12x\r\n",
    "$3x\r\nabc\r\n",
    "*2x\r\n",
    "$-2\r\n",
    "*-2\r\n",
    "$99999999999999999999\r\n",
    "*1\r\n!\r\n",
    "\r\n",
};

/* Texts of wires[] with a NUL in them are longer than strlen() says. */
static size_t length_of(const char *wire) {
    return strncmp(wire, "$5\r\na", 5) == 0 ? 11 : strlen(wire);
}

static void whole_and_in_pieces(const char *wire, size_t length, size_t replies) {
    for (size_t cut = 0; cut <= length; cut++) {
        struct pair pair;
        open_pair(&pair);
        feed(&pair, wire, cut);
        if (!pair.refused) {
            feed(&pair, wire + cut, length - cut);
        }
        assert_int_equal(pair.replies, replies);
        close_pair(&pair);
    }
    struct pair pair;
    open_pair(&pair);
    for (size_t i = 0; i < length && !pair.refused; i++) {
        feed(&pair, wire + i, 1);
    }
    assert_int_equal(pair.replies, replies);
    close_pair(&pair);
}

static void every_type_split_everywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        struct pair pair;
        size_t length = length_of(wires[i]);
        open_pair(&pair);
        feed(&pair, wires[i], length);
        size_t replies = pair.replies;
        close_pair(&pair);
        whole_and_in_pieces(wires[i], length, replies);
    }
}

/* ---- chance ---- */

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void put_text(struct mu_buffer *out, uint32_t *seed) {
    char bytes[3000];
    size_t length = next(seed) % 16 == 0 ? next(seed) % sizeof bytes : next(seed) % 40;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (char)next(seed);
    }
    assert_true(mu_buffer_printf(out, "$%zu\r\n", length) && mu_buffer_append(out, bytes, length) &&
                mu_buffer_append(out, "\r\n", 2));
}

static void put_element(struct mu_buffer *out, uint32_t *seed, unsigned depth) {
    unsigned kinds = depth < 6 ? 6 : 5;
    switch (next(seed) % kinds) {
    case 0:
        assert_true(mu_buffer_printf(out, ":%d\r\n", (int)next(seed) - (1 << 23)));
        break;
    case 1:
        assert_true(mu_buffer_append_text(out, next(seed) % 2 ? "$-1\r\n" : "*-1\r\n"));
        break;
    case 2:
        assert_true(mu_buffer_printf(out, next(seed) % 2 ? "+st %u\r\n" : "-ERR %u\r\n", *seed));
        break;
    case 5: {
        unsigned count = next(seed) % 64 == 0 ? next(seed) % 500 : next(seed) % 5;
        assert_true(mu_buffer_printf(out, "*%u\r\n", count));
        for (unsigned i = 0; i < count; i++) {
            put_element(out, seed, depth + 1);
        }
        break;
    }
    default:
        put_text(out, seed);
    }
}

/* Thousands of replies over one reader, in pieces of any size. */
static void any_replies_in_any_pieces(void **state) {
    enum { REPLIES = 2000 };
    uint32_t seed = 1;
    struct mu_buffer wire;
    struct pair pair;
    (void)state;
    mu_buffer_init(&wire, 0);
    open_pair(&pair);
    for (size_t i = 0; i < REPLIES; i++) {
        put_element(&wire, &seed, 0);
    }
    for (size_t at = 0, size = 0; at < wire.length; at += size) {
        size = next(&seed) % 8 == 0 ? next(&seed) % 40000 : next(&seed) % 600;
        size = size < wire.length - at ? size : wire.length - at;
        feed(&pair, wire.data + at, size);
    }
    assert_false(pair.refused);
    assert_int_equal(pair.replies, REPLIES);
    close_pair(&pair);
    mu_buffer_deinit(&wire);
}

/* As a list of members comes: larger than any block, twice. */
static void large_replies(void **state) {
    enum { FIELDS = 20000, TEXT = 3 << 20 };
    struct mu_buffer wire;
    struct pair pair;
    (void)state;
    mu_buffer_init(&wire, 0);
    assert_true(mu_buffer_printf(&wire, "*%d\r\n", 2 * FIELDS + 1));
    for (int i = 0; i < FIELDS; i++) {
        assert_true(mu_buffer_printf(&wire, "$5\r\n%05d\r\n:%d\r\n", i, i));
    }
    assert_true(mu_buffer_printf(&wire, "$%d\r\n%0*d\r\n", TEXT, TEXT, 7));
    open_pair(&pair);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t at = 0; at < wire.length; at += 16384) {
            feed(&pair, wire.data + at, wire.length - at < 16384 ? wire.length - at : 16384);
        }
    }
    assert_int_equal(pair.replies, 2);
    close_pair(&pair);
    mu_buffer_deinit(&wire);
}

/* ---- bounds ---- */

static void expect_refusal(const char *wire, size_t bytes_max, const char *reason) {
    struct mu_reader *reader = mu_reader_create(bytes_max);
    const redisReply *reply = NULL;
    struct mu_error error;
    enum muster_status status = mu_reader_feed(reader, wire, strlen(wire), &error);
    if (status == MUSTER_OK) {
        status = mu_reader_next(reader, &reply, &error);
    }
    assert_int_equal(status, MUSTER_UNAVAILABLE);
    assert_null(reply);
    assert_non_null(strstr(error.text, reason));
    mu_reader_destroy(&reader);
}

static void announcements_are_bounded(void **state) {
    (void)state;
    expect_refusal("*2147483647\r\n", 0, "exceeds 8388608 elements");
    expect_refusal("*8388609\r\n", 0, "exceeds 8388608 elements");
    expect_refusal("*2\r\n*8388607\r\n", 0, "exceeds 8388608 elements or 7 levels");
    expect_refusal("+0123456789\r\n", 8, "a reply exceeds 0 MiB");
}

/* The bound is of one reply, not of all that were read. */
static void each_reply_has_the_bound_for_itself(void **state) {
    struct mu_reader *reader = mu_reader_create(64);
    struct mu_error error;
    (void)state;
    for (int i = 0; i < 100; i++) {
        const redisReply *reply = NULL;
        assert_int_equal(mu_reader_feed(reader, "*2\r\n+0123456789\r\n:1\r\n", 21, &error),
                         MUSTER_OK);
        assert_int_equal(mu_reader_next(reader, &reply, &error), MUSTER_OK);
        assert_non_null(reply);
        assert_string_equal(reply->element[0]->str, "0123456789");
        assert_int_equal(mu_reader_next(reader, &reply, &error), MUSTER_OK);
        assert_null(reply);
    }
    mu_reader_destroy(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_split_everywhere),
        cmocka_unit_test(any_replies_in_any_pieces),
        cmocka_unit_test(large_replies),
        cmocka_unit_test(announcements_are_bounded),
        cmocka_unit_test(each_reply_has_the_bound_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
