/* Which large reads are under way at once: in order, one alone when it is larger than the room, and
 * many ends in a row without a call within a call each. */
#include "lib/test.h"

#include <stdlib.h>

#include "registry/read_internal.h"

enum { MANY = 100000 };

static size_t started, over;
static struct mu_read *last_started;

static void start(struct mu_read *read) {
    started++;
    last_started = read;
    read->pending = 1;
}

/* One that fails at once, as while the link is closing. */
static void start_in_vain(struct mu_read *read) {
    started++;
    mu_read_fail(read, MUSTER_UNAVAILABLE, "closing");
}

static void on_answer(void *context, const struct mu_answer *answer) {
    over++;
    if (context) {
        *(enum muster_status *)context = answer->status;
    }
}

static struct mu_read *make(struct mu_gate *gate, enum muster_status *status) {
    struct mu_read *read = mu_read_create(0, NULL);
    read->gate = gate;
    read->callback = on_answer;
    read->context = status;
    return read;
}

static void end(struct mu_read *read) {
    read->pending = 0;
    mu_read_settle(read);
}

static int fresh(void **state) {
    (void)state;
    started = over = 0;
    return 0;
}

static void some_at_once_the_rest_in_order(void **state) {
    struct mu_gate gate = {0};
    struct mu_read *read[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        read[i] = make(&gate, NULL);
        mu_gate_enter(&gate, read[i], MU_GATE_FIELDS / 2, start);
    }
    assert_int_equal(started, 2);
    mu_read_settle(read[2]); /* it waits: it is not over */
    assert_int_equal(over, 0);
    end(read[1]);
    assert_int_equal(started, 3);
    assert_ptr_equal(last_started, read[2]);
    end(read[0]);
    assert_ptr_equal(last_started, read[3]);
    end(read[2]);
    end(read[3]);
    assert_int_equal(over, 4);
    assert_int_equal(gate.fields, 0);
    assert_null(gate.first);
}

static void a_large_one_goes_alone_and_nobody_overtakes(void **state) {
    struct mu_gate gate = {0};
    struct mu_read *small = make(&gate, NULL);
    struct mu_read *large = make(&gate, NULL);
    struct mu_read *late = make(&gate, NULL);
    (void)state;
    mu_gate_enter(&gate, small, 10, start);
    mu_gate_enter(&gate, large, 3 * MU_GATE_FIELDS, start);
    mu_gate_enter(&gate, late, 10, start); /* it would fit, but came later */
    assert_int_equal(started, 1);
    end(small);
    assert_ptr_equal(last_started, large);
    assert_int_equal(started, 2);
    end(large);
    assert_ptr_equal(last_started, late);
    end(late);
    assert_int_equal(over, 3);
}

static void all_end_when_the_link_is_closing(void **state) {
    struct mu_gate gate = {0};
    struct mu_read *first = make(&gate, NULL);
    enum muster_status status = MUSTER_OK;
    (void)state;
    mu_gate_enter(&gate, first, MU_GATE_FIELDS, start);
    for (size_t i = 0; i < MANY; i++) {
        mu_gate_enter(&gate, make(&gate, &status), 1, start_in_vain);
    }
    assert_int_equal(started, 1);
    end(first);
    assert_int_equal(over, MANY + 1);
    assert_int_equal(status, MUSTER_UNAVAILABLE);
    assert_int_equal(gate.fields, 0);
}

static void who_waited_too_long_is_told_so(void **state) {
    struct mu_gate gate = {0};
    struct mu_read *first = make(&gate, NULL);
    enum muster_status status = MUSTER_OK;
    struct mu_read *late = make(&gate, &status);
    (void)state;
    mu_gate_enter(&gate, first, MU_GATE_FIELDS, start);
    mu_gate_enter(&gate, late, 1, start);
    late->since -= MU_GATE_WAIT_MS + 1;
    end(first);
    assert_int_equal(started, 1);
    assert_int_equal(over, 2);
    assert_int_equal(status, MUSTER_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(some_at_once_the_rest_in_order, fresh),
        cmocka_unit_test_setup(a_large_one_goes_alone_and_nobody_overtakes, fresh),
        cmocka_unit_test_setup(all_end_when_the_link_is_closing, fresh),
        cmocka_unit_test_setup(who_waited_too_long_is_told_so, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
