#include "breaker.h"

static void change(struct http_breaker *breaker, enum http_breaker_state state) {
    breaker->state = state;
    breaker->failures = 0;
    breaker->round++;
}

void http_breaker_reset(struct http_breaker *breaker, uint64_t failures_most, uint64_t open_ms) {
    breaker->failures_most = failures_most;
    breaker->open_ms = open_ms;
    change(breaker, HTTP_BREAKER_CLOSED);
}

bool http_breaker_admits(const struct http_breaker *breaker, uint64_t now) {
    return breaker->state == HTTP_BREAKER_CLOSED ||
           (breaker->state == HTTP_BREAKER_OPEN && now - breaker->opened_at >= breaker->open_ms);
}

bool http_breaker_enter(struct http_breaker *breaker, uint64_t now, uint32_t *round) {
    if (!http_breaker_admits(breaker, now)) {
        return false;
    }
    if (breaker->state == HTTP_BREAKER_OPEN) {
        change(breaker, HTTP_BREAKER_HALF_OPEN); /* admits nobody else */
    }
    *round = breaker->round;
    return true;
}

bool http_breaker_result(struct http_breaker *breaker, uint32_t round, bool success, uint64_t now) {
    if (round != breaker->round) {
        return false;
    }
    if (success) {
        breaker->failures = 0;
        if (breaker->state == HTTP_BREAKER_CLOSED) {
            return false;
        }
        change(breaker, HTTP_BREAKER_CLOSED);
        return true;
    }
    breaker->failures++;
    if (breaker->state == HTTP_BREAKER_CLOSED && breaker->failures < breaker->failures_most) {
        return false;
    }
    change(breaker, HTTP_BREAKER_OPEN);
    breaker->opened_at = now;
    return true;
}
