#include "coordinator/redis_time.h"

void mu_redis_time_saw(struct mu_redis_time *time, uint64_t redis_ms, uint64_t now) {
    if (redis_ms == 0 || redis_ms >= (1ULL << 53))
        return;
    int64_t offset = (int64_t)redis_ms - (int64_t)now;
    if (!time->seen || offset > time->offset_ms) {
        time->seen = true;
        time->offset_ms = offset;
    }
}

uint64_t mu_redis_time_highest(const struct mu_redis_time *time, uint64_t now) {
    int64_t highest = time->offset_ms + (int64_t)now;
    return time->seen && highest > 0 ? (uint64_t)highest : 0;
}
