/* process.h - the numbers of the process itself, under the names that Prometheus' own client
 * libraries give them. From /proc; where there is none they are missing. */
#ifndef MU_METRICS_PROCESS_H
#define MU_METRICS_PROCESS_H

#include "metrics/metrics.h"

/* From now on told with every exposition. */
void mu_metrics_process(struct mu_metrics *metrics);

#endif
