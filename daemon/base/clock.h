/* clock.h - clocks, always read fresh from the kernel, never from the loop's cached time. */
#ifndef MU_BASE_CLOCK_H
#define MU_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME in ms: goes on while the machine is suspended; for leases and silence. */
uint64_t mu_clock_boottime_ms(void);
/* CLOCK_MONOTONIC in microseconds: for measuring work. */
uint64_t mu_clock_monotonic_us(void);
/* CLOCK_REALTIME in ms since 1970: for log lines, and for credentials that say when they expire. */
uint64_t mu_clock_realtime_ms(void);

#endif
