#include "chaos/census.h"

#include <stdio.h>
#include <stdlib.h>

#include "chaos/act.h"

/* A suite in which none of this was seen has tested nothing. */
static const char *const effects[] = {
    "coordinator.elected",  "data.rotated",       "data.confirmed",      "generation.changed",
    "instance.suspect",     "instance.dead",      "leader.changed",      "lease.lost",
    "links of sims lost",   "masters switched",   "memberships adopted", "memberships rebuilt",
    "memberships compared", "sims started again",
};

void ch_census_add(json_t *sum, const char *file) {
    json_t *census = json_load_file(file, 0, NULL);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(census, name, value) {
        json_int_t before = json_integer_value(json_object_get(sum, name));
        json_object_set_new(sum, name, json_integer(before + json_integer_value(value)));
    }
    json_decref(census);
}

static int demand(const json_t *sum, const char *name) {
    if (json_integer_value(json_object_get(sum, name)) > 0)
        return 0;
    printf("it never came to this: %s\n", name);
    return 1;
}

int ch_census_demand(int count, char *const files[]) {
    int missing = 0;
    json_t *sum = json_object();
    for (int i = 0; i < count; i++)
        ch_census_add(sum, files[i]);
    char *text = json_dumps(sum, JSON_INDENT(1) | JSON_SORT_KEYS);
    printf("%s\n", text);
    free(text);
    for (int i = 0; i < CH_ACTIONS; i++) {
        bool skipped = i == CH_DROP && json_object_get(sum, CH_SKIPPED_DROPS) != NULL;
        missing +=
            i == CH_MASTER_PAUSE || skipped ? 0 : demand(sum, ch_action_name((enum ch_action)i));
    }
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        missing += demand(sum, effects[i]);
    json_decref(sum);
    return missing == 0 ? 0 : 1;
}
