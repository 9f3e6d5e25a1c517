/* breaker.h - when not to ask a service that fails. Pure: the clock is passed in.
 *
 *   closed ---- `failures` in a row ----> open
 *   open ------ `open_ms` later --------> half-open: one question is let through, the probe
 *   half-open - the probe succeeds -----> closed
 *   half-open - the probe fails --------> open
 *
 * What was admitted before the state changed says nothing about the state after it: each admission
 * carries the number of its round, and results of an older round are not counted.
 */
#ifndef HTTP_BREAKER_H
#define HTTP_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum http_breaker_state { HTTP_BREAKER_CLOSED, HTTP_BREAKER_HALF_OPEN, HTTP_BREAKER_OPEN };

struct http_breaker {
    uint64_t failures_most; /* in a row: then it opens */
    uint64_t open_ms;
    enum http_breaker_state state;
    uint64_t failures; /* in a row until now */
    uint64_t opened_at;
    uint32_t round; /* of the state */
};

/* Closed. Also when it is used already: then results that are still to come are not counted. */
void http_breaker_reset(struct http_breaker *breaker, uint64_t failures_most, uint64_t open_ms);
/* Would a question be let through now? Changes nothing. */
bool http_breaker_admits(const struct http_breaker *breaker, uint64_t now);
/* Lets a question through: its result must come in http_breaker_result() with *round. False: it
 * must not be asked. */
bool http_breaker_enter(struct http_breaker *breaker, uint64_t now, uint32_t *round);
/* True: the state has changed. */
bool http_breaker_result(struct http_breaker *breaker, uint32_t round, bool success, uint64_t now);

#endif
