#include "moving.h"

#include <string.h>

static uint64_t obey_move(struct mu_churn *churn, const struct mu_plan *plan, const json_t *list) {
    const json_t *name = NULL;
    uint64_t going = 0;
    size_t i = 0;
    json_array_foreach(list, i, name) {
        const char *id = json_string_value(name);
        uint32_t connection = 0;
        if (id == NULL || !mu_plan_find_connection(plan, id, &connection) ||
            !mu_holding_present(churn->holding, connection))
            continue;
        mu_holding_set_goal(churn->holding, connection, false, false);
        mu_entering_queue(churn->entering, connection);
        going++;
    }
    return going;
}

uint64_t mu_moving_event(struct mu_churn *churn, const struct mu_plan *plan, bool obey,
                         const struct mu_event *event) {
    if (strcmp(event->name, "instance.draining") == 0)
        churn->draining = true;
    else if (strcmp(event->name, "instance.undrained") == 0)
        churn->draining = false;
    else if (obey && strcmp(event->name, "instance.move") == 0)
        return obey_move(churn, plan, json_object_get(event->root, "connections"));
    return 0;
}
