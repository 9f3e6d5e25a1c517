/* stage.h - the cluster of one schedule: Redis, daemons, instances, and a link before each of them.
 *
 * Everybody reaches Redis through a link of the proxy of his own; the test itself does not.
 */
#ifndef CH_STAGE_H
#define CH_STAGE_H

#include <jansson.h>
#include <stdatomic.h>

#include "chaos/collector.h"
#include "chaos/links.h"
#include "chaos/packets.h"
#include "chaos/schedule.h"
#include "lib/process.h"
#include "lib/sentinel.h"
#include "lib/server.h"

/* A process that is killed, stopped and started again under one name. */
struct ch_actor {
    char name[24];
    struct mt_process *process;
    int link; /* the first of its links */
    int links;
    bool down;    /* ended by a step */
    bool paused;  /* stopped by a step */
    bool entered; /* a sim: this process was seen to have entered once */
    bool quiet;   /* a sim: its churn is off */
};

struct ch_stage {
    const struct ch_schedule *schedule;
    struct mt_world *world;
    struct mt_server *server; /* without sentinels */
    struct mt_sentinels *sentinels;
    size_t master;          /* with sentinels: where we are connected */
    size_t victim;          /* with sentinels: the server that was killed or stopped; MT_NOBODY */
    struct mt_redis *redis; /* NULL while it is down */
    bool redis_paused;
    unsigned sentinels_paused; /* a bit each */
    uint64_t asked_at;         /* the sentinels, in ms */
    _Atomic int64_t *clock_us; /* what is added to Redis' clock */
    struct ch_links links;
    struct ch_packets packets;
    bool drops; /* `packets` is open */
    int port;   /* of Redis, for daemons whose packets are dropped; 0: none */
    char port_text[8];
    const char *redis_options[8];
    struct ch_actor daemons[CH_MOST_DAEMONS];
    struct ch_actor sims[CH_MOST_SIMS];
    struct ch_collector *collector;
    FILE *log;
    uint64_t began_ms;
    json_t *census; /* what was done and what it did: name -> count */
};

/* *stage is set before anything can fail, so that it can be closed. */
void ch_stage_open(struct ch_stage **stage, const struct ch_schedule *schedule);
/* Ends everything; `keep`: the directory with all logs stays, and its path is printed. */
void ch_stage_close(struct ch_stage **stage, bool keep);

/* A line in the log, with the time since the beginning. */
void ch_say(struct ch_stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ch_count(struct ch_stage *stage, const char *name, long long more);

void ch_start_daemon(struct ch_stage *stage, unsigned index);
void ch_start_sim(struct ch_stage *stage, unsigned index);
/* Returns once this process has entered, so that it listens to signals. */
void ch_await_entered(struct ch_actor *sim);
/* Redis, a daemon or a sim has ended though nobody ended it: fails. */
void ch_expect_alive(struct ch_stage *stage);

#endif
