#include "coordinator/sweeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "coordinator/pace.h"
#include "coordinator/reply.h"

#define EVERY_MS 5000
#define RETRY_MS 250
#define BUDGET_START 32
#define BUDGET_MAX 512
#define TARGET_US 1000
#define UNDECIDED_MAX 4096
#define CURSOR_SIZE 24

struct undecided {
    char session[MU_ID_SIZE];
    uint64_t rank;
    struct undecided *next;
};

struct mu_sweeper {
    struct mu_fence *fence;
    struct mu_log *log;
    bool active;
    bool pending;
    bool running; /* a sweep is under way, at `cursor` */
    bool wanted;  /* another whole one */
    char cursor[CURSOR_SIZE];
    uint64_t next_at; /* the next one of its own accord */
    uint64_t retry_at;
    uint64_t elected; /* in this sweep */
    struct undecided *first;
    struct undecided **last;
    size_t undecided;
    struct mu_pace pace;
};

struct mu_sweeper *mu_sweeper_create(struct mu_fence *fence, struct mu_log *log) {
    struct mu_sweeper *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->log = log;
    self->last = &self->first;
    mu_pace_init(&self->pace, TARGET_US, 1, BUDGET_START, BUDGET_MAX);
    return self;
}

static void pop(struct mu_sweeper *self) {
    struct undecided *item = self->first;
    self->first = item->next;
    if (self->first == NULL) {
        self->last = &self->first;
    }
    self->undecided--;
    free(item);
}

void mu_sweeper_start(struct mu_sweeper *self) {
    self->active = true;
    self->wanted = true;
    self->retry_at = 0;
}

void mu_sweeper_stop(struct mu_sweeper *self) {
    while (self->first != NULL) {
        pop(self);
    }
    self->active = false;
    self->pending = false;
    self->running = false;
    self->wanted = false;
}

void mu_sweeper_destroy(struct mu_sweeper **sweeper) {
    if (*sweeper == NULL) {
        return;
    }
    mu_sweeper_stop(*sweeper);
    free(*sweeper);
    *sweeper = NULL;
}

void mu_sweeper_sweep(struct mu_sweeper *self) {
    self->wanted = self->active;
}

void mu_sweeper_continue(struct mu_sweeper *self, const char *session, uint64_t rank) {
    if (!self->active || self->undecided >= UNDECIDED_MAX ||
        !mu_id_valid(session, strlen(session))) {
        return;
    }
    struct undecided *item = mu_calloc(1, sizeof *item);
    snprintf(item->session, sizeof item->session, "%s", session);
    item->rank = rank;
    *self->last = item;
    self->last = &item->next;
    self->undecided++;
}

static void take_undecided(void *context, const char *session, uint64_t rank) {
    mu_sweeper_continue(context, session, rank);
}

static void end_sweep(struct mu_sweeper *self, uint64_t left) {
    self->running = false;
    self->next_at = mu_clock_boottime_ms() + EVERY_MS;
    if (self->elected > 0) {
        MU_LOG(self->log, MU_LOG_INFO, "leaderless.swept", MU_INT("elected", self->elected),
               MU_INT("left", left));
    }
}

static void on_swept(void *context, const void *note, const struct mu_answer *answer,
                     uint64_t took_us) {
    struct mu_sweeper *self = context;
    const bool *single = note;
    self->pending = false;
    json_t *object = mu_reply_object(answer);
    if (object == NULL) {
        MU_LOG(self->log, MU_LOG_WARN, "sweep.failed",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        self->retry_at = mu_clock_boottime_ms() + RETRY_MS;
        if (*single && self->first != NULL) {
            pop(self); /* it must not stand in the way of the others */
        } else {
            snprintf(self->cursor, sizeof self->cursor, "0");
        }
        return;
    }
    self->elected += mu_reply_number(object, "elected");
    mu_fence_tally(self->fence)->leaders_swept += mu_reply_number(object, "elected");
    if (*single) {
        pop(self);
    } else {
        const char *cursor = mu_reply_text(object, "cursor");
        mu_pace_measured(&self->pace, (unsigned)mu_reply_number(object, "looked"), took_us);
        snprintf(self->cursor, sizeof self->cursor, "%s", cursor == NULL ? "0" : cursor);
        if (strcmp(self->cursor, "0") == 0) {
            end_sweep(self, mu_reply_number(object, "left"));
        }
    }
    mu_reply_undecided(object, take_undecided, self);
    json_decref(object);
    mu_sweeper_tick(self, mu_clock_boottime_ms());
}

static void continue_one(struct mu_sweeper *self) {
    const bool single = true;
    char rank[24];
    snprintf(rank, sizeof rank, "%" PRIu64, self->first->rank);
    const char *arguments[] = {"-", "1", self->first->session, rank};
    self->pending = mu_fence_write(self->fence, "sweep", 4, arguments, on_swept, self,
                                   (struct mu_note){&single, sizeof single});
}

static void next_slice(struct mu_sweeper *self) {
    const bool single = false;
    char budget[16];
    snprintf(budget, sizeof budget, "%u", self->pace.budget);
    const char *arguments[] = {self->cursor, budget};
    self->pending = mu_fence_write_timed(self->fence, "sweep", 2, arguments, on_swept, self,
                                         (struct mu_note){&single, sizeof single});
}

void mu_sweeper_tick(struct mu_sweeper *self, uint64_t now) {
    if (!self->active || self->pending || now < self->retry_at) {
        return;
    }
    if (self->first != NULL) {
        continue_one(self);
        return;
    }
    if (!self->running && (self->wanted || now >= self->next_at)) {
        self->running = true;
        self->wanted = false;
        self->elected = 0;
        snprintf(self->cursor, sizeof self->cursor, "0");
    }
    if (self->running) {
        next_slice(self);
    }
}
