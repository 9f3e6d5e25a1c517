/* Who is at the RESP door: AUTH, HELLO, client certificates, RESET. The host is played. */
#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_caller(struct stand_fixture *f, const char *id) {
    stand_say(f->session, "ACL WHOAMI");
    char text[64];
    snprintf(text, sizeof text, "$%zu\r\n%s\r\n", strlen(id), id);
    stand_expect(f->session, text);
}

static void auth_takes_a_token_with_or_without_a_user(void **state) {
    struct stand_fixture *f = *state;
    expect_caller(f, "anonymous");
    stand_say(f->session, "AUTH s3cret");
    stand_know(f->stand, "- s3cret", "node-1");
    stand_expect(f->session, "+OK\r\n");
    expect_caller(f, "node-1");
    stand_say(f->session, "auth node-2 other");
    stand_know(f->stand, "node-2 other", "node-2");
    stand_expect(f->session, "+OK\r\n");
    expect_caller(f, "node-2");
    assert_int_equal(f->stand->callers, 1);
    stand_say(f->session, "LEADER r");
    assert_ptr_equal(stand_find(f->stand, "LEADER r")->caller, f->session->caller);
}

static void what_comes_behind_auth_waits_for_it(void **state) {
    struct stand_fixture *f = *state;
    stand_feed(f->session, "LEADER a\r\nAUTH t\r\nLEADER b\r\n", 28);
    assert_int_equal(stand_open(f->stand), 1); /* not even AUTH: the order of replies */
    stand_reply(f->stand, "LEADER a", "{}");
    resp_session_run(f->session);
    assert_int_equal(stand_open(f->stand), 1);
    assert_false(resp_session_runnable(f->session));
    stand_know(f->stand, "- t", "node-1");
    assert_true(resp_session_runnable(f->session));
    resp_session_run(f->session);
    assert_ptr_equal(stand_find(f->stand, "LEADER b")->caller, f->session->caller);
    stand_expect(f->session, "$2\r\n{}\r\n+OK\r\n");
}

static void a_token_that_does_not_hold_leaves_nobody(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "AUTH t");
    stand_know(f->stand, "- t", "node-1");
    stand_say(f->session, "AUTH wrong");
    stand_refuse(f->stand, "- wrong", MUSTER_UNAUTHENTICATED, "nobody has this token");
    stand_expect(f->session, "+OK\r\n-WRONGPASS nobody has this token\r\n");
    expect_caller(f, "anonymous");
    assert_int_equal(f->stand->callers, 0);
    assert_int_equal(f->stand->door.counts.values[RESP_COUNT_AUTH_FAILED], 1);
    stand_say(f->session, "AUTH late");
    stand_refuse(f->stand, "- late", MUSTER_TIMEOUT, "no answer in time");
    stand_expect(f->session, "-TIMEOUT no answer in time\r\n");
    f->stand->refuse_all = MUSTER_UNAVAILABLE;
    stand_say(f->session, "AUTH now");
    stand_expect(f->session, "-UNAVAILABLE the daemon can ask nobody who this is now\r\n");
    stand_say(f->session, "PING");
    stand_expect(f->session, "+PONG\r\n");
}

static void hello_does_all_at_once(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "HELLO 3 AUTH node-1 t SETNAME me");
    stand_expect(f->session, "");
    stand_know(f->stand, "node-1 t", "node-1");
    stand_expect_begin(f->session, "%7\r\n$6\r\nserver\r\n$6\r\nmuster\r\n");
    stand_say(f->session, "CLIENT GETNAME");
    stand_expect(f->session, "$2\r\nme\r\n");
    expect_caller(f, "node-1");
    stand_say(f->session, "HELLO 2");
    stand_expect_begin(f->session, "*14\r\n");
    stand_say(f->session, "HELLO");
    stand_expect_begin(f->session, "*14\r\n");
}

static void a_hello_that_fails_changes_nothing(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "HELLO 4");
    stand_expect(f->session, "-NOPROTO unsupported protocol version; there are 2 and 3\r\n");
    stand_say(f->session, "HELLO 3 AUTH a b SETNAME me");
    stand_refuse(f->stand, "a b", MUSTER_UNAUTHENTICATED, NULL);
    stand_expect(f->session, "-WRONGPASS the token does not hold\r\n");
    stand_say(f->session, "HELLO 3 NONSENSE");
    stand_expect_begin(f->session, "-BAD_REQUEST ");
    stand_say(f->session, "HELLO 3 AUTH a");
    stand_expect_begin(f->session, "-BAD_REQUEST ");
    stand_say(f->session, "CLIENT GETNAME");
    stand_expect(f->session, "$-1\r\n"); /* protocol 2, no name */
}

static void reset_forgets_who_it_is(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "HELLO 3 AUTH a t SETNAME me");
    stand_know(f->stand, "a t", "node-1");
    stand_say(f->session, "SUBSCRIBE instances");
    stand_allow(f->stand, "events.subscribe instances");
    resp_session_sent(f->session, f->session->out.length, 0);
    stand_say(f->session, "RESET");
    stand_expect(f->session, "+RESET\r\n");
    expect_caller(f, "anonymous");
    assert_string_equal(f->stand->channels, "+events:instances -events:instances ");
}

static void a_certificate_is_asked_about_before_anything_else(void **state) {
    struct stand_fixture *f = *state;
    resp_session_certify(f->session, "CN=node-1");
    stand_say(f->session, "ACL WHOAMI");
    stand_expect(f->session, "");
    stand_know(f->stand, "- - CN=node-1", "node-1");
    resp_session_run(f->session);
    stand_expect(f->session, "$6\r\nnode-1\r\n");
    stand_say(f->session, "AUTH t"); /* it goes on to be known */
    stand_know(f->stand, "- t CN=node-1", "node-1");
    stand_expect(f->session, "+OK\r\n");
}

static void a_certificate_that_nobody_knows_is_anonymous(void **state) {
    struct stand_fixture *f = *state;
    resp_session_certify(f->session, "CN=x");
    stand_refuse(f->stand, "- - CN=x", MUSTER_UNAUTHENTICATED, "unknown");
    expect_caller(f, "anonymous");
}

static void an_end_while_somebody_thinks_cancels(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "HELLO 3 AUTH a t SETNAME me");
    resp_session_hung_up(f->session);
    assert_int_equal(stand_open(f->stand), 0);
}

/* ---- credentials do not lie about ---- */

static bool contains(const char *data, size_t length, const char *text) {
    return data != NULL && memmem(data, length, text, strlen(text)) != NULL;
}

static void credentials_are_overwritten(void **state) {
    struct stand_fixture *f = *state;
    char text[] = "*2\r\n$4\r\nAUTH\r\n$10\r\nsupersecre\r\n";
    resp_session_feed(f->session, text, sizeof text - 1);
    assert_false(contains(text, sizeof text, "supersecre"));
    assert_false(contains(f->session->parser.data, f->session->parser.capacity, "supersecre"));
    stand_know(f->stand, "- supersecre", NULL);
    /* In pieces, and behind something that waits. */
    char first[] = "LEADER a\r\nAUTH super";
    char second[] = "secret\r\nAUTH again\r\n";
    resp_session_feed(f->session, first, sizeof first - 1);
    resp_session_feed(f->session, second, sizeof second - 1);
    assert_false(contains(first, sizeof first, "super"));
    assert_false(contains(second, sizeof second, "secret"));
    assert_false(contains(second, sizeof second, "again"));
    stand_reply(f->stand, "LEADER a", "{}");
    resp_session_run(f->session);
    assert_false(contains(f->session->parser.data, f->session->parser.capacity, "supersecret"));
    stand_know(f->stand, "- supersecret", NULL);
    resp_session_run(f->session);
    assert_null(f->session->kept);
    assert_false(contains(f->session->parser.data, f->session->parser.capacity, "again"));
    stand_know(f->stand, "- again", NULL);
}

#define IDENTITY_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IDENTITY_TEST(auth_takes_a_token_with_or_without_a_user),
        IDENTITY_TEST(what_comes_behind_auth_waits_for_it),
        IDENTITY_TEST(a_token_that_does_not_hold_leaves_nobody),
        IDENTITY_TEST(hello_does_all_at_once),
        IDENTITY_TEST(a_hello_that_fails_changes_nothing),
        IDENTITY_TEST(reset_forgets_who_it_is),
        IDENTITY_TEST(a_certificate_is_asked_about_before_anything_else),
        IDENTITY_TEST(a_certificate_that_nobody_knows_is_anonymous),
        IDENTITY_TEST(an_end_while_somebody_thinks_cancels),
        IDENTITY_TEST(credentials_are_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
