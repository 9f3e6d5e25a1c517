#include "stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double mb_percentile(double *samples, size_t count, double fraction) {
    if (count == 0)
        return 0;
    qsort(samples, count, sizeof *samples, ascending);
    double place = fraction * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return samples[count - 1];
    return samples[below] + (place - (double)below) * (samples[below + 1] - samples[below]);
}

void mb_series_add(struct mb_series *series, double value) {
    assert(series->count < MB_MOST_RUNS);
    series->values[series->count++] = value;
}

static double of_sorted(const struct mb_series *series, double fraction) {
    double copy[MB_MOST_RUNS];
    memcpy(copy, series->values, sizeof copy);
    return mb_percentile(copy, series->count, fraction);
}

double mb_series_median(const struct mb_series *series) {
    return of_sorted(series, 0.5);
}

double mb_series_min(const struct mb_series *series) {
    return of_sorted(series, 0);
}

double mb_series_max(const struct mb_series *series) {
    return of_sorted(series, 1);
}

struct mb_series mb_series_ratio(const struct mb_series *above, const struct mb_series *below) {
    struct mb_series ratio = {0};
    for (size_t i = 0; i < above->count && i < below->count; i++) {
        if (below->values[i] > 0)
            mb_series_add(&ratio, above->values[i] / below->values[i]);
    }
    return ratio;
}
