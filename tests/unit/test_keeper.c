/* Which library is to be loaded, by what attend answers. */
#include "lib/test.h"

#include "coordinator/keeper.h"

enum { OWN = 5 };

static bool decide(uint64_t version, uint64_t newest, bool settled, bool coordinates) {
    const struct mu_attendance attendance = {version, newest, settled};
    return mu_keeper_decide(&attendance, OWN, coordinates);
}

static void ours_and_one_that_says_nothing_stay(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_false(decide(OWN, OWN, (i & 1) != 0, (i & 2) != 0));
        assert_false(decide(OWN, OWN + 1, (i & 1) != 0, (i & 2) != 0));
        assert_false(decide(0, 0, (i & 1) != 0, (i & 2) != 0));
    }
}

static void an_older_one_is_replaced_by_anybody(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(decide(OWN - 1, OWN, (i & 1) != 0, (i & 2) != 0));
}

static void a_newer_one_goes_when_nobody_needs_it(void **state) {
    (void)state;
    assert_true(decide(OWN + 1, OWN, true, true));
    assert_true(decide(OWN + 1, OWN - 1, true, true));
    assert_true(decide(OWN + 3, OWN, true, true));
}

static void a_newer_one_stays_else(void **state) {
    (void)state;
    assert_false(decide(OWN + 1, OWN + 1, true, true)); /* its daemon is about */
    assert_false(decide(OWN + 2, OWN + 1, true, true)); /* one in between: it goes down to that */
    assert_false(decide(OWN + 1, OWN, false, true));    /* not everybody was heard yet */
    assert_false(decide(OWN + 1, OWN, true, false));    /* another one decides */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_and_one_that_says_nothing_stay),
        cmocka_unit_test(an_older_one_is_replaced_by_anybody),
        cmocka_unit_test(a_newer_one_goes_when_nobody_needs_it),
        cmocka_unit_test(a_newer_one_stays_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
