/* options.h - the command line of muster-sim. */
#ifndef MU_SIM_OPTIONS_H
#define MU_SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "doors.h"
#include "redis/address.h"
#include "redis/sentinel.h"

enum mu_sim_command { MU_SIM_INSTANCE, MU_SIM_CLUSTER };
enum mu_sim_heartbeat { MU_SIM_FCALL, MU_SIM_CHANNEL, MU_SIM_SILENT };

/* Times are in ms; 0: not asked for. */
struct mu_sim_options {
    enum mu_sim_command command;
    bool help;
    bool version;

    /* of an instance */
    struct mu_redis_address address;
    bool has_address;
    struct mu_redis_tls_options tls; /* goes into the address, or those of the doors */
    struct mu_sim_doors doors;       /* instead of it; empty: none */
    const char *token;
    const char *url, *sentinels, *master; /* NULL: not given */
    struct mu_sentinel_places places;     /* without sentinels: address counts */
    const char *name_space;
    const char *id;
    const char *prefix;
    const char *session_prefix;
    bool shared_ids;
    bool lead;
    uint64_t connections, sessions, joins, users, profile_bytes;
    int64_t priority_min, priority_max;
    uint64_t churn; /* operations a second */
    uint64_t pace;  /* calls in flight */
    enum mu_sim_heartbeat heartbeat;
    uint64_t heartbeat_ms; /* 0: what START says */
    bool inbox, follow, watch_all;
    bool obey; /* clients that are told to move go */
    uint64_t seed;
    bool has_seed;
    const char *report_file, *events_file;
    uint64_t stop_after_ms;

    /* of a cluster */
    uint64_t instances;
    uint64_t kill_every_ms, return_after_ms;
    uint64_t pause_every_ms, pause_for_ms;
    uint64_t duration_ms;
    char **forward; /* the options that each instance gets as they are; owned, the texts too */
    size_t forward_count;
};

/* Texts are borrowed from `argv`. BAD_REQUEST with a sentence; options are to be deinited either
 * way. */
enum muster_status mu_sim_options_read(struct mu_sim_options *options, int argc, char **argv,
                                       struct mu_error *error);
void mu_sim_options_deinit(struct mu_sim_options *options);

extern const char mu_sim_usage[];

#endif
