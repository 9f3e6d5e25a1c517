#include "coordinator/view.h"

#include "base/clock.h"
#include "coordinator/coordinator_internal.h"

static void look_at_lease(struct mu_coordinator_view *view, const struct mu_lease *lease) {
    view->held = mu_lease_may_act(lease, mu_clock_boottime_ms());
    view->known = view->held || (lease->link_up && lease->holder[0] != '\0');
    view->epoch = view->held ? lease->epoch : 0;
    view->highest_epoch = lease->highest;
}

static void count(void *context, const struct mu_detector_instance *instance) {
    struct mu_coordinator_view *view = context;
    view->instances++;
    view->suspects += instance->suspect ? 1 : 0;
    view->draining += instance->draining ? 1 : 0;
}

void mu_coordinator_view(const struct mu_coordinator *self, struct mu_coordinator_view *view) {
    *view = (struct mu_coordinator_view){.active = self->on_duty, .tally = &self->tally};
    view->redis_ms = mu_coordinator_redis_ms(self);
    look_at_lease(view, mu_tenancy_lease(self->tenancy));
    mu_scrub_stats(self->scrub, &view->scrub);
    if (self->on_duty) { /* otherwise the parts still have what they saw last */
        view->brake = self->brake.engaged;
        view->blind = self->blind_since != 0;
        view->moving = mu_leadership_pending(self->leadership);
        view->drains = mu_drainer_count(self->drainer);
        mu_detector_each(self->detector, count, view);
        mu_census_numbers(self->census, &view->census);
    }
}
