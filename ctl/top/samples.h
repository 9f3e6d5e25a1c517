/* samples.h - the numbers of one METRICS, to be looked up, and compared with those of an earlier
 * one. NAN stands for what is not there, or cannot be said. */
#ifndef MU_CTL_TOP_SAMPLES_H
#define MU_CTL_TOP_SAMPLES_H

#include <stddef.h>

struct mu_samples;

/* The text format of Prometheus; what cannot be read is passed over. */
struct mu_samples *mu_samples_parse(const char *text, size_t length);
void mu_samples_destroy(struct mu_samples **samples);

/* The sum over all series of that name whose labels hold `label`, such as state="up"; NULL: over
 * all of them. */
double mu_samples_sum(const struct mu_samples *samples, const char *name, const char *label);

/* What a histogram's values were between two moments: the value below which `share` of them lie, as
 * near as its buckets tell. */
double mu_samples_quantile(const struct mu_samples *now, const struct mu_samples *before,
                           const char *name, double share);

#endif
