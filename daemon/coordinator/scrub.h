/* scrub.h - looks at everything that is stored, slowly and for ever, as `musterctl fsck` does.
 *
 * The happy path: on duty, one look (registry/looks.h) each `interval`, sized to cost Redis less
 * than a millisecond; what seems wrong is looked at again, and what is still so becomes a log line
 * `scrub.finding` and a count; at the end of a pass a pause, and the next one. It mends nothing:
 * that is what `musterctl fsck --repair` is for, and somebody should read the line first.
 *
 * The users of sessions that are too large for one look are left to musterctl fsck, which may keep
 * them in memory.
 *
 * Ways to fail: an answer that is lost or a refusal - the rest of that walk is left to the next
 * pass; the tenure ends - the next coordinator begins with a pass of its own. Lines are limited:
 * what was not said is counted and said later.
 */
#ifndef MU_COORDINATOR_SCRUB_H
#define MU_COORDINATOR_SCRUB_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/fence.h"
#include "registry/findings.h"

struct mu_scrub;

/* Since the daemon started. */
struct mu_scrub_stats {
    uint64_t checked[MU_INVARIANTS + 1]; /* from 1; things checked for each invariant */
    uint64_t findings[MU_INVARIANTS + 1];
    uint64_t looks;   /* slices asked for */
    uint64_t skipped; /* slices without a usable answer */
    uint64_t passes;  /* completed */
};

/* `interval_ms` 0: there is no scrub. */
struct mu_scrub *mu_scrub_create(struct mu_fence *fence, struct mu_log *log, uint64_t interval_ms);
void mu_scrub_destroy(struct mu_scrub **scrub);
void mu_scrub_start(struct mu_scrub *scrub);
void mu_scrub_stop(struct mu_scrub *scrub);
/* 0 ends the present pass; from 0 a new one begins. */
void mu_scrub_set_interval(struct mu_scrub *scrub, uint64_t now, uint64_t interval_ms);
/* Data may have been lost: no pause before the next pass. */
void mu_scrub_hint(struct mu_scrub *scrub);
void mu_scrub_tick(struct mu_scrub *scrub, uint64_t now);
void mu_scrub_stats(const struct mu_scrub *scrub, struct mu_scrub_stats *stats);

#endif
