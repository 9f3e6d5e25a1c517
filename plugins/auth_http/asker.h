/* asker.h - the plugin's state, and what its files do for each other. */
#ifndef HTTP_ASKER_H
#define HTTP_ASKER_H

#include <sys/queue.h>

#include "answer.h"
#include "body.h"
#include "breaker.h"
#include "client.h"
#include "muster/plugin.h"

struct http_question;
TAILQ_HEAD(http_questions, http_question);

/* Why a question has no answer of the service's. */
enum http_problem {
    HTTP_UNREACHABLE, /* no connection, broken off, no good certificate */
    HTTP_LATE,
    HTTP_STATUS,    /* other than 200 */
    HTTP_TYPE,      /* no application/json */
    HTTP_TOO_LARGE, /* its head or its body */
    HTTP_MALFORMED,
    HTTP_UNSENT,    /* no memory, or nothing to send it to */
    HTTP_SHUT,      /* the breaker is open */
    HTTP_BUSY,      /* the queue is full */
    HTTP_UNASKABLE, /* the question cannot be put into JSON */
    HTTP_PROBLEMS,
    HTTP_FINE = HTTP_PROBLEMS
};

enum http_count {
    HTTP_REQUESTS, /* that were sent: the sum of answers, problems after sending, and in flight */
    HTTP_ALLOWED,
    HTTP_DENIED,
    HTTP_DEFERRED,
    HTTP_OPENED, /* the breaker */
    HTTP_COUNTS
};

enum http_gauge { HTTP_IN_FLIGHT, HTTP_QUEUED, HTTP_BREAKER, HTTP_GAUGES };

struct http_asker {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct http_settings *settings; /* read and not yet in use: before start */
    struct http_client *client;     /* what new questions are sent with; NULL before start */
    size_t clients;                 /* with those that were replaced and still have transfers */
    struct http_breaker breaker;
    struct http_questions running;
    struct http_questions queue; /* in the order of their deadlines */
    size_t running_count;
    size_t queue_count;
    struct muster_timer *patience; /* runs while the queue is not empty */
    bool began;                    /* with libcurl */
    bool stopping;

    uint64_t counts[HTTP_COUNTS];
    uint64_t problems[HTTP_PROBLEMS];
    int64_t gauges[HTTP_GAUGES];
    struct muster_metric *count_metrics[HTTP_COUNTS];
    struct muster_metric *problem_metrics[HTTP_PROBLEMS];
    struct muster_metric *gauge_metrics[HTTP_GAUGES];
    uint64_t logged_at[HTTP_PROBLEMS]; /* when one was last logged; 0: never */
    uint64_t unlogged[HTTP_PROBLEMS];  /* how many came since then */
};

/* ---- counts.c: counting, and a log that nobody can flood ---- */

void http_counts_init(struct http_asker *asker);
void http_count(struct http_asker *asker, enum http_count what, uint64_t amount);
void http_gauge(struct http_asker *asker, enum http_gauge what, int64_t value);
/* Counts and logs it; `detail` is for the operator and holds nothing of the question. */
void http_count_problem(struct http_asker *asker, enum http_problem problem, const char *detail);
/* One line with all numbers, at the end. */
void http_counts_log(struct http_asker *asker);
/* For the caller: says nothing about the inside. Static storage. */
const char *http_problem_reason(enum http_problem problem);

/* ---- questions.c: the life of a question ---- */

/* Asks, or waits for a free place, or says at once why not. Takes the body over. */
enum muster_verdict http_ask(struct http_asker *asker, struct muster_handle handle,
                             enum http_purpose purpose, struct http_body *body,
                             struct muster_decision *decision);
/* Denies what cannot be asked. */
enum muster_verdict http_refuse(struct http_asker *asker, enum http_problem problem,
                                const char *detail, struct muster_decision *decision);
/* `finished` of the clients. */
void http_finished(void *context, CURL *easy, CURLcode code);
/* After a reload: there may be more places. */
void http_pump(struct http_asker *asker);
/* Everything that is running or waiting is dropped and not decided. */
void http_abandon(struct http_asker *asker);

#endif
