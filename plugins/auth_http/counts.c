#include "asker.h"

#include <inttypes.h>

#define LOG_EVERY_MS 10000 /* problems in between are counted and told with the next line */

static const struct {
    const char *metric;
    const char *help;
} counts_table[HTTP_COUNTS] = {
    [HTTP_REQUESTS] = {"requests_total", "Questions that were sent to the service"},
    [HTTP_ALLOWED] = {"allowed_total", "Answers allow"},
    [HTTP_DENIED] = {"denied_total", "Answers deny"},
    [HTTP_DEFERRED] = {"deferred_total", "Answers defer"},
    [HTTP_OPENED] = {"breaker_opened_total", "How often the circuit breaker opened"},
};

static const struct {
    const char *metric;
    const char *help;
} gauges_table[HTTP_GAUGES] = {
    [HTTP_IN_FLIGHT] = {"in_flight", "Questions at the service"},
    [HTTP_QUEUED] = {"queued", "Questions that wait to be sent"},
    [HTTP_BREAKER] = {"breaker_state", "Circuit breaker: 0 closed, 1 half-open, 2 open"},
};

#define NO_USE "the authorization service gave no usable answer"

static const struct {
    const char *metric;
    const char *word;   /* in the log */
    const char *reason; /* for the caller */
} problems_table[HTTP_PROBLEMS] = {
    [HTTP_UNREACHABLE] = {"failed_unreachable_total", "unreachable",
                          "the authorization service cannot be reached"},
    [HTTP_LATE] = {"failed_timeout_total", "timeout",
                   "the authorization service did not answer in time"},
    [HTTP_STATUS] = {"failed_status_total", "status", NO_USE},
    [HTTP_TYPE] = {"failed_type_total", "type", NO_USE},
    [HTTP_TOO_LARGE] = {"failed_too_large_total", "too_large", NO_USE},
    [HTTP_MALFORMED] = {"failed_malformed_total", "malformed", NO_USE},
    [HTTP_UNSENT] = {"failed_unsent_total", "unsent", "the authorization service was not asked"},
    [HTTP_SHUT] = {"refused_breaker_total", "breaker",
                   "the authorization service is failing and is left alone for a moment"},
    [HTTP_BUSY] = {"refused_busy_total", "busy", "the authorization service is busy"},
    [HTTP_UNASKABLE] = {"refused_unaskable_total", "unaskable",
                        "a text of the request or the claims cannot be put into JSON"},
};

void http_counts_init(struct http_asker *asker) {
    const struct muster_host *host = asker->host;
    for (size_t i = 0; i < HTTP_COUNTS; i++) {
        asker->count_metrics[i] = host->metric(asker->plugin, MUSTER_COUNTER,
                                               counts_table[i].metric, counts_table[i].help);
    }
    for (size_t i = 0; i < HTTP_PROBLEMS; i++) {
        asker->problem_metrics[i] = host->metric(
            asker->plugin, MUSTER_COUNTER, problems_table[i].metric, problems_table[i].reason);
    }
    for (size_t i = 0; i < HTTP_GAUGES; i++) {
        asker->gauge_metrics[i] =
            host->metric(asker->plugin, MUSTER_GAUGE, gauges_table[i].metric, gauges_table[i].help);
    }
}

void http_count(struct http_asker *asker, enum http_count what, uint64_t amount) {
    asker->counts[what] += amount;
    asker->host->metric_add(asker->count_metrics[what], (int64_t)amount);
}

void http_gauge(struct http_asker *asker, enum http_gauge what, int64_t value) {
    asker->host->metric_add(asker->gauge_metrics[what], value - asker->gauges[what]);
    asker->gauges[what] = value;
}

void http_count_problem(struct http_asker *asker, enum http_problem problem, const char *detail) {
    uint64_t now = asker->host->now_ms(asker->plugin);
    asker->problems[problem]++;
    asker->host->metric_add(asker->problem_metrics[problem], 1);
    /* For each kind on its own: many of one must not hide the first of another. */
    if (asker->logged_at[problem] != 0 && now - asker->logged_at[problem] < LOG_EVERY_MS) {
        asker->unlogged[problem]++;
        return;
    }
    asker->host->log(asker->plugin, MUSTER_LOG_WARN, "failed",
                     "%s: %s; %" PRIu64 " more failed so since this was last said",
                     problems_table[problem].word, detail, asker->unlogged[problem]);
    asker->logged_at[problem] = now;
    asker->unlogged[problem] = 0;
}

void http_counts_log(struct http_asker *asker) {
    const uint64_t *counts = asker->counts;
    const uint64_t *problems = asker->problems;
    asker->host->log(asker->plugin, MUSTER_LOG_INFO, "totals",
                     "requests=%" PRIu64 " allowed=%" PRIu64 " denied=%" PRIu64 " deferred=%" PRIu64
                     " opened=%" PRIu64 " unreachable=%" PRIu64 " timeout=%" PRIu64
                     " status=%" PRIu64 " type=%" PRIu64 " too_large=%" PRIu64 " malformed=%" PRIu64
                     " unsent=%" PRIu64 " breaker=%" PRIu64 " busy=%" PRIu64 " unaskable=%" PRIu64,
                     counts[HTTP_REQUESTS], counts[HTTP_ALLOWED], counts[HTTP_DENIED],
                     counts[HTTP_DEFERRED], counts[HTTP_OPENED], problems[HTTP_UNREACHABLE],
                     problems[HTTP_LATE], problems[HTTP_STATUS], problems[HTTP_TYPE],
                     problems[HTTP_TOO_LARGE], problems[HTTP_MALFORMED], problems[HTTP_UNSENT],
                     problems[HTTP_SHUT], problems[HTTP_BUSY], problems[HTTP_UNASKABLE]);
}

const char *http_problem_reason(enum http_problem problem) {
    return problems_table[problem].reason;
}
