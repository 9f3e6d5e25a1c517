/* Commands of the RESP door that client libraries and people send. The host is played. */
#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answers(struct stand_fixture *f, const char *request, const char *reply) {
    stand_say(f->session, request);
    stand_expect(f->session, reply);
}

static void begins(struct stand_fixture *f, const char *request, const char *reply) {
    stand_say(f->session, request);
    stand_expect_begin(f->session, reply);
}

static void what_clients_say_when_they_connect(void **state) {
    struct stand_fixture *f = *state;
    answers(f, "CLIENT SETINFO LIB-NAME ioredis", "+OK\r\n");
    answers(f, "CLIENT SETINFO lib-ver 5.4.1", "+OK\r\n");
    answers(f, "CLIENT SETINFO LIB-NAME redis-py(muster_v1)", "+OK\r\n");
    answers(f, "CLIENT SETNAME me", "+OK\r\n");
    answers(f, "CLIENT GETNAME", "$2\r\nme\r\n");
    answers(f, "CLIENT SETNAME \"\"", "+OK\r\n");
    answers(f, "CLIENT GETNAME", "$-1\r\n");
    answers(f, "CLIENT ID", ":1\r\n");
    answers(f, "CLIENT NO-EVICT ON", "+OK\r\n");
    answers(f, "CLIENT NO-TOUCH OFF", "+OK\r\n");
    answers(f, "CLIENT TRACKING OFF", "+OK\r\n");
    answers(f, "CLIENT REPLY ON", "+OK\r\n");
    answers(f, "SELECT 0", "+OK\r\n");
    answers(f, "ping", "+PONG\r\n");
    answers(f, "PING hello", "$5\r\nhello\r\n");
    answers(f, "ECHO \"\"", "$0\r\n\r\n");
    answers(f, "CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    answers(f, "CONFIG GET maxmemory", "*0\r\n");
}

static void what_makes_no_sense_is_refused(void **state) {
    struct stand_fixture *f = *state;
    answers(f, "GET_ME out", "-BAD_REQUEST unknown command 'GET_ME'; HELP lists them\r\n");
    begins(f, "ECHO", "-BAD_REQUEST wrong number of arguments for 'ECHO'");
    begins(f, "ECHO a b", "-BAD_REQUEST wrong number of arguments for 'ECHO'");
    begins(f, "METRICS x", "-BAD_REQUEST wrong number");
    begins(f, "SELECT 1", "-BAD_REQUEST ");
    begins(f, "CLIENT", "-BAD_REQUEST ");
    begins(f, "CLIENT KILL x", "-BAD_REQUEST CLIENT is ");
    begins(f, "CLIENT REPLY OFF", "-BAD_REQUEST ");
    begins(f, "CLIENT TRACKING ON", "-BAD_REQUEST ");
    begins(f, "CLIENT SETNAME \"a b\"", "-BAD_REQUEST ");
    begins(f, "CLIENT SETINFO LIB-NAME \"a\\nb\"", "-BAD_REQUEST ");
    begins(f, "CONFIG SET a b", "-BAD_REQUEST ");
    begins(f, "ACL LIST", "-BAD_REQUEST ");
    begins(f, "COMMAND GETKEYS x", "-BAD_REQUEST ");
    begins(f, "HELP nothing", "-BAD_REQUEST unknown command 'nothing'");
}

static void info_says_what_clients_look_for(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "INFO");
    resp_out_raw(&f->session->out, "", 1); /* ends it, for strstr() */
    const char *text = f->session->out.data;
    static const char *const wanted[] = {"redis_version:7.", "\r\nloading:0\r\n",
                                         "\r\nrole:master\r\n", "\r\nnamespace:t\r\n",
                                         "\r\nrequests_total:1\r\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_non_null(strstr(text, wanted[i]));
    }
    resp_session_sent(f->session, f->session->out.length, 0);
    stand_say(f->session, "INFO replication");
    resp_out_raw(&f->session->out, "", 1);
    assert_non_null(strstr(f->session->out.data, "role:master"));
    assert_null(strstr(f->session->out.data, "redis_version"));
    resp_session_sent(f->session, f->session->out.length, 0);
}

static void help_and_command_know_every_operation(void **state) {
    struct stand_fixture *f = *state;
    size_t all = f->stand->door.operation_count + resp_command_count;
    char text[64];
    snprintf(text, sizeof text, "*%zu\r\n", all);
    begins(f, "HELP", text);
    begins(f, "COMMAND", text);
    begins(f, "COMMAND LIST", text);
    snprintf(text, sizeof text, ":%zu\r\n", all);
    answers(f, "COMMAND COUNT", text);
    snprintf(text, sizeof text, "*%zu\r\n", 2 * all);
    begins(f, "COMMAND DOCS", text);
    answers(f, "HELP leader", "*1\r\n$14\r\nLEADER session\r\n");
    begins(f, "COMMAND INFO enter nothing", "*2\r\n*10\r\n$5\r\nenter\r\n:-5\r\n");
    begins(f, "COMMAND DOCS leader nothing", "*2\r\n$6\r\nleader\r\n");
    stand_say(f->session, "HELLO 3");
    resp_session_sent(f->session, f->session->out.length, 0);
    begins(f, "COMMAND DOCS leader", "%1\r\n$6\r\nleader\r\n%4\r\n");
}

static void metrics_are_for_those_who_may(void **state) {
    struct stand_fixture *f = *state;
    stand_say(f->session, "METRICS");
    stand_say(f->session, "PING");
    stand_expect(f->session, "");
    stand_allow(f->stand, "admin");
    stand_expect(f->session, "$8\r\na 1\nb 2\n\r\n+PONG\r\n");
    stand_say(f->session, "METRICS");
    stand_refuse(f->stand, "admin", MUSTER_DENIED, "no operator");
    stand_expect(f->session, "-DENIED no operator\r\n");
}

static void client_info_is_of_this_one_only(void **state) {
    struct stand_fixture *f = *state;
    struct resp_session *other = stand_session(f->stand);
    stand_say(f->session, "CLIENT SETNAME me");
    resp_session_sent(f->session, f->session->out.length, 0);
    f->stand->now += 2500;
    stand_say(other, "CLIENT LIST");
    resp_out_raw(&other->out, "", 1);
    assert_non_null(strstr(other->out.data, "id=2 addr=10.0.0.1:5000 "));
    assert_non_null(strstr(other->out.data, " age=2 "));
    assert_non_null(strstr(other->out.data, " resp=2\n"));
    assert_null(strstr(other->out.data, "name=me"));
    resp_session_destroy(&other);
}

#define COMMAND_TEST(name) cmocka_unit_test_setup_teardown(name, stand_set_up, stand_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        COMMAND_TEST(what_clients_say_when_they_connect),
        COMMAND_TEST(what_makes_no_sense_is_refused),
        COMMAND_TEST(info_says_what_clients_look_for),
        COMMAND_TEST(help_and_command_know_every_operation),
        COMMAND_TEST(metrics_are_for_those_who_may),
        COMMAND_TEST(client_info_is_of_this_one_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
