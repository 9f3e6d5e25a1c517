#include "coordinator/coordinator.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "coordinator/coordinator_internal.h"

#define TICK_MS 20
#define LATE_MS 1000 /* a loop that was late by more than that has been blind */
#define STOP_MS 1000
#define BLIND_MS 10000 /* so long without sight is said aloud, and again every so often */

/* ---- beginning and ending ---- */

static void tell_duty(struct mu_coordinator *self) {
    if (self->options.on_duty != NULL) {
        self->options.on_duty(self->options.context, self->on_duty);
    }
}

static void begin_duty(struct mu_coordinator *self) {
    assert(!self->on_duty);
    self->on_duty = true;
    mu_detector_reset(self->detector, mu_clock_boottime_ms());
    mu_braking_start(self->braking);
    mu_poll_start(self->poll, !self->server.cluster);
    mu_sweeper_start(self->sweeper);
    mu_scrub_start(self->scrub);
    mu_reaper_start(self->reaper);
    mu_deadlines_start(self->deadlines);
    mu_census_start(self->census);
    tell_duty(self);
}

static void end_duty(struct mu_coordinator *self) {
    if (!self->on_duty) {
        return;
    }
    self->on_duty = false;
    mu_braking_stop(self->braking);
    mu_poll_stop(self->poll);
    mu_beats_stop(self->beats);
    mu_leadership_stop(self->leadership);
    mu_drainer_stop(self->drainer);
    mu_sweeper_stop(self->sweeper);
    mu_scrub_stop(self->scrub);
    mu_reaper_stop(self->reaper);
    mu_deadlines_stop(self->deadlines);
    mu_census_stop(self->census);
    mu_detector_clear(self->detector);
    mu_fence_drop(self->fence); /* the tenure may go on: they no longer wait for anything */
    tell_duty(self);
}

/* Brings tenure and duty in line with lease, link and data. */
static void settle(struct mu_coordinator *self) {
    bool tenure = self->link_up && mu_tenancy_held(self->tenancy);
    if (!tenure && mu_fence_active(self->fence)) {
        end_duty(self);
        mu_data_stop(self->data);
        mu_fence_end(self->fence);
    } else if (tenure && !mu_fence_active(self->fence)) {
        uint64_t epoch = mu_tenancy_lease(self->tenancy)->epoch;
        mu_fence_begin(self->fence, epoch);
        mu_data_start(self->data, epoch, self->server.run);
    }
    bool duty = mu_fence_active(self->fence) && mu_data_confirmed(self->data);
    if (duty && !self->on_duty) {
        begin_duty(self);
    } else if (!duty) {
        end_duty(self);
    }
}

/* Blind, nobody is suspected or buried: that must not go unnoticed. */
static void look(struct mu_coordinator *self, uint64_t now) {
    bool seeing = self->subscriber_up && !mu_poll_late(self->poll, now);
    mu_detector_sight(self->detector, now, seeing);
    if (seeing) {
        self->tally.views_reset += self->blind_since != 0 ? 1 : 0;
        self->blind_since = 0;
    } else if (self->blind_since == 0) {
        self->blind_since = now;
    } else if (now - self->blind_since >= BLIND_MS) {
        self->blind_since = now;
        MU_LOG(self->options.log, MU_LOG_ERROR, "detector.blind",
               MU_STR("message", self->subscriber_up
                                     ? "Redis does not answer; no instance is suspected or buried"
                                     : "there are no subscriptions to hear heartbeats by; no "
                                       "instance is suspected or buried"));
    }
}

void mu_coordinator_pump(struct mu_coordinator *self) {
    uint64_t now = mu_clock_boottime_ms();
    settle(self);
    if (mu_fence_active(self->fence)) {
        mu_data_tick(self->data, now);
    }
    if (!self->on_duty) {
        return;
    }
    look(self, now);
    mu_poll_tick(self->poll, now);
    mu_beats_tick(self->beats);
    mu_verdicts_tick(self->verdicts, now);
    mu_braking_tick(self->braking, now);
    mu_leadership_tick(self->leadership, now);
    mu_drainer_tick(self->drainer, now);
    mu_sweeper_tick(self->sweeper, now);
    mu_scrub_tick(self->scrub, now);
    mu_reaper_tick(self->reaper, now);
    mu_deadlines_tick(self->deadlines, now);
    mu_census_tick(self->census, now);
}

/* ---- what the parts tell ---- */

static void on_tenancy(void *context) {
    struct mu_coordinator *self = context;
    settle(self); /* at once: a lost lease ends everything in this turn */
}

static void on_unconfirmed(void *context) {
    struct mu_coordinator *self = context;
    mu_data_doubt(self->data);
    settle(self);
}

static void on_library_missing(void *context) {
    struct mu_coordinator *self = context;
    if (self->options.on_library_missing != NULL) {
        self->options.on_library_missing(self->options.context);
    }
}

static void on_stale(void *context, const char *message) {
    struct mu_coordinator *self = context;
    mu_tenancy_stale(self->tenancy, message);
}

static void on_unavailable(void *context, const char *message) {
    struct mu_coordinator *self = context;
    mu_tenancy_unavailable(self->tenancy, message);
    on_unconfirmed(self);
}

static void on_confirmed(void *context) {
    struct mu_coordinator *self = context;
    self->told_heartbeat_ms = self->options.config->detector.heartbeat_ms;
    mu_coordinator_pump(self);
}

static void on_polled(void *context, uint64_t sent_at, bool regular) {
    struct mu_coordinator *self = context;
    mu_beats_polled(self->beats, sent_at, regular);
    if (regular) {
        mu_leadership_survey(self->leadership);
        mu_drainer_survey(self->drainer);
    }
    mu_coordinator_pump(self);
}

static void on_probed(void *context) {
    mu_coordinator_pump(context);
}

static void poll_soon(void *context) {
    struct mu_coordinator *self = context;
    mu_poll_hint(self->poll);
}

static void on_eligible(void *context) {
    struct mu_coordinator *self = context;
    mu_sweeper_sweep(self->sweeper);
}

static void on_leads(void *context, const char *owner, uint64_t leads) {
    struct mu_coordinator *self = context;
    (void)leads;
    mu_leadership_move(self->leadership, owner);
}

static void on_ghost(void *context) {
    struct mu_coordinator *self = context;
    mu_reaper_hint(self->reaper);
}

static void on_ghost_seen(void *context, const char *ghost) {
    struct mu_coordinator *self = context;
    mu_leadership_look(self->leadership, ghost);
}

static void on_undecided(void *context, const char *session, uint64_t rank) {
    struct mu_coordinator *self = context;
    mu_sweeper_continue(self->sweeper, session, rank);
}

/* ---- what the owner tells ---- */

void mu_coordinator_link_up(struct mu_coordinator *self, const struct mu_prepared *prepared) {
    self->server = *prepared;
    self->link_up = true;
    mu_tenancy_link(self->tenancy, self->server.run);
    mu_coordinator_pump(self);
}

void mu_coordinator_link_down(struct mu_coordinator *self) {
    self->link_up = false;
    mu_tenancy_link(self->tenancy, NULL);
    settle(self);
}

void mu_coordinator_subscriber_up(struct mu_coordinator *self) {
    self->subscriber_up = true;
    if (self->on_duty) {
        mu_poll_hint(self->poll);
        mu_reaper_hint(self->reaper);
    }
    mu_coordinator_pump(self);
}

void mu_coordinator_subscriber_down(struct mu_coordinator *self) {
    self->subscriber_up = false;
    mu_coordinator_pump(self);
}

uint64_t mu_coordinator_redis_ms(const struct mu_coordinator *self) {
    return mu_redis_time_highest(&self->time, mu_clock_boottime_ms());
}

/* ---- time ---- */

static void check_stopped(struct mu_coordinator *self, uint64_t now) {
    if (self->stop_by == 0 || (!mu_tenancy_over(self->tenancy) && now < self->stop_by)) {
        return;
    }
    void (*stopped)(void *context) = self->stopped;
    self->stop_by = 0;
    uv_timer_stop(&self->timer);
    stopped(self->stopped_context);
}

static void on_tick(uv_timer_t *timer) {
    struct mu_coordinator *self = timer->data;
    uint64_t now = mu_clock_boottime_ms();
    uint64_t late = now - self->ticked_at;
    self->ticked_at = now;
    mu_histogram_add(&self->tally.loop_late, MU_HISTOGRAM_TIME,
                     late > TICK_MS ? (late - TICK_MS) * 1000 : 0);
    if (late > TICK_MS + self->longest_late) {
        self->longest_late = late - TICK_MS;
    }
    if (late > TICK_MS + LATE_MS) {
        MU_LOG(self->options.log, MU_LOG_WARN, "loop.late", MU_INT("ms", late));
        self->tally.views_reset++;
        mu_detector_reset(self->detector, now);
    }
    mu_tenancy_tick(self->tenancy);
    mu_coordinator_pump(self);
    check_stopped(self, now);
}

/* ---- life ---- */

static void create_duty(struct mu_coordinator *self) {
    const struct mu_config *config = self->options.config;
    struct mu_log *log = self->options.log;
    self->detector =
        mu_detector_create(config->detector.suspect_after_ms, config->detector.dead_after_ms);
    self->poll = mu_poll_create(&(struct mu_poll_options){
        .fence = self->fence,
        .detector = self->detector,
        .log = log,
        .interval_ms = config->detector.heartbeat_ms,
        .probe_ms = config->detector.probe_ms,
        .context = self,
        .on_polled = on_polled,
        .on_probed = on_probed,
    });
    self->beats = mu_beats_create(&(struct mu_beats_options){
        .fence = self->fence,
        .detector = self->detector,
        .log = log,
        .context = self,
        .on_up = on_eligible,
        .on_odd = poll_soon,
    });
    struct mu_brake_options brake = mu_coordinator_brake_options(config);
    mu_brake_init(&self->brake, &brake);
    self->braking = mu_braking_create(self->fence, &self->brake, log);
    self->verdicts = mu_verdicts_create(&(struct mu_verdicts_options){
        .id = config->coordinator.id,
        .fence = self->fence,
        .detector = self->detector,
        .brake = &self->brake,
        .braking = self->braking,
        .log = log,
        .context = self,
        .on_leads = on_leads,
        .on_ghost = on_ghost,
        .on_moved = poll_soon,
    });
    self->leadership = mu_leadership_create(&(struct mu_leadership_options){
        .fence = self->fence,
        .detector = self->detector,
        .log = log,
        .context = self,
        .on_undecided = on_undecided,
    });
    self->drainer = mu_drainer_create(self->fence, self->detector, log);
    self->sweeper = mu_sweeper_create(self->fence, log);
    self->scrub = mu_scrub_create(self->fence, log, config->scrub.interval_ms);
    self->reaper = mu_reaper_create(&(struct mu_reaper_options){
        .fence = self->fence,
        .log = log,
        .interval_ms = config->detector.heartbeat_ms,
        .context = self,
        .on_seen = on_ghost_seen,
    });
    self->deadlines = mu_deadlines_create(self->fence, log);
    self->census = mu_census_create(self->fence, self->detector);
}

struct mu_coordinator *mu_coordinator_create(uv_loop_t *loop,
                                             const struct mu_coordinator_options *options) {
    struct mu_coordinator *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->tenancy = mu_tenancy_create(&(struct mu_tenancy_options){
        .config = options->config,
        .link = options->link,
        .time = &self->time,
        .tally = &self->tally,
        .log = options->log,
        .context = self,
        .on_change = on_tenancy,
        .on_unconfirmed = on_unconfirmed,
        .on_library_missing = on_library_missing,
    });
    self->fence = mu_fence_create(&(struct mu_fence_options){
        .link = options->link,
        .name_space = options->config->name_space,
        .lease = mu_tenancy_lease(self->tenancy),
        .time = &self->time,
        .tally = &self->tally,
        .context = self,
        .on_stale = on_stale,
        .on_unavailable = on_unavailable,
    });
    self->data = mu_data_create(&(struct mu_data_options){
        .fence = self->fence,
        .config = options->config,
        .time = &self->time,
        .log = options->log,
        .context = self,
        .on_confirmed = on_confirmed,
        .on_rewritten = mu_coordinator_rewritten,
    });
    self->told_heartbeat_ms = options->config->detector.heartbeat_ms;
    create_duty(self);
    mu_watcher_subscribe(options->subscriber, options->config->name_space, options->database);
    self->ticked_at = mu_clock_boottime_ms();
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    uv_timer_start(&self->timer, on_tick, TICK_MS, TICK_MS);
    return self;
}

void mu_coordinator_stop(struct mu_coordinator *self, void (*stopped)(void *context),
                         void *context) {
    assert(self->stopped == NULL);
    self->stopped = stopped;
    self->stopped_context = context;
    self->stop_by = mu_clock_boottime_ms() + STOP_MS;
    MU_LOG(self->options.log, MU_LOG_INFO, "loop.longest_late", MU_INT("ms", self->longest_late));
    mu_tenancy_stop(self->tenancy);
}

static void on_closed(uv_handle_t *handle) {
    struct mu_coordinator *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    mu_census_destroy(&self->census);
    mu_deadlines_destroy(&self->deadlines);
    mu_reaper_destroy(&self->reaper);
    mu_scrub_destroy(&self->scrub);
    mu_sweeper_destroy(&self->sweeper);
    mu_drainer_destroy(&self->drainer);
    mu_leadership_destroy(&self->leadership);
    mu_verdicts_destroy(&self->verdicts);
    mu_braking_destroy(&self->braking);
    mu_beats_destroy(&self->beats);
    mu_poll_destroy(&self->poll);
    mu_detector_destroy(&self->detector);
    mu_data_destroy(&self->data);
    mu_fence_destroy(&self->fence);
    mu_tenancy_destroy(&self->tenancy);
    free(self);
    if (closed != NULL) {
        closed(context);
    }
}

void mu_coordinator_close(struct mu_coordinator **coordinator, void (*closed)(void *context),
                          void *context) {
    struct mu_coordinator *self = *coordinator;
    *coordinator = NULL;
    if (self == NULL) {
        return;
    }
    self->closed = closed;
    self->closed_context = context;
    uv_timer_stop(&self->timer);
    uv_close((uv_handle_t *)&self->timer, on_closed);
}
