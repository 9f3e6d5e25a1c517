/* The order of looks (registry/looks.h), without Redis: answers are given by hand. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "registry/looks.h"

#define CHECKED "\"checked\":[1,0,0,0,0,0,0,0,2]"
#define EMPTY "{\"cursor\":\"0\",\"looked\":1," CHECKED ",\"findings\":[],\"rest\":[]}"
#define FINDING(code, stamp)                                                                       \
    "[\"" code "\",\"session\",\"s1\",\"session:s1\",\"is wrong\"," stamp "]"
#define FOUND(finding)                                                                             \
    "{\"cursor\":\"0\",\"looked\":1," CHECKED ",\"findings\":[" finding "],\"rest\":[]}"

struct bench {
    struct mu_looks *looks;
    uint64_t now;
    unsigned told;
    char last[256]; /* "<code> <kind> <name> <key> <what>" */
};

static void on_finding(void *context, const struct mu_looks_finding *finding) {
    struct bench *b = context;
    b->told++;
    snprintf(b->last, sizeof b->last, "%s %s %s %s %s", finding->info->code, finding->kind,
             finding->name, finding->key, finding->what);
}

#define BENCH(name, suspects)                                                                      \
    struct bench name = {.now = 1000};                                                             \
    name.looks = mu_looks_create(&(struct mu_looks_options){.again_ms = 100,                       \
                                                            .patience_ms = 1000,                   \
                                                            .suspects_max = (suspects),            \
                                                            .context = &name,                      \
                                                            .on_finding = on_finding});            \
    mu_looks_begin(name.looks)

/* What is asked next is this. */
static void expect(struct bench *b, const char *kind, const char *name, const char *cursor) {
    struct mu_looks_question question;
    uint64_t until = 0;
    assert_int_equal(mu_looks_next(b->looks, b->now, &question, &until), MU_LOOKS_ASK);
    assert_string_equal(question.kind, kind);
    assert_string_equal(question.name, name);
    assert_string_equal(question.cursor, cursor);
}

static void answer(struct bench *b, const char *json) {
    assert_true(mu_looks_take(b->looks, b->now, json, strlen(json)));
}

static void expect_wait(struct bench *b, uint64_t expected) {
    struct mu_looks_question question;
    uint64_t until = 0;
    assert_int_equal(mu_looks_next(b->looks, b->now, &question, &until), MU_LOOKS_WAIT);
    assert_int_equal(until, expected);
}

static void expect_done(struct bench *b) {
    struct mu_looks_question question;
    uint64_t until = 0;
    assert_int_equal(mu_looks_next(b->looks, b->now, &question, &until), MU_LOOKS_DONE);
}

/* The walks that are left find nothing. */
static void drain(struct bench *b) {
    struct mu_looks_question question;
    uint64_t until = 0;
    while (mu_looks_next(b->looks, b->now, &question, &until) == MU_LOOKS_ASK) {
        answer(b, EMPTY);
    }
}

static void test_order(void **state) {
    (void)state;
    BENCH(b, 10);
    expect(&b, "global", "-", "0");
    answer(&b, EMPTY);
    /* A page goes on where it said, after what it named. */
    expect(&b, "instances", "-", "0");
    answer(&b, "{\"cursor\":\"17\",\"looked\":3," CHECKED ",\"findings\":[],\"rest\":["
               "[\"leads\",\"i:a\"],[\"records\",\"i:a\"]]}");
    assert_int_equal(mu_looks_looked(b.looks), 3);
    expect(&b, "records", "i:a", "0");
    answer(&b, "{\"cursor\":\"5\",\"looked\":1," CHECKED ",\"findings\":[],\"rest\":["
               "[\"record\",\"i:a/c%2F\"]]}");
    expect(&b, "record", "i:a/c%2F", "0");
    answer(&b, EMPTY);
    expect(&b, "records", "i:a", "5");
    answer(&b, EMPTY);
    expect(&b, "leads", "i:a", "0");
    mu_looks_put_back(b.looks); /* was not sent */
    expect(&b, "leads", "i:a", "0");
    mu_looks_skip(b.looks); /* was not answered */
    assert_int_equal(mu_looks_skipped(b.looks), 1);
    expect(&b, "instances", "-", "17");
    answer(&b, EMPTY);
    static const char *const rest[] = {"ghosts",   "buried",     "deadlines",
                                       "sessions", "leaderless", "keys"};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        expect(&b, rest[i], "-", "0");
        answer(&b, EMPTY);
    }
    expect_done(&b);
    assert_int_equal(mu_looks_checked(b.looks, 1), 12);
    assert_int_equal(mu_looks_checked(b.looks, 9), 24);
    mu_looks_begin(b.looks);
    assert_int_equal(mu_looks_checked(b.looks, 1), 0);
    assert_int_equal(mu_looks_skipped(b.looks), 0);
    expect(&b, "global", "-", "0");
    mu_looks_destroy(&b.looks);
}

static void test_second_look(void **state) {
    (void)state;
    BENCH(b, 10);
    expect(&b, "global", "-", "0");
    answer(&b, FOUND(FINDING("COUNT_WRONG", "0") "," FINDING("USERS_WRONG", "0")));
    assert_int_equal(b.told, 0);
    drain(&b);
    expect_wait(&b, 1100);
    b.now = 1100;
    expect(&b, "session", "s1", "0");
    answer(&b, FOUND(FINDING("COUNT_WRONG", "0")));
    assert_int_equal(b.told, 1);
    assert_string_equal(b.last, "COUNT_WRONG session s1 session:s1 is wrong");
    expect(&b, "session", "s1", "0"); /* because of the other code */
    answer(&b, FOUND(FINDING("COUNT_WRONG", "0")));
    assert_int_equal(b.told, 1); /* that one is cleared */
    expect_done(&b);
    mu_looks_destroy(&b.looks);
}

static void test_patience(void **state) {
    (void)state;
    BENCH(b, 10);
    expect(&b, "global", "-", "0");
    answer(&b, FOUND(FINDING("LEADER_WAITS", "7")));
    drain(&b);
    for (b.now = 1100; b.now < 2000; b.now += 100) {
        expect(&b, "session", "s1", "0");
        answer(&b, FOUND(FINDING("LEADER_WAITS", "7")));
        expect_wait(&b, b.now + 100);
    }
    assert_int_equal(b.told, 0);
    b.now = 2000;
    expect(&b, "session", "s1", "0");
    answer(&b, FOUND(FINDING("LEADER_WAITS", "7")));
    assert_int_equal(b.told, 1);
    expect_done(&b);
    /* Somebody is at it: the stamp moved. */
    mu_looks_begin(b.looks);
    expect(&b, "global", "-", "0");
    answer(&b, FOUND(FINDING("LEADER_WAITS", "7")));
    drain(&b);
    b.now += 100;
    expect(&b, "session", "s1", "0");
    answer(&b, FOUND(FINDING("LEADER_WAITS", "8")));
    expect_done(&b);
    assert_int_equal(b.told, 1);
    mu_looks_destroy(&b.looks);
}

/* No more suspects than there is room for: the walks wait. */
static void test_full(void **state) {
    (void)state;
    BENCH(b, 1);
    expect(&b, "global", "-", "0");
    answer(&b, FOUND(FINDING("COUNT_WRONG", "0")));
    expect_wait(&b, 1100);
    b.now = 1100;
    expect(&b, "session", "s1", "0");
    mu_looks_put_back(b.looks);
    expect(&b, "session", "s1", "0");
    answer(&b, EMPTY);
    expect(&b, "instances", "-", "0");
    mu_looks_destroy(&b.looks);
}

static void test_bad_answers(void **state) {
    static const char *const bad[] = {
        "",
        "[]",
        "{\"cursor\":7,\"findings\":[]}",
        "{\"cursor\":\"0\"}",
        "{\"cursor\":\"0000000000000000000000000\",\"findings\":[]}",
        "{\"cursor\":\"0\",\"findings\":[[\"NO_SUCH_CODE\",\"a\",\"b\",\"c\",\"d\",0]]}",
        "{\"cursor\":\"0\",\"findings\":[[1]]}",
        "{\"cursor\":\"0\",\"findings\":[],\"rest\":[[\"a\",\"b\"],[\"a\"]]}",
    };
    (void)state;
    BENCH(b, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mu_looks_question question;
        uint64_t until = 0;
        assert_int_equal(mu_looks_next(b.looks, b.now, &question, &until), MU_LOOKS_ASK);
        assert_false(mu_looks_take(b.looks, b.now, bad[i], strlen(bad[i])));
        assert_int_equal(mu_looks_skipped(b.looks), i + 1);
    }
    expect_done(&b); /* eight walks, eight answers */
    mu_looks_destroy(&b.looks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_second_look),
        cmocka_unit_test(test_patience),    cmocka_unit_test(test_full),
        cmocka_unit_test(test_bad_answers),
    };
    return cmocka_run_group_tests_name("looks", tests, NULL, NULL);
}
