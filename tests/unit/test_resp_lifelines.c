/* Whose death the end of a socket of the RESP door is. The host is played. */
#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ask(struct stand_fixture *f, struct resp_session *session, const char *request) {
    stand_say(session, request);
    stand_reply(f->stand, request, "{}");
}

static void hang_up(struct resp_session **session) {
    resp_session_hung_up(*session);
    resp_session_destroy(session);
}

#define SIGNAL(instance, incarnation, quiet)                                                       \
    "signal {\"signal\":\"lifeline\",\"instance\":\"" instance "\",\"incarnation\":\"" incarnation \
    "\",\"daemon\":\"d1\",\"quiet_ms\":" quiet "}\n"

static void the_end_of_a_socket_is_told(void **state) {
    struct stand_fixture *f = *state;
    ask(f, f->session, "START n1 k1");
    ask(f, f->session, "HEARTBEAT n2 k2");
    f->stand->now += 300;
    ask(f, f->session, "HEARTBEAT n2 k2");
    f->stand->now += 200;
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_LIFELINES], 2);
    hang_up(&f->session);
    assert_non_null(strstr(f->stand->published, SIGNAL("n1", "k1", "500")));
    assert_non_null(strstr(f->stand->published, SIGNAL("n2", "k2", "200")));
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SIGNALS], 2);
}

static void only_a_good_answer_counts(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "HEARTBEAT n1 k1");
    stand_refuse(f->stand, "HEARTBEAT n1 k1", MUSTER_STALE_INCARNATION, "another");
    ask(f, f->session, "ENTER r n1 k1 x");
    hang_up(&f->session);
    assert_string_equal(f->stand->published, "");
}

static void the_last_socket_counts(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    ask(f, f->session, "START n1 k1");
    ask(f, other, "HEARTBEAT n1 k1");
    hang_up(&f->session);
    assert_string_equal(f->stand->published, "");
    hang_up(&other);
    assert_string_equal(f->stand->published, SIGNAL("n1", "k1", "0"));
}

static void a_new_incarnation_takes_the_place_of_the_old(void **state) {
    struct stand_fixture *f = *state;
    ask(f, f->session, "START n1 k1");
    ask(f, f->session, "START n1 k2");
    hang_up(&f->session);
    assert_string_equal(f->stand->published, SIGNAL("n1", "k2", "0"));
}

static void stop_ends_it(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    ask(f, f->session, "START n1 k1");
    ask(f, other, "STOP n1 k0"); /* not the one that lives */
    ask(f, other, "STOP n1 k1");
    hang_up(&f->session);
    hang_up(&other);
    assert_string_equal(f->stand->published, "");
}

static void a_farewell_is_no_death(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    ask(f, f->session, "START n1 k1");
    ask(f, other, "START n2 k2");
    resp_session_sent(f->session, f->session->out.length, 0);
    stand_say(f->session, "QUIT");
    hang_up(&f->session);
    stand_say(other, "RESET");
    hang_up(&other);
    assert_string_equal(f->stand->published, "");
}

static void neither_is_the_end_of_the_daemon(void **state) {
    struct stand_fixture *f = *state;
    ask(f, f->session, "START n1 k1");
    f->stand->door.stopping = true;
    hang_up(&f->session);
    assert_string_equal(f->stand->published, "");
}

static void nor_that_this_side_closes(void **state) {
    struct stand_fixture *f = *state;
    ask(f, f->session, "START n1 k1");
    resp_session_destroy(&f->session);
    assert_string_equal(f->stand->published, "");
}

static void one_that_cannot_be_told_is_counted(void **state) {
    struct stand_fixture *f = *state;
    ask(f, f->session, "START n1 k1");
    f->stand->publish_says = MUSTER_UNAVAILABLE;
    hang_up(&f->session);
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SIGNALS_LOST], 1);
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_SIGNALS], 0);
}

static void a_socket_has_a_bounded_number(void **state) {
    struct stand_fixture *f = *state;
    for (int i = 0; i < RESP_LIFELINES_MAX + 1; i++) {
        char text[32];
        snprintf(text, sizeof text, "START n%d k", i);
        ask(f, f->session, text);
    }
    assert_int_equal(f->session->lifeline_count, RESP_LIFELINES_MAX);
}

#define LIFELINE_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LIFELINE_TEST(the_end_of_a_socket_is_told),
        LIFELINE_TEST(only_a_good_answer_counts),
        LIFELINE_TEST(the_last_socket_counts),
        LIFELINE_TEST(a_new_incarnation_takes_the_place_of_the_old),
        LIFELINE_TEST(stop_ends_it),
        LIFELINE_TEST(a_farewell_is_no_death),
        LIFELINE_TEST(neither_is_the_end_of_the_daemon),
        LIFELINE_TEST(nor_that_this_side_closes),
        LIFELINE_TEST(one_that_cannot_be_told_is_counted),
        LIFELINE_TEST(a_socket_has_a_bounded_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
