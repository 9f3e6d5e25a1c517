/* The lease core: who holds it until when, by the holder's own clock, and who takes it over. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/lease.h"

#define TTL 3000
#define RENEW 1000
#define MARGIN 300
#define START 100000

struct stage {
    struct mu_lease lease;
    struct mu_lease_actions actions;
    uint64_t now;
};

static void step(struct stage *stage, const struct mu_lease_event *event) {
    mu_lease_step(&stage->lease, stage->now, event, &stage->actions);
}

static void tell(struct stage *stage, enum mu_lease_event_kind kind) {
    step(stage, &(struct mu_lease_event){.kind = kind});
}

/* The answer to what was sent last. */
static void answer(struct stage *stage, enum mu_lease_event_kind kind) {
    step(stage, &(struct mu_lease_event){.kind = kind, .ticket = stage->lease.ticket});
}

static void acquired(struct stage *stage, uint64_t epoch) {
    step(stage, &(struct mu_lease_event){
                    .kind = MU_LEASE_ACQUIRED, .ticket = stage->lease.ticket, .epoch = epoch});
}

static void busy(struct stage *stage, const char *holder, uint64_t ttl) {
    step(stage, &(struct mu_lease_event){.kind = MU_LEASE_BUSY,
                                         .ticket = stage->lease.ticket,
                                         .holder = holder,
                                         .ttl_ms = ttl});
}

static void begin(struct stage *stage) {
    memset(stage, 0, sizeof *stage);
    mu_lease_init(&stage->lease, "nonce", TTL, RENEW);
    stage->now = START;
    tell(stage, MU_LEASE_TICK);
    assert_int_equal(stage->actions.send, MU_LEASE_SEND_NOTHING); /* there is no link */
    tell(stage, MU_LEASE_LINK_UP);
    assert_int_equal(stage->actions.send, MU_LEASE_SEND_ACQUIRE);
}

static void win(struct stage *stage, uint64_t epoch) {
    acquired(stage, epoch);
    assert_int_equal(stage->actions.send, MU_LEASE_SEND_RENEW);
    assert_int_equal(stage->actions.change, MU_LEASE_SAME);
    answer(stage, MU_LEASE_RENEWED);
    assert_int_equal(stage->actions.change, MU_LEASE_WON);
    assert_int_equal(stage->lease.epoch, epoch);
}

static void test_acquire_and_renew(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    assert_int_equal(stage.actions.floor, 0);
    assert_null(stage.actions.expected);
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    win(&stage, 7);
    assert_true(mu_lease_may_act(&stage.lease, stage.now));
    for (int i = 0; i < 20; i++) {
        stage.now += RENEW - 1;
        tell(&stage, MU_LEASE_TICK);
        assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
        stage.now += 1;
        tell(&stage, MU_LEASE_TICK);
        assert_int_equal(stage.actions.send, MU_LEASE_SEND_RENEW);
        answer(&stage, MU_LEASE_RENEWED);
        assert_int_equal(stage.actions.change, MU_LEASE_SAME);
        assert_true(mu_lease_may_act(&stage.lease, stage.now));
    }
}

/* The deadline counts from before the renewal was sent, whenever its answer came. */
static void test_deadline(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    stage.now += 100;
    acquired(&stage, 7);
    uint64_t sent = stage.now;
    stage.now += 500;
    answer(&stage, MU_LEASE_RENEWED);
    assert_int_equal(stage.actions.change, MU_LEASE_WON);
    assert_int_equal(stage.lease.deadline, sent + TTL - MARGIN);
    assert_true(mu_lease_may_act(&stage.lease, sent + TTL - MARGIN - 1));
    assert_false(mu_lease_may_act(&stage.lease, sent + TTL - MARGIN));
    stage.now = sent + RENEW;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RENEW);
    stage.now += 900;
    assert_int_equal(stage.lease.deadline, sent + TTL - MARGIN); /* not moved by sending */
    answer(&stage, MU_LEASE_RENEWED);
    assert_int_equal(stage.lease.deadline, sent + RENEW + TTL - MARGIN);
}

/* The answer to an acquire may be about a lease that an earlier attempt took long ago. */
static void test_acquire_alone_holds_nothing(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    answer(&stage, MU_LEASE_FAILED); /* the outcome is unknown */
    stage.now += 2900;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    acquired(&stage, 7);
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    stage.now += 101; /* it has expired meanwhile */
    step(&stage, &(struct mu_lease_event){.kind = MU_LEASE_STALE, .ticket = stage.lease.ticket});
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    assert_int_equal(stage.lease.state, MU_LEASE_FREE);
    stage.now += 1000;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    assert_int_equal(stage.actions.floor, 8);
}

static void test_unanswered_renewals(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    uint64_t deadline = stage.lease.deadline;
    stage.now += RENEW;
    tell(&stage, MU_LEASE_TICK);
    uint64_t late = stage.lease.ticket;
    stage.now = deadline - 1;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    stage.now = deadline;
    assert_false(mu_lease_may_act(&stage.lease, stage.now)); /* before any tick said so */
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.change, MU_LEASE_LOST);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    /* The answer to the renewal comes after all: nobody waits for it any more. */
    step(&stage, &(struct mu_lease_event){.kind = MU_LEASE_RENEWED, .ticket = late});
    assert_int_equal(stage.lease.state, MU_LEASE_TRYING);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    win(&stage, 9);
}

static void test_failed_renewal_is_repeated(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    stage.now += RENEW;
    tell(&stage, MU_LEASE_TICK);
    answer(&stage, MU_LEASE_FAILED);
    assert_int_equal(stage.lease.state, MU_LEASE_HELD);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    stage.now += 100;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RENEW);
}

/* The whole process slept: the first thing it does is to stop acting. */
static void test_pause(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    stage.now += 60000;
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.change, MU_LEASE_LOST);
}

static void test_slow_first_renewal(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    acquired(&stage, 7);
    stage.now += TTL;
    answer(&stage, MU_LEASE_RENEWED);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
}

static void test_stale(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    tell(&stage, MU_LEASE_STALE); /* any fenced write was refused */
    assert_int_equal(stage.actions.change, MU_LEASE_LOST);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    stage.now += 100;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    assert_int_equal(stage.actions.floor, 8);
    /* A refusal of the tenure before says nothing about this one. */
    step(&stage, &(struct mu_lease_event){.kind = MU_LEASE_STALE, .ticket = 1});
    assert_int_equal(stage.lease.state, MU_LEASE_TRYING);
}

static void test_floor(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/3/", 2900);
    step(&stage, &(struct mu_lease_event){.kind = MU_LEASE_SEEN, .epoch = 400});
    assert_int_equal(stage.lease.highest, 500);
    step(&stage, &(struct mu_lease_event){.kind = MU_LEASE_SEEN, .epoch = 600});
    stage.now += RENEW;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.floor, 601);
    busy(&stage, "no lease at all", 2900);
    busy(&stage, "a/b/99999999999999999999999/0/", 2900);
    assert_int_equal(stage.lease.highest, 600);
}

static void test_standby_polls(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/3/", 2900);
    assert_int_equal(stage.lease.state, MU_LEASE_FREE);
    stage.now += RENEW - 1;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    stage.now += 1;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    /* The key ends before the next regular attempt: be there. */
    busy(&stage, "other/n/500/3/", 400);
    stage.now += 405;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    win(&stage, 501);
}

static void test_hint(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/3/", 2900);
    stage.now += 10;
    tell(&stage, MU_LEASE_HINT);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    tell(&stage, MU_LEASE_HINT); /* while the attempt is under way */
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    busy(&stage, "other/n/500/3/", 2900);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    win(&stage, 501);
    tell(&stage, MU_LEASE_HINT); /* our own key was deleted by hand: look at once */
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RENEW);
}

/* One regular attempt, answered with `holder`. `expected`: what it means to take over, or NULL. */
static void poll(struct stage *stage, const char *expected, const char *holder) {
    stage->now += RENEW;
    tell(stage, MU_LEASE_TICK);
    assert_int_equal(stage->actions.send, MU_LEASE_SEND_ACQUIRE);
    if (expected == NULL) {
        assert_null(stage->actions.expected);
    } else {
        assert_non_null(stage->actions.expected);
        assert_string_equal(stage->actions.expected, expected);
    }
    busy(stage, holder, 3600000);
}

/* The key lives on for an hour, but nobody renews it. */
static void test_take_over_after_two_ttls(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/3/", 3600000);
    for (int i = 1; i < 2 * TTL / RENEW; i++) {
        poll(&stage, NULL, "other/n/500/3/");
    }
    poll(&stage, "other/n/500/3/", "other/n/500/3/");
    /* Somebody else was faster: begin to watch that one. */
    poll(&stage, "other/n/500/3/", "third/m/501/0/");
    for (int i = 1; i < 2 * TTL / RENEW; i++) {
        poll(&stage, NULL, "third/m/501/0/");
    }
    poll(&stage, "third/m/501/0/", "third/m/501/0/");
}

static void test_renewed_lease_is_left_alone(void **state) {
    struct stage stage;
    char holder[64];
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/0/", 3600000);
    for (int i = 1; i < 30; i++) {
        snprintf(holder, sizeof holder, "other/n/500/%d/", i);
        poll(&stage, NULL, holder);
    }
}

/* What could not be watched was not seen to stand still. */
static void test_blind_standby(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/0/", 3600000);
    tell(&stage, MU_LEASE_LINK_DOWN);
    stage.now += 60000;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    tell(&stage, MU_LEASE_LINK_UP);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    assert_null(stage.actions.expected);
}

static void test_value_too_long_to_compare(void **state) {
    struct stage stage;
    static char holder[MU_LEASE_VALUE_SIZE + 100];
    (void)state;
    memset(holder, 'x', sizeof holder - 1);
    begin(&stage);
    busy(&stage, holder, 3600000);
    for (int i = 0; i < 20; i++) {
        poll(&stage, NULL, holder);
    }
}

static void test_link_down_while_held(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    tell(&stage, MU_LEASE_LINK_DOWN);
    stage.now += RENEW;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    assert_int_equal(stage.lease.state, MU_LEASE_HELD);
    tell(&stage, MU_LEASE_LINK_UP);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RENEW);
    answer(&stage, MU_LEASE_RENEWED);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    assert_true(mu_lease_may_act(&stage.lease, stage.now));
}

static void test_stop(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    tell(&stage, MU_LEASE_STOP);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RELEASE);
    assert_int_equal(stage.actions.change, MU_LEASE_LOST);
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    stage.now += 60000;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    answer(&stage, MU_LEASE_RELEASED);
    assert_int_equal(stage.lease.state, MU_LEASE_OVER);
    tell(&stage, MU_LEASE_HINT);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
}

static void test_stop_while_standing_by(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    busy(&stage, "other/n/500/0/", 2900);
    tell(&stage, MU_LEASE_STOP);
    assert_int_equal(stage.lease.state, MU_LEASE_OVER);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
}

/* Stopped while an acquire is under way: what it won is given back. */
static void step_down(struct stage *stage, uint64_t epoch) {
    step(stage, &(struct mu_lease_event){.kind = MU_LEASE_STEP_DOWN, .epoch = epoch});
}

static void see(struct stage *stage, uint64_t epoch) {
    step(stage, &(struct mu_lease_event){.kind = MU_LEASE_SEEN, .epoch = epoch});
}

/* It gives the lease back, and leaves it to another one. */
static void test_step_down(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    step_down(&stage, 6); /* of an earlier tenure */
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    step_down(&stage, 7);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RELEASE);
    assert_int_equal(stage.actions.change, MU_LEASE_LOST);
    assert_false(mu_lease_may_act(&stage.lease, stage.now));
    answer(&stage, MU_LEASE_RELEASED);
    assert_int_equal(stage.lease.state, MU_LEASE_FREE);
    tell(&stage, MU_LEASE_HINT); /* the key that we deleted ourselves */
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    see(&stage, 7); /* old news */
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    see(&stage, 8); /* from now on it stands by as ever */
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
}

static void test_step_down_and_nobody_comes(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    step_down(&stage, 7);
    answer(&stage, MU_LEASE_FAILED); /* perhaps released, perhaps not */
    stage.now += TTL + MU_LEASE_REST_MS - 1;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_NOTHING);
    stage.now++;
    tell(&stage, MU_LEASE_TICK);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_ACQUIRE);
    win(&stage, 8);
}

static void test_stop_while_stepping_down(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    win(&stage, 7);
    step_down(&stage, 7);
    tell(&stage, MU_LEASE_STOP);
    assert_int_equal(stage.lease.state, MU_LEASE_RELEASING);
    answer(&stage, MU_LEASE_RELEASED);
    assert_int_equal(stage.lease.state, MU_LEASE_OVER);
    /* A standby that is told so has nothing to give. */
    begin(&stage);
    step_down(&stage, 7);
    assert_int_equal(stage.lease.state, MU_LEASE_TRYING);
}

static void test_stop_while_trying(void **state) {
    struct stage stage;
    (void)state;
    begin(&stage);
    tell(&stage, MU_LEASE_STOP);
    assert_int_equal(stage.lease.state, MU_LEASE_TRYING);
    acquired(&stage, 7);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RELEASE);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
    answer(&stage, MU_LEASE_FAILED);
    assert_int_equal(stage.lease.state, MU_LEASE_OVER);

    begin(&stage);
    tell(&stage, MU_LEASE_STOP);
    busy(&stage, "other/n/500/0/", 2900);
    assert_int_equal(stage.lease.state, MU_LEASE_OVER);

    begin(&stage);
    acquired(&stage, 7);
    tell(&stage, MU_LEASE_STOP);
    answer(&stage, MU_LEASE_RENEWED);
    assert_int_equal(stage.actions.send, MU_LEASE_SEND_RELEASE);
    assert_int_equal(stage.actions.change, MU_LEASE_SAME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acquire_and_renew),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_acquire_alone_holds_nothing),
        cmocka_unit_test(test_unanswered_renewals),
        cmocka_unit_test(test_failed_renewal_is_repeated),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_slow_first_renewal),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_standby_polls),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_take_over_after_two_ttls),
        cmocka_unit_test(test_renewed_lease_is_left_alone),
        cmocka_unit_test(test_blind_standby),
        cmocka_unit_test(test_value_too_long_to_compare),
        cmocka_unit_test(test_link_down_while_held),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_while_standing_by),
        cmocka_unit_test(test_stop_while_trying),
        cmocka_unit_test(test_step_down),
        cmocka_unit_test(test_step_down_and_nobody_comes),
        cmocka_unit_test(test_stop_while_stepping_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
