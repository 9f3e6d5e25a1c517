/* A session of the RESP door: order of replies, turns, bounds, ends. The host is played. */
#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- replies ---- */

static void replies_keep_the_order_of_requests(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "ISMEMBER r c1");
    stand_say(f->session, "PING");
    stand_say(f->session, "LEADER r");
    stand_say(f->session, "ECHO end");
    stand_expect(f->session, "");
    stand_reply(f->stand, "LEADER r", "{\"l\":1}");
    stand_expect(f->session, "");
    stand_reply(f->stand, "ISMEMBER r c1", "1");
    stand_expect(f->session, ":1\r\n+PONG\r\n$7\r\n{\"l\":1}\r\n$3\r\nend\r\n");
    stand_say(f->session, "PING");
    stand_expect(f->session, "+PONG\r\n");
}

static void one_that_is_never_answered_holds_back_only_its_own_socket(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    stand_say(f->session, "LEADER a");
    stand_say(f->session, "LEADER b");
    stand_say(other, "LEADER c");
    stand_reply(f->stand, "LEADER b", "{}");
    stand_reply(f->stand, "LEADER c", "{}");
    stand_expect(f->session, "");
    stand_expect(other, "$2\r\n{}\r\n");
    resp_session_destroy(&other);
    stand_refuse(f->stand, "LEADER a", MUSTER_TIMEOUT, "no answer in time");
    stand_expect(f->session, "-TIMEOUT no answer in time\r\n$2\r\n{}\r\n");
}

static void results_have_the_type_that_a_redis_user_expects(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "COUNT a");
    stand_say(f->session, "COUNT a b");
    stand_say(f->session, "INSTANCES");
    stand_say(f->session, "CHECK a 1");
    stand_reply(f->stand, "COUNT a", "12");
    stand_reply(f->stand, "COUNT a b", "[12,0]");
    stand_reply(f->stand, "INSTANCES", "[]");
    stand_reply(f->stand, "CHECK a 1", "0");
    stand_expect(f->session, ":12\r\n*2\r\n:12\r\n:0\r\n$2\r\n[]\r\n:0\r\n");
    stand_say(f->session, "MEMBERS a");
    stand_refuse(f->stand, "MEMBERS a", MUSTER_DENIED, "not\r\nyou");
    stand_expect(f->session, "-DENIED not  you\r\n");
}

/* ---- input ---- */

static void bytes_may_come_in_any_pieces(void **state) {
    struct stand_fixture *f = *state;
    static const char text[] = "*3\r\n$8\r\nISMEMBER\r\n$1\r\nr\r\n$2\r\nc1\r\nPING\r\n*0\r\n\r\n"
                               "*1\r\n$4\r\nPING\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        stand_feed(f->session, &text[i], 1);
    }
    stand_reply(f->stand, "ISMEMBER r c1", "0");
    stand_expect(f->session, ":0\r\n+PONG\r\n+PONG\r\n");
}

static void a_million_requests_take_many_turns(void **state) {
    struct stand_fixture *f = *state;
    char text[6 * 1000 + 1] = "";
    for (size_t i = 0; i < 1000; i++) {
        memcpy(text + 6 * i, "PING\r\n", 6);
    }
    stand_feed(f->session, text, sizeof text - 1);
    size_t turns = 1;
    for (;; turns++) {
        size_t replies = f->session->out.length / 7;
        assert_in_range(replies, 1, RESP_TURN);
        resp_session_sent(f->session, f->session->out.length, 0);
        if (!resp_session_runnable(f->session)) {
            break;
        }
        assert_false(resp_session_reads(f->session)); /* what it sent already comes first */
        resp_session_run(f->session);
    }
    assert_int_equal(turns, 1000 / RESP_TURN + 1);
    assert_true(resp_session_reads(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_REQUESTS], 1000);
}

static void what_comes_while_some_is_kept_follows_it(void **state) {
    struct stand_fixture *f = *state;
    f->stand->door.settings.max_pending = 1;
    stand_feed(f->session, "LEADER a\r\nLEADER b\r\nLEA", 23);
    stand_feed(f->session, "DER c\r\n", 7);
    assert_int_equal(stand_open(f->stand), 1);
    static const char *const requests[] = {"LEADER a", "LEADER b", "LEADER c"};
    for (size_t i = 0; i < 3; i++) {
        stand_reply(f->stand, requests[i], "{}");
        assert_int_equal(resp_session_runnable(f->session), i < 2);
        resp_session_run(f->session);
    }
    stand_expect(f->session, "$2\r\n{}\r\n$2\r\n{}\r\n$2\r\n{}\r\n");
}

/* ---- bounds ---- */

static void at_max_pending_it_is_read_no_further(void **state) {
    struct stand_fixture *f = *state;
    f->stand->door.settings.max_pending = 2;
    stand_say(f->session, "LEADER a");
    assert_true(resp_session_reads(f->session));
    stand_say(f->session, "LEADER b");
    assert_false(resp_session_reads(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_PAUSED], 1);
    stand_reply(f->stand, "LEADER b", "{}"); /* its reply waits, and takes memory */
    assert_false(resp_session_reads(f->session));
    stand_reply(f->stand, "LEADER a", "{}");
    assert_true(resp_session_reads(f->session));
    resp_session_sent(f->session, f->session->out.length, 0);
}

static void replies_that_wait_count_too(void **state) {
    struct stand_fixture *f = *state;
    f->stand->door.settings.max_pending = 10;
    stand_say(f->session, "LEADER a");
    for (int i = 0; i < 50; i++) {
        stand_say(f->session, "PING"); /* nothing of which is sent before LEADER is answered */
    }
    assert_int_equal(f->session->slots, 10);
    assert_false(resp_session_reads(f->session));
    stand_reply(f->stand, "LEADER a", "{}");
    while (resp_session_runnable(f->session)) {
        resp_session_run(f->session);
    }
    assert_int_equal(f->session->out.length, 8 + 50 * 7);
    resp_session_sent(f->session, f->session->out.length, 0);
}

static void at_max_pending_total_requests_are_refused_in_order(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    f->stand->door.settings.max_pending_total = 2;
    stand_say(f->session, "LEADER a");
    stand_say(other, "LEADER b");
    stand_say(f->session, "LEADER c");
    stand_expect(f->session, "");
    stand_reply(f->stand, "LEADER a", "{}");
    stand_expect(f->session,
                 "$2\r\n{}\r\n-OVERLOADED too many requests are pending at this door\r\n");
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_OVERLOADED], 1);
    resp_session_destroy(&other); /* makes room */
    stand_say(f->session, "LEADER d");
    stand_reply(f->stand, "LEADER d", "{}");
    stand_expect(f->session, "$2\r\n{}\r\n");
}

static void a_refusing_host_is_answered_in_order(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "LEADER a");
    f->stand->refuse_all = MUSTER_OVERLOADED;
    stand_say(f->session, "LEADER b");
    stand_say(f->session, "METRICS");
    stand_reply(f->stand, "LEADER a", "{}");
    stand_expect_begin(f->session, "$2\r\n{}\r\n-OVERLOADED too many requests are pending in the "
                                   "daemon\r\n-OVERLOADED ");
}

static void a_reader_that_is_too_slow_is_given_up(void **state) {
    struct stand_fixture *f = *state;
    struct resp_settings *settings = &f->stand->door.settings;
    settings->max_output = 4096;
    stand_say(f->session, "LEADER a");
    stand_say(f->session, "LEADER b");
    char json[3000];
    memset(json, ' ', sizeof json);
    json[0] = '{';
    json[sizeof json - 2] = '}';
    json[sizeof json - 1] = '\0';
    stand_reply(f->stand, "LEADER a", json);
    assert_false(resp_session_reads(f->session)); /* above half of it */
    assert_false(resp_session_over(f->session));
    stand_reply(f->stand, "LEADER b", json);
    assert_true(resp_session_over(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SLOW], 1);
}

static void what_waits_behind_a_request_counts_as_output(void **state) {
    struct stand_fixture *f = *state;
    f->stand->door.settings.max_output = 1000;
    char line[600] = "ECHO ";
    memset(line + 5, 'x', 500);
    stand_say(f->session, "LEADER a");
    stand_say(f->session, line);
    assert_int_equal(resp_session_backlog(f->session), 500 + 8);
    assert_false(resp_session_reads(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_OUTPUT], 508);
}

static void the_rate_is_one_of_the_principal(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    f->stand->door.settings.rate = 10;
    f->stand->door.settings.rate_burst = 2;
    stand_say(f->session, "LEADER a");
    stand_say(other, "LEADER b");
    stand_say(other, "LEADER c");
    stand_say(other, "PING"); /* free */
    stand_reply(f->stand, "LEADER b", "{}");
    stand_expect(other, "$2\r\n{}\r\n-RATE_LIMITED too many requests a second; try again later\r\n"
                        "+PONG\r\n");
    f->stand->now += 99;
    stand_say(other, "LEADER d");
    stand_expect_begin(other, "-RATE_LIMITED ");
    resp_session_destroy(&other);
    resp_session_destroy(&f->session);
    resp_rate_sweep(&f->stand->door);
    other = stand_session(f->stand); /* a new socket is no new allowance */
    stand_say(other, "LEADER e");
    stand_expect_begin(other, "-RATE_LIMITED ");
    f->stand->now += 1;
    stand_say(other, "LEADER f");
    assert_non_null(stand_find(f->stand, "LEADER f"));
    resp_session_destroy(&other);
}

/* ---- ends ---- */

static void quit_waits_for_what_is_under_way(void **state) {
    struct stand_fixture *f = *state;
    stand_feed(f->session, "LEADER a\r\nQUIT\r\nPING\r\n", 22);
    assert_false(resp_session_reads(f->session));
    stand_expect(f->session, "");
    stand_reply(f->stand, "LEADER a", "{}");
    assert_true(resp_session_runnable(f->session));
    resp_session_run(f->session);
    assert_false(resp_session_over(f->session));
    stand_expect(f->session, "$2\r\n{}\r\n+OK\r\n");
    assert_true(resp_session_over(f->session));
}

static void nonsense_is_said_in_order_and_closes(void **state) {
    struct stand_fixture *f = *state;
    stand_feed(f->session, "LEADER a\r\n*2147483647\r\nPING\r\n", 29);
    assert_false(resp_session_over(f->session));
    stand_reply(f->stand, "LEADER a", "{}");
    stand_expect_begin(f->session, "$2\r\n{}\r\n-BAD_REQUEST ");
    assert_true(resp_session_over(f->session));
    stand_say(f->session, "PING");
    stand_expect(f->session, "");
}

static void http_is_closed_without_a_word(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "GET / HTTP/1.1");
    stand_expect(f->session, "");
    assert_true(resp_session_over(f->session));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_HTTP], 1);
}

static void an_end_cancels_what_is_under_way(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "LEADER a");
    stand_say(f->session, "METRICS");
    resp_session_hung_up(f->session);
    assert_int_equal(stand_open(f->stand), 0);
    assert_true(resp_session_over(f->session));
    resp_session_destroy(&f->session);
}

static void a_door_that_stops_answers_what_it_has(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "LEADER a");
    stand_say(f->session, "LEADER b");
    f->stand->door.stopping = true;
    resp_session_finish(f->session);
    stand_say(f->session, "LEADER c");
    assert_int_equal(stand_open(f->stand), 2);
    stand_reply(f->stand, "LEADER b", "{}");
    assert_false(resp_session_over(f->session));
    resp_session_abandon(f->session);
    stand_expect(f->session,
                 "-TIMEOUT the daemon ends and waits no longer; the outcome is unknown\r\n"
                 "$2\r\n{}\r\n");
    assert_true(resp_session_over(f->session));
}

#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(replies_keep_the_order_of_requests),
        SESSION_TEST(one_that_is_never_answered_holds_back_only_its_own_socket),
        SESSION_TEST(results_have_the_type_that_a_redis_user_expects),
        SESSION_TEST(bytes_may_come_in_any_pieces),
        SESSION_TEST(a_million_requests_take_many_turns),
        SESSION_TEST(what_comes_while_some_is_kept_follows_it),
        SESSION_TEST(at_max_pending_it_is_read_no_further),
        SESSION_TEST(replies_that_wait_count_too),
        SESSION_TEST(at_max_pending_total_requests_are_refused_in_order),
        SESSION_TEST(a_refusing_host_is_answered_in_order),
        SESSION_TEST(a_reader_that_is_too_slow_is_given_up),
        SESSION_TEST(what_waits_behind_a_request_counts_as_output),
        SESSION_TEST(the_rate_is_one_of_the_principal),
        SESSION_TEST(quit_waits_for_what_is_under_way),
        SESSION_TEST(nonsense_is_said_in_order_and_closes),
        SESSION_TEST(http_is_closed_without_a_word),
        SESSION_TEST(an_end_cancels_what_is_under_way),
        SESSION_TEST(a_door_that_stops_answers_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
