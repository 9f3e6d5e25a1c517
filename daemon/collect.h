/* collect.h - from what the parts count to series with a name and a sentence: the only place that
 * knows both. Each function is called when somebody asks for the metrics.
 *
 * docs/OPERATIONS.md explains each name; tests/e2e/test_metrics.sh holds the two against each
 * other. What only the coordinator knows is told as 0 by a daemon that stands by.
 */
#ifndef MU_COLLECT_H
#define MU_COLLECT_H

#include "auth/auth.h"
#include "coordinator/view.h"
#include "events/events.h"
#include "metrics/metrics.h"
#include "redis/link.h"
#include "redis/subscriber.h"
#include "request/request.h"

void mu_collect_auth(struct mu_metrics *metrics, const struct mu_auth *auth);
void mu_collect_events(struct mu_metrics *metrics, const struct mu_events *events);
void mu_collect_requests(struct mu_metrics *metrics, const struct mu_requests *requests);
void mu_collect_redis(struct mu_metrics *metrics, const struct mu_link *link,
                      const struct mu_subscriber *subscriber);
void mu_collect_coordinator(struct mu_metrics *metrics, const struct mu_coordinator_view *view);
/* Version of the daemon and of its functions library. */
void mu_collect_build(struct mu_metrics *metrics);

#endif
