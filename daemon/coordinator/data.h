/* data.h - is the data in Redis the data that we knew? Confirms it, or rotates the generation.
 *
 * The happy path: a tenure begins - `config` is read - same server run, same generation: `confirm`
 * (which also writes the settings) - confirmed; everything else that is fenced waits for that.
 * Another run, no `config`, or a generation that went back while we held the lease: an older data
 * set may have come back, so `rotate` - confirmed.
 *
 * Whenever a function or a renewal says that the data is not confirmed (the library was loaded
 * again), the way is gone again from its beginning. Ways to fail: no answer or a refusal - again,
 * after a pause, as long as the tenure lasts. An answer that was lost is no harm: both calls may be
 * repeated, and a rotation that took place is found and confirmed.
 */
#ifndef MU_COORDINATOR_DATA_H
#define MU_COORDINATOR_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "coordinator/fence.h"
#include "coordinator/redis_time.h"

enum mu_data_choice { MU_DATA_CONFIRM, MU_DATA_ROTATE };

/* Pure. `known` is the generation that this tenure's epoch confirmed before, or "". NULL stands for
 * a missing field. `reason` says why for the log. */
enum mu_data_choice mu_data_choose(const char *known, const char *run,
                                   const char *stored_generation, const char *stored_run,
                                   const char **reason);

struct mu_data;

struct mu_data_options {
    struct mu_fence *fence;
    const struct mu_config *config;
    const struct mu_redis_time *time;
    struct mu_log *log;
    void *context;
    void (*on_confirmed)(void *context);
    void (*on_rewritten)(void *context); /* other settings stand in Redis; see mu_data_rewrite() */
};

struct mu_data *mu_data_create(const struct mu_data_options *options);
void mu_data_destroy(struct mu_data **data);

/* A tenure of `epoch` begins on a server whose run id is `run`. */
void mu_data_start(struct mu_data *data, uint64_t epoch, const char *run);
void mu_data_stop(struct mu_data *data);
/* It may not be confirmed any more: look again. */
void mu_data_doubt(struct mu_data *data);
/* The settings have changed: they are written again, without a doubt about the data. */
void mu_data_rewrite(struct mu_data *data);
void mu_data_tick(struct mu_data *data, uint64_t now);
bool mu_data_confirmed(const struct mu_data *data);

#endif
