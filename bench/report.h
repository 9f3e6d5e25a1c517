/* report.h - the rows that scenarios measured, printed as a table or as JSON. */
#ifndef MB_REPORT_H
#define MB_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "stats.h"

/* What the bound of a row limits. */
enum mb_limit {
    MB_LIMIT_NONE,   /* a figure without a target */
    MB_LIMIT_MEDIAN, /* the median, absolutely */
    MB_LIMIT_EVERY,  /* every run, absolutely */
    MB_LIMIT_RATIO   /* the median of the ratios to the baseline of the same run */
};

struct mb_row {
    const char *name; /* of the scenario */
    const char *what; /* what was measured */
    const char *unit;
    struct mb_series measured;
    const char *against; /* what the baseline is; NULL: there is none */
    struct mb_series baseline;
    enum mb_limit limit;
    double bound;
    json_t *detail; /* an object with more figures, for JSON only; may be NULL; taken over */
};

struct mb_report;

struct mb_report *mb_report_create(void);
void mb_report_destroy(struct mb_report **report);

/* Texts are copied. */
void mb_report_add(struct mb_report *report, const struct mb_row *row);
/* Describes the machine; the load is that of the first call. */
void mb_report_machine(struct mb_report *report, const char *redis_version, bool quick);

/* {"machine":{...},"scenarios":[{...}]} in one object. */
void mb_report_print_json(const struct mb_report *report, FILE *output);
void mb_report_print_table(const struct mb_report *report, FILE *output);

#endif
