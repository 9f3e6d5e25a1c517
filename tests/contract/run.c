#include "contract/cases.h"

#include <stdio.h>

#include "lib/test.h"

/* Leases that are short enough to wait for, and a deadline for decisions that never come. */
static const char *const set[] = {"coordinator.lease=1500ms", "coordinator.renew=500ms",
                                  "limits.request_timeout=3s", NULL};

static int set_up(void **state) {
    *state = mt_stand_create(*state, set);
    return 0;
}

static int tear_down(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_destroy(&stand);
    return 0;
}

int mt_contract_run(const struct mt_door *door) {
    char name[64];
    struct CMUnitTest tests[] = {
#define CASE(case_name) {#case_name, mt_case_##case_name, set_up, tear_down, NULL},
        MT_CASES(CASE)
#undef CASE
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i].initial_state = (void *)(uintptr_t)door;
    snprintf(name, sizeof name, "contract of %s", door->name);
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
