#include "coordinator/brake.h"

#include <string.h>

void mu_brake_init(struct mu_brake *brake, const struct mu_brake_options *options) {
    memset(brake, 0, sizeof *brake);
    brake->options = *options;
}

void mu_brake_reset(struct mu_brake *brake) {
    struct mu_brake_options options = brake->options;
    mu_brake_init(brake, &options);
}

static uint64_t bucket_of(const struct mu_brake *brake, uint64_t now) {
    uint64_t length = brake->options.window_ms / MU_BRAKE_BUCKETS;
    return now / (length > 0 ? length : 1);
}

/* The window moves: what is older than it falls out. */
static void turn(struct mu_brake *brake, uint64_t now) {
    uint64_t bucket = bucket_of(brake, now);
    uint64_t past = bucket - brake->bucket;
    if (brake->bucket == 0 || past >= MU_BRAKE_BUCKETS) {
        memset(brake->largest, 0, sizeof brake->largest);
    } else {
        for (uint64_t i = 1; i <= past; i++) {
            brake->largest[(brake->bucket + i) % MU_BRAKE_BUCKETS] = 0;
        }
    }
    brake->bucket = bucket;
}

uint64_t mu_brake_largest(const struct mu_brake *brake) {
    uint64_t largest = 0;
    for (int i = 0; i < MU_BRAKE_BUCKETS; i++) {
        largest = brake->largest[i] > largest ? brake->largest[i] : largest;
    }
    return largest;
}

void mu_brake_set_options(struct mu_brake *brake, uint64_t now,
                          const struct mu_brake_options *options) {
    uint64_t largest = mu_brake_largest(brake);
    bool window = options->window_ms != brake->options.window_ms;
    brake->options = *options;
    if (window) { /* other buckets: what was seen counts as seen now */
        memset(brake->largest, 0, sizeof brake->largest);
        brake->bucket = bucket_of(brake, now);
        brake->largest[brake->bucket % MU_BRAKE_BUCKETS] = largest;
    }
}

void mu_brake_tick(struct mu_brake *brake, uint64_t now, uint64_t instances) {
    turn(brake, now);
    uint64_t *seen = &brake->largest[brake->bucket % MU_BRAKE_BUCKETS];
    *seen = instances > *seen ? instances : *seen;
    if (brake->engaged && now - brake->engaged_at >= brake->options.hold_ms) {
        brake->engaged = false;
        brake->cleared = brake->engaged_at;
    }
}

static bool too_many(const struct mu_brake *brake, const struct mu_brake_view *view) {
    uint64_t largest = mu_brake_largest(brake);
    return largest >= brake->options.min_instances &&
           (view->suspects + view->becoming) * 1000 > largest * brake->options.fraction;
}

uint64_t mu_brake_judge(struct mu_brake *brake, uint64_t now, const struct mu_brake_view *view) {
    mu_brake_tick(brake, now, view->instances);
    if (brake->engaged) {
        return 0;
    }
    if (!view->fresh) {
        return brake->cleared;
    }
    if (!too_many(brake, view)) {
        return UINT64_MAX;
    }
    brake->engaged = true;
    brake->engaged_at = now;
    brake->silent = view->suspects + view->becoming;
    return 0;
}

bool mu_brake_release(struct mu_brake *brake, uint64_t now) {
    if (!brake->engaged) {
        return false;
    }
    brake->engaged = false;
    brake->cleared = now;
    return true;
}

uint64_t mu_brake_cleared(const struct mu_brake *brake) {
    return brake->cleared;
}
