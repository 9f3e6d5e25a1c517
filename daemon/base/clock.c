#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static struct timespec now(clockid_t clock) {
    struct timespec time;

    if (clock_gettime(clock, &time) != 0) {
        abort(); /* the kernel always has these clocks */
    }
    return time;
}

static uint64_t now_ms(clockid_t clock) {
    struct timespec time = now(clock);

    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t mu_clock_boottime_ms(void) {
    return now_ms(CLOCK_BOOTTIME);
}

uint64_t mu_clock_monotonic_us(void) {
    struct timespec time = now(CLOCK_MONOTONIC);

    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t mu_clock_realtime_ms(void) {
    return now_ms(CLOCK_REALTIME);
}
