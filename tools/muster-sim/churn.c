#include "churn.h"

#define SECOND_US 1000000
#define TRIES 8 /* to find a connection that has nothing to do */

static void run_one(struct mu_churn *churn) {
    for (int i = 0; i < TRIES; i++) {
        uint32_t connection = (uint32_t)(mu_plan_random(&churn->random) % churn->connections);
        if (!mu_entering_idle(churn->entering, connection))
            continue;
        if (churn->draining && !mu_holding_present(churn->holding, connection))
            continue;
        uint64_t dice = mu_plan_random(&churn->random) % 6;
        if (!mu_holding_present(churn->holding, connection))
            mu_holding_set_goal(churn->holding, connection, true, false);
        else if (dice < 2 || !churn->profiles)
            mu_holding_set_goal(churn->holding, connection, false, dice % 2 == 0);
        else
            mu_holding_touch_profile(churn->holding, connection);
        mu_entering_queue(churn->entering, connection);
        return;
    }
}

void mu_churn_run(struct mu_churn *churn, uint64_t now_us) {
    uint64_t passed = now_us - churn->last_us;
    churn->last_us = now_us;
    if (churn->connections == 0)
        return;
    churn->due += (passed < SECOND_US ? passed : SECOND_US) * churn->rate;
    for (; churn->due >= SECOND_US; churn->due -= SECOND_US)
        run_one(churn);
}

void mu_churn_reset(struct mu_churn *churn, uint64_t now_us) {
    churn->last_us = now_us;
    churn->due = 0;
}
