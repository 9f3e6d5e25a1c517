/* rights.c - who may what: the rules of rules/rules.c. */
#include "contract/cases.h"

#include <string.h>

#include "lib/test.h"

static void expect_reason(struct mt_stand *stand, const char *sentence, const char *reason) {
    if (strstr(sentence, reason) == NULL)
        mt_fail(stand->world, "\"%s\" does not give the reason \"%s\"", sentence, reason);
}

void mt_case_denied(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *nobody = stand->door->open(stand, "a", NULL);
    mt_turned_down(stand, nobody, MUSTER_DENIED, "START", "a", "x1");
    mt_turned_down(stand, nobody, MUSTER_DENIED, "STATUS", NULL);
    stand->door->close(&nobody);
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "instances"), 0);

    struct mt_client *backend = stand->door->open(stand, "a", "instance:a");
    mt_ask(stand, backend, "START", "a", "x1");
    expect_reason(stand,
                  mt_turned_down(stand, backend, MUSTER_DENIED, "ENTER", "closed", "c1", "a", "x1"),
                  "this session is closed");
    mt_turned_down(stand, backend, MUSTER_DENIED, "MEMBERS", "closed");
    expect_reason(stand, mt_turned_down(stand, backend, MUSTER_DENIED, "KICK", "r1", "c1"),
                  "backends may not kick");
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "session:closed"), 0);
    stand->door->close(&backend);
}

void mt_case_allowed(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *backend = stand->door->open(stand, "a", "slow:instance:a");
    struct mt_client *operator= stand->door->open(stand, "desk", "operator");
    mt_ask(stand, backend, "START", "a", "x1");
    mt_ask(stand, backend, "ENTER", "r1", "c1", "a", "x1");
    mt_expect(mt_parsed(stand, mt_ask(stand, backend, "ENTER", "slow", "c1", "a", "x1")),
              "{'session':'slow','joined':true,'leader':'c1','#more':0}");
    mt_expect(mt_parsed(stand, mt_ask(stand, operator, "KICK", "r1", "c1", "rude")),
              "{'left':true,'#more':0}");
    mt_ask(stand, operator, "INSTANCE", "a");
    stand->door->close(&backend);
    stand->door->close(&operator);
}

void mt_case_bound_to_instance(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *backend = stand->door->open(stand, "a", "instance:a");
    struct mt_client *operator= stand->door->open(stand, "desk", "operator");
    mt_ask(stand, backend, "START", "a", "x1");
    mt_ask(stand, operator, "START", "b", "y1");
    mt_turned_down(stand, backend, MUSTER_DENIED, "HEARTBEAT", "b", "y1");
    mt_turned_down(stand, backend, MUSTER_DENIED, "STOP", "b", "y1");
    mt_turned_down(stand, backend, MUSTER_DENIED, "ENTER", "r1", "c1", "b", "y1");
    mt_expect(mt_parsed(stand, mt_ask(stand, operator, "INSTANCE", "b")),
              "{'state':'up','connections':0,'#more':0}");
    stand->door->close(&backend);
    stand->door->close(&operator);
}

void mt_case_may_not_lead(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *backend = stand->door->open(stand, "a", "instance:a");
    mt_ask(stand, backend, "START", "a", "x1");
    mt_expect(mt_parsed(stand, mt_ask(stand, backend, "ENTER", "crowd", "c1", "a", "x1")),
              "{'session':'crowd','joined':true,'leader':null,'count':1,'#more':0}");
    stand->door->close(&backend);
}

void mt_case_slow_decisions(void **state) {
    struct mt_stand *stand = *state;
    struct mt_answer answer = {0};
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *backend = stand->door->open(stand, "a", "instance:a");
    mt_ask(stand, backend, "START", "a", "x1");
    /* Nobody decides about the first, whose answer can only come at its deadline. */
    const char *first =
        mt_post(stand, backend, "ENTER", (const char *const[]){"never", "c1", "a", "x1", NULL});
    struct mt_client *other =
        stand->door->logs_in ? stand->door->open(stand, "a", "instance:a") : NULL;
    for (size_t i = 0; i < 20; i++)
        mt_ask(stand, other != NULL ? other : backend, "LEADER", "r1");
    if (other != NULL)
        stand->door->close(&other);
    mt_await(stand, backend, first, &answer);
    assert_int_equal(answer.status, MUSTER_TIMEOUT);
    mt_answer_deinit(&answer);
    stand->door->close(&backend);
}

void mt_case_no_decision(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *unknown = stand->door->open(stand, "a", "never");
    struct mt_answer answer = {0};
    /* A pub/sub requester of whom nothing is known is answered by its own word; see its rule. */
    mt_await(stand, unknown,
             mt_post(stand, unknown, "START", (const char *const[]){"a", "x1", NULL}), &answer);
    assert_int_equal(answer.status, MUSTER_TIMEOUT);
    mt_answer_deinit(&answer);
    struct mt_client *intruder = stand->door->open(stand, "a", "intruder");
    expect_reason(stand,
                  mt_turned_down(stand, intruder, MUSTER_UNAUTHENTICATED, "START", "a", "x1"),
                  "intruders are not welcome");
    struct mt_client *stranger = stand->door->open(stand, "a", "gibberish");
    mt_turned_down(stand, stranger, stand->door->logs_in ? MUSTER_UNAUTHENTICATED : MUSTER_DENIED,
                   "START", "a", "x1");
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "instances"), 0);
    stand->door->close(&unknown);
    stand->door->close(&intruder);
    stand->door->close(&stranger);
}
