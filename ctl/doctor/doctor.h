/* doctor.h - musterctl doctor: what is wrong with an installation, what comes of it, what to do.
 *
 * A check looks at one thing and says what it saw; it may find several faults. What a fault is
 * called, how bad it is, what comes of it and how it is mended stands in one table (codes.c), which
 * docs/DOCTOR.md repeats. Nothing here writes: not into Redis, not into files.
 *
 *   doctor.c   the checks in their order, and what they share
 *   codes.c    the table of faults
 *   report.c   what is printed
 *   local.c    configuration and the files that it names
 *   tls.c      certificates and keys
 *   plugins.c  plugins.load, and the tokens of auth_rules
 *   server.c   Redis: version, role, memory, disk, limits
 *   pace.c     clocks, latency, slow functions, the machine
 *   rights.c   ACL
 *   office.c   library, daemons, lease, brake, generation
 *   data.c     leaders, ghosts, suspects, journal, listeners, and the invariants of fsck
 */
#ifndef MU_CTL_DOCTOR_DOCTOR_H
#define MU_CTL_DOCTOR_DOCTOR_H

#include "ask.h"
#include "base/error.h"
#include "config/config.h"
#include "ctl.h"

enum mu_severity { MU_WARNING, MU_PROBLEM };

/* In `consequence` and `mend`: $NS the namespace, $1 what the fault is about, $CTL musterctl and
 * $CLI redis-cli with the options that lead to this Redis, $CONFIG the configuration's file. */
struct mu_fault {
    const char *code;
    const char *check; /* the name of the check that finds it */
    enum mu_severity severity;
    const char *consequence; /* one sentence */
    const char *mend;        /* a command, or what to write where */
};

extern const struct mu_fault mu_faults[];
extern const size_t mu_fault_count;

enum mu_outcome {
    MU_CHECK_MADE,
    MU_CHECK_NOT_MADE,   /* it could not be made: `said` is why */
    MU_CHECK_NOT_NEEDED, /* there is no such thing here */
};

struct mu_doctor_check {
    const char *name;
    enum mu_outcome outcome;
    char *said; /* what was seen, or why not; NULL: nothing to say */
    size_t faults;
};

struct mu_doctor_finding {
    const struct mu_fault *fault;
    char *what;
    char *consequence;
    char *mend;
};

struct mu_doctor {
    struct mu_ctl *ctl; /* ctl->redis is NULL when Redis cannot be used */
    struct mu_config *config;
    const char *config_path; /* NULL: none was read, the defaults stand in `config` */
    char *unreached;         /* why not; NULL: Redis was reached */
    char *info;              /* INFO everything; NULL: it was refused */
    redisReply *settings;    /* CONFIG GET of what checks want; NULL: it was refused */
    char *refused;           /* why one of both is NULL */
    char *user;              /* whose rights are looked at; NULL: not known */
    bool idle;               /* nobody coordinates: what only a coordinator moves does not move */
    uint64_t patience_ms;    /* what is suspicious is believed after so long */
    struct mu_doctor_check *checks;
    size_t check_count;
    struct mu_doctor_finding *findings;
    size_t finding_count;
};

/* ---- for checks: about the one that runs ---- */

/* A fault. `about` is $1, may be NULL. */
void mu_doctor_found(struct mu_doctor *doctor, const char *code, const char *about,
                     const char *format, ...) MU_PRINTF(4, 5);
/* What was seen. */
void mu_doctor_saw(struct mu_doctor *doctor, const char *format, ...) MU_PRINTF(2, 3);
/* It could not be made, or is not needed. */
void mu_doctor_cannot(struct mu_doctor *doctor, const char *format, ...) MU_PRINTF(2, 3);
void mu_doctor_need_not(struct mu_doctor *doctor, const char *format, ...) MU_PRINTF(2, 3);

/* Of INFO: false, and the check cannot be made, when Redis does not say it. */
bool mu_doctor_info(struct mu_doctor *doctor, const char *name, char *out, size_t size);
bool mu_doctor_info_number(struct mu_doctor *doctor, const char *name, int64_t *out);
/* The same, but a field that is not there is nothing to be told: `otherwise`. */
int64_t mu_doctor_info_or(const struct mu_doctor *doctor, const char *name, int64_t otherwise);
/* Of CONFIG GET. NULL, and the check cannot be made, when Redis does not say it. */
const char *mu_doctor_setting(struct mu_doctor *doctor, const char *name);
bool mu_doctor_setting_number(struct mu_doctor *doctor, const char *name, int64_t *out);
/* Is it an error? Then the check cannot be made. NULL is one, too. */
bool mu_doctor_refused(struct mu_doctor *doctor, const redisReply *reply);
/* Looks again and again until `settled` is true, or patience is over: false then. */
bool mu_doctor_settles(struct mu_doctor *doctor, bool (*settled)(void *context), void *context);
/* Is the plugin loaded by this configuration? Its `config:`, which may be NULL, in `given`. */
bool mu_doctor_loads(const struct mu_doctor *doctor, const char *plugin,
                     const struct muster_config **given);

/* ---- the checks ---- */

void mu_check_configuration(struct mu_doctor *doctor);
void mu_check_secrets(struct mu_doctor *doctor);
void mu_check_state_dir(struct mu_doctor *doctor);
void mu_check_tls(struct mu_doctor *doctor);
void mu_check_plugins(struct mu_doctor *doctor);
void mu_check_tokens(struct mu_doctor *doctor);
void mu_check_version(struct mu_doctor *doctor);
void mu_check_role(struct mu_doctor *doctor);
void mu_check_replication(struct mu_doctor *doctor);
void mu_check_mode(struct mu_doctor *doctor);
void mu_check_key_events(struct mu_doctor *doctor);
void mu_check_eviction(struct mu_doctor *doctor);
void mu_check_memory(struct mu_doctor *doctor);
void mu_check_persistence(struct mu_doctor *doctor);
void mu_check_clients(struct mu_doctor *doctor);
void mu_check_buffers(struct mu_doctor *doctor);
void mu_check_timeouts(struct mu_doctor *doctor);
void mu_check_busy_limit(struct mu_doctor *doctor);
void mu_check_rights(struct mu_doctor *doctor);
void mu_check_door_rights(struct mu_doctor *doctor);
void mu_check_latency(struct mu_doctor *doctor);
void mu_check_clock(struct mu_doctor *doctor);
void mu_check_slow(struct mu_doctor *doctor);
void mu_check_machine(struct mu_doctor *doctor);
void mu_check_library(struct mu_doctor *doctor);
void mu_check_lease(struct mu_doctor *doctor);
void mu_check_generation(struct mu_doctor *doctor);
void mu_check_daemons(struct mu_doctor *doctor);
void mu_check_brake(struct mu_doctor *doctor);
void mu_check_leaders(struct mu_doctor *doctor);
void mu_check_ghosts(struct mu_doctor *doctor);
void mu_check_suspects(struct mu_doctor *doctor);
void mu_check_journal(struct mu_doctor *doctor);
void mu_check_listeners(struct mu_doctor *doctor);
void mu_check_data(struct mu_doctor *doctor);

void mu_doctor_report(const struct mu_doctor *doctor);

#endif
