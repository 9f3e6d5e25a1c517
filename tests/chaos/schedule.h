/* schedule.h - what one seed does: the shape of a cluster and what happens to it when.
 *
 * A pure function of the seed and of the length asked for: no clock, no process, no environment.
 * What a schedule says happens in the order in which it says it; on a slow machine later than it
 * says.
 */
#ifndef CH_SCHEDULE_H
#define CH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CH_MOST_DAEMONS = 3, CH_MOST_SIMS = 8, CH_MOST_STEPS = 400 };

enum ch_action {
    CH_SIM_KILL,
    CH_SIM_PAUSE,
    CH_SIM_TERM,
    CH_DAEMON_KILL,
    CH_DAEMON_PAUSE,
    CH_DAEMON_TERM,
    CH_REDIS_KILL,
    CH_REDIS_PAUSE,
    CH_MASTER_KILL,
    CH_MASTER_PAUSE, /* none is chosen: two masters at a time are Redis' own matter */
    CH_FAILOVER,
    CH_SENTINEL_PAUSE,
    CH_FLUSHALL,
    CH_CLOCK,
    CH_CUT,
    CH_STALL,
    CH_DELAY,
    CH_DROP,
    CH_QUIET,
    CH_ACTIONS
};

/* `sim-kill` and so on. */
const char *ch_action_name(enum ch_action action);

/* Whose link is cut, stalled or delayed. */
enum ch_side { CH_OF_SIM, CH_OF_DAEMON };

struct ch_step {
    unsigned at_ms;
    enum ch_action action;
    bool over;         /* the end of what an earlier step began */
    enum ch_side side; /* of links */
    unsigned target;   /* number of a sim or a daemon */
    bool of_replica;   /* CH_DROP: between a master and its replica instead */
    unsigned which;    /* of a sim's links to doors: the daemon's number from 1 on; 0: all */
    int argument;      /* ms of delay, or by how much the clock jumps */
};

struct ch_schedule {
    uint64_t seed;
    unsigned duration_ms;
    unsigned daemons;
    unsigned sims;
    bool durable;  /* Redis keeps what it acknowledged over a kill */
    bool sentinel; /* a master with a replica and three sentinels */
    bool doors;    /* part of the sims are at RESP doors */
    bool packets;  /* they vanish: between daemons and Redis, or a master and its replica */
    bool clock; /* Redis' clock jumps; nothing is lost then (epochs are documented to need one) */
    struct ch_step steps[CH_MOST_STEPS];
    unsigned count;
};

void ch_schedule_make(struct ch_schedule *schedule, uint64_t seed, unsigned duration_ms);
/* Is this sim at the doors (of all daemons), and not at Redis? */
bool ch_at_door(const struct ch_schedule *schedule, unsigned sim);
void ch_schedule_print(const struct ch_schedule *schedule, FILE *file);
/* One step without its time, as in the log. */
void ch_step_text(const struct ch_step *step, char *text, size_t size);

#endif
