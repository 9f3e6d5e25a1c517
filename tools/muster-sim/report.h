/* report.h - writes a report so that a reader sees the old one or the new one, never half of it. */
#ifndef MU_SIM_REPORT_H
#define MU_SIM_REPORT_H

#include <jansson.h>

#include "base/error.h"

/* Writes `report` to `path` by way of a file beside it. INTERNAL with a sentence when it fails. */
enum muster_status mu_report_write(const char *path, const json_t *report, struct mu_error *error);

#endif
