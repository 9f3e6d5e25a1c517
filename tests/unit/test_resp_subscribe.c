/* Subscriptions at the RESP door: who may, who hears, under which name. The host is played. */
#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Subscribes one channel, and takes the confirmation. */
static void subscribe(struct stand_fixture *f, struct resp_session *session, const char *name,
                      const char *asked) {
    char text[256];
    snprintf(text, sizeof text, "SUBSCRIBE %s", name);
    stand_say(session, text);
    snprintf(text, sizeof text, "events.subscribe %s", asked);
    stand_allow(f->stand, text);
    assert_true(session->out.length > 0);
    resp_session_sent(session, session->out.length, 0);
}

static void each_name_is_confirmed_once_all_are_allowed(void **state) {
    struct stand_fixture *f = *state;
    stand_feed(f->session, "SUBSCRIBE session:a instances\r\nPING\r\n", 37);
    stand_allow(f->stand, "events.subscribe instances");
    stand_expect(f->session, "");
    assert_string_equal(f->stand->channels, "");
    stand_allow(f->stand, "events.subscribe a");
    assert_string_equal(f->stand->channels, "+events:session:a +events:instances ");
    stand_expect(f->session, "*3\r\n$9\r\nsubscribe\r\n$9\r\nsession:a\r\n:1\r\n"
                             "*3\r\n$9\r\nsubscribe\r\n$9\r\ninstances\r\n:2\r\n");
    resp_session_run(f->session); /* now PING, in subscribe mode */
    stand_expect(f->session, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
}

static void one_denial_fails_the_command(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "SUBSCRIBE session:a session:b");
    stand_refuse(f->stand, "events.subscribe a", MUSTER_DENIED, "not yours");
    stand_expect(f->session, "");
    stand_allow(f->stand, "events.subscribe b");
    stand_expect(f->session, "-DENIED subscription to 'session:a': not yours\r\n");
    assert_string_equal(f->stand->channels, "");
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SUBSCRIPTIONS_REFUSED], 1);
    f->stand->refuse_all = MUSTER_OVERLOADED;
    stand_say(f->session, "SUBSCRIBE session:a");
    stand_expect_begin(f->session, "-OVERLOADED subscription to 'session:a': ");
}

static void names_that_are_none_are_refused(void **state) {
    struct stand_fixture *f = *state;
    static const char *const wrong[] = {
        "SUBSCRIBE x",
        "SUBSCRIBE session:",
        "SUBSCRIBE session:a*",
        "SUBSCRIBE session:a:",
        "SUBSCRIBE *",
        "SUBSCRIBE events:",
        "SUBSCRIBE request",
        "SUBSCRIBE inbox:node-1",
        "SUBSCRIBE events:events:instances",
        "PSUBSCRIBE s*",
        "PSUBSCRIBE session*",
        "PSUBSCRIBE session:[a]",
        "PSUBSCRIBE **",
        "PSUBSCRIBE events:*:a",
        "PSUBSCRIBE instances*",
        "PSUBSCRIBE session:?",
        "SUBSCRIBE \"instances\\x00\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        stand_say(f->session, wrong[i]);
        stand_expect_begin(f->session, "-BAD_REQUEST '");
    }
    assert_int_equal(f->stand->ask_count, 0);
}

static void sockets_share_a_subscription_of_the_host(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    subscribe(f, f->session, "session:a", "a");
    subscribe(f, other, "events:session:a", "a");
    subscribe(f, other, "session:a", "a");
    assert_string_equal(f->stand->channels, "+events:session:a ");
    stand_message(f->stand, NULL, "events:session:a", "{}");
    stand_expect(f->session, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$2\r\n{}\r\n");
    stand_expect_begin(other, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$2\r\n{}\r\n"
                              "*3\r\n$7\r\nmessage\r\n$16\r\nevents:session:a\r\n$2\r\n{}\r\n");
    stand_say(f->session, "UNSUBSCRIBE session:a");
    stand_expect(f->session, "*3\r\n$11\r\nunsubscribe\r\n$9\r\nsession:a\r\n:0\r\n");
    assert_string_equal(f->stand->channels, "+events:session:a ");
    resp_session_destroy(&other);
    assert_string_equal(f->stand->channels, "+events:session:a -events:session:a ");
    stand_message(f->stand, NULL, "events:session:a", "{}");
    stand_expect(f->session, "");
}

static void patterns_say_by_which_name_and_which_channel(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "PSUBSCRIBE session:a* *");
    stand_allow(f->stand, "events.subscribe a*");
    stand_allow(f->stand, "events.subscribe *");
    stand_expect(f->session, "*3\r\n$10\r\npsubscribe\r\n$10\r\nsession:a*\r\n:1\r\n"
                             "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:2\r\n");
    assert_string_equal(f->stand->channels, "+*events:session:a* +*events:* ");
    stand_message(f->stand, "events:session:a*", "events:session:ab", "{}");
    stand_expect(f->session, "*4\r\n$8\r\npmessage\r\n$10\r\nsession:a*\r\n$10\r\nsession:ab\r\n"
                             "$2\r\n{}\r\n");
    stand_say(f->session, "PUNSUBSCRIBE");
    stand_expect_begin(f->session, "*3\r\n$12\r\npunsubscribe\r\n");
    stand_say(f->session, "PUNSUBSCRIBE");
    stand_expect(f->session, "*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n");
}

static void protocol_2_is_restricted_while_subscribed(void **state) {
    struct stand_fixture *f = *state;
    subscribe(f, f->session, "instances", "instances");
    stand_say(f->session, "LEADER a");
    stand_expect_begin(f->session, "-ERR Can't execute 'LEADER': only (P)SUBSCRIBE / ");
    stand_say(f->session, "NONSENSE");
    stand_expect_begin(f->session, "-ERR Can't execute");
    stand_say(f->session, "HELLO 3");
    stand_expect_begin(f->session, "-ERR Can't execute");
    stand_say(f->session, "PING x");
    stand_expect(f->session, "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    stand_say(f->session, "UNSUBSCRIBE");
    stand_expect(f->session, "*3\r\n$11\r\nunsubscribe\r\n$9\r\ninstances\r\n:0\r\n");
    stand_say(f->session, "PING");
    stand_expect(f->session, "+PONG\r\n");
}

static void protocol_3_asks_and_hears_on_one_socket(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    stand_say(f->session, "HELLO 3");
    resp_session_sent(f->session, f->session->out.length, 0);
    stand_say(f->session, "SUBSCRIBE session:a");
    stand_allow(f->stand, "events.subscribe a");
    stand_expect(f->session, ">3\r\n$9\r\nsubscribe\r\n$9\r\nsession:a\r\n:1\r\n");
    subscribe(f, other, "session:a", "a");
    stand_say(f->session, "LEADER a");
    stand_message(f->stand, NULL, "events:session:a", "{\"x\":1}");
    stand_expect(f->session, ">3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$7\r\n{\"x\":1}\r\n");
    stand_expect(other, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$7\r\n{\"x\":1}\r\n");
    stand_reply(f->stand, "LEADER a", "{}");
    stand_expect(f->session, "$2\r\n{}\r\n");
    resp_session_destroy(&other);
}

static void subscribing_waits_for_what_is_under_way(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "LEADER a");
    stand_say(f->session, "SUBSCRIBE instances");
    assert_int_equal(stand_open(f->stand), 1);
    stand_reply(f->stand, "LEADER a", "{}");
    resp_session_run(f->session);
    stand_allow(f->stand, "events.subscribe instances");
    stand_expect_begin(f->session, "$2\r\n{}\r\n*3\r\n$9\r\nsubscribe\r\n");
}

static void there_is_a_bound(void **state) {
    struct stand_fixture *f = *state;
    f->stand->door.settings.max_subscriptions = 1;
    stand_say(f->session, "SUBSCRIBE session:a session:b");
    stand_expect(f->session, "-OVERLOADED this socket would have more than max_subscriptions\r\n");
    subscribe(f, f->session, "session:a", "a");
    stand_say(f->session, "SUBSCRIBE session:b");
    stand_expect_begin(f->session, "-OVERLOADED ");
}

static void all_subscribers_hear_of_lost_messages(void **state) {
    struct stand_fixture *f = *state;
    subscribe(f, f->session, "session:a", "a");
    resp_door_resync(&f->stand->door);
    stand_expect(f->session,
                 "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$18\r\n{\"event\":\"resync\"}\r\n");
    stand_say(f->session, "RESET");
    stand_expect(f->session, "+RESET\r\n");
    stand_say(f->session, "PSUBSCRIBE session:*");
    stand_allow(f->stand, "events.subscribe *");
    resp_session_sent(f->session, f->session->out.length, 0);
    resp_door_resync(&f->stand->door);
    stand_expect(f->session, "*4\r\n$8\r\npmessage\r\n$9\r\nsession:*\r\n$9\r\nsession:*\r\n"
                             "$18\r\n{\"event\":\"resync\"}\r\n");
}

static void a_slow_subscriber_is_given_up_and_the_others_are_not(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *slow = stand_session(f->stand);
    f->stand->door.settings.max_output = 500;
    subscribe(f, f->session, "instances", "instances");
    subscribe(f, slow, "instances", "instances");
    for (int i = 0; i < 20; i++) {
        stand_message(f->stand, NULL, "events:instances", "{\"event\":\"instance.started\"}");
        stand_expect_begin(f->session, "*3\r\n$7\r\nmessage\r\n");
    }
    assert_true(resp_session_over(slow));
    assert_in_range(slow->out.length, 500, 600); /* nothing is added any more */
    assert_false(resp_session_over(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SLOW], 1);
    resp_session_destroy(&slow);
}

static void all_together_have_a_bound_that_hits_those_who_are_behind(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *slow = stand_session(f->stand);
    f->stand->door.settings.max_output_total = 100 << 10;
    subscribe(f, f->session, "instances", "instances");
    subscribe(f, slow, "instances", "instances");
    for (int i = 0; i < 2000; i++) {
        stand_message(f->stand, NULL, "events:instances", "{\"event\":\"instance.started\"}");
        resp_session_sent(f->session, f->session->out.length - f->session->out.sent, 0);
    }
    assert_true(resp_session_over(slow));
    assert_false(resp_session_over(f->session));
    resp_session_destroy(&slow);
}

/* What is published before Redis has confirmed may be missed: the client is told only then. */
static void it_is_confirmed_once_redis_has_confirmed(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    subscribe(f, f->session, "session:a", "a");
    f->stand->mark = 7;
    stand_feed(f->session, "SUBSCRIBE session:b session:a\r\nPING\r\n", 37);
    stand_allow(f->stand, "events.subscribe b");
    stand_allow(f->stand, "events.subscribe a");
    stand_message(f->stand, NULL, "events:session:b", "{}");
    stand_expect(f->session, "");
    stand_message(f->stand, NULL, "events:session:a", "{}");
    stand_expect(f->session, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n$2\r\n{}\r\n");
    f->stand->mark = 9;
    stand_say(other, "PSUBSCRIBE *");
    stand_allow(f->stand, "events.subscribe *");
    resp_door_subscribed(&f->stand->door, 6);
    assert_false(resp_session_runnable(f->session));
    resp_door_subscribed(&f->stand->door, 8);
    stand_expect(f->session, "*3\r\n$9\r\nsubscribe\r\n$9\r\nsession:b\r\n:2\r\n"
                             "*3\r\n$9\r\nsubscribe\r\n$9\r\nsession:a\r\n:2\r\n");
    stand_message(f->stand, NULL, "events:session:b", "{}");
    stand_expect_begin(f->session, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:b\r\n");
    assert_true(resp_session_runnable(f->session)); /* PING */
    stand_expect(other, "");
    resp_session_destroy(&other); /* nobody asks for it any more */
    resp_door_subscribed(&f->stand->door, 9);
}

static void nobody_waits_for_ever_and_a_resync_makes_up_for_it(void **state) {
    struct stand_fixture *f = *state;
    f->stand->mark = 3;
    stand_say(f->session, "SUBSCRIBE session:a");
    stand_allow(f->stand, "events.subscribe a");
    f->stand->now += 4999;
    resp_groups_sweep(&f->stand->door);
    stand_expect(f->session, "");
    f->stand->now += 1;
    resp_groups_sweep(&f->stand->door);
    stand_expect(f->session, "*3\r\n$9\r\nsubscribe\r\n$9\r\nsession:a\r\n:1\r\n");
    resp_door_subscribed(&f->stand->door, 2);
    stand_expect(f->session, "");
    resp_door_subscribed(&f->stand->door, 3);
    stand_expect(f->session, "*3\r\n$7\r\nmessage\r\n$9\r\nsession:a\r\n"
                             "$18\r\n{\"event\":\"resync\"}\r\n");
    resp_door_subscribed(&f->stand->door, 3);
    stand_expect(f->session, "");
}

static void an_end_while_somebody_thinks_cancels(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "SUBSCRIBE session:a session:b");
    stand_allow(f->stand, "events.subscribe b");
    resp_session_hung_up(f->session);
    assert_int_equal(stand_open(f->stand), 0);
}

#define SUBSCRIBE_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SUBSCRIBE_TEST(each_name_is_confirmed_once_all_are_allowed),
        SUBSCRIBE_TEST(one_denial_fails_the_command),
        SUBSCRIBE_TEST(names_that_are_none_are_refused),
        SUBSCRIBE_TEST(sockets_share_a_subscription_of_the_host),
        SUBSCRIBE_TEST(patterns_say_by_which_name_and_which_channel),
        SUBSCRIBE_TEST(protocol_2_is_restricted_while_subscribed),
        SUBSCRIBE_TEST(protocol_3_asks_and_hears_on_one_socket),
        SUBSCRIBE_TEST(subscribing_waits_for_what_is_under_way),
        SUBSCRIBE_TEST(there_is_a_bound),
        SUBSCRIBE_TEST(all_subscribers_hear_of_lost_messages),
        SUBSCRIBE_TEST(a_slow_subscriber_is_given_up_and_the_others_are_not),
        SUBSCRIBE_TEST(all_together_have_a_bound_that_hits_those_who_are_behind),
        SUBSCRIBE_TEST(it_is_confirmed_once_redis_has_confirmed),
        SUBSCRIBE_TEST(nobody_waits_for_ever_and_a_resync_makes_up_for_it),
        SUBSCRIBE_TEST(an_end_while_somebody_thinks_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
