/* questions.c - the life of a question.
 *
 * The happy path: http_ask() - a place is free - the body is sent - the answer comes in, bounded -
 * it is understood - the host is told. With no place free it waits in the queue, its time running.
 *
 * Ways to fail, all of which deny: the breaker is open; the queue is full; its time is over, in the
 * queue or at the service; nobody is there, or the connection breaks; the answer is too large, not
 * 200, not JSON, not what was agreed; there is no memory. A question whose requester has gone goes
 * on to its end and is decided in vain, which the host allows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asker.h"

#define HEAD_MAX_BYTES                                                                             \
    (32u << 10) /* all header lines of an answer, interim ones and trailers too */
#define FIRST_BYTES 1024

struct http_question {
    TAILQ_ENTRY(http_question) links;
    struct http_asker *asker;
    struct muster_handle handle;
    enum http_purpose purpose;
    struct http_body body;
    uint64_t deadline;
    struct http_client *client; /* NULL: in the queue */
    CURL *easy;
    uint32_t round; /* of the breaker */
    char *answer;
    size_t length;
    size_t capacity;
    size_t head; /* bytes of header lines */
    bool too_large;
};

static uint64_t now_of(const struct http_asker *asker) {
    return asker->host->now_ms(asker->plugin);
}

static void destroy(struct http_question *question) {
    http_body_wipe(&question->body);
    free(question->answer);
    free(question);
}

/* ---- what is told ---- */

/* `detail` is for the log. */
static void describe(struct http_asker *asker, enum http_problem problem, const char *detail,
                     struct muster_decision *decision) {
    http_count_problem(asker, problem, detail);
    *decision =
        (struct muster_decision){.verdict = MUSTER_DENY, .reason = http_problem_reason(problem)};
    /* The service's fault does not make a credential a bad one. */
    if (problem == HTTP_BUSY) {
        decision->code = MUSTER_RATE_LIMITED;
    } else if (problem != HTTP_UNASKABLE) {
        decision->code = MUSTER_DENIED;
    }
}

enum muster_verdict http_refuse(struct http_asker *asker, enum http_problem problem,
                                const char *detail, struct muster_decision *decision) {
    describe(asker, problem, detail, decision);
    return MUSTER_DENY;
}

/* Ends a question without an answer of the service's. */
static void end_with(struct http_question *question, enum http_problem problem,
                     const char *detail) {
    struct http_asker *asker = question->asker;
    struct muster_decision decision;
    describe(asker, problem, detail, &decision);
    asker->host->decide(asker->plugin, question->handle, &decision);
    destroy(question);
}

/* ---- receiving ---- */

static size_t on_head(char *data, size_t size, size_t count, void *context) {
    struct http_question *question = context;
    (void)data;
    question->head += size * count;
    question->too_large = question->too_large || question->head > HEAD_MAX_BYTES;
    return question->too_large ? 0 : size * count;
}

static bool make_room(struct http_question *question, size_t more) {
    size_t capacity = question->capacity > 0 ? question->capacity : FIRST_BYTES;
    while (capacity - question->length < more) {
        capacity *= 2;
    }
    char *larger =
        capacity > question->capacity ? realloc(question->answer, capacity) : question->answer;
    if (larger == NULL) {
        return false;
    }
    question->answer = larger;
    question->capacity = capacity;
    return true;
}

/* Its bound is looked at before anything is kept. Another length than the given one aborts. */
static size_t on_body(char *data, size_t size, size_t count, void *context) {
    struct http_question *question = context;
    size_t length = size * count;
    if (length > http_client_settings(question->client)->max_response - question->length) {
        question->too_large = true;
        return 0;
    }
    if (length > 0 && !make_room(question, length)) {
        return 0;
    }
    if (length > 0) {
        memcpy(question->answer + question->length, data, length);
        question->length += length;
    }
    return length;
}

/* ---- sending ---- */

static bool set_up(struct http_question *question, const char *url, uint64_t left_ms) {
    CURL *easy = question->easy;
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, question) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->body.length) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, question->body.data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, question) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, question) == CURLE_OK;
}

static void note_places(struct http_asker *asker) {
    http_gauge(asker, HTTP_IN_FLIGHT, (int64_t)asker->running_count);
    http_gauge(asker, HTTP_QUEUED, (int64_t)asker->queue_count);
    http_gauge(asker, HTTP_BREAKER, (int64_t)asker->breaker.state);
}

static void deny_queue(struct http_asker *asker);

/* Tells the breaker how a request ended. */
static void report(struct http_asker *asker, uint32_t round, bool success) {
    if (!http_breaker_result(&asker->breaker, round, success, now_of(asker))) {
        return;
    }
    if (success) {
        asker->host->log(asker->plugin, MUSTER_LOG_INFO, "breaker_closed",
                         "the service answers again");
    } else {
        http_count(asker, HTTP_OPENED, 1);
        asker->host->log(asker->plugin, MUSTER_LOG_WARN, "breaker_opened",
                         "the service fails and is left alone for %llu ms",
                         (unsigned long long)asker->breaker.open_ms);
        deny_queue(asker);
    }
    note_places(asker);
}

/* HTTP_FINE: it is running. Otherwise nothing has happened to it. */
static enum http_problem begin(struct http_question *question) {
    struct http_asker *asker = question->asker;
    const struct http_settings *settings = http_client_settings(asker->client);
    const char *url =
        question->purpose == HTTP_AUTHORIZE ? settings->url : settings->authenticate_url;
    uint64_t now = now_of(asker);
    if (now >= question->deadline) {
        return HTTP_LATE;
    }
    if (url == NULL) { /* since a reload that came while it waited */
        return HTTP_UNSENT;
    }
    question->easy = http_client_prepare(asker->client);
    if (question->easy == NULL) {
        return HTTP_UNSENT;
    }
    enum http_problem problem = HTTP_UNSENT;
    if (set_up(question, url, question->deadline - now)) {
        problem =
            http_breaker_enter(&asker->breaker, now, &question->round) ? HTTP_FINE : HTTP_SHUT;
    }
    if (problem == HTTP_FINE) {
        question->client = asker->client;
        if (!http_client_send(asker->client, question->easy)) {
            report(asker, question->round, false);
            problem = HTTP_UNSENT;
        }
    }
    if (problem != HTTP_FINE) {
        question->client = NULL;
        curl_easy_cleanup(question->easy);
        question->easy = NULL;
        return problem;
    }
    TAILQ_INSERT_TAIL(&asker->running, question, links);
    asker->running_count++;
    http_count(asker, HTTP_REQUESTS, 1);
    return HTTP_FINE;
}

/* ---- the queue ---- */

static struct http_question *shift(struct http_asker *asker) {
    struct http_question *question = TAILQ_FIRST(&asker->queue);
    TAILQ_REMOVE(&asker->queue, question, links);
    asker->queue_count--;
    return question;
}

static void deny_queue(struct http_asker *asker) {
    while (!TAILQ_EMPTY(&asker->queue)) {
        end_with(shift(asker), HTTP_SHUT, "the breaker has opened");
    }
}

static void arm(struct http_asker *asker);

static void on_patience_over(void *context) {
    struct http_asker *asker = context;
    uint64_t now = now_of(asker);
    while (!TAILQ_EMPTY(&asker->queue) && TAILQ_FIRST(&asker->queue)->deadline <= now) {
        end_with(shift(asker), HTTP_LATE, "no place became free in time");
    }
    asker->host->timer_stop(asker->plugin, &asker->patience);
    arm(asker);
    note_places(asker);
}

/* The timer runs for the head of the queue. */
static void arm(struct http_asker *asker) {
    const struct http_question *head = TAILQ_FIRST(&asker->queue);
    if (head == NULL && asker->patience != NULL) {
        asker->host->timer_stop(asker->plugin, &asker->patience);
    } else if (head != NULL && asker->patience == NULL) {
        uint64_t now = now_of(asker);
        asker->patience =
            asker->host->timer_start(asker->plugin, head->deadline > now ? head->deadline - now : 1,
                                     0, on_patience_over, asker);
    }
}

void http_pump(struct http_asker *asker) {
    uint64_t most = http_client_settings(asker->client)->max_concurrent;
    while (asker->running_count < most && !TAILQ_EMPTY(&asker->queue)) {
        struct http_question *question = shift(asker);
        enum http_problem problem = begin(question);
        if (problem != HTTP_FINE) {
            end_with(question, problem, "it had waited for a place");
        }
    }
    arm(asker);
    note_places(asker);
}

/* ---- asking ---- */

enum muster_verdict http_ask(struct http_asker *asker, struct muster_handle handle,
                             enum http_purpose purpose, struct http_body *body,
                             struct muster_decision *decision) {
    const struct http_settings *settings = http_client_settings(asker->client);
    struct http_question *question = calloc(1, sizeof *question);
    enum http_problem problem = HTTP_FINE;
    uint64_t now = now_of(asker);
    if (question == NULL) {
        http_body_wipe(body);
        return http_refuse(asker, HTTP_UNSENT, "no memory", decision);
    }
    *question = (struct http_question){.asker = asker,
                                       .handle = handle,
                                       .purpose = purpose,
                                       .body = *body,
                                       .deadline = now + settings->timeout_ms};
    *body = (struct http_body){0};
    if (!http_breaker_admits(&asker->breaker, now)) {
        problem = HTTP_SHUT;
    } else if (asker->running_count < settings->max_concurrent) {
        problem = begin(question);
    } else if (asker->queue_count >= settings->max_queued) {
        problem = HTTP_BUSY;
    } else {
        TAILQ_INSERT_TAIL(&asker->queue, question, links);
        asker->queue_count++;
        arm(asker);
    }
    note_places(asker);
    if (problem == HTTP_FINE) {
        return MUSTER_LATER;
    }
    destroy(question);
    return http_refuse(asker, problem, "it was not sent", decision);
}

/* ---- the end ---- */

/* What went wrong with a request, before its answer is read. */
static enum http_problem judge(const struct http_question *question, CURLcode code, long status) {
    const char *type = NULL;
    if (question->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return HTTP_TOO_LARGE;
    }
    if (code != CURLE_OK) {
        return code == CURLE_OPERATION_TIMEDOUT ? HTTP_LATE : HTTP_UNREACHABLE;
    }
    if (status != 200) {
        return HTTP_STATUS;
    }
    curl_easy_getinfo(question->easy, CURLINFO_CONTENT_TYPE, &type);
    return http_is_json(type) ? HTTP_FINE : HTTP_TYPE;
}

static void count_verdict(struct http_asker *asker, enum muster_verdict verdict) {
    http_count(asker,
               verdict == MUSTER_ALLOW  ? HTTP_ALLOWED
               : verdict == MUSTER_DENY ? HTTP_DENIED
                                        : HTTP_DEFERRED,
               1);
}

void http_finished(void *context, CURL *easy, CURLcode code) {
    struct http_asker *asker = context;
    struct http_question *question = NULL;
    struct http_answer answer = {0};
    const char *wrong = NULL;
    char detail[96];
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &question);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    enum http_problem problem = judge(question, code, status);
    snprintf(detail, sizeof detail, "%.64s, status %ld", curl_easy_strerror(code), status);
    if (problem == HTTP_FINE &&
        !http_answer_read(&answer, question->purpose, question->answer, question->length,
                          http_client_settings(question->client)->cache_most_ms, &wrong)) {
        problem = HTTP_MALFORMED;
        snprintf(detail, sizeof detail, "%.90s", wrong);
    }
    http_client_drop(question->client, easy);
    question->easy = NULL;
    TAILQ_REMOVE(&asker->running, question, links);
    asker->running_count--;
    /* 4xx: a service that lives, and one request that it did not like. */
    report(asker, question->round,
           problem == HTTP_FINE || (problem == HTTP_STATUS && status >= 400 && status < 500));
    if (problem == HTTP_FINE) {
        count_verdict(asker, answer.decision.verdict);
        asker->host->decide(asker->plugin, question->handle, &answer.decision);
        destroy(question);
    } else {
        end_with(question, problem, detail);
    }
    http_answer_deinit(&answer);
    http_pump(asker);
}

void http_abandon(struct http_asker *asker) {
    while (!TAILQ_EMPTY(&asker->running)) {
        struct http_question *question = TAILQ_FIRST(&asker->running);
        TAILQ_REMOVE(&asker->running, question, links);
        http_client_drop(question->client, question->easy);
        destroy(question);
    }
    asker->running_count = 0;
    while (!TAILQ_EMPTY(&asker->queue)) {
        destroy(shift(asker));
    }
    arm(asker);
    note_places(asker);
}
