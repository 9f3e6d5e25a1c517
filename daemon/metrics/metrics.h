/* metrics.h - numbers with a name and a sentence, and their text for Prometheus.
 *
 * A series is added by whoever counts, or collected when somebody asks (mu_metrics_source()).
 * Adding to a number may happen on any thread; everything else on the loop's.
 */
#ifndef MU_METRICS_METRICS_H
#define MU_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/histogram.h"
#include "muster/plugin.h"

struct mu_metrics;
struct muster_metric; /* one number */

struct mu_metrics *mu_metrics_create(void);
/* Frees all numbers. Clears the pointer. */
void mu_metrics_destroy(struct mu_metrics **metrics);

/* The number of this name and label; the same pair gives the same number. `label` is NULL or
 * pairs such as plugin="x",verdict="deny". Texts are copied; what a name may not have becomes
 * `_`. NULL only when MU_METRICS_MAX is reached. */
#define MU_METRICS_MAX 4096
struct muster_metric *mu_metrics_get(struct mu_metrics *metrics, enum muster_metric_kind kind,
                                     const char *name, const char *label, const char *help);
/* The same, of a number that is kept in microseconds and told in seconds. */
struct muster_metric *mu_metrics_seconds(struct mu_metrics *metrics, enum muster_metric_kind kind,
                                         const char *name, const char *label, const char *help);
/* Copies what a histogram holds now; it is told with its buckets, in seconds when it is of time.
 * `label` may be more than one pair, parted by commas. */
void mu_metrics_histogram(struct mu_metrics *metrics, enum mu_histogram_kind kind, const char *name,
                          const char *label, const char *help,
                          const struct mu_histogram *histogram);
/* NULL is fine for both. A counter never falls: a negative amount is passed over. */
void mu_metric_add(struct muster_metric *metric, int64_t amount);
void mu_metric_set(struct muster_metric *metric, int64_t value);
int64_t mu_metric_value(const struct muster_metric *metric);

/* Called at the beginning of each exposition, to set gauges and counters from counts that are kept
 * elsewhere. At most 16 sources. */
void mu_metrics_source(struct mu_metrics *metrics, void (*collect)(void *context), void *context);
/* Appends the text exposition format (version 0.0.4), sorted by name. */
bool mu_metrics_print(struct mu_metrics *metrics, struct mu_buffer *out) MU_WARN_UNUSED;

#endif
