/* signals.c - what Redis tells by itself: key events, events, heartbeats, and the channel `signal`.
 * None is believed for more than a hint to look, but for heartbeats and lifelines, which the
 * detector weighs. */
#include "base/clock.h"
#include "coordinator/coordinator_internal.h"

static void on_evicted(struct mu_coordinator *self) {
    uint64_t now = mu_clock_boottime_ms();
    self->evicted++;
    self->tally.evicted++;
    mu_scrub_hint(self->scrub);
    if (now >= self->evicted_at) {
        MU_LOG(self->options.log, MU_LOG_ERROR, "data.evicted", MU_INT("keys", self->evicted),
               MU_STR("message", "Redis throws away keys of this namespace to save memory: data is "
                                 "lost; set maxmemory-policy to noeviction"));
        self->evicted = 0;
        self->evicted_at = now + 10000;
    }
}

static void eligible_again(struct mu_coordinator *self, const char *instance) {
    mu_detector_details_due(self->detector, instance);
    mu_poll_hint(self->poll);
    mu_sweeper_sweep(self->sweeper);
}

/* Now, not at the next tick: the sooner its leaderships move, the better. The answer to the poll
 * forms the verdict. */
static void on_lifeline(struct mu_coordinator *self, const struct mu_signal *signal) {
    bool cut = mu_detector_lifeline(self->detector, mu_clock_boottime_ms(), signal->instance,
                                    signal->incarnation, signal->quiet_ms, signal->daemon);
    MU_LOG(self->options.log, MU_LOG_DEBUG, cut ? "lifeline.cut" : "lifeline.passed_over",
           MU_STR("instance", signal->instance), MU_STR("incarnation", signal->incarnation),
           MU_STR("daemon", signal->daemon), MU_INT("quiet_ms", signal->quiet_ms));
    mu_poll_hint(self->poll);
    mu_coordinator_pump(self);
}

static void on_duty_signal(struct mu_coordinator *self, const struct mu_signal *signal) {
    switch (signal->kind) {
    case MU_SIGNAL_HEARTBEAT:
        self->tally.heartbeats++;
        mu_beats_heard(self->beats, mu_clock_boottime_ms(), signal->instance, signal->incarnation);
        break;
    case MU_SIGNAL_STARTED:
        mu_detector_details_due(self->detector, signal->instance);
        mu_poll_hint(self->poll);
        mu_reaper_hint(self->reaper); /* an earlier incarnation may have been buried with it */
        break;
    case MU_SIGNAL_UP:
        self->tally.revived++;
        MU_LOG(self->options.log, MU_LOG_INFO, "instance.revived",
               MU_STR("instance", signal->instance), MU_STR("incarnation", signal->incarnation));
        eligible_again(self, signal->instance);
        break;
    case MU_SIGNAL_UNDRAINED:
        eligible_again(self, signal->instance);
        break;
    case MU_SIGNAL_DRAINING:
        mu_detector_details_due(self->detector, signal->instance);
        mu_poll_hint(self->poll);
        mu_leadership_move(self->leadership, signal->instance);
        mu_drainer_look(self->drainer, signal->instance);
        break;
    case MU_SIGNAL_GONE:
        mu_poll_hint(self->poll);
        mu_reaper_hint(self->reaper);
        break;
    case MU_SIGNAL_SUSPECT:
        mu_detector_details_due(self->detector, signal->instance);
        break;
    case MU_SIGNAL_LIFELINE:
        on_lifeline(self, signal);
        break;
    case MU_SIGNAL_BRAKE_RELEASE:
        mu_braking_release(self->braking, mu_clock_boottime_ms());
        mu_braking_tick(self->braking, mu_clock_boottime_ms());
        break;
    case MU_SIGNAL_REAP:
        mu_reaper_now(self->reaper);
        break;
    default:
        break;
    }
}

/* Every daemon's log says who gave an order: each of them may be the one that is looked at. */
static void say_order(const struct mu_coordinator *self, const struct mu_signal *signal) {
    MU_LOG(self->options.log, MU_LOG_WARN, "order.given", MU_STR("order", signal->order),
           MU_STR("by", signal->by), MU_STR("instance", signal->instance),
           MU_STR("incarnation", signal->incarnation));
}

void mu_coordinator_message(struct mu_coordinator *self, const char *pattern, const char *channel,
                            const char *payload, size_t length) {
    struct mu_signal signal;
    mu_watcher_read(self->options.config->name_space, pattern, channel, payload, length, &signal);
    if (signal.order[0] != '\0') {
        say_order(self, &signal);
    }
    if (signal.kind == MU_SIGNAL_LEASE_GONE) {
        mu_tenancy_hint(self->tenancy);
    } else if (signal.kind == MU_SIGNAL_ELECTED) {
        mu_tenancy_seen(self->tenancy, signal.epoch);
    } else if (signal.kind == MU_SIGNAL_FLUSH) {
        if (self->options.on_flush != NULL) {
            self->options.on_flush(self->options.context);
        }
    } else if (signal.kind == MU_SIGNAL_STEP_DOWN) {
        mu_tenancy_step_down(self->tenancy, signal.epoch);
    } else if (signal.kind == MU_SIGNAL_EVICTED) {
        on_evicted(self);
    } else if (signal.kind == MU_SIGNAL_LIBRARY) {
        mu_data_doubt(self->data);
        mu_coordinator_pump(self);
    } else if (self->on_duty) {
        on_duty_signal(self, &signal);
    }
}
