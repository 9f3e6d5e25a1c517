/* The link against peers that accept connections, but are no Redis, or a broken one. */
#include "lib/test.h"

#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "redis/link.h"
#include "redis/subscriber.h"

struct fixture {
    struct mt_world *world;
    struct mt_loop *loop;
    struct mt_peer *peer;
    struct mu_link *link;
    struct mu_subscriber *subscriber;
    struct mu_redis_address address;
    unsigned downs;
    char reason[MU_ERROR_TEXT];
    unsigned ups;
    unsigned ended;
    enum muster_status status;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    signal(SIGPIPE, SIG_IGN);
    f->world = mt_world_create();
    f->loop = mt_loop_create(f->world);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_link_close(&f->link, NULL, NULL);
    mu_subscriber_close(&f->subscriber, NULL, NULL);
    mt_peer_close(&f->peer);
    mt_loop_destroy(&f->loop);
    mt_world_destroy(&f->world);
    mu_redis_address_deinit(&f->address);
    free(f);
    return 0;
}

/* In place of the C library's: every name has two addresses here, 127.0.0.2 and 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    struct two {
        struct addrinfo info[2];
        struct sockaddr_in address[2];
    } *two = calloc(1, sizeof *two);
    (void)name;
    (void)hints;
    if (!two) {
        return EAI_MEMORY;
    }
    for (int i = 0; i < 2; i++) {
        two->address[i].sin_family = AF_INET;
        two->address[i].sin_port = htons((uint16_t)atoi(service));
        two->address[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 - (uint32_t)i);
        two->info[i].ai_family = AF_INET;
        two->info[i].ai_socktype = SOCK_STREAM;
        two->info[i].ai_addr = (struct sockaddr *)&two->address[i];
        two->info[i].ai_addrlen = sizeof two->address[i];
    }
    two->info[0].ai_next = &two->info[1];
    *found = two->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *found) {
    free(found);
}

static void on_down(void *context, const struct mu_error *reason) {
    struct fixture *f = context;
    if (f->downs++ == 0) {
        snprintf(f->reason, sizeof f->reason, "%s", reason->text);
    }
}

static void on_up(void *context) {
    struct fixture *f = context;
    f->ups++;
}

static void reply(void *context, enum muster_status status, const redisReply *answer,
                  const struct mu_error *error) {
    struct fixture *f = context;
    (void)answer;
    (void)error;
    f->ended++;
    f->status = status;
}

static void set_address(struct fixture *f, const char *host, int port) {
    char url[64];
    snprintf(url, sizeof url, "redis://%s:%d", host, port);
    assert_int_equal(mu_redis_address_parse(url, &f->address, NULL), MUSTER_OK);
}

static void begin_peer(struct fixture *f, struct mt_peer_script script) {
    f->peer = mt_peer_create(f->loop, &script);
    set_address(f, "127.0.0.1", mt_peer_port(f->peer));
}

static void create_link(struct fixture *f) {
    struct mu_link_options options = {
        .address = &f->address,
        .connect_timeout_ms = 200,
        .command_timeout_ms = 200,
        .reply_bytes = 8 << 20,
        .context = f,
        .on_down = on_down,
    };
    f->link = mu_link_create(mt_loop_uv(f->loop), &options);
}

static void begin(struct fixture *f, struct mt_peer_script script) {
    begin_peer(f, script);
    create_link(f);
}

static void expect_reason(struct fixture *f, const char *sentence) {
    char where[64];
    MT_SPIN(f->loop, f->downs >= 1, "the end of the connection");
    snprintf(where, sizeof where, "redis at 127.0.0.1:%d: ", mt_peer_port(f->peer));
    assert_int_equal(strncmp(f->reason, where, strlen(where)), 0);
    if (!strstr(f->reason, sentence)) {
        fail_msg("'%s' instead of '%s'", f->reason, sentence);
    }
}

static void test_all_addresses_of_a_name_are_tried(void **state) {
    struct fixture *f = *state;
    f->peer = mt_peer_create(f->loop, &(struct mt_peer_script){.first = "+PONG\r\n"});
    set_address(f, "two", mt_peer_port(f->peer)); /* which listens on the second only */
    create_link(f);
    MT_SPIN(f->loop, mu_link_is_open(f->link), "the link");
    assert_int_equal(f->downs, 0);
}

static void test_no_address_of_a_name_answers(void **state) {
    struct fixture *f = *state;
    set_address(f, "two", mt_free_port());
    create_link(f);
    MT_SPIN(f->loop, f->downs >= 1, "the failure");
    assert_non_null(strstr(f->reason, "redis at two:"));
    assert_non_null(strstr(f->reason, ": connection refused"));
}

static void test_silence(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){0});
    expect_reason(f, "no answer to the log-in in 200 ms");
    assert_int_equal(mu_link_connections(f->link), 0);
}

static void test_garbage(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n"});
    expect_reason(f, "protocol error");
}

static void test_an_answer_that_fits_no_question(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.first = ":1\r\n"});
    expect_reason(f, "an answer that Redis does not give");
}

static void test_a_reply_that_nobody_asked_for(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.first = "+PONG\r\n+OK\r\n"});
    expect_reason(f, "a reply that nobody asked for");
}

static void test_loading(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.first = "-LOADING Redis is loading the dataset\r\n"});
    expect_reason(f, "not ready: LOADING");
}

static void test_too_many_clients(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.greeting = "-ERR max number of clients reached\r\n"});
    expect_reason(f, "max number of clients reached");
}

static void expect_refused_reply(struct fixture *f, const char *announcement, const char *reason) {
    begin(f, (struct mt_peer_script){.first = "+PONG\r\n", .answer = announcement});
    assert_int_equal(mu_link_command(f->link, 1, (const char *const[]){"GET"}, NULL, reply, f),
                     MUSTER_OK);
    expect_reason(f, reason);
    MT_SPIN(f->loop, f->ended == 1, "the end of the command");
    assert_int_equal(f->status, MUSTER_TIMEOUT);
}

/* hiredis alone would allocate 16 GiB here. */
static void test_a_huge_array(void **state) {
    expect_refused_reply(*state, "*2147483647\r\n", "exceeds");
}

static void test_many_nested_arrays(void **state) {
    expect_refused_reply(*state,
                         "*5000000\r\n*5000000\r\n*5000000\r\n*5000000\r\n*5000000\r\n*5000000\r\n",
                         "exceeds");
}

/* hiredis or our own bound ends it, whichever is lower in the version at hand. */
static void test_deep_arrays(void **state) {
    expect_refused_reply(
        *state, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "");
}

static void test_a_length_that_is_no_number(void **state) {
    expect_refused_reply(*state, "$99999999999999999999999\r\n", "protocol error");
}

static void test_a_huge_text(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.first = "+PONG\r\n$4000000000\r\n", .flood = true});
    expect_reason(f, "a reply exceeds 8 MiB");
}

static void test_silence_after_the_log_in(void **state) {
    struct fixture *f = *state;
    begin(f, (struct mt_peer_script){.first = "+PONG\r\n"});
    MT_SPIN(f->loop, mu_link_is_open(f->link), "the link");
    assert_int_equal(mu_link_command(f->link, 1, (const char *const[]){"GET"}, NULL, reply, f),
                     MUSTER_OK);
    expect_reason(f, "no reply in 200 ms");
    MT_SPIN(f->loop, f->ended == 1, "the end of the command");
    assert_int_equal(f->status, MUSTER_TIMEOUT);
}

/* ---- the subscriber ---- */

static void begin_subscriber(struct fixture *f, struct mt_peer_script script) {
    begin_peer(f, script);
    struct mu_subscriber_options options = {
        .address = &f->address,
        .connect_timeout_ms = 200,
        .command_timeout_ms = 200,
        .idle_timeout_ms = 50,
        .context = f,
        .on_up = on_up,
        .on_down = on_down,
    };
    f->subscriber = mu_subscriber_create(mt_loop_uv(f->loop), &options);
    mu_subscriber_subscribe(f->subscriber, "a");
}

static void test_subscriptions_that_are_not_confirmed(void **state) {
    struct fixture *f = *state;
    begin_subscriber(f, (struct mt_peer_script){.first = "+PONG\r\n"});
    expect_reason(f, "no answer in 200 ms");
    assert_int_equal(f->ups, 0);
}

static void test_a_dead_peer_is_noticed_by_ping(void **state) {
    struct fixture *f = *state;
    begin_subscriber(
        f, (struct mt_peer_script){.first = "+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"});
    MT_SPIN(f->loop, f->ups == 1, "the subscription");
    expect_reason(f, "no answer in 200 ms");
}

static void test_a_subscription_that_is_refused(void **state) {
    struct fixture *f = *state;
    begin_subscriber(f, (struct mt_peer_script){.first = "+PONG\r\n",
                                                .answer = "-NOPERM this user may not\r\n"});
    expect_reason(f, "the subscription is refused: NOPERM");
    assert_int_equal(f->ups, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_all_addresses_of_a_name_are_tried),
        TEST(test_no_address_of_a_name_answers),
        TEST(test_silence),
        TEST(test_garbage),
        TEST(test_an_answer_that_fits_no_question),
        TEST(test_a_reply_that_nobody_asked_for),
        TEST(test_loading),
        TEST(test_too_many_clients),
        TEST(test_a_huge_array),
        TEST(test_many_nested_arrays),
        TEST(test_deep_arrays),
        TEST(test_a_length_that_is_no_number),
        TEST(test_a_huge_text),
        TEST(test_silence_after_the_log_in),
        TEST(test_subscriptions_that_are_not_confirmed),
        TEST(test_a_dead_peer_is_noticed_by_ping),
        TEST(test_a_subscription_that_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
