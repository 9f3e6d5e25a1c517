/* coordinator_internal.h - the coordinator as its own files share it: coordinator.c (life, ticks),
 * signals.c (what Redis tells by itself), reconfigure.c (another configuration), view.c (how it
 * stands). */
#ifndef MU_COORDINATOR_COORDINATOR_INTERNAL_H
#define MU_COORDINATOR_COORDINATOR_INTERNAL_H

#include "coordinator/beats.h"
#include "coordinator/brake.h"
#include "coordinator/braking.h"
#include "coordinator/coordinator.h"
#include "coordinator/data.h"
#include "coordinator/deadlines.h"
#include "coordinator/detector.h"
#include "coordinator/drainer.h"
#include "coordinator/fence.h"
#include "coordinator/leadership.h"
#include "coordinator/poll.h"
#include "coordinator/reaper.h"
#include "coordinator/redis_time.h"
#include "coordinator/scrub.h"
#include "coordinator/sweeper.h"
#include "coordinator/tenancy.h"
#include "coordinator/verdicts.h"
#include "coordinator/view.h"
#include "coordinator/watcher.h"

struct mu_coordinator {
    struct mu_coordinator_options options;
    uv_timer_t timer;
    struct mu_redis_time time;
    struct mu_tenancy *tenancy;
    struct mu_fence *fence;
    struct mu_data *data;
    struct mu_detector *detector;
    struct mu_poll *poll;
    struct mu_beats *beats;
    struct mu_brake brake;
    struct mu_braking *braking;
    struct mu_verdicts *verdicts;
    struct mu_leadership *leadership;
    struct mu_drainer *drainer;
    struct mu_sweeper *sweeper;
    struct mu_scrub *scrub;
    struct mu_reaper *reaper;
    struct mu_deadlines *deadlines;
    struct mu_census *census;
    struct mu_tally tally;
    struct mu_prepared server;
    bool link_up;
    bool subscriber_up;
    bool on_duty;               /* in a tenure, with confirmed data */
    uint64_t told_heartbeat_ms; /* the interval that instances may still go by */
    uint64_t ticked_at;
    uint64_t longest_late; /* ms that the loop was late, at most, since the start */
    uint64_t blind_since;  /* or since it was said last; 0: we see */
    uint64_t evicted;      /* keys since the last line about it */
    uint64_t evicted_at;
    uint64_t stop_by; /* 0: not stopping */
    void (*stopped)(void *context);
    void *stopped_context;
    void (*closed)(void *context);
    void *closed_context;
};

/* Brings everything in line with the time; whatever is due is sent. */
void mu_coordinator_pump(struct mu_coordinator *coordinator);

/* ---- reconfigure.c ---- */

struct mu_brake_options mu_coordinator_brake_options(const struct mu_config *config);
/* See mu_data_options.on_rewritten. */
void mu_coordinator_rewritten(void *context);

#endif
