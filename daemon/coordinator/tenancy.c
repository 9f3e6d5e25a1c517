#include "coordinator/tenancy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "coordinator/reply.h"
#include "registry/call.h"

#define LIBRARY_MISSING_MS 2000 /* between two complaints that the library is gone */

struct mu_tenancy {
    struct mu_tenancy_options options;
    struct mu_lease lease;
    char *advertise;                  /* owned */
    char run[MU_ID_SIZE];             /* of the server */
    char holder[MU_LEASE_VALUE_SIZE]; /* id, nonce and epoch that were logged last */
    enum muster_status complaint;     /* of the last answer; for saying it once */
    uint64_t missing_at;
};

/* One thing under way; its answer carries the ticket back. */
struct attempt {
    struct mu_tenancy *tenancy;
    uint64_t ticket;
    uint64_t sent_us;
};

struct mu_tenancy *mu_tenancy_create(const struct mu_tenancy_options *options) {
    struct mu_tenancy *self = mu_calloc(1, sizeof *self);
    char nonce[MU_RANDOM_ID_SIZE];
    self->options = *options;
    mu_random_id(nonce);
    mu_lease_init(&self->lease, nonce, options->config->coordinator.lease_ms,
                  options->config->coordinator.renew_ms);
    self->advertise = mu_config_advertised(options->config);
    return self;
}

void mu_tenancy_destroy(struct mu_tenancy **tenancy) {
    if (*tenancy == NULL) {
        return;
    }
    free((*tenancy)->advertise);
    free(*tenancy);
    *tenancy = NULL;
}

const struct mu_lease *mu_tenancy_lease(const struct mu_tenancy *self) {
    return &self->lease;
}

bool mu_tenancy_held(const struct mu_tenancy *self) {
    return mu_lease_may_act(&self->lease, mu_clock_boottime_ms());
}

bool mu_tenancy_over(const struct mu_tenancy *self) {
    return self->lease.state == MU_LEASE_OVER;
}

/* ---- sending ---- */

static void step(struct mu_tenancy *self, const struct mu_lease_event *event);
static void on_acquire(void *context, const struct mu_answer *answer);
static void on_renew(void *context, const struct mu_answer *answer);
static void on_release(void *context, const struct mu_answer *answer);

static bool call(struct mu_tenancy *self, uint64_t ticket, const char *operation, size_t count,
                 const char *const *arguments, mu_answer_cb callback) {
    struct attempt *attempt = mu_calloc(1, sizeof *attempt);
    attempt->tenancy = self;
    attempt->ticket = ticket;
    attempt->sent_us = mu_clock_monotonic_us();
    if (mu_call_now(self->options.link, self->options.config->name_space, operation, count,
                    arguments, callback, attempt) != MUSTER_OK) {
        free(attempt);
        return false;
    }
    return true;
}

static void perform(struct mu_tenancy *self, const struct mu_lease_actions *actions) {
    const char *nonce = self->lease.nonce;
    char epoch[24];
    char ttl[24];
    char floor[24];
    bool sent = true;
    snprintf(epoch, sizeof epoch, "%" PRIu64, self->lease.epoch);
    snprintf(ttl, sizeof ttl, "%" PRIu64, self->lease.ttl_ms);
    snprintf(floor, sizeof floor, "%" PRIu64, actions->floor);
    if (actions->send == MU_LEASE_SEND_ACQUIRE) {
        const char *arguments[] = {self->options.config->coordinator.id,
                                   nonce,
                                   ttl,
                                   floor,
                                   self->advertise,
                                   actions->expected == NULL ? "" : actions->expected,
                                   self->run};
        if (actions->expected != NULL) {
            MU_LOG(self->options.log, MU_LOG_WARN, "lease.taking_over",
                   MU_STR("holder", actions->expected),
                   MU_STR("reason", "it was not renewed for two ttls of our clock"));
        }
        sent = call(self, actions->ticket, "acquire", 7, arguments, on_acquire);
    } else if (actions->send == MU_LEASE_SEND_RENEW) {
        sent = call(self, actions->ticket, "renew", 3, (const char *const[]){epoch, nonce, ttl},
                    on_renew);
    } else if (actions->send == MU_LEASE_SEND_RELEASE) {
        sent = call(self, actions->ticket, "release", 2, (const char *const[]){epoch, nonce},
                    on_release);
    }
    if (!sent) {
        step(self, &(struct mu_lease_event){.kind = MU_LEASE_FAILED, .ticket = actions->ticket});
    }
}

static void step(struct mu_tenancy *self, const struct mu_lease_event *event) {
    struct mu_lease_actions actions;
    mu_lease_step(&self->lease, mu_clock_boottime_ms(), event, &actions);
    if (actions.change == MU_LEASE_WON) {
        self->holder[0] = '\0';
        self->options.tally->lease_acquired++;
        MU_LOG(self->options.log, MU_LOG_INFO, "lease.acquired",
               MU_STR("id", self->options.config->coordinator.id),
               MU_INT("epoch", self->lease.epoch));
    } else if (actions.change == MU_LEASE_LOST) {
        self->options.tally->lease_lost += self->lease.stopping ? 0 : 1;
        bool given = self->lease.state == MU_LEASE_RELEASING;
        MU_LOG(self->options.log, given ? MU_LOG_INFO : MU_LOG_WARN,
               given ? "lease.releasing" : "lease.lost", MU_INT("epoch", self->lease.epoch),
               MU_STR("reason", actions.reason));
    }
    perform(self, &actions);
    if (actions.change != MU_LEASE_SAME) {
        self->options.on_change(self->options.context);
    }
}

static void step_plain(struct mu_tenancy *self, enum mu_lease_event_kind kind, uint64_t ticket) {
    step(self, &(struct mu_lease_event){.kind = kind, .ticket = ticket});
}

/* ---- answers ---- */

static struct mu_tenancy *take(void *context, uint64_t *ticket) {
    struct attempt *attempt = context;
    struct mu_tenancy *self = attempt->tenancy;
    *ticket = attempt->ticket;
    free(attempt);
    return self;
}

/* An answer that is of no use. Said once, until another kind of answer came. */
static void failed(struct mu_tenancy *self, const char *operation, const struct mu_answer *answer,
                   uint64_t ticket) {
    enum muster_status status = answer->status == MUSTER_OK ? MUSTER_INTERNAL : answer->status;
    if (self->complaint != status) {
        self->complaint = status;
        MU_LOG(self->options.log, MU_LOG_WARN, "lease.unanswered", MU_STR("operation", operation),
               MU_STR("code", muster_status_code(status)), MU_STR("message", answer->message));
    }
    if (status == MUSTER_UNAVAILABLE) {
        mu_tenancy_unavailable(self, answer->message);
    }
    step_plain(self, MU_LEASE_FAILED, ticket);
}

static void saw_time(struct mu_tenancy *self, const json_t *object) {
    self->complaint = MUSTER_OK;
    mu_redis_time_saw(self->options.time, mu_reply_number(object, "now"), mu_clock_boottime_ms());
}

static void log_holder(struct mu_tenancy *self, const char *holder) {
    char known[MU_LEASE_VALUE_SIZE];
    snprintf(known, sizeof known, "%s", holder);
    char *slash = known;
    for (int i = 0; i < 3 && slash != NULL; i++) {
        slash = strchr(slash + (i == 0 ? 0 : 1), '/');
    }
    if (slash != NULL) {
        *slash = '\0'; /* without the renewals, which change all the time */
    }
    if (strcmp(known, self->holder) != 0) {
        memcpy(self->holder, known, sizeof self->holder);
        MU_LOG(self->options.log, MU_LOG_INFO, "lease.standby", MU_STR("holder", known));
    }
}

static void on_acquire(void *context, const struct mu_answer *answer) {
    uint64_t ticket = 0;
    struct mu_tenancy *self = take(context, &ticket);
    json_t *object = mu_reply_object(answer);
    struct mu_lease_event event = {.ticket = ticket};
    if (object == NULL) {
        failed(self, "acquire", answer, ticket);
        return;
    }
    saw_time(self, object);
    if (mu_reply_true(object, "acquired")) {
        event.kind = MU_LEASE_ACQUIRED;
        event.epoch = mu_reply_number(object, "epoch");
    } else {
        event.kind = MU_LEASE_BUSY;
        event.holder = mu_reply_text(object, "holder");
        event.ttl_ms = mu_reply_number(object, "ttl");
        if (event.ttl_ms == 0) {
            event.ttl_ms = self->lease.renew_ms; /* a key without expiry: it will not go soon */
        }
        log_holder(self, event.holder == NULL ? "" : event.holder);
    }
    step(self, &event);
    json_decref(object);
}

static void on_renew(void *context, const struct mu_answer *answer) {
    uint64_t ticket = 0;
    uint64_t sent_us = ((const struct attempt *)context)->sent_us;
    struct mu_tenancy *self = take(context, &ticket);
    struct mu_tally *tally = self->options.tally;
    mu_histogram_add(&tally->renewal, MU_HISTOGRAM_TIME, mu_clock_monotonic_us() - sent_us);
    if (answer->status == MUSTER_STALE_EPOCH) {
        tally->lease_unrenewed++;
        self->complaint = MUSTER_OK;
        step_plain(self, MU_LEASE_STALE, ticket);
        return;
    }
    json_t *object = mu_reply_object(answer);
    if (object == NULL) {
        tally->lease_unrenewed++;
        failed(self, "renew", answer, ticket);
        return;
    }
    tally->lease_renewed++;
    saw_time(self, object);
    bool confirmed = mu_reply_true(object, "confirmed");
    json_decref(object);
    step_plain(self, MU_LEASE_RENEWED, ticket);
    if (!confirmed) {
        self->options.on_unconfirmed(self->options.context);
    }
}

static void on_release(void *context, const struct mu_answer *answer) {
    uint64_t ticket = 0;
    struct mu_tenancy *self = take(context, &ticket);
    if (answer->status == MUSTER_OK) {
        MU_LOG(self->options.log, MU_LOG_INFO, "lease.released",
               MU_INT("epoch", self->lease.epoch));
        step_plain(self, MU_LEASE_RELEASED, ticket);
    } else {
        failed(self, "release", answer, ticket);
    }
}

/* ---- events ---- */

void mu_tenancy_tick(struct mu_tenancy *self) {
    step_plain(self, MU_LEASE_TICK, 0);
}

void mu_tenancy_link(struct mu_tenancy *self, const char *run) {
    bool up = run != NULL;
    snprintf(self->run, sizeof self->run, "%s", up ? run : "");
    step_plain(self, up ? MU_LEASE_LINK_UP : MU_LEASE_LINK_DOWN, 0);
}

void mu_tenancy_hint(struct mu_tenancy *self) {
    step_plain(self, MU_LEASE_HINT, 0);
}

void mu_tenancy_seen(struct mu_tenancy *self, uint64_t epoch) {
    step(self, &(struct mu_lease_event){.kind = MU_LEASE_SEEN, .epoch = epoch});
}

void mu_tenancy_stale(struct mu_tenancy *self, const char *message) {
    MU_LOG(self->options.log, MU_LOG_WARN, "lease.stale", MU_STR("message", message));
    step_plain(self, MU_LEASE_STALE, 0);
}

void mu_tenancy_unavailable(struct mu_tenancy *self, const char *message) {
    uint64_t now = mu_clock_boottime_ms();
    if (message == NULL || strstr(message, "Function not found") == NULL ||
        now < self->missing_at) {
        return;
    }
    self->missing_at = now + LIBRARY_MISSING_MS;
    MU_LOG(self->options.log, MU_LOG_ERROR, "redis.library_gone", MU_STR("message", message));
    self->options.on_library_missing(self->options.context);
}

void mu_tenancy_step_down(struct mu_tenancy *self, uint64_t epoch) {
    step(self, &(struct mu_lease_event){.kind = MU_LEASE_STEP_DOWN, .epoch = epoch});
}

void mu_tenancy_stop(struct mu_tenancy *self) {
    step_plain(self, MU_LEASE_STOP, 0);
}
