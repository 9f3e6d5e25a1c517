/* run.h - executes a sequence on a real redis-server and on the model, and compares after each
 * step.
 */
#ifndef PM_RUN_H
#define PM_RUN_H

#include "lib/fixture.h"
#include "property/coverage.h"
#include "property/history.h"
#include "property/older.h"
#include "property/step.h"

struct pm_clock; /* the redis-server's wall clock */

/* A redis-server under a clock of the test's own. */
struct pm_stage {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis;
    struct mt_events *events;
    _Atomic int64_t *clock_us;
    char view_sha[48];
};
void pm_stage_open(struct pm_stage *stage);
void pm_stage_close(struct pm_stage *stage);

struct pm_run {
    struct pm_stage *stage;
    struct pm_coverage *coverage; /* may be NULL */
    struct pm_texts *texts;
    struct pm_state state;
    struct pm_history history;
    struct pm_cursors cursors;
    struct pm_older older;
    size_t events_seen;
    size_t done;            /* steps */
    size_t stale_deadlines; /* of dead incarnations */
    bool failed;
    char failure[8192];
};

/* Empties the namespace, loads the library, sets both clocks to the same time. */
void pm_run_begin(struct pm_run *run, struct pm_stage *stage, struct pm_coverage *coverage);
/* False when real and model differ, or an invariant is broken; run->failure says what. */
bool pm_run_step(struct pm_run *run, const struct pm_step *step);
void pm_run_end(struct pm_run *run);
/* All steps of a sequence; true when nothing failed. */
bool pm_run_all(struct pm_stage *stage, const struct pm_steps *steps, char *failure, size_t size,
                size_t *failed_at);

#endif
