/* The subscriber against a real Redis: confirmation, messages, restoring, the end. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stage.h"
#include "redis/subscriber.h"

struct fixture {
    struct mt_stage stage;
    struct mu_subscriber *subscriber;
    uint64_t confirmed; /* the mark */
    unsigned ups;
    unsigned downs;
    unsigned messages;
    unsigned closed;
    size_t length;
    char pattern[64];
    char channel[64];
    char payload[64];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mt_stage_up(&f->stage, MT_SERVER_VOLATILE, NULL);
    *state = f;
    return 0;
}

static void on_closed(void *context) {
    struct fixture *f = context;
    f->closed++;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_subscriber_close(&f->subscriber, on_closed, f);
    mt_stage_down(&f->stage);
    free(f);
    return 0;
}

static void on_message(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length) {
    struct fixture *f = context;
    f->messages++;
    f->length = length;
    snprintf(f->pattern, sizeof f->pattern, "%s", pattern ? pattern : "-");
    snprintf(f->channel, sizeof f->channel, "%s", channel);
    snprintf(f->payload, sizeof f->payload, "%s", payload);
}

static void on_up(void *context) {
    struct fixture *f = context;
    f->ups++;
}

static void on_confirmed(void *context, uint64_t mark) {
    struct fixture *f = context;
    assert_true(mark >= f->confirmed);
    f->confirmed = mark;
}

static void on_down(void *context, const struct mu_error *reason) {
    struct fixture *f = context;
    assert_int_equal(strncmp(reason->text, "redis at ", 9), 0);
    f->downs++;
}

static void create_with(struct fixture *f, struct mu_subscriber_options options) {
    struct mu_redis_address address;
    assert_int_equal(mu_redis_address_parse(mt_server_url(f->stage.server), &address, NULL),
                     MUSTER_OK);
    options.address = &address;
    options.client_name = "musterd:sub";
    options.context = f;
    options.on_up = options.on_up ? options.on_up : on_up;
    options.on_confirmed = on_confirmed;
    options.on_down = on_down;
    options.on_message = options.on_message ? options.on_message : on_message;
    f->subscriber = mu_subscriber_create(mt_loop_uv(f->stage.loop), &options);
    mu_redis_address_deinit(&address);
}

static void create(struct fixture *f) {
    create_with(f, (struct mu_subscriber_options){0});
}

/* How many receive a message on `channel`. */
static long long publish(struct fixture *f, const char *channel, const char *payload) {
    return mt_integer(f->stage.redis, "PUBLISH %s %s", channel, payload);
}

static void test_messages(void **state) {
    struct fixture *f = *state;
    create(f);
    mu_subscriber_subscribe(f->subscriber, "news");
    mu_subscriber_psubscribe(f->subscriber, "events:*");
    assert_false(mu_subscriber_is_up(f->subscriber));
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscriptions");
    assert_true(mu_subscriber_is_up(f->subscriber));
    assert_int_equal(publish(f, "news", "hello"), 1);
    MT_SPIN(f->stage.loop, f->messages == 1, "a message");
    assert_string_equal(f->pattern, "-");
    assert_string_equal(f->channel, "news");
    assert_string_equal(f->payload, "hello");
    assert_int_equal(f->length, 5);
    assert_int_equal(publish(f, "events:a", ""), 1);
    MT_SPIN(f->stage.loop, f->messages == 2, "a message by pattern");
    assert_string_equal(f->pattern, "events:*");
    assert_string_equal(f->channel, "events:a");
    assert_int_equal(f->length, 0);
}

static void test_payload_of_any_bytes(void **state) {
    struct fixture *f = *state;
    create(f);
    mu_subscriber_subscribe(f->subscriber, "news");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscription");
    mt_command(f->stage.redis, "PUBLISH news %b", "a\0b", (size_t)3);
    MT_SPIN(f->stage.loop, f->messages == 1, "a message");
    assert_int_equal(f->length, 3);
}

/* on_up means that all are confirmed: whoever publishes afterwards reaches each of them. */
static void test_up_means_all_are_confirmed(void **state) {
    struct fixture *f = *state;
    char channel[32];
    create(f);
    for (int i = 0; i < 1000; i++) {
        snprintf(channel, sizeof channel, "channel-%d", i);
        mu_subscriber_subscribe(f->subscriber, channel);
        mu_subscriber_psubscribe(f->subscriber, channel);
    }
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscriptions");
    for (int i = 0; i < 1000; i++) {
        snprintf(channel, sizeof channel, "channel-%d", i);
        assert_int_equal(publish(f, channel, "x"), 2);
    }
    MT_SPIN(f->stage.loop, f->messages == 2000, "all messages");
}

/* Whoever waits for its mark misses nothing from then on, whenever it asked. */
static void test_a_mark_tells_when_it_stands(void **state) {
    struct fixture *f = *state;
    char channel[32];
    create(f);
    mu_subscriber_subscribe(f->subscriber, "first");
    uint64_t mark = mu_subscriber_mark(f->subscriber);
    assert_true(mark > 0);
    MT_SPIN(f->stage.loop, f->confirmed >= mark, "the first mark");
    assert_int_equal(mu_subscriber_mark(f->subscriber), 0);
    for (int i = 0; i < 50; i++) {
        snprintf(channel, sizeof channel, "late-%d", i);
        (i % 2 == 0 ? mu_subscriber_share : mu_subscriber_share_pattern)(f->subscriber, channel);
        mark = mu_subscriber_mark(f->subscriber);
        assert_true(mark > f->confirmed);
        MT_SPIN(f->stage.loop, f->confirmed >= mark, "a later mark");
        assert_int_equal(publish(f, channel, "x"), 1);
        assert_int_equal(mu_subscriber_mark(f->subscriber), 0);
    }
    /* Wanted before, wanted while it is down: the same mark. */
    mt_command(f->stage.redis, "CLIENT KILL TYPE pubsub");
    MT_SPIN(f->stage.loop, f->downs == 1, "the end of the connection");
    mu_subscriber_share(f->subscriber, "between");
    mark = mu_subscriber_mark(f->subscriber);
    assert_true(mark > f->confirmed);
    MT_SPIN(f->stage.loop, f->confirmed >= mark, "the mark of the new connection");
    assert_int_equal(f->ups, 2);
    assert_int_equal(publish(f, "between", "x"), 1);
    assert_int_equal(publish(f, "first", "x"), 1);
}

static void test_nothing_wanted_is_up_too(void **state) {
    struct fixture *f = *state;
    create_with(f, (struct mu_subscriber_options){.idle_timeout_ms = 20});
    MT_SPIN(f->stage.loop, f->ups == 1, "the connection");
    MT_SPIN(f->stage.loop, strstr(mt_text(f->stage.redis, "CLIENT LIST"), "cmd=ping") != NULL,
            "a PING");
    mu_subscriber_subscribe(f->subscriber, "late");
    MT_SPIN(f->stage.loop, publish(f, "late", "x") == 1, "the subscription");
    MT_SPIN(f->stage.loop, f->messages == 1, "a message");
    assert_int_equal(f->ups, 1);
    assert_int_equal(f->downs, 0);
}

static void test_subscribing_twice_is_once(void **state) {
    struct fixture *f = *state;
    create(f);
    mu_subscriber_subscribe(f->subscriber, "a");
    mu_subscriber_subscribe(f->subscriber, "a");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscription");
    mu_subscriber_subscribe(f->subscriber, "a");
    mu_subscriber_subscribe(f->subscriber, "b");
    MT_SPIN(f->stage.loop, publish(f, "b", "x") == 1, "the later subscription");
    assert_int_equal(publish(f, "a", "x"), 1);
    mu_subscriber_unsubscribe(f->subscriber, "a");
    MT_SPIN(f->stage.loop, mt_integer(f->stage.redis, "PUBLISH a x") == 0,
            "the end of the subscription");
    assert_int_equal(publish(f, "b", "x"), 1);
    mu_subscriber_unsubscribe(f->subscriber, "unknown");
    assert_true(mu_subscriber_is_up(f->subscriber));
    mt_command(f->stage.redis, "CLIENT KILL TYPE pubsub");
    MT_SPIN(f->stage.loop, f->ups == 2, "the next connection");
    assert_int_equal(publish(f, "a", "x"), 0);
    assert_int_equal(publish(f, "b", "x"), 1);
}

static void test_restored_after_the_server_was_killed(void **state) {
    struct fixture *f = *state;
    create(f);
    mu_subscriber_subscribe(f->subscriber, "stays");
    mu_subscriber_subscribe(f->subscriber, "goes");
    mu_subscriber_psubscribe(f->subscriber, "pattern-*");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscriptions");
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, f->downs >= 1, "the loss");
    assert_false(mu_subscriber_is_up(f->subscriber));
    mu_subscriber_unsubscribe(f->subscriber, "goes");
    mu_subscriber_subscribe(f->subscriber, "new");
    mt_server_restart(f->stage.server);
    MT_SPIN(f->stage.loop, f->ups == 2, "the subscriptions again");
    mt_redis_close(&f->stage.redis);
    f->stage.redis = mt_server_connect(f->stage.server);
    assert_int_equal(publish(f, "stays", "x"), 1);
    assert_int_equal(publish(f, "new", "x"), 1);
    assert_int_equal(publish(f, "pattern-1", "x"), 1);
    assert_int_equal(publish(f, "goes", "x"), 0);
    MT_SPIN(f->stage.loop, f->messages == 3, "all messages");
}

/* The connection alone is lost: everything is the same on the next. */
static void test_restored_after_the_connection_was_killed(void **state) {
    struct fixture *f = *state;
    create(f);
    mu_subscriber_subscribe(f->subscriber, "a");
    for (unsigned round = 1; round <= 5; round++) {
        MT_SPIN(f->stage.loop, f->ups == round, "the subscription");
        assert_int_equal(publish(f, "a", "x"), 1);
        mt_command(f->stage.redis, "CLIENT KILL TYPE pubsub");
        MT_SPIN(f->stage.loop, f->downs >= round, "the loss");
    }
    MT_SPIN(f->stage.loop, f->ups == 6, "the subscription");
    assert_int_equal(f->messages, 5);
}

static long long pings(struct fixture *f) {
    static const char field[] = "cmdstat_ping:calls=";
    const char *found = strstr(mt_text(f->stage.redis, "INFO commandstats"), field);
    return found ? atoll(found + strlen(field)) : 0;
}

static void test_an_idle_connection_stays(void **state) {
    struct fixture *f = *state;
    create_with(f, (struct mu_subscriber_options){.idle_timeout_ms = 20});
    mu_subscriber_subscribe(f->subscriber, "a");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscription");
    MT_SPIN(f->stage.loop, strstr(mt_text(f->stage.redis, "CLIENT LIST"), "cmd=ping") != NULL,
            "a PING");
    long long before = pings(f);
    MT_SPIN(f->stage.loop, pings(f) >= before + 5, "more PINGs");
    assert_int_equal(f->downs, 0);
    assert_true(mu_subscriber_is_up(f->subscriber));
}

static void close_on_message(void *context, const char *pattern, const char *channel,
                             const char *payload, size_t length) {
    struct fixture *f = context;
    on_message(context, pattern, channel, payload, length);
    assert_int_equal(f->closed, 0);
    mu_subscriber_close(&f->subscriber, on_closed, f);
}

static void test_closing_inside_a_message(void **state) {
    struct fixture *f = *state;
    create_with(f, (struct mu_subscriber_options){.on_message = close_on_message});
    mu_subscriber_subscribe(f->subscriber, "a");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscription");
    mt_command(f->stage.redis, "EVAL %s 0", "for i = 1, 100 do redis.call('PUBLISH', 'a', i) end");
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->messages, 1);
}

static void close_on_up(void *context) {
    struct fixture *f = context;
    mu_subscriber_close(&f->subscriber, on_closed, f);
}

static void test_closing_inside_on_up(void **state) {
    struct fixture *f = *state;
    create_with(f, (struct mu_subscriber_options){.on_up = close_on_up});
    MT_SPIN(f->stage.loop, f->closed == 1, "the end without a subscription");
    create_with(f, (struct mu_subscriber_options){.on_up = close_on_up});
    mu_subscriber_subscribe(f->subscriber, "a");
    MT_SPIN(f->stage.loop, f->closed == 2, "the end with one");
}

/* ---- messages that may wait ---- */

static bool is_gathering(const struct fixture *f) {
    struct mu_subscriber_counts counts;
    mu_subscriber_counts(f->subscriber, &counts);
    return counts.gathering;
}

/* A hundred at once, numbered from 1. */
static void many(struct fixture *f) {
    mt_command(f->stage.redis, "EVAL %s 0",
               "for i = 1, 100 do redis.call('PUBLISH', 'beats', i) end");
}

static void begin_gathering(struct fixture *f) {
    /* No PING: it would end the gathering, too. */
    create_with(f, (struct mu_subscriber_options){.idle_timeout_ms = 3600000});
    mu_subscriber_subscribe(f->subscriber, "beats");
    mu_subscriber_may_wait(f->subscriber, "beats");
    mu_subscriber_subscribe(f->subscriber, "news");
    MT_SPIN(f->stage.loop, f->ups == 1, "the subscriptions");
    assert_int_equal(publish(f, "beats", "x"), 1);
    MT_SPIN(f->stage.loop, f->messages == 1, "one alone");
    assert_false(is_gathering(f));
    many(f);
    MT_SPIN(f->stage.loop, f->messages == 101, "all messages");
    assert_true(is_gathering(f));
}

/* The others are heard all the same, and after a quiet while the loop is woken again. */
static void test_gathering(void **state) {
    struct fixture *f = *state;
    begin_gathering(f);
    many(f);
    MT_SPIN(f->stage.loop, f->messages == 201, "the next ones");
    assert_string_equal(f->payload, "100");
    /* One here and there is enough to go on, though not to begin. */
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(publish(f, "beats", "x"), 1);
        MT_SPIN(f->stage.loop, f->messages == 201 + i, "one more");
    }
    assert_true(is_gathering(f));
    f->messages -= 10;
    assert_int_equal(publish(f, "news", "x"), 1);
    MT_SPIN(f->stage.loop, f->messages == 202, "another message");
    assert_string_equal(f->channel, "news");
    assert_false(is_gathering(f));
    assert_int_equal(publish(f, "beats", "y"), 1);
    MT_SPIN(f->stage.loop, f->messages == 203, "one that is alone");
    assert_false(is_gathering(f));
    many(f);
    MT_SPIN(f->stage.loop, f->messages == 303, "many again");
    assert_true(is_gathering(f));
    MT_SPIN(f->stage.loop, !is_gathering(f), "the end, since nothing comes");
    assert_int_equal(publish(f, "beats", "z"), 1);
    MT_SPIN(f->stage.loop, f->messages == 304, "the last one");
    assert_string_equal(f->payload, "z");
    assert_int_equal(f->downs, 0);
}

static void test_a_subscription_while_gathering(void **state) {
    struct fixture *f = *state;
    begin_gathering(f);
    mu_subscriber_subscribe(f->subscriber, "more");
    assert_false(is_gathering(f));
    uint64_t mark = mu_subscriber_mark(f->subscriber);
    MT_SPIN(f->stage.loop, f->confirmed >= mark, "the confirmation");
    assert_int_equal(publish(f, "more", "x"), 1);
    MT_SPIN(f->stage.loop, f->messages == 102, "its message");
}

/* The end of the connection is seen by whoever looks. */
static void test_a_loss_while_gathering(void **state) {
    struct fixture *f = *state;
    begin_gathering(f);
    mt_command(f->stage.redis, "CLIENT KILL TYPE pubsub");
    MT_SPIN(f->stage.loop, f->downs == 1 && f->ups == 2, "the loss and the next connection");
    many(f);
    MT_SPIN(f->stage.loop, f->messages == 201, "all messages");
}

static void test_closing_while_gathering(void **state) {
    struct fixture *f = *state;
    begin_gathering(f);
    mu_subscriber_close(&f->subscriber, on_closed, f);
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_messages),
        TEST(test_payload_of_any_bytes),
        TEST(test_up_means_all_are_confirmed),
        TEST(test_a_mark_tells_when_it_stands),
        TEST(test_nothing_wanted_is_up_too),
        TEST(test_subscribing_twice_is_once),
        TEST(test_restored_after_the_server_was_killed),
        TEST(test_restored_after_the_connection_was_killed),
        TEST(test_an_idle_connection_stays),
        TEST(test_closing_inside_a_message),
        TEST(test_closing_inside_on_up),
        TEST(test_gathering),
        TEST(test_a_subscription_while_gathering),
        TEST(test_a_loss_while_gathering),
        TEST(test_closing_while_gathering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
