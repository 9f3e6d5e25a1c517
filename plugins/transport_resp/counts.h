/* counts.h - what the door counts; each is a metric muster_plugin_transport_resp_<name>. */
#ifndef RESP_COUNTS_H
#define RESP_COUNTS_H

#include <stdint.h>

#include "muster/plugin.h"

/*      name                  kind     metric                        help */
#define RESP_COUNT_TABLE(X)                                                                        \
    X(SOCKETS, GAUGE, "sockets", "Open sockets")                                                   \
    X(ACCEPTED, COUNTER, "accepted_total", "Sockets that were accepted")                           \
    X(TURNED_AWAY, COUNTER, "turned_away_total", "Sockets closed at once: max_sockets")            \
    X(TURNED_AWAY_ADDRESS, COUNTER, "turned_away_address_total",                                   \
      "Sockets closed at once: max_sockets_per_address")                                           \
    X(ACCEPT_FAILED, COUNTER, "accept_failed_total", "Sockets that could not be accepted")         \
    X(REQUESTS, COUNTER, "requests_total", "Requests that were read, of any kind")                 \
    X(PENDING, GAUGE, "pending", "Requests under way")                                             \
    X(OVERLOADED, COUNTER, "overloaded_total", "Requests refused: max_pending_total")              \
    X(PAUSED, COUNTER, "paused_total", "Times that a socket was read no further: max_pending")     \
    X(RATE_LIMITED, COUNTER, "rate_limited_total", "Requests refused: rate")                       \
    X(OUTPUT, GAUGE, "output_bytes", "Bytes that sockets have not read")                           \
    X(SLOW, COUNTER, "slow_readers_total", "Sockets closed: max_output, max_output_total")         \
    X(BROKEN, COUNTER, "broken_total", "Sockets closed: what they sent is no request")             \
    X(HTTP, COUNTER, "http_total", "Sockets closed: they spoke HTTP")                              \
    X(LATE, COUNTER, "handshake_timeouts_total", "Sockets closed: handshake_timeout")              \
    X(IDLE, COUNTER, "idle_timeouts_total", "Sockets closed: idle_timeout")                        \
    X(TLS_FAILED, COUNTER, "tls_failed_total", "Sockets closed: TLS failed")                       \
    X(AUTH_FAILED, COUNTER, "authentication_failed_total", "Authentications that failed")          \
    X(SUBSCRIPTIONS, GAUGE, "subscriptions", "Subscriptions of all sockets")                       \
    X(SUBSCRIPTIONS_REFUSED, COUNTER, "subscriptions_refused_total",                               \
      "Subscriptions denied, or refused: max_subscriptions")                                       \
    X(PUSHES, COUNTER, "pushes_total", "Messages given to subscribers")                            \
    X(LIFELINES, GAUGE, "lifelines", "Instances whose socket is watched")                          \
    X(SIGNALS, COUNTER, "lifeline_signals_total", "Ends of lifelines that were told")              \
    X(SIGNALS_LOST, COUNTER, "lifeline_signals_lost_total",                                        \
      "Ends of lifelines that could not be told")

enum resp_count {
#define RESP_COUNT_ENUM(name, kind, metric, help) RESP_COUNT_##name,
    RESP_COUNT_TABLE(RESP_COUNT_ENUM)
#undef RESP_COUNT_ENUM
        RESP_COUNTS
};

struct resp_counts {
    const struct muster_host *host;
    int64_t values[RESP_COUNTS];
    struct muster_metric *metrics[RESP_COUNTS];
};

void resp_counts_init(struct resp_counts *counts, struct muster_plugin *plugin,
                      const struct muster_host *host);
void resp_count_add(struct resp_counts *counts, enum resp_count what, int64_t amount);
const char *resp_count_name(enum resp_count what);

#endif
