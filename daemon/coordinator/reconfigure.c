/* reconfigure.c - other values of the configuration, while the daemon runs.
 *
 * The happy path: whoever waits for a time is given the new one at once - on duty, the settings
 * that functions read are written to Redis again (data.h) - instances hear of another heartbeat
 * interval with their next heartbeat - shorter times of the detector count.
 *
 * Ways to fail: Redis refuses or does not answer: it is tried again. The tenure ends: who
 * coordinates next writes what it has itself.
 */
#include "base/clock.h"
#include "coordinator/coordinator_internal.h"

struct mu_brake_options mu_coordinator_brake_options(const struct mu_config *config) {
    return (struct mu_brake_options){
        .fraction = config->brake.fraction,
        .min_instances = config->brake.min_instances,
        .hold_ms = config->brake.hold_ms,
        .window_ms = config->brake.window_ms,
    };
}

/* Instances learn of another interval with their next heartbeat: shorter times of the detector wait
 * for two of the old ones, so that nobody is suspected who heartbeats as he was told. */
static void set_detector(struct mu_coordinator *self, uint64_t now) {
    const struct mu_config *config = self->options.config;
    mu_detector_set_times(self->detector, now, now + 2 * self->told_heartbeat_ms,
                          config->detector.suspect_after_ms, config->detector.dead_after_ms);
}

/* Now they can be told. */
void mu_coordinator_rewritten(void *context) {
    struct mu_coordinator *self = context;
    set_detector(self, mu_clock_boottime_ms());
    self->told_heartbeat_ms = self->options.config->detector.heartbeat_ms;
}

void mu_coordinator_reconfigure(struct mu_coordinator *self) {
    const struct mu_config *config = self->options.config;
    struct mu_brake_options brake = mu_coordinator_brake_options(config);
    uint64_t now = mu_clock_boottime_ms();
    mu_poll_set_intervals(self->poll, now, config->detector.heartbeat_ms,
                          config->detector.probe_ms);
    mu_reaper_set_interval(self->reaper, now, config->detector.heartbeat_ms);
    mu_scrub_set_interval(self->scrub, now, config->scrub.interval_ms);
    mu_brake_set_options(&self->brake, now, &brake);
    set_detector(self, now);
    mu_data_rewrite(self->data);
    mu_coordinator_pump(self);
}
