/* redis_time.h - the highest time that any Redis ever showed us, carried on by our own clock.
 *
 * A rotation must lift seq, term and epoch above everything that was handed out before, and all of
 * them are at least Redis's time of that moment. Pure: the clocks are given.
 */
#ifndef MU_COORDINATOR_REDIS_TIME_H
#define MU_COORDINATOR_REDIS_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct mu_redis_time {
    bool seen;
    int64_t offset_ms; /* highest of Redis's ms since 1970 minus our boottime ms */
};

/* Redis showed `redis_ms` in an answer that was read at `now` (boottime ms). */
void mu_redis_time_saw(struct mu_redis_time *time, uint64_t redis_ms, uint64_t now);

/* The highest time that Redis may have reached by `now`; 0 when none was ever seen. */
uint64_t mu_redis_time_highest(const struct mu_redis_time *time, uint64_t now);

#endif
