/* SESSIONS CONNECTION INSTANCE INSTANCES STATUS through the registry, and what happens to
 * operations when Redis is away. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry.h"

static struct mt_registry *open_registry;

static int close_registry(void **state) {
    (void)state;
    mt_registry_close(&open_registry);
    return 0;
}

static struct mt_registry *stage(struct mt_fixture *f) {
    open_registry = mt_registry_open(f);
    mt_ok(f->redis, "start", "node-2", "b", "{\"zone\" : [ ]}");
    mt_ok(f->redis, "start", "node-1", "a");
    return open_registry;
}

static void test_sessions(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    assert_string_equal(mt_apply_text(r, SESSIONS, NULL), "{\"sessions\":[],\"cursor\":\"0\"}");
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #meta %s", "{ \"n\":1.0 }");
    const char *opened_at = mt_text(f->redis, "ZSCORE " MT_NS "sessions room-1");
    char expected[256];
    snprintf(expected, sizeof expected,
             "{\"sessions\":[{\"session\":\"room-1\",\"count\":1,\"leader\":\"c1\","
             "\"opened_at\":%s,\"meta\":{ \"n\":1.0 }}],\"cursor\":\"0\"}",
             opened_at);
    assert_string_equal(mt_apply_text(r, SESSIONS, NULL), expected);
    assert_string_equal(mt_apply_text(r, SESSIONS, "0", "10"), expected);
    /* one that closed after its name was read */
    mt_command(f->redis, "ZADD " MT_NS "sessions 1 gone");
    assert_string_equal(mt_apply_text(r, SESSIONS, NULL), expected);
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #gen gen-0");
    mt_expect(mt_apply(r, SESSIONS, NULL),
              "{'sessions':[{'session':'room-1','leader':null,'#more':0}],'cursor':'0'}");
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #meta [1]");
    assert_non_null(
        strstr(mt_apply_refused(r, MUSTER_INTERNAL, SESSIONS, NULL), MT_NS "session:room-1"));
}

static void test_sessions_in_pages(void **state) {
    enum { MANY = 2600 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    char cursor[24] = "0";
    size_t pages = 0;
    json_t *seen = json_object();
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "room-%d", i);
        mt_append(f->redis, (const char *const[]){"enter", name, name, "node-1", "a", NULL});
    }
    mt_drain(f->redis, MANY);
    do {
        size_t i = 0;
        const json_t *session = NULL;
        json_t *page = mt_apply(r, SESSIONS, cursor, "700");
        json_array_foreach(json_object_get(page, "sessions"), i, session) {
            json_object_set_new(seen, mt_str(session, "session"), json_true());
        }
        snprintf(cursor, sizeof cursor, "%s", mt_str(page, "cursor"));
        pages++;
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(json_object_size(seen), MANY);
    assert_true(pages >= 3);
    json_decref(seen);
}

static void test_connection(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_ok(f->redis, "enter", "room-1", "c1", "node-1", "a", "{\"user\":\"u1\"}", "{\"a/b\" : [ ]}");
    mt_enter(f, "room-2", "c1", "node-1", "a", NULL);
    mt_ok(f->redis, "register", "c2", "node-2", "b");
    const char *record = mt_text(f->redis, "HGET " MT_NS "instance:node-1:connections c1");
    char expected[512];
    snprintf(expected, sizeof expected,
             "{\"connection\":\"c1\",\"instance\":\"node-1\",\"incarnation\":\"a\",\"user\":\"u1\","
             "\"profile\":{\"a/b\" : [ ]},\"sessions\":[\"room-1\",\"room-2\"],"
             "\"connected_at\":%lld,\"away_until\":null}",
             strtoll(record, NULL, 10));
    assert_string_equal(mt_apply_text(r, CONNECTION, "c1", "node-1"), expected);
    assert_string_equal(mt_apply_text(r, CONNECTION, "c1"), expected);
    mt_expect(mt_apply(r, CONNECTION, "c2"),
              "{'connection':'c2','instance':'node-2','incarnation':'b','user':null,'profile':{},"
              "'sessions':[],'connected_at':'#int','away_until':null}");
    mt_apply_refused(r, MUSTER_UNKNOWN_CONNECTION, CONNECTION, "c9");
    mt_apply_refused(r, MUSTER_UNKNOWN_CONNECTION, CONNECTION, "c1", "node-2");
    mt_apply_refused(r, MUSTER_UNKNOWN_INSTANCE, CONNECTION, "c1", "node-9");
    mt_apply_refused(r, MUSTER_BAD_ID, CONNECTION, "c1", "node 9");

    /* two of that name: the caller has to say which */
    mt_ok(f->redis, "register", "c1", "node-2", "b");
    const char *sentence = mt_apply_refused(r, MUSTER_BAD_REQUEST, CONNECTION, "c1");
    assert_non_null(strstr(sentence, "'node-1' and 'node-2'"));
    mt_expect(mt_apply(r, CONNECTION, "c1", "node-2"), "{'instance':'node-2','#more':0}");

    mt_command(f->redis, "HSET " MT_NS "instance:node-2:connections c3 %s",
               "1700/u3/60000/1701///room-1/{}");
    mt_expect(
        mt_apply(r, CONNECTION, "c3"),
        "{'user':'u3','connected_at':1700,'away_until':1701,'sessions':['room-1'],'#more':0}");
}

static void test_damaged_records(void **state) {
    static const char *const damaged[] = {
        "",
        "nonsense",
        "1700//////{}",           /* a part too few */
        "x///////{}",             /* no time */
        "1700///x////{}",         /* no time */
        "1700/a b//////{}",       /* no user */
        "1700//////a b/{}",       /* no session */
        "1700//////a,,b/{}",      /* no session */
        "1700///////{",           /* no profile */
        "1700///////{},\"x\":{}", /* too much of it */
    };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        mt_command(f->redis, "HSET " MT_NS "instance:node-1:connections c1 %s", damaged[i]);
        assert_non_null(strstr(mt_apply_refused(r, MUSTER_INTERNAL, CONNECTION, "c1"),
                               MT_NS "instance:node-1:connections"));
    }
}

static void test_instances(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    mt_enter(f, "room-2", "c1", "node-1", "a", NULL);
    mt_suspect(f, "node-2", "b");
    mt_command(f->redis, "HSET " MT_NS "instance:node-2 draining 1");
    char expected[1200];
    char one[512], two[512];
    snprintf(one, sizeof one,
             "{\"instance\":\"node-1\",\"incarnation\":\"a\",\"state\":\"up\",\"draining\":false,"
             "\"started_at\":%s,\"last_heartbeat\":%s,\"connections\":1,\"leads\":2,\"meta\":{}}",
             mt_text(f->redis, "HGET " MT_NS "instance:node-1 started_at"), mt_score(f, "node-1"));
    snprintf(two, sizeof two,
             "{\"instance\":\"node-2\",\"incarnation\":\"b\",\"state\":\"suspect\",\"draining\":"
             "true,\"started_at\":%s,\"last_heartbeat\":%s,\"connections\":0,\"leads\":0,"
             "\"meta\":{\"zone\" : [ ]}}",
             mt_text(f->redis, "HGET " MT_NS "instance:node-2 started_at"), mt_score(f, "node-2"));
    assert_string_equal(mt_apply_text(r, INSTANCE, "node-1"), one);
    assert_string_equal(mt_apply_text(r, INSTANCE, "node-2"), two);
    snprintf(expected, sizeof expected, "[%s,%s]", one, two);
    assert_string_equal(mt_apply_text(r, INSTANCES, NULL), expected);
    /* one that was buried after its name was read */
    mt_command(f->redis, "ZADD " MT_NS "instances 1 node-0");
    assert_string_equal(mt_apply_text(r, INSTANCES, NULL), expected);
    mt_apply_refused(r, MUSTER_UNKNOWN_INSTANCE, INSTANCE, "node-0");
    mt_command(f->redis, "HSET " MT_NS "instance:node-2 state resting");
    assert_non_null(
        strstr(mt_apply_refused(r, MUSTER_INTERNAL, INSTANCES, NULL), MT_NS "instance:node-2"));
    mt_command(f->redis, "DEL " MT_NS "instances");
    assert_string_equal(mt_apply_text(r, INSTANCES, NULL), "[]");
}

/* More than one batch; the order is that of the names. */
static void test_many_instances(void **state) {
    enum { MANY = 1203 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "many-%04d", i);
        mt_append(f->redis, (const char *const[]){"start", name, "x", NULL});
    }
    mt_drain(f->redis, MANY);
    mt_ok(f->redis, "register", "c1", "many-1107", "x");
    json_t *list = mt_apply(r, INSTANCES, NULL);
    assert_int_equal(json_array_size(list), MANY + 2);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "many-%04zu", i);
        assert_string_equal(mt_str(json_array_get(list, i), "instance"), name);
    }
    mt_expect(mt_apply(r, CONNECTION, "c1"), "{'instance':'many-1107','#more':0}");
    mt_expect(mt_apply(r, STATUS, NULL),
              "{'instances':{'up':%d,'suspect':0,'draining':0},'connections':1,'#more':0}",
              MANY + 2);
}

static void test_status(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    mt_enter(f, "room-1", "c2", "node-2", "b", NULL);
    mt_bury(f, "node-2", "b");
    mt_expect(mt_apply(r, STATUS, NULL),
              "{'namespace':'t','version':'0.0.0-test','redis':{'version':'#str','run_id':'#str',"
              "'role':'master','uptime_s':'#int','clients':'#int','memory':'#int','memory_max':0,"
              "'memory_policy':'noeviction'},'generation':'gen-1','epoch':%s,"
              "'coordinator':{'id':'hand','address':'#str'},'daemons':[],"
              "'instances':{'up':1,'suspect':0,'draining':0},'sessions':1,'connections':1,"
              "'ghosts':1,'brake':false}",
              f->epoch);
    mt_command(f->redis, "SET " MT_NS "brake 1");
    mt_command(f->redis, "HSET " MT_NS "daemons d1 %s d2 {}",
               "{\"address\":\"10.0.0.1:7411\",\"version\":\"0.1.0\",\"at\":17}");
    mt_command(f->redis, "SET " MT_NS "coordinator %s", "m-1/n/7/12/unix:///run/a,10.0.0.1:7411");
    mt_expect(mt_apply(r, STATUS, NULL),
              "{'coordinator':{'id':'m-1','address':'unix:///run/a,10.0.0.1:7411'},'brake':true,"
              "'daemons':[{'id':'d1','address':'10.0.0.1:7411','version':'0.1.0','at':17},"
              "{'id':'d2'}],'#more':0}");
    mt_command(f->redis, "DEL " MT_NS "coordinator " MT_NS "config");
    mt_expect(mt_apply(r, STATUS, NULL), "{'coordinator':null,'generation':null,'#more':0}");
    mt_command(f->redis, "HSET " MT_NS "daemons d3 nonsense");
    assert_non_null(strstr(mt_apply_refused(r, MUSTER_INTERNAL, STATUS, NULL), MT_NS "daemons"));
}

/* Nothing but a library that nobody confirmed: reads answer, writes are refused by it. */
static void test_unconfirmed_data(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    mt_library_load(f->redis);
    mt_apply_refused(r, MUSTER_UNAVAILABLE, LEAVE, "room-1", "c1", "node-1", "a");
    assert_string_equal(mt_apply_text(r, ISMEMBER, "room-1", "c1"), "1");
    mt_expect(mt_apply(r, LEADER, "room-1"), "{'leader':'c1','#more':0}");
}

/* While Redis is away operations wait; they are answered when it is back. */
static void test_redis_away(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    mt_events_close(&f->events);
    mt_server_kill(f->server);
    MT_SPIN(mt_registry_loop(r), !mu_link_is_open(mt_registry_link(r)), "the loss");
    struct mt_outcome *count =
        mt_begin(r, MUSTER_OPERATION_COUNT, MT_ARGUMENTS("room-1", "room-2", "room-3"));
    struct mt_outcome *status = mt_begin(r, MUSTER_OPERATION_STATUS, MT_ARGUMENTS(NULL));
    struct mt_outcome *enter =
        mt_begin(r, MUSTER_OPERATION_ENTER, MT_ARGUMENTS("room-1", "c2", "node-1", "a"));
    struct mt_wait wait = mt_wait_begin(f->world, "a turn", __FILE__, __LINE__);
    mt_loop_turn(mt_registry_loop(r), &wait);
    assert_false(count->done || status->done || enter->done);
    mt_server_restart(f->server);
    mt_redis_close(&f->redis);
    f->redis = mt_server_connect(f->server);
    f->events = mt_events_open(f->redis, true);
    mt_finish(r, count);
    assert_int_equal(count->status, MUSTER_OK);
    assert_string_equal(count->text, "[0,0,0]"); /* this server keeps nothing */
    mt_finish(r, status);
    assert_int_equal(status->status, MUSTER_OK);
    assert_int_equal(mt_finish(r, enter)->status, MUSTER_UNAVAILABLE); /* no library */
}

/* A batch of which only the beginning finds room in the queue is refused as a whole. */
static void test_full_queue(void **state) {
    struct mt_fixture *f = *state;
    open_registry = mt_registry_open_with(f, (struct mu_link_options){.queue_commands = 5});
    struct mt_registry *r = open_registry;
    mt_apply_refused(r, MUSTER_OVERLOADED, STATUS, NULL);
    struct mt_outcome *last = mt_begin(r, MUSTER_OPERATION_COUNT, MT_ARGUMENTS("room-1"));
    assert_true(last->done);
    assert_int_equal(last->status, MUSTER_OVERLOADED);
    /* the beginning was sent, and is answered to nobody */
    struct mt_wait wait = mt_wait_begin(f->world, "room in the queue", __FILE__, __LINE__);
    do {
        mt_loop_turn(mt_registry_loop(r), &wait);
        last = mt_begin(r, MUSTER_OPERATION_COUNT, MT_ARGUMENTS("room-1"));
    } while (last->done);
    assert_string_equal(mt_finish(r, last)->text, "0");
    /* a later batch that finds no room is an answer */
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "node-%d", i);
        mt_start(f, name, "a");
    }
    mt_apply_refused(r, MUSTER_OVERLOADED, INSTANCES, NULL);
    mt_expect(mt_apply(r, INSTANCE, "node-1"), "{'instance':'node-1','#more':0}");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, mt_fixture_fresh, close_registry)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_sessions),        TEST(test_sessions_in_pages), TEST(test_connection),
        TEST(test_damaged_records), TEST(test_instances),         TEST(test_many_instances),
        TEST(test_status),          TEST(test_full_queue),        TEST(test_unconfirmed_data),
        TEST(test_redis_away),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
