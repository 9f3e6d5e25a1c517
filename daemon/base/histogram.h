/* histogram.h - how often a value fell into which bucket. Embedded storage, all zero is empty.
 *
 * Not for several threads: whoever counts and whoever reads are on the loop's.
 */
#ifndef MU_BASE_HISTOGRAM_H
#define MU_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* What is counted: the buckets, and the unit of what mu_histogram_add() is given. */
enum mu_histogram_kind {
    MU_HISTOGRAM_TIME, /* microseconds; buckets from 100 us to 10 s */
    MU_HISTOGRAM_ITEMS /* a number of things; buckets from 1 to 16384 */
};

#define MU_HISTOGRAM_BOUNDS 16

struct mu_histogram {
    /* Of each bucket by itself; the last one is of what is above all bounds. */
    uint64_t buckets[MU_HISTOGRAM_BOUNDS + 1];
    uint64_t sum;
};

/* The upper bounds of a kind, ascending; a value that equals one is in its bucket. */
const uint64_t *mu_histogram_bounds(enum mu_histogram_kind kind, size_t *count);
void mu_histogram_add(struct mu_histogram *histogram, enum mu_histogram_kind kind, uint64_t value);
uint64_t mu_histogram_count(const struct mu_histogram *histogram);

#endif
