/* What sentinels answer, whom to believe, and where they are said to be. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "redis/sentinel.h"
#include "redis/sentinel_choice.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- answers ---- */

static redisReply *parse(const char *text) {
    redisReader *reader = redisReaderCreate();
    redisReply *reply = NULL;
    redisReaderFeed(reader, text, strlen(text));
    assert_int_equal(redisReaderGetReply(reader, (void **)&reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static void addresses_are_read(void **state) {
    static const struct {
        const char *text;
        const char *host;
        enum mu_sentinel_answer_kind kind;
        uint16_t port;
    } cases[] = {
        {"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n", "127.0.0.1", MU_SENTINEL_NAMED, 6379},
        {"*2\r\n$3\r\n::1\r\n$5\r\n65535\r\n", "::1", MU_SENTINEL_NAMED, 65535},
        {"*2\r\n$6\r\nr-1.eu\r\n$1\r\n1\r\n", "r-1.eu", MU_SENTINEL_NAMED, 1},
        {"*-1\r\n", "", MU_SENTINEL_IGNORANT, 0},
        {"$-1\r\n", "", MU_SENTINEL_IGNORANT, 0},
        {"-ERR No such master with that name\r\n", "", MU_SENTINEL_IGNORANT, 0},
        {"-NOPERM no\r\n", "", MU_SENTINEL_AWAY, 0},
        {"+OK\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*1\r\n$1\r\na\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$1\r\na\r\n:6379\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$1\r\na\r\n$1\r\n0\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$1\r\na\r\n$5\r\n65536\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$1\r\na\r\n$2\r\n-1\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$1\r\na\r\n$2\r\n1x\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$3\r\na b\r\n$1\r\n1\r\n", "", MU_SENTINEL_AWAY, 0},
        {"*2\r\n$0\r\n\r\n$1\r\n1\r\n", "", MU_SENTINEL_AWAY, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_sentinel_answer answer = {0};
        redisReply *reply = parse(cases[i].text);
        mu_sentinel_read_address(reply, &answer);
        freeReplyObject(reply);
        assert_int_equal(answer.kind, cases[i].kind);
        assert_string_equal(answer.host, cases[i].host);
        assert_int_equal(answer.port, cases[i].port);
    }
}

static void epochs_are_read(void **state) {
    static const struct {
        const char *text;
        uint64_t epoch;
    } cases[] = {
        {"*4\r\n$2\r\nip\r\n$1\r\nh\r\n$12\r\nconfig-epoch\r\n$2\r\n42\r\n", 42},
        {"*4\r\n$12\r\nconfig-epoch\r\n$1\r\n7\r\n$2\r\nip\r\n$1\r\nh\r\n", 7},
        {"*3\r\n$2\r\nip\r\n$1\r\nh\r\n$12\r\nconfig-epoch\r\n", 0},
        {"*2\r\n$12\r\nconfig-epoch\r\n$2\r\nno\r\n", 0},
        {"*2\r\n$12\r\nconfig-epoch\r\n$20\r\n99999999999999999999\r\n", 0},
        {"*2\r\n:1\r\n:2\r\n", 0},
        {"-NOPERM no\r\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        redisReply *reply = parse(cases[i].text);
        assert_int_equal(mu_sentinel_read_epoch(reply), cases[i].epoch);
        freeReplyObject(reply);
    }
}

static void roles_are_read(void **state) {
    static const struct {
        const char *text;
        enum mu_sentinel_role role;
    } cases[] = {
        {"$28\r\n# Replication\r\nrole:master\r\n\r\n", MU_SENTINEL_MASTER},
        {"$27\r\n# Replication\r\nrole:slave\r\n\r\n", MU_SENTINEL_OTHER},
        {"$0\r\n\r\n", MU_SENTINEL_OTHER},
        {":1\r\n", MU_SENTINEL_OTHER},
        {"-NOPERM no\r\n", MU_SENTINEL_SECRET},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        redisReply *reply = parse(cases[i].text);
        assert_int_equal(mu_sentinel_read_role(reply), cases[i].role);
        freeReplyObject(reply);
    }
}

static void switches_are_told_apart(void **state) {
    (void)state;
    assert_true(mu_sentinel_is_switch("m 10.0.0.1 6379 10.0.0.2 6379", "m"));
    assert_false(mu_sentinel_is_switch("mm 10.0.0.1 6379 10.0.0.2 6379", "m"));
    assert_false(mu_sentinel_is_switch("m", "m"));
    assert_false(mu_sentinel_is_switch("", "m"));
}

/* ---- the choice ---- */

/* One letter an answer: a and b are hosts; then the digit of the epoch. "-" is away, "?" is
 * pending, "!" knows no such master. `current` likewise, "" is none, "~" behind it is doubt; `x` as
 * host of `refused` is nobody. */
static size_t choose(const char *answers, const char *current, char refused) {
    struct mu_sentinel_answer list[MU_SENTINELS_MAX] = {0};
    struct mu_sentinel_current now = {0};
    size_t count = 0;
    for (const char *at = answers; *at != '\0'; at++) {
        struct mu_sentinel_answer *answer = &list[count++];
        answer->kind = *at == '-'   ? MU_SENTINEL_AWAY
                       : *at == '?' ? MU_SENTINEL_PENDING
                       : *at == '!' ? MU_SENTINEL_IGNORANT
                                    : MU_SENTINEL_NAMED;
        if (answer->kind == MU_SENTINEL_NAMED) {
            answer->host[0] = *at;
            answer->port = 6379;
            answer->refused_until = *at == refused ? 101 : 100;
            answer->epoch = (uint64_t)(*++at - '0');
        }
    }
    if (current[0] != '\0') {
        now.host[0] = current[0];
        now.port = 6379;
        now.epoch = (uint64_t)(current[1] - '0');
        now.doubted = current[2] == '~';
    }
    size_t chosen = mu_sentinel_choose(list, count, &now, 100);
    return chosen == count ? 99 : chosen;
}

static void the_newest_failover_counts(void **state) {
    static const struct {
        const char *answers, *current;
        char refused;
        size_t wanted; /* 99: nothing changes */
    } cases[] = {
        /* nothing is followed yet */
        {"a1", "", 'x', 0},
        {"-!?", "", 'x', 99},
        {"-!a1", "", 'x', 2},
        {"a1b2a1", "", 'x', 1},
        {"a1b1b1", "", 'x', 1},
        {"a0b0", "", 'x', 0},
        {"a1b2", "", 'b', 0},
        {"b2", "", 'b', 99},
        /* what works stays, but for something newer */
        {"a1a1", "a1", 'x', 99},
        {"b0b0", "a1", 'x', 99},
        {"b2a1", "a1", 'x', 0},
        {"a1b2", "a1", 'b', 99},
        {"b1a1", "a1", 'x', 99},
        {"a1b1b1", "a1", 'x', 1},
        {"--", "a1", 'x', 99},
        {"-b1", "a1", 'x', 1},
        /* what does not is left for anything */
        {"b0a1", "a1~", 'x', 99},
        {"b0-", "a1~", 'x', 0},
        {"b1b1", "a1~", 'x', 0},
        {"b0a1", "a1~", 'a', 0},
        {"a1", "a1~", 'x', 99},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t got = choose(cases[i].answers, cases[i].current, cases[i].refused);
        if (got != cases[i].wanted) {
            fail_msg("'%s' while '%s' is followed: %zu, not %zu", cases[i].answers,
                     cases[i].current, got, cases[i].wanted);
        }
    }
}

/* The port is part of the name. */
static void another_port_is_another_server(void **state) {
    struct mu_sentinel_answer answers[2] = {
        {.kind = MU_SENTINEL_NAMED, .host = "a", .port = 1, .epoch = 1},
        {.kind = MU_SENTINEL_NAMED, .host = "a", .port = 2, .epoch = 2}};
    struct mu_sentinel_current current = {.host = "a", .port = 1, .epoch = 1};

    (void)state;
    assert_int_equal(mu_sentinel_choose(answers, 2, &current, 0), 1);
}

/* ---- places ---- */

static void places_are_read(void **state) {
    struct mu_sentinel_places places;
    struct mu_redis_address address;
    struct mu_error error;
    const char *const list[] = {"10.0.0.1:1", "[::1]:2", "host"};
    const struct mu_sentinel_names names = {.master = "m.1-x_y",
                                            .addresses = list,
                                            .count = 3,
                                            .user = "watcher",
                                            .password = "secret",
                                            .url = "redis://u:p@ignored:77/3"};

    (void)state;
    assert_int_equal(mu_sentinel_places_read(&names, &places, &error), MUSTER_OK);
    assert_int_equal(places.count, 3);
    assert_string_equal(places.sentinels[0].host, "10.0.0.1");
    assert_int_equal(places.sentinels[0].port, 1);
    assert_string_equal(places.sentinels[1].host, "::1");
    assert_int_equal(places.sentinels[1].port, 2);
    assert_int_equal(places.sentinels[2].port, 26379);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(places.sentinels[i].user, "watcher");
        assert_string_equal(places.sentinels[i].password, "secret");
        assert_int_equal(places.sentinels[i].database, 0);
    }
    mu_sentinel_address(&places, "10.0.0.9", 99, &address);
    assert_string_equal(address.host, "10.0.0.9");
    assert_int_equal(address.port, 99);
    assert_string_equal(address.user, "u");
    assert_string_equal(address.password, "p");
    assert_int_equal(address.database, 3);
    mu_redis_address_deinit(&address);
    mu_sentinel_places_deinit(&places);
}

/* The sentinels are spoken to as the master is. */
static void tls_is_for_all(void **state) {
    struct mu_sentinel_places places;
    struct mu_error error;
    const struct mu_sentinel_names names = {
        .master = "m", .list = "h:1,i", .url = "rediss://h", .tls = {.server_name = "cluster"}};

    (void)state;
    assert_int_equal(mu_sentinel_places_read(&names, &places, &error), MUSTER_OK);
    assert_int_equal(places.count, 2);
    assert_string_equal(places.sentinels[1].host, "i");
    for (size_t i = 0; i < 2; i++) {
        assert_true(places.sentinels[i].tls);
        assert_string_equal(places.sentinels[i].server_name, "cluster");
        assert_null(places.sentinels[i].password);
    }
    assert_true(places.master.tls);
    mu_sentinel_places_deinit(&places);
}

static void what_is_wrong_is_said(void **state) {
    static const char *const good[] = {"h:1"};
    static const char *const bad[] = {"h:1", "h:0"};
    static const struct {
        struct mu_sentinel_names names;
        const char *sentence;
    } cases[] = {
        {{.master = "", .addresses = good, .count = 1}, "redis.sentinel.master: is not the name"},
        {{.master = "a b", .addresses = good, .count = 1}, "redis.sentinel.master: is not the"},
        {{.master = NULL, .list = "h:1"}, "--master: is not the name"},
        {{.master = "m"}, "redis.sentinel.addresses: allowed are 1 to 16"},
        {{.master = "m", .list = ""}, "--sentinel: number 1: there is no host; allowed is host"},
        {{.master = "m", .list = "a:1,,b:2"}, "--sentinel: number 2: there is no host"},
        {{.master = "m", .list = "[::1"}, "--sentinel: number 1: the ] after the IPv6 address"},
        {{.master = "m", .list = "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"}, "--sentinel: allowed are 1"},
        {{.master = "m", .addresses = bad, .count = 2},
         "redis.sentinel.addresses: number 2: the port must be a number from 1 to 65535"},
        {{.master = "m", .addresses = good, .count = 1, .user = "u"},
         "redis.sentinel.user: needs a password"},
        {{.master = "m", .addresses = good, .count = 1, .url = "unix:///x"},
         "redis.url: sentinels know no unix sockets"},
        {{.master = "m", .addresses = good, .count = 1, .url = "nothing"}, "redis.url: "},
        {{.master = "m", .addresses = good, .count = 1, .tls = {.ca = "/x"}},
         "redis.tls: counts for a URL that begins with rediss://"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_sentinel_places places;
        struct mu_error error = {0};
        assert_int_equal(mu_sentinel_places_read(&cases[i].names, &places, &error),
                         MUSTER_BAD_REQUEST);
        if (strncmp(error.text, cases[i].sentence, strlen(cases[i].sentence)) != 0) {
            fail_msg("'%s', not '%s…'", error.text, cases[i].sentence);
        }
        mu_sentinel_places_deinit(&places);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(epochs_are_read),
        cmocka_unit_test(roles_are_read),
        cmocka_unit_test(switches_are_told_apart),
        cmocka_unit_test(the_newest_failover_counts),
        cmocka_unit_test(another_port_is_another_server),
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(tls_is_for_all),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
