/* stats.h - what is reported of repeated measurements, and percentiles of many samples. */
#ifndef MB_STATS_H
#define MB_STATS_H

#include <stddef.h>

enum { MB_MOST_RUNS = 99 };

/* One value a run. */
struct mb_series {
    double values[MB_MOST_RUNS];
    size_t count;
};

void mb_series_add(struct mb_series *series, double value);
/* Of an empty series: 0. */
double mb_series_median(const struct mb_series *series);
double mb_series_min(const struct mb_series *series);
double mb_series_max(const struct mb_series *series);

/* Run by run `above` / `below`: a ratio counts within one run only, since the machine drifts. */
struct mb_series mb_series_ratio(const struct mb_series *above, const struct mb_series *below);

/* Sorts `samples`; `fraction` 0.5 is the median. Of none: 0. */
double mb_percentile(double *samples, size_t count, double fraction);

#endif
