/* coverage.h - which codes, events and reasons of the model occurred in a run. */
#ifndef PM_COVERAGE_H
#define PM_COVERAGE_H

#include <stdbool.h>

#include "property/model.h"

enum { PM_COVERAGE_MOST = 120 };

struct pm_coverage {
    size_t seen[PM_COVERAGE_MOST];
};

/* Counts a code (`code MUSTER word`), an event (`event name`), a reason (`left why`, `leader why`).
 */
void pm_coverage_call(struct pm_coverage *coverage, enum muster_status status);
/* False when the event or its reason is none that docs know. */
bool pm_coverage_event(struct pm_coverage *coverage, const char *channel, const json_t *event);
/* Prints the table; false when something never occurred. */
bool pm_coverage_report(const struct pm_coverage *coverage);

#endif
