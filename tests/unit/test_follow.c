/* The pure parts of muster-sim: the plan, and the follower that checks a session's events. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "follow.h"
#include "plan.h"

/* ---- the follower ---- */

struct fixture {
    struct mu_follow *follow;
    char findings[1024]; /* "kind " for what is certain, "kind? " for a suspicion */
};

static void on_finding(void *context, bool certain, const char *kind, const char *text) {
    struct fixture *f = context;
    assert_true(strlen(text) > 0);
    size_t length = strlen(f->findings);
    snprintf(f->findings + length, sizeof f->findings - length, "%s%s ", kind, certain ? "" : "?");
}

static int set_up(void **state) {
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    fixture.follow = mu_follow_create(on_finding, &fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_follow_destroy(&f->follow);
    assert_null(f->follow);
    return 0;
}

static void expect_findings(struct fixture *f, const char *expected) {
    assert_string_equal(f->findings, expected);
    f->findings[0] = '\0';
}

static void feed(struct fixture *f, const char *json) {
    struct mu_event event;
    char text[512];
    snprintf(text, sizeof text, "%s", json);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    assert_true(mu_event_read(text, strlen(text), &event));
    mu_follow_event(f->follow, &event);
    mu_event_release(&event);
}

static void joined_in(struct fixture *f, const char *gen, int seq, int term, int count) {
    char text[256];
    snprintf(text, sizeof text,
             "{'event':'member.joined','session':'s','gen':'%s','seq':%d,'term':%d,'count':%d,"
             "'member':{'connection':'c','instance':'i','incarnation':'x'}}",
             gen, seq, term, count);
    feed(f, text);
}

static void joined(struct fixture *f, int seq, int term, int count) {
    joined_in(f, "g", seq, term, count);
}

static void left(struct fixture *f, int seq, int term, int count, bool closed) {
    char text[256];
    snprintf(text, sizeof text,
             "{'event':'member.left','session':'s','gen':'g','seq':%d,'term':%d,'count':%d,"
             "'connection':'c','instance':'i','reason':'left'%s}",
             seq, term, count, closed ? ",'closed':true" : "");
    feed(f, text);
}

static void leads(struct fixture *f, int seq, int term, const char *leader, const char *previous) {
    char text[256], a[32] = "null", b[32] = "null";
    if (leader)
        snprintf(a, sizeof a, "'%s'", leader);
    if (previous)
        snprintf(b, sizeof b, "'%s'", previous);
    snprintf(text, sizeof text,
             "{'event':'leader.changed','session':'s','gen':'g','seq':%d,'term':%d,'leader':%s,"
             "'previous':%s,'reason':'left'}",
             seq, term, a, b);
    feed(f, text);
}

static const struct mu_view absent = {.exists = false, .gen = "", .leader = ""};

static struct mu_view view_of(uint64_t seq, uint64_t term, uint64_t count, const char *leader) {
    return (struct mu_view){true, "g", leader, seq, term, count};
}

static void read_snapshot(struct fixture *f, struct mu_view view) {
    assert_true(mu_follow_wants(f->follow));
    uint64_t ticket = mu_follow_reading(f->follow);
    mu_follow_snapshot(f->follow, ticket, &view);
}

static void expect_view(struct fixture *f, bool exists, uint64_t seq, uint64_t term, uint64_t count,
                        const char *leader) {
    const struct mu_view view = mu_follow_view(f->follow);
    assert_int_equal(view.exists, exists);
    assert_int_equal(view.seq, seq);
    assert_int_equal(view.term, term);
    assert_int_equal(view.count, count);
    assert_string_equal(view.leader, leader);
}

static void test_opening_to_close(void **state) {
    struct fixture *f = *state;
    assert_false(mu_follow_synced(f->follow));
    read_snapshot(f, absent);
    assert_true(mu_follow_synced(f->follow));
    joined(f, 101, 100, 1);
    leads(f, 102, 101, "c1", NULL);
    joined(f, 103, 101, 2);
    expect_view(f, true, 103, 101, 2, "c1");
    left(f, 104, 101, 1, false);
    leads(f, 105, 102, "c2", "c1");
    left(f, 106, 102, 0, true);
    expect_view(f, false, 106, 102, 0, "");
    joined(f, 201, 200, 1); /* opened again: seq and term begin anew, above */
    leads(f, 202, 201, "c3", NULL);
    expect_view(f, true, 202, 201, 1, "c3");
    assert_true(mu_follow_synced(f->follow));
    expect_findings(f, "");
    assert_int_equal(mu_follow_gaps(f->follow), 0);
}

static void test_late_events_are_passed_over(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    leads(f, 102, 101, "c1", NULL);
    joined(f, 103, 101, 2);
    leads(f, 105, 102, "c2", "c1");
    joined(f, 106, 102, 3);
    expect_view(f, true, 106, 102, 3, "c2");
    expect_findings(f, "");
}

static void test_events_are_held_while_reading(void **state) {
    struct fixture *f = *state;
    uint64_t ticket = mu_follow_reading(f->follow);
    joined(f, 104, 101, 3);
    joined(f, 105, 101, 4);
    joined(f, 106, 101, 5);
    const struct mu_view view = view_of(105, 101, 4, "c1");
    mu_follow_snapshot(f->follow, ticket, &view);
    expect_view(f, true, 106, 101, 5, "c1");
    expect_findings(f, "");
}

static void test_tail_of_an_earlier_opening(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, absent); /* it was closed already; its last events come late */
    left(f, 105, 101, 1, false);
    assert_true(mu_follow_wants(f->follow));
    read_snapshot(f, absent);
    left(f, 106, 101, 0, true);
    read_snapshot(f, absent);
    assert_true(mu_follow_synced(f->follow));
    expect_findings(f, "");
}

static void test_gap(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined(f, 107, 102, 4);
    expect_findings(f, "gap ");
    assert_int_equal(mu_follow_gaps(f->follow), 1);
    assert_true(mu_follow_wants(f->follow));
    read_snapshot(f, view_of(107, 102, 4, "c2"));
    joined(f, 108, 102, 5);
    expect_view(f, true, 108, 102, 5, "c2");
    expect_findings(f, "");
}

static void test_gap_before_an_opening(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 1, "c2"));
    left(f, 106, 102, 0, true);
    joined(f, 203, 201, 2); /* the one that opened it is missing */
    expect_findings(f, "gap ");
    assert_true(mu_follow_wants(f->follow));
}

static void test_seq_repeated_and_backwards(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined(f, 106, 102, 3);
    joined(f, 106, 102, 3);
    expect_findings(f, "seq-repeated ");
    joined(f, 104, 102, 3);
    expect_findings(f, "seq-backwards ");
    joined(f, 107, 102, 4);
    expect_findings(f, "");
    expect_view(f, true, 107, 102, 4, "c2");
}

static void test_terms(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    leads(f, 106, 103, "c3", "c2");
    joined(f, 107, 102, 3);
    expect_findings(f, "term-fell ");
    leads(f, 108, 103, "c4", "c3");
    expect_findings(f, "two-leaders term-not-raised ");
    leads(f, 109, 104, "c5", "c9");
    expect_findings(f, "previous-differs ");
}

static void test_count(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined(f, 106, 102, 4);
    expect_findings(f, "count-differs ");
    left(f, 107, 102, 3, false); /* it goes on from what was told */
    expect_findings(f, "");
}

static void test_replies_are_held_against_events(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    struct mu_view reply = view_of(107, 103, 2, "c3");
    mu_follow_reply(f->follow, &reply);
    leads(f, 106, 103, "c9", "c2");
    expect_findings(f, "two-leaders ");
    reply = view_of(106, 102, 2, "c2");
    mu_follow_reply(f->follow, &reply);
    expect_findings(f, "term-fell? seq-backwards? ");
    reply = (struct mu_view){true, "h", "c2", 105, 104, 2}; /* seq counts within a generation */
    mu_follow_reply(f->follow, &reply);
    expect_findings(f, "");
    reply = view_of(0, 0, 0, ""); /* the session does not exist */
    mu_follow_reply(f->follow, &reply);
    expect_findings(f, "");
}

static void test_replies_alone(void **state) {
    struct fixture *f = *state;
    struct mu_view reply = view_of(107, 103, 2, "c3");
    mu_follow_reply(f->follow, &reply);
    expect_view(f, true, 107, 103, 2, "c3");
    assert_false(mu_follow_synced(f->follow));
}

static void test_snapshot_behind(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined(f, 106, 102, 3);
    mu_follow_lost(f->follow);
    read_snapshot(f, view_of(104, 101, 2, "c1"));
    expect_findings(f, "snapshot-behind? term-fell? ");
}

static void test_lost_subscription(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    mu_follow_lost(f->follow);
    assert_true(mu_follow_wants(f->follow));
    joined(f, 109, 102, 6); /* of no use while blind, but no fault either */
    read_snapshot(f, view_of(110, 102, 7, "c2"));
    joined(f, 111, 102, 8);
    expect_view(f, true, 111, 102, 8, "c2");
    expect_findings(f, "");
}

static void test_snapshot_of_an_earlier_subscription(void **state) {
    struct fixture *f = *state;
    uint64_t old = mu_follow_reading(f->follow);
    mu_follow_lost(f->follow);
    uint64_t fresh = mu_follow_reading(f->follow);
    struct mu_view view = view_of(105, 102, 2, "c2");
    mu_follow_snapshot(f->follow, old, &view);
    assert_false(mu_follow_synced(f->follow));
    view = view_of(108, 102, 5, "c2");
    mu_follow_snapshot(f->follow, fresh, &view);
    expect_view(f, true, 108, 102, 5, "c2");
    mu_follow_snapshot(f->follow, fresh, NULL); /* nobody asked */
    assert_true(mu_follow_synced(f->follow));
}

static void test_unreadable_snapshot(void **state) {
    struct fixture *f = *state;
    mu_follow_snapshot(f->follow, mu_follow_reading(f->follow), NULL);
    assert_true(mu_follow_wants(f->follow));
}

static void test_generation(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined_in(f, "h", 900, 900, 3); /* lifted by the first write in the new generation */
    assert_true(mu_follow_wants(f->follow));
    struct mu_view view = {true, "h", "c2", 900, 900, 3};
    read_snapshot(f, view);
    joined_in(f, "h", 901, 900, 4);
    expect_view(f, true, 901, 900, 4, "c2");
    expect_findings(f, "");
}

static void test_generation_by_a_reply(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    struct mu_view reply = view_of(105, 102, 2, "c2");
    mu_follow_reply(f->follow, &reply);
    assert_true(mu_follow_synced(f->follow));
    struct mu_view lifted = {true, "h", "c2", 105, 105, 2}; /* seq stood high enough */
    mu_follow_reply(f->follow, &lifted);                    /* adopted */
    read_snapshot(f, lifted);
    expect_view(f, true, 105, 105, 2, "c2");
    expect_findings(f, "");
}

static void test_older_data_after_a_rotation(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    joined(f, 106, 102, 3);
    mu_follow_new_generation(f->follow);
    read_snapshot(f, view_of(101, 101, 1, "c1")); /* an old snapshot came back: allowed */
    expect_findings(f, "");
    joined_in(f, "h", 900, 900, 2); /* written to: from here on it must not fall again */
    struct mu_view view = {true, "h", "c1", 899, 900, 2};
    read_snapshot(f, view);
    expect_findings(f, "snapshot-behind? ");
}

static void test_resync(void **state) {
    struct fixture *f = *state;
    read_snapshot(f, view_of(105, 102, 2, "c2"));
    feed(f, "{'event':'resync','session':'s','gen':'g','seq':106,'term':102}");
    assert_true(mu_follow_wants(f->follow));
    expect_findings(f, "");
}

static void test_too_many_held(void **state) {
    struct fixture *f = *state;
    uint64_t ticket = mu_follow_reading(f->follow);
    for (int i = 0; i < 600; i++)
        joined(f, 100 + i, 100, 1 + i);
    const struct mu_view view = view_of(99, 100, 0, "");
    mu_follow_snapshot(f->follow, ticket, &view);
    assert_true(mu_follow_wants(f->follow)); /* what was not held is missing */
    expect_findings(f, "");
}

/* ---- the plan ---- */

static struct mu_plan_options plan_options(void) {
    return (struct mu_plan_options){
        .instance = "node-1",
        .prefix = "c",
        .session_prefix = "room-",
        .lead = true,
        .connections = 500,
        .sessions = 40,
        .joins = 7,
        .users = 30,
        .profile_bytes = 60,
        .seed = 42,
    };
}

static void test_plan_is_reproducible(void **state) {
    (void)state;
    struct mu_plan_options options = plan_options();
    struct mu_plan *a = mu_plan_create(&options);
    struct mu_plan *b = mu_plan_create(&options);
    options.seed = 43;
    struct mu_plan *c = mu_plan_create(&options);
    options.seed = 42;
    options.instance = "node-2";
    struct mu_plan *d = mu_plan_create(&options);
    int same_c = 0, same_d = 0;
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(mu_plan_session(a, i, 3), mu_plan_session(b, i, 3));
        same_c += mu_plan_session(a, i, 3) == mu_plan_session(c, i, 3);
        same_d += mu_plan_session(a, i, 3) == mu_plan_session(d, i, 3);
    }
    assert_in_range(same_c, 0, 100);
    assert_in_range(same_d, 0, 100);
    mu_plan_destroy(&a);
    mu_plan_destroy(&b);
    mu_plan_destroy(&c);
    mu_plan_destroy(&d);
}

static void test_plan_places(void **state) {
    (void)state;
    struct mu_plan_options options = plan_options();
    struct mu_plan *plan = mu_plan_create(&options);
    size_t total = 0;
    for (uint32_t s = 0; s < 40; s++) {
        size_t count;
        const struct mu_plan_place *places = mu_plan_places(plan, s, &count);
        total += count;
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(mu_plan_session(plan, places[i].connection, places[i].slot), s);
            if (i > 0) /* no connection twice in one session */
                assert_true(places[i].connection > places[i - 1].connection);
        }
    }
    assert_int_equal(total, 3500);
    mu_plan_destroy(&plan);
}

static void test_plan_every_session(void **state) {
    (void)state;
    for (uint32_t sessions = 1; sessions <= 30; sessions++) {
        struct mu_plan_options options = plan_options();
        options.connections = 20;
        options.sessions = options.joins = sessions;
        struct mu_plan *plan = mu_plan_create(&options);
        for (uint32_t s = 0; s < sessions; s++) {
            size_t count;
            mu_plan_places(plan, s, &count);
            assert_int_equal(count, 20); /* as many joins as sessions: everybody everywhere */
        }
        mu_plan_destroy(&plan);
    }
}

static void test_plan_ids(void **state) {
    (void)state;
    struct mu_plan_options options = plan_options();
    struct mu_plan *plan = mu_plan_create(&options);
    char id[MU_ID_SIZE];
    uint32_t index = 99;
    mu_plan_connection_id(plan, 11, id);
    assert_string_equal(id, "node-1-12");
    assert_true(mu_plan_find_connection(plan, id, &index));
    assert_int_equal(index, 11);
    mu_plan_session_id(plan, 39, id);
    assert_string_equal(id, "room-40");
    assert_true(mu_plan_find_session(plan, id, &index));
    assert_int_equal(index, 39);
    static const char *const others[] = {"node-1-0",  "node-1-501", "node-1-01", "node-1-",
                                         "node-1-1x", "node-2-1",   "node-11",   ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(mu_plan_find_connection(plan, others[i], &index));
    assert_false(mu_plan_find_session(plan, "room-41", &index));
    assert_false(mu_plan_find_session(plan, "room-99999999999999999999", &index));
    mu_plan_destroy(&plan);

    options.shared_ids = true;
    plan = mu_plan_create(&options);
    mu_plan_connection_id(plan, 0, id);
    assert_string_equal(id, "c1");
    assert_true(mu_plan_find_connection(plan, "c500", &index));
    mu_plan_destroy(&plan);
}

static void test_plan_arguments(void **state) {
    (void)state;
    struct mu_plan_options options = plan_options();
    options.users = 1;
    struct mu_buffer text;
    mu_buffer_init(&text, 0);
    struct mu_plan *plan = mu_plan_create(&options);
    mu_plan_call_options(plan, 3, true, &text);
    assert_string_equal(text.data, "{\"user\":\"u1\"}");
    mu_plan_call_options(plan, 3, false, &text);
    assert_string_equal(text.data, "");
    mu_plan_profile(plan, 3, 12, &text);
    assert_int_equal(text.length, 60);
    json_t *profile = json_loads(text.data, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(profile, "v")), 12);
    json_decref(profile);
    mu_plan_destroy(&plan);

    options.users = 0;
    options.lead = false;
    options.priority_min = options.priority_max = -7;
    options.profile_bytes = 0;
    plan = mu_plan_create(&options);
    mu_plan_call_options(plan, 3, true, &text);
    assert_string_equal(text.data, "{\"priority\":-7,\"lead\":false}");
    mu_plan_profile(plan, 3, 12, &text);
    assert_string_equal(text.data, "");
    mu_plan_destroy(&plan);
    mu_buffer_deinit(&text);
}

#define FOLLOW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLLOW_TEST(test_opening_to_close),
        FOLLOW_TEST(test_late_events_are_passed_over),
        FOLLOW_TEST(test_events_are_held_while_reading),
        FOLLOW_TEST(test_tail_of_an_earlier_opening),
        FOLLOW_TEST(test_gap),
        FOLLOW_TEST(test_gap_before_an_opening),
        FOLLOW_TEST(test_seq_repeated_and_backwards),
        FOLLOW_TEST(test_terms),
        FOLLOW_TEST(test_count),
        FOLLOW_TEST(test_replies_are_held_against_events),
        FOLLOW_TEST(test_replies_alone),
        FOLLOW_TEST(test_snapshot_behind),
        FOLLOW_TEST(test_lost_subscription),
        FOLLOW_TEST(test_snapshot_of_an_earlier_subscription),
        FOLLOW_TEST(test_unreadable_snapshot),
        FOLLOW_TEST(test_generation),
        FOLLOW_TEST(test_generation_by_a_reply),
        FOLLOW_TEST(test_older_data_after_a_rotation),
        FOLLOW_TEST(test_resync),
        FOLLOW_TEST(test_too_many_held),
        cmocka_unit_test(test_plan_is_reproducible),
        cmocka_unit_test(test_plan_places),
        cmocka_unit_test(test_plan_every_session),
        cmocka_unit_test(test_plan_ids),
        cmocka_unit_test(test_plan_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
