#include "coordinator/deadlines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "coordinator/pace.h"
#include "coordinator/reply.h"

#define BUDGET_START 16
#define BUDGET_MAX 4096
#define TARGET_US 1000
#define EVERY_MS 500 /* a deadline that was set meanwhile is met late by as much, at most */
#define RETRY_MS 250

struct mu_deadlines {
    struct mu_fence *fence;
    struct mu_log *log;
    bool active;
    bool pending;     /* a slice is under way */
    uint64_t next_at; /* boottime ms */
    struct mu_pace pace;
};

struct mu_deadlines *mu_deadlines_create(struct mu_fence *fence, struct mu_log *log) {
    struct mu_deadlines *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->log = log;
    mu_pace_init(&self->pace, TARGET_US, 1, BUDGET_START, BUDGET_MAX);
    return self;
}

void mu_deadlines_destroy(struct mu_deadlines **deadlines) {
    free(*deadlines);
    *deadlines = NULL;
}

void mu_deadlines_start(struct mu_deadlines *self) {
    self->active = true;
    self->next_at = 0;
}

void mu_deadlines_stop(struct mu_deadlines *self) {
    self->active = false;
    self->pending = false;
}

static void on_slice(struct mu_deadlines *self, const json_t *object, uint64_t took_us,
                     uint64_t now) {
    uint64_t expired = mu_reply_number(object, "expired");
    uint64_t dropped = mu_reply_number(object, "dropped");
    uint64_t damaged = mu_reply_number(object, "damaged");
    uint64_t removed = mu_reply_number(object, "removed");
    uint64_t wait = EVERY_MS;
    mu_fence_tally(self->fence)->expired_connections += expired;
    mu_fence_tally(self->fence)->expired_memberships += removed;
    mu_pace_measured(&self->pace, (unsigned)(expired + dropped + removed), took_us);
    if (expired > 0) {
        MU_LOG(self->log, MU_LOG_INFO, "connections.expired", MU_INT("connections", expired),
               MU_INT("memberships", removed));
    }
    if (damaged > 0) {
        MU_LOG(
            self->log, MU_LOG_ERROR, "deadlines.damaged", MU_INT("records", damaged),
            MU_STR("message", "what could be read of them is in quarantine: run musterctl fsck"));
    }
    if (mu_reply_number(object, "left") > 0) {
        /* A slice that came to nothing will not do better at once. */
        wait = expired + dropped + damaged > 0 ? 0 : RETRY_MS;
    } else if (json_is_integer(json_object_get(object, "next")) &&
               mu_reply_number(object, "next") < wait) {
        wait = mu_reply_number(object, "next");
    }
    self->next_at = now + wait;
}

static void on_expired(void *context, const void *note, const struct mu_answer *answer,
                       uint64_t took_us) {
    struct mu_deadlines *self = context;
    uint64_t now = mu_clock_boottime_ms();
    (void)note;
    self->pending = false;
    json_t *object = mu_reply_object(answer);
    if (object != NULL) {
        on_slice(self, object, took_us, now);
    } else {
        MU_LOG(self->log, MU_LOG_WARN, "expire.failed",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        self->next_at = now + RETRY_MS;
    }
    json_decref(object);
    mu_deadlines_tick(self, now);
}

void mu_deadlines_tick(struct mu_deadlines *self, uint64_t now) {
    if (!self->active || self->pending || now < self->next_at) {
        return;
    }
    char budget[16];
    snprintf(budget, sizeof budget, "%u", self->pace.budget);
    /* Not sent: with the next tick. */
    self->pending = mu_fence_write_timed(self->fence, "expire", 1, (const char *const[]){budget},
                                         on_expired, self, (struct mu_note){0});
}
