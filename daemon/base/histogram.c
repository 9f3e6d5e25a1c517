#include "base/histogram.h"

static const uint64_t times[] = {100,     250,     500,     1000,    2500,   5000,
                                 10000,   25000,   50000,   100000,  250000, 500000,
                                 1000000, 2500000, 5000000, 10000000};
static const uint64_t items[] = {1,   2,   4,    8,    16,   32,   64,   128,
                                 256, 512, 1024, 2048, 4096, 8192, 16384};

_Static_assert(sizeof times / sizeof times[0] <= MU_HISTOGRAM_BOUNDS, "room for each bound");
_Static_assert(sizeof items / sizeof items[0] <= MU_HISTOGRAM_BOUNDS, "room for each bound");

const uint64_t *mu_histogram_bounds(enum mu_histogram_kind kind, size_t *count) {
    if (kind == MU_HISTOGRAM_ITEMS) {
        *count = sizeof items / sizeof items[0];
        return items;
    }
    *count = sizeof times / sizeof times[0];
    return times;
}

void mu_histogram_add(struct mu_histogram *histogram, enum mu_histogram_kind kind, uint64_t value) {
    size_t count = 0;
    const uint64_t *bounds = mu_histogram_bounds(kind, &count);
    size_t bucket = 0;
    while (bucket < count && value > bounds[bucket]) { /* most values are small */
        bucket++;
    }
    histogram->buckets[bucket == count ? MU_HISTOGRAM_BOUNDS : bucket]++;
    histogram->sum += value;
}

uint64_t mu_histogram_count(const struct mu_histogram *histogram) {
    uint64_t total = 0;
    for (size_t i = 0; i <= MU_HISTOGRAM_BOUNDS; i++) {
        total += histogram->buckets[i];
    }
    return total;
}
