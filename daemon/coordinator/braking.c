#include "coordinator/braking.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

#define SURVEY_MS 1000
#define RETRY_MS 250

enum told { UNKNOWN, ENGAGED, RELEASED };

struct mu_braking {
    struct mu_fence *fence;
    struct mu_brake *brake;
    struct mu_log *log;
    bool active;
    bool pending;
    bool engaged;       /* as logged */
    enum told told;     /* to Redis */
    const char *reason; /* of the last release */
    uint64_t next_at;
};

struct mu_braking *mu_braking_create(struct mu_fence *fence, struct mu_brake *brake,
                                     struct mu_log *log) {
    struct mu_braking *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->brake = brake;
    self->log = log;
    return self;
}

void mu_braking_destroy(struct mu_braking **braking) {
    free(*braking);
    *braking = NULL;
}

void mu_braking_start(struct mu_braking *self) {
    mu_brake_reset(self->brake);
    self->active = true;
    self->pending = false;
    self->engaged = false;
    self->told = UNKNOWN;
    self->reason = "coordinator-changed";
    self->next_at = 0;
}

void mu_braking_stop(struct mu_braking *self) {
    self->active = false;
}

void mu_braking_release(struct mu_braking *self, uint64_t now) {
    if (self->active && mu_brake_release(self->brake, now)) {
        self->reason = "by-hand";
    }
}

static void say(struct mu_braking *self) {
    if (self->brake->engaged) {
        mu_fence_tally(self->fence)->brake_engaged++;
        self->reason = "hold"; /* unless somebody releases it sooner */
        MU_LOG(self->log, MU_LOG_ERROR, "brake.engaged", MU_INT("silent", self->brake->silent),
               MU_INT("instances", mu_brake_largest(self->brake)),
               MU_INT("hold_ms", self->brake->options.hold_ms),
               MU_STR("message", "most instances seem silent at once; nobody is suspected or "
                                 "buried until the hold is over or `musterctl brake release`"));
    } else {
        MU_LOG(self->log, MU_LOG_WARN, "brake.released", MU_STR("reason", self->reason));
    }
    self->engaged = self->brake->engaged;
    self->next_at = 0;
}

static void on_answer(void *context, const void *note, const struct mu_answer *answer,
                      uint64_t took_us) {
    struct mu_braking *self = context;
    const enum told *told = note;
    uint64_t now = mu_clock_boottime_ms();
    (void)took_us;
    self->pending = false;
    if (answer->status != MUSTER_OK) {
        self->next_at = now + RETRY_MS;
        self->told = UNKNOWN;
        MU_LOG(self->log, MU_LOG_DEBUG, "brake.untold",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        return;
    }
    self->told = *told;
    self->next_at = *told == ENGAGED && self->brake->engaged ? now + SURVEY_MS : 0;
}

void mu_braking_tick(struct mu_braking *self, uint64_t now) {
    if (self->active && self->engaged != self->brake->engaged) {
        say(self);
    }
    enum told want = self->brake->engaged ? ENGAGED : RELEASED;
    if (!self->active || self->pending || now < self->next_at ||
        (want == RELEASED && self->told == RELEASED)) {
        return;
    }
    char silent[24];
    char instances[24];
    snprintf(silent, sizeof silent, "%" PRIu64, self->brake->silent);
    snprintf(instances, sizeof instances, "%" PRIu64, mu_brake_largest(self->brake));
    const char *engaged[] = {"engaged", silent, instances};
    const char *released[] = {"released", self->reason};
    self->pending = mu_fence_write(self->fence, "brake", want == ENGAGED ? 3 : 2,
                                   want == ENGAGED ? engaged : released, on_answer, self,
                                   (struct mu_note){&want, sizeof want});
    self->next_at = now + RETRY_MS;
}

bool mu_braking_lags(const struct mu_braking *self) {
    return self->active && !self->brake->engaged && self->told == ENGAGED;
}
