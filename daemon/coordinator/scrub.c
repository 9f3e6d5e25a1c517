#include "coordinator/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "coordinator/pace.h"
#include "registry/looks.h"

#define TARGET_US 1000
#define BUDGET_MIN 8
#define BUDGET_START 32
#define BUDGET_MAX 512
#define AGAIN_MS 1000
#define PATIENCE_MS 60000 /* longer than any failover is under way */
#define SUSPECTS_MAX 256
#define PAUSE_INTERVALS 100 /* between two passes */
#define LINES_MS 60000
#define LINES_MAX 10 /* in LINES_MS */

struct mu_scrub {
    struct mu_fence *fence;
    struct mu_log *log;
    uint64_t interval_ms;
    struct mu_looks *looks;
    struct mu_pace pace;
    bool started; /* between start and stop */
    bool active;  /* the same, and there is an interval */
    bool pending;
    bool stale;   /* the answer that is awaited is of a pass that was ended */
    bool pausing; /* between two passes */
    uint64_t next_at;
    struct mu_scrub_stats stats; /* without the present pass's `checked` and `skipped` */
    uint64_t lines_until;
    unsigned lines;
    uint64_t unsaid;
};

static void on_finding(void *context, const struct mu_looks_finding *finding) {
    struct mu_scrub *self = context;
    uint64_t now = mu_clock_boottime_ms();
    self->stats.findings[finding->info->invariant]++;
    if (now >= self->lines_until) {
        self->lines_until = now + LINES_MS;
        self->lines = 0;
    }
    if (self->lines >= LINES_MAX) {
        self->unsaid++;
        return;
    }
    self->lines++;
    MU_LOG(self->log, MU_LOG_ERROR, "scrub.finding",
           MU_INT("invariant", (uint64_t)finding->info->invariant),
           MU_STR("code", finding->info->code), MU_STR("key", finding->key),
           MU_STR("what", finding->what), MU_INT("unsaid", self->unsaid));
    self->unsaid = 0;
}

struct mu_scrub *mu_scrub_create(struct mu_fence *fence, struct mu_log *log, uint64_t interval_ms) {
    struct mu_scrub *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->log = log;
    self->interval_ms = interval_ms;
    self->looks = mu_looks_create(&(struct mu_looks_options){
        .again_ms = AGAIN_MS,
        .patience_ms = PATIENCE_MS,
        .suspects_max = SUSPECTS_MAX,
        .context = self,
        .on_finding = on_finding,
    });
    mu_pace_init(&self->pace, TARGET_US, BUDGET_MIN, BUDGET_START, BUDGET_MAX);
    return self;
}

void mu_scrub_destroy(struct mu_scrub **scrub) {
    if (*scrub == NULL) {
        return;
    }
    mu_looks_destroy(&(*scrub)->looks);
    free(*scrub);
    *scrub = NULL;
}

/* The counts of the pass that ends here, finished or not. */
static void close_pass(struct mu_scrub *self) {
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        self->stats.checked[i] += mu_looks_checked(self->looks, i);
    }
    self->stats.skipped += mu_looks_skipped(self->looks);
    mu_looks_begin(self->looks);
}

void mu_scrub_start(struct mu_scrub *self) {
    mu_looks_begin(self->looks);
    self->started = true;
    self->active = self->interval_ms > 0;
    self->pausing = false;
    self->next_at = mu_clock_boottime_ms() + self->interval_ms;
}

void mu_scrub_stop(struct mu_scrub *self) {
    if (self->active) {
        close_pass(self);
    }
    self->started = false;
    self->active = false;
    self->pending = false;
    self->stale = false;
}

void mu_scrub_set_interval(struct mu_scrub *self, uint64_t now, uint64_t interval_ms) {
    uint64_t before = self->interval_ms;
    uint64_t next_at = now + (self->pausing ? PAUSE_INTERVALS : 1) * interval_ms;
    self->interval_ms = interval_ms;
    if (!self->started) {
        return;
    }
    if (interval_ms == 0 && self->active) {
        close_pass(self);
        self->stale = self->pending;
    }
    self->active = interval_ms > 0;
    self->next_at = before == 0 || next_at < self->next_at ? next_at : self->next_at;
}

void mu_scrub_hint(struct mu_scrub *self) {
    if (self->pausing) {
        self->pausing = false;
        self->next_at = 0;
    }
}

static void on_looked(void *context, const void *note, const struct mu_answer *answer,
                      uint64_t took_us) {
    struct mu_scrub *self = context;
    uint64_t now = mu_clock_boottime_ms();
    (void)note;
    self->pending = false;
    if (self->stale) {
        self->stale = false;
        return;
    }
    self->next_at = now + self->interval_ms;
    if (answer->status != MUSTER_OK) {
        MU_LOG(self->log, MU_LOG_WARN, "scrub.failed",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        mu_looks_skip(self->looks);
    } else if (!mu_looks_take(self->looks, now, answer->json, answer->length)) {
        MU_LOG(self->log, MU_LOG_WARN, "scrub.failed",
               MU_STR("message", "the answer has another shape"));
    } else {
        mu_pace_measured(&self->pace, mu_looks_looked(self->looks), took_us);
    }
}

static void look(struct mu_scrub *self, const struct mu_looks_question *question) {
    char budget[16];
    if (strcmp(question->kind, MU_LOOKS_RECOUNT) == 0) {
        mu_looks_leave(self->looks);
        return;
    }
    snprintf(budget, sizeof budget, "%u", self->pace.budget);
    const char *arguments[] = {question->kind, question->name, question->cursor, budget};
    self->pending = mu_fence_write_timed(self->fence, "look", 4, arguments, on_looked, self,
                                         (struct mu_note){0});
    if (self->pending) {
        self->stats.looks++;
    } else {
        mu_looks_put_back(self->looks);
    }
}

void mu_scrub_tick(struct mu_scrub *self, uint64_t now) {
    struct mu_looks_question question;
    if (!self->active || self->pending || now < self->next_at) {
        return;
    }
    self->pausing = false;
    switch (mu_looks_next(self->looks, now, &question, &self->next_at)) {
    case MU_LOOKS_ASK:
        look(self, &question);
        break;
    case MU_LOOKS_WAIT:
        break;
    case MU_LOOKS_DONE:
        self->stats.passes++;
        MU_LOG(self->log, MU_LOG_DEBUG, "scrub.pass", MU_INT("passes", self->stats.passes),
               MU_INT("sessions", mu_looks_checked(self->looks, 1)),
               MU_INT("memberships", mu_looks_checked(self->looks, 3)),
               MU_INT("skipped", mu_looks_skipped(self->looks)));
        close_pass(self);
        self->pausing = true;
        self->next_at = now + PAUSE_INTERVALS * self->interval_ms;
        break;
    }
}

void mu_scrub_stats(const struct mu_scrub *self, struct mu_scrub_stats *stats) {
    *stats = self->stats;
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        stats->checked[i] += mu_looks_checked(self->looks, i);
    }
    stats->skipped += mu_looks_skipped(self->looks);
}
