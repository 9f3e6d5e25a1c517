/* MEMBERS and USERS through the registry: snapshots, pages, large sessions, odd and damaged data.
 */
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
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    return open_registry;
}

/* `count` members <prefix><i> of `session`, on node-1. */
static void crowd(struct mt_fixture *f, const char *function, const char *session,
                  const char *prefix, int first, int count) {
    for (int done = 0; done < count;) {
        int batch = 0;
        for (; batch < 1000 && done < count; batch++, done++) {
            char id[32];
            snprintf(id, sizeof id, "%s%d", prefix, first + done);
            mt_append(f->redis, (const char *const[]){function, session, id, "node-1", "a", NULL});
        }
        mt_drain(f->redis, (size_t)batch);
        mt_redis_forget(f->redis);
    }
}

#define MEMBER(connection, instance, incarnation, user)                                            \
    "{'connection':'" connection "','instance':'" instance "','incarnation':'" incarnation         \
    "'" user ",'joined_at':'#int','profile':{}}"

/* The order is Redis's: HSCAN and HGETALL have their own. */
static bool same_members(const json_t *a, const json_t *b) {
    const json_t *left = json_object_get(a, "members");
    const json_t *right = json_object_get(b, "members");
    size_t i = 0, j = 0, found = 0;
    const json_t *one = NULL, *other = NULL;
    json_array_foreach(left, i, one) {
        json_array_foreach(right, j, other) {
            found += (size_t)json_equal(one, other);
        }
    }
    return found == json_array_size(left) && found == json_array_size(right);
}

static void test_members(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_expect(mt_apply(r, MEMBERS, "room-1"),
              "{'session':'room-1','gen':'gen-1','seq':%lld,'leader':'c1','term':%lld,'count':1,"
              "'members':[" MEMBER("c1", "node-1", "a", ",'user':'u1'") "],'cursor':'0'}",
              mt_seq(f, "room-1"), mt_term(f, "room-1"));
    mt_enter(f, "room-1", "c2", "node-2", "b", NULL);
    json_t *whole = mt_apply(r, MEMBERS, "room-1");
    assert_int_equal(json_array_size(json_object_get(whole, "members")), 2);
    assert_int_equal(mt_int(whole, "count"), 2);
    /* pages of a small session come at once, too */
    json_t *page = mt_apply(r, MEMBERS, "room-1", "0", "10");
    assert_string_equal(mt_str(page, "cursor"), "0");
    assert_true(same_members(page, whole));
    mt_expect(mt_apply(r, MEMBERS, "nowhere"),
              "{'session':'nowhere','gen':'gen-1','seq':0,'leader':null,'term':0,'count':0,"
              "'members':[],'cursor':'0'}");
    mt_expect(mt_apply(r, MEMBERS, "nowhere", "0"), "{'count':0,'members':[],'#more':0}");
}

/* What the functions write where a member differs from the default. */
static void test_member_options(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", "{\"priority\":-5,\"lead\":false}");
    mt_command(f->redis, "HSET " MT_NS "session:room-1 c2 %s",
               "{\"connection\":\"c2\",\"instance\":\"node-1\",\"incarnation\":\"a\","
               "\"joined_at\":17,\"priority\":5,\"away\":true,\"rank\":99,\"profile\":{\"x\":1}}");
    const char *text = mt_apply_text(r, MEMBERS, "room-1");
    assert_non_null(strstr(text, ",\"priority\":-5,\"lead\":false,\"profile\":{}}"));
    assert_non_null(
        strstr(text, ",\"priority\":5,\"away\":true,\"rank\":99,\"profile\":{\"x\":1}}"));
}

static void test_profiles_are_verbatim(void **state) {
    static const char *const profiles[] = {
        "{ \"a\" : [ ] , \"b\" : { } }",
        "{\"n\":1.000,\"big\":12345678901234567890123,\"e\":-0.0E+1}",
        "{\"\\u00e9\\ud83d\\ude00\":\"\\\"}],{[\\\\\",\"\xC3\xA9\xF0\x9F\x98\x80\":\"\\u0000\"}",
        "\n{\t\"same\":1,\"same\":2}\r\n",
        "{\"profile\":{\"connection\":\"c0\"},\"user\":\"nobody\"}",
    };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_events_close(&f->events); /* its JSON reader takes less than the functions do */
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        char expected[512];
        mt_apply_text(r, ENTER, "room-1", "c1", "node-1", "a", "{\"user\":\"u1\"}", profiles[i]);
        snprintf(expected, sizeof expected, ",\"profile\":%s}],\"cursor\":\"0\"}", profiles[i]);
        const char *text = mt_apply_text(r, MEMBERS, "room-1");
        assert_non_null(strstr(text, expected));
        snprintf(expected, sizeof expected, "\"connections\":[\"c1\"],\"profile\":%s}],",
                 profiles[i]);
        assert_non_null(strstr(mt_apply_text(r, USERS, "room-1"), expected));
        mt_apply_text(r, UNREGISTER, "c1", "node-1", "a");
    }
    f->events = mt_events_open(f->redis, true);
}

static void test_users(void **state) {
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_ok(f->redis, "enter", "room-1", "c9", "node-1", "a", "{\"user\":\"u2\"}", "{\"tab\":1}");
    mt_enter(f, "room-1", "c5", "node-2", "b", NULL);
    /* the order of joining, not that of the names: other milliseconds */
    mt_ok(f->redis, "enter", "room-1", "c1", "node-2", "b", "{\"user\":\"u2\"}", "{\"tab\":2}");
    mt_ok(f->redis, "enter", "room-1", "c2", "node-2", "b", "{\"user\":\"u1\"}");
    char member[256];
    snprintf(member, sizeof member, "%s", mt_text(f->redis, "HGET " MT_NS "session:room-1 c9"));
    char *joined = strstr(member, "\"joined_at\":1");
    assert_non_null(joined);
    memcpy(joined, "\"joined_at\":0", 13);
    mt_command(f->redis, "HSET " MT_NS "session:room-1 c9 %s", member);
    mt_expect(mt_apply(r, USERS, "room-1"),
              "{'session':'room-1','gen':'gen-1','seq':%lld,'leader':'c9','term':%lld,'count':4,"
              "'anonymous':1,'users':[{'user':'u1','connections':['c2'],'profile':{}},"
              "{'user':'u2','connections':['c9','c1'],'profile':{'tab':1}}],'cursor':'0'}",
              mt_seq(f, "room-1"), mt_term(f, "room-1"));
    mt_expect(mt_apply(r, USERS, "nowhere"),
              "{'session':'nowhere','gen':'gen-1','seq':0,'leader':null,'term':0,'count':0,"
              "'anonymous':0,'users':[],'cursor':'0'}");
    mt_expect(mt_apply(r, USERS, "room-1", "0", "5000"), "{'users':'#array','#more':0}");
}

static void test_bad_pages(void **state) {
    static const char *const cursors[] = {"", "-1", "x", "1x", " 1", "123456789012345678901"};
    static const char *const counts[] = {"", "0", "5001", "-1", "1.5", "99999999999999999999"};
    struct mt_registry *r = stage(*state);
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        assert_non_null(strstr(
            mt_apply_refused(r, MUSTER_BAD_REQUEST, MEMBERS, "room-1", cursors[i]), "cursor"));
        mt_apply_refused(r, MUSTER_BAD_REQUEST, SESSIONS, cursors[i]);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_non_null(strstr(
            mt_apply_refused(r, MUSTER_BAD_REQUEST, USERS, "room-1", "0", counts[i]), "count"));
    }
    mt_apply_refused(r, MUSTER_BAD_ID, MEMBERS, "room/1");
    mt_apply_refused(r, MUSTER_BAD_REQUEST, MEMBERS, "room-1", "0", "1", "1");
}

/* Adds the connections of a page; returns how many it had. */
static size_t note(json_t *seen, const json_t *page) {
    const json_t *members = json_object_get(page, "members");
    size_t i = 0;
    const json_t *member = NULL;
    json_array_foreach(members, i, member) {
        json_object_set_new(seen, mt_str(member, "connection"), json_true());
    }
    return json_array_size(members);
}

/* Every member that stays is seen, whatever comes and goes, and however the table is resized. */
static void test_pages_under_churn(void **state) {
    enum { STAY = 3000, BURST = 400 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    char cursor[24] = "0";
    int joined = 0, left = 0, pages = 0;
    json_t *seen = json_object();
    crowd(f, "enter", "room-1", "stay-", 0, STAY);
    do {
        json_t *page = mt_apply(r, MEMBERS, "room-1", cursor, "100");
        note(seen, page);
        snprintf(cursor, sizeof cursor, "%s", mt_str(page, "cursor"));
        if (pages++ < 15) {
            crowd(f, "enter", "room-1", "guest-", joined, BURST);
            joined += BURST;
        } else if (left < joined) {
            crowd(f, "leave", "room-1", "guest-", left, BURST);
            left += BURST;
        }
    } while (strcmp(cursor, "0") != 0);
    assert_true(pages > 20);
    for (int i = 0; i < STAY; i++) {
        char id[32];
        snprintf(id, sizeof id, "stay-%d", i);
        if (json_object_get(seen, id) == NULL)
            fail_msg("%s was not seen", id);
    }
    json_decref(seen);
}

static bool sent(struct mt_fixture *f, const char *command) {
    return strstr(mt_text(f->redis, "INFO commandstats"), command) != NULL;
}

/* A small session takes one command; from its bound on nothing is missing either, and the next time
 * it is known to be larger. */
static void test_around_the_bound_of_small_sessions(void **state) {
    enum { FIRST = 20, LAST = 34 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    crowd(f, "enter", "hall", "c", 0, FIRST);
    mt_command(f->redis, "CONFIG RESETSTAT");
    mt_apply(r, MEMBERS, "hall");
    assert_true(sent(f, "cmdstat_hrandfield:calls=1,") && !sent(f, "cmdstat_hlen") &&
                !sent(f, "cmdstat_hgetall"));
    for (int count = FIRST; count <= LAST; count++) {
        json_t *whole = mt_apply(r, MEMBERS, "hall");
        json_t *seen = json_object();
        assert_int_equal(note(seen, whole), count);
        assert_int_equal(json_object_size(seen), count);
        assert_int_equal(mt_int(whole, "count"), count);
        assert_string_equal(mt_str(whole, "cursor"), "0");
        json_decref(seen);
        crowd(f, "enter", "hall", "c", count, 1);
    }
    mt_command(f->redis, "CONFIG RESETSTAT");
    mt_apply(r, USERS, "hall");
    assert_true(sent(f, "cmdstat_hgetall:calls=1,") && !sent(f, "cmdstat_hrandfield"));
    crowd(f, "leave", "hall", "c", 1, LAST);
    mt_expect(mt_apply(r, MEMBERS, "hall"), "{'count':1,'cursor':'0','#more':0}");
    mt_command(f->redis, "CONFIG RESETSTAT");
    mt_expect(mt_apply(r, MEMBERS, "hall"), "{'count':1,'cursor':'0','#more':0}");
    assert_true(sent(f, "cmdstat_hrandfield:calls=1,") && !sent(f, "cmdstat_hlen"));
}

/* One HGETALL up to 5,000 members, none above; every page is bounded. */
static void test_large_sessions(void **state) {
    enum { MOST = 5000, MANY = 20000 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    crowd(f, "enter", "hall", "c", 0, MOST);
    mt_command(f->redis, "CONFIG RESETSTAT");
    json_t *whole = mt_apply(r, MEMBERS, "hall");
    assert_int_equal(json_array_size(json_object_get(whole, "members")), MOST);
    assert_string_equal(mt_str(whole, "cursor"), "0");
    assert_non_null(strstr(mt_text(f->redis, "INFO commandstats"), "cmdstat_hgetall:calls=1,"));

    crowd(f, "enter", "hall", "c", MOST, 1);
    assert_string_not_equal(mt_str(mt_apply(r, MEMBERS, "hall"), "cursor"), "0");
    crowd(f, "enter", "hall", "c", MOST + 1, MANY - MOST - 1);
    mt_command(f->redis, "CONFIG RESETSTAT");
    json_t *seen = json_object();
    json_t *page = mt_apply(r, MEMBERS, "hall");
    char cursor[24];
    size_t pages = 1;
    assert_int_equal(mt_int(page, "count"), MANY);
    assert_string_not_equal(mt_str(page, "cursor"), "0");
    assert_true(note(seen, page) < 1100);
    while (strcmp(mt_str(page, "cursor"), "0") != 0) {
        snprintf(cursor, sizeof cursor, "%s", mt_str(page, "cursor"));
        page = mt_apply(r, MEMBERS, "hall", cursor, "5000");
        assert_true(note(seen, page) < 5100);
        pages++;
    }
    assert_int_equal(json_object_size(seen), MANY);
    assert_true(pages >= 5);
    assert_string_not_equal(mt_str(mt_apply(r, USERS, "hall"), "cursor"), "0");
    assert_null(strstr(mt_text(f->redis, "INFO commandstats"), "cmdstat_hgetall"));
    json_decref(seen);
}

/* Where profiles may be large, an answer holds fewer of them. */
static void test_large_profiles(void **state) {
    enum { MANY = 100, FEW = 32 };
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    crowd(f, "enter", "hall", "c", 0, MANY);
    assert_string_equal(mt_str(mt_apply(r, MEMBERS, "hall"), "cursor"), "0");
    mt_command(f->redis, "HSET " MT_NS "config profile 1048576");
    json_t *page = mt_apply(r, MEMBERS, "hall");
    assert_string_not_equal(mt_str(page, "cursor"), "0");
    assert_true(json_array_size(json_object_get(page, "members")) < (size_t)2 * FEW);
    page = mt_apply(r, MEMBERS, "hall", "0", "5000");
    assert_true(json_array_size(json_object_get(page, "members")) < (size_t)2 * FEW);
}

/* Never a JSON text that is none: INTERNAL, with the key. */
static void test_damaged_members(void **state) {
#define ANOTHER                                                                                    \
    "{\"connection\":\"c3\",\"instance\":\"n\",\"incarnation\":\"a\",\"joined_at\":1,\"profile\":" \
    "{}}"
#define HEAD "{\"connection\":\"c2\",\"instance\":\"node-1\",\"incarnation\":\"a\""
    static const char *const damaged[] = {
        "",
        "nonsense",
        "{}",
        HEAD ",\"joined_at\":1}",
        HEAD ",\"joined_at\":1,\"profile\":{}",
        HEAD ",\"joined_at\":x,\"profile\":{}}",
        HEAD ",\"joined_at\":1,\"profile\":[]}",
        HEAD ",\"joined_at\":1,\"profile\":{}}]}",
        HEAD ",\"joined_at\":1,\"profile\":{}},{}",
        HEAD ",\"joined_at\":1,\"profile\":{\"a\":[}]}}",
        HEAD ",\"joined_at\":1,\"profile\":{\"a\":\"}}",
        HEAD ",\"joined_at\":1,\"profile\":{\"a\":\"\xC3\"}}",
        HEAD ",\"joined_at\":1,\"profile\":{\"a\":\"\n\"}}",
        HEAD ",\"joined_at\":1,\"priority\":\"5\",\"profile\":{}}",
        HEAD ",\"joined_at\":1,\"priority\":,\"profile\":{}}",
        HEAD ",\"user\":\"a b\",\"joined_at\":1,\"profile\":{}}",
        ANOTHER, /* another one's */
    };
#undef HEAD
#undef ANOTHER
    struct mt_fixture *f = *state;
    struct mt_registry *r = stage(f);
    mt_enter(f, "room-1", "c1", "node-1", "a", NULL);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        mt_command(f->redis, "HSET " MT_NS "session:room-1 c2 %s", damaged[i]);
        assert_non_null(strstr(mt_apply_refused(r, MUSTER_INTERNAL, MEMBERS, "room-1"),
                               MT_NS "session:room-1"));
        mt_apply_refused(r, MUSTER_INTERNAL, USERS, "room-1", "0");
    }
    mt_command(f->redis, "HDEL " MT_NS "session:room-1 c2");
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #seq 1e9");
    mt_apply_refused(r, MUSTER_INTERNAL, MEMBERS, "room-1");
    mt_command(f->redis, "HSET " MT_NS "session:room-1 #seq 9 #leader %s", "c 1");
    mt_apply_refused(r, MUSTER_INTERNAL, MEMBERS, "room-1");
    mt_command(f->redis, "SET " MT_NS "session:room-2 x");
    assert_non_null(strstr(mt_apply_refused(r, MUSTER_INTERNAL, MEMBERS, "room-2"),
                           MT_NS "session:room-2 cannot be read: WRONGTYPE"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, mt_fixture_fresh, close_registry)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_members),
        TEST(test_member_options),
        TEST(test_profiles_are_verbatim),
        TEST(test_users),
        TEST(test_bad_pages),
        TEST(test_pages_under_churn),
        TEST(test_large_sessions),
        TEST(test_damaged_members),
        TEST(test_large_profiles),
        TEST(test_around_the_bound_of_small_sessions),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
