/* listener.h - /metrics, /healthz and /readyz over plain HTTP, for Prometheus and for health checks
 * of one machine.
 *
 * The happy path: a connection is accepted - its request read until it is whole - answered from
 * what holds in that moment - written - our side closed - the other side closes, and it is gone.
 *
 * Ways to fail: the address cannot be bound (create says so); there are MU_HTTP_CONNECTIONS already
 * (closed at once); the request is none that we know (answered with its status); the peer is slow,
 * or does not close (after MU_HTTP_TIMEOUT_MS in all it is closed).
 */
#ifndef MU_METRICS_LISTENER_H
#define MU_METRICS_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/endpoint.h"
#include "base/error.h"
#include "metrics/metrics.h"

#define MU_HTTP_CONNECTIONS 32
#define MU_HTTP_TIMEOUT_MS 10000

struct mu_scrape;

struct mu_scrape_options {
    uv_loop_t *loop;
    struct mu_metrics *metrics; /* not owned */
    const char *address;        /* as mu_endpoint_read() reads it */
    bool any_host;              /* answer whatever host a request names */
    void *context;
    /* Can the daemon do its work? Otherwise `why` gets a sentence. */
    bool (*ready)(void *context, char *why, size_t size);
};

/* NULL, with `error`: the address is none, or cannot be listened at. */
struct mu_scrape *mu_scrape_create(const struct mu_scrape_options *options, struct mu_error *error);
/* Where it listens, as text: of port 0 the one that was given. */
void mu_scrape_address(const struct mu_scrape *listener, char *out, size_t size);
/* No callback from now on; the memory goes once the loop has closed the handles. Clears the
 * pointer; NULL in it is fine. */
void mu_scrape_close(struct mu_scrape **listener);

#endif
