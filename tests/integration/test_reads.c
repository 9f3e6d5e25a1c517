/* Operations through the registry: writes as they are, reads of one session, against a real Redis
 * and the functions library. Pages are in test_reads_pages.c, the rest in test_reads_lookup.c. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry.h"

static struct mt_registry *open_registry;

static int fresh(void **state) {
    return mt_fixture_fresh(state);
}

static int close_registry(void **state) {
    (void)state;
    mt_registry_close(&open_registry);
    return 0;
}

/* Two instances, and room-1 with c1 (u1, leads), c2 (u1) and c3. */
static struct mt_registry *stage(struct mt_fixture *f) {
    open_registry = mt_registry_open(f);
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_enter(f, "room-1", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room-1", "c2", "node-2", "b", "{\"user\":\"u1\"}");
    mt_enter(f, "room-1", "c3", "node-2", "b", NULL);
    return open_registry;
}

static void test_writes_are_the_functions(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_expect(mt_apply(r, START, "node-3", "c"),
              "{'instance':'node-3','incarnation':'c','state':'up','epoch':'#int',"
              "'generation':'gen-1','heartbeat_ms':'#int'}");
    mt_expect(
        mt_apply(r, ENTER, "room-2", "c9", "node-3", "c", "", "{\"a\": [1.50, \"\\u00e9\"] }"),
        "{'session':'room-2','connection':'c9','joined':true,'gen':'gen-1','seq':'#int',"
        "'leader':'c9','term':'#int','count':1}");
    assert_non_null(strstr(mt_text(f->redis, "HGET " MT_NS "session:room-2 c9"),
                           "\"profile\":{\"a\": [1.50, \"\\u00e9\"] }}"));
    mt_expect(mt_apply(r, LEAVE, "room-2", "c9", "node-3", "c"),
              "{'session':'room-2','connection':'c9','left':true,'seq':'#int','leader':null,"
              "'term':'#int','count':0}");
    const char *sentence = mt_apply_refused(r, MUSTER_UNKNOWN_INSTANCE, HEARTBEAT, "node-9", "z");
    assert_non_null(strstr(sentence, "node-9"));
    /* what is no id goes to the functions, which say so */
    mt_apply_refused(r, MUSTER_BAD_ID, START, "node/9", "z");
}

static void on_answer(void *context, const struct mu_answer *answer) {
    *(enum muster_status *)context = answer->status;
}

/* An argument has the length that it is given with, whatever bytes are in it. */
static void test_arguments_are_counted(void **state) {
    struct mt_registry *r = stage(*state);
    const struct muster_text arguments[] = {
        {"c9", 2}, {"node-1", 6}, {"a", 1}, {"", 0}, {"{}\0", 3}};
    enum muster_status status = MUSTER_STATUS_COUNT;
    assert_int_equal(mu_registry_apply(mt_registry_of(r), MUSTER_OPERATION_REGISTER, 5, arguments,
                                       on_answer, &status),
                     MUSTER_OK);
    MT_SPIN(mt_registry_loop(r), status != MUSTER_STATUS_COUNT, "the answer");
    assert_int_equal(status, MUSTER_BAD_JSON);
}

static void test_count(void **state) {
    struct mt_registry *r = stage(*state);
    assert_string_equal(mt_apply_text(r, COUNT, "room-1"), "3");
    assert_string_equal(mt_apply_text(r, COUNT, "nowhere"), "0");
    assert_string_equal(mt_apply_text(r, COUNT, "room-1", "nowhere", "room-1"), "[3,0,3]");
}

static void test_ismember(void **state) {
    struct mt_registry *r = stage(*state);
    assert_string_equal(mt_apply_text(r, ISMEMBER, "room-1", "c1"), "1");
    assert_string_equal(mt_apply_text(r, ISMEMBER, "room-1", "c9"), "0");
    assert_string_equal(mt_apply_text(r, ISMEMBER, "nowhere", "c1"), "0");
    mt_apply_refused(r, MUSTER_BAD_ID, ISMEMBER, "room-1", "#count");
}

static void test_leader_and_check(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    char term[32], above[32];
    snprintf(term, sizeof term, "%lld", mt_term(f, "room-1"));
    snprintf(above, sizeof above, "%lld", mt_term(f, "room-1") + 1);
    mt_expect(mt_apply(r, LEADER, "room-1"), "{'session':'room-1','leader':'c1','term':%s}", term);
    assert_string_equal(mt_apply_text(r, LEADER, "nowhere"),
                        "{\"session\":\"nowhere\",\"leader\":null,\"term\":0}");
    assert_string_equal(mt_apply_text(r, CHECK, "room-1", term), "1");
    assert_string_equal(mt_apply_text(r, CHECK, "room-1", above), "0");
    assert_string_equal(mt_apply_text(r, CHECK, "nowhere", "0"), "0");
    mt_apply_refused(r, MUSTER_BAD_REQUEST, CHECK, "room-1", "-1");
    mt_apply_refused(r, MUSTER_BAD_REQUEST, CHECK, "room-1", "1x");

    /* nobody leads: no term is the current one */
    mt_suspect(f, "node-1", "a");
    mt_suspect(f, "node-2", "b");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "100");
    mt_ok(f->redis, "elect", f->epoch, "node-2", "100");
    assert_null(mt_leader(f, "room-1"));
    snprintf(term, sizeof term, "%lld", mt_term(f, "room-1"));
    mt_expect(mt_apply(r, LEADER, "room-1"), "{'session':'room-1','leader':null,'term':%s}", term);
    assert_string_equal(mt_apply_text(r, CHECK, "room-1", term), "0");
}

/* After Redis lost data nobody leads until the session is written to. */
static void test_another_generation(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    char term[32];
    snprintf(term, sizeof term, "%lld", mt_term(f, "room-1"));
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    mt_expect(mt_apply(r, LEADER, "room-1"), "{'session':'room-1','leader':null,'term':%s}", term);
    assert_string_equal(mt_apply_text(r, CHECK, "room-1", term), "0");
    mt_expect(mt_apply(r, SESSION, "room-1"), "{'leader':null,'#more':0}");
    mt_enter(f, "room-1", "c4", "node-2", "b", NULL);
    snprintf(term, sizeof term, "%lld", mt_term(f, "room-1"));
    mt_expect(mt_apply(r, LEADER, "room-1"), "{'session':'room-1','leader':'c1','term':%s}", term);
    assert_string_equal(mt_apply_text(r, CHECK, "room-1", term), "1");
}

static void test_session(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    const char *opened_at = mt_text(f->redis, "ZSCORE " MT_NS "sessions room-1");
    mt_expect(mt_apply(r, SESSION, "room-1"),
              "{'session':'room-1','count':3,'users':1,'anonymous':1,'leader':'c1','term':%lld,"
              "'seq':%lld,'limit':null,'keep':false,'opened_at':%s,'meta':{}}",
              mt_term(f, "room-1"), mt_seq(f, "room-1"), opened_at);
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #limit 50 #keep 1 #meta %s",
               "{\"a\" : [ ],\"n\":1.0}");
    assert_non_null(
        strstr(mt_apply_text(r, SESSION, "room-1"), ",\"limit\":50,\"keep\":true,\"opened_at\":"));
    assert_non_null(
        strstr(mt_apply_text(r, SESSION, "room-1"), ",\"meta\":{\"a\" : [ ],\"n\":1.0}}"));
    assert_non_null(
        strstr(mt_apply_refused(r, MUSTER_UNKNOWN_SESSION, SESSION, "nowhere"), "nowhere"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_writes_are_the_functions, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_arguments_are_counted, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_count, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_ismember, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_leader_and_check, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_another_generation, fresh, close_registry),
        cmocka_unit_test_setup_teardown(test_session, fresh, close_registry),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
