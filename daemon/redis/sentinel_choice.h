/* sentinel_choice.h - what sentinels answer, and whom to believe. Pure.
 *
 * Every failover has an epoch that the sentinels agreed on; one that was away meanwhile names the
 * old master with an older epoch. So the highest epoch counts. Among equal ones (or where epochs
 * may not be read: then all are 0) more voices count, then the earlier in the list. Who was seen
 * not to be a master is left out for a while, whoever names it.
 */
#ifndef MU_REDIS_SENTINEL_CHOICE_H
#define MU_REDIS_SENTINEL_CHOICE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_SENTINEL_HOST_SIZE 256
#define MU_SENTINELS_MAX 16
#define MU_SENTINEL_PORT 26379
#define MU_SENTINEL_MASTER_MAX 128 /* bytes of a master's name */

enum mu_sentinel_answer_kind {
    MU_SENTINEL_PENDING,  /* not asked yet, or the answer is due */
    MU_SENTINEL_AWAY,     /* it cannot be asked, or its answer is of no use */
    MU_SENTINEL_IGNORANT, /* it knows no such master */
    MU_SENTINEL_NAMED
};

/* The last that one sentinel said. */
struct mu_sentinel_answer {
    enum mu_sentinel_answer_kind kind;
    char host[MU_SENTINEL_HOST_SIZE];
    uint16_t port;
    uint64_t epoch;         /* 0: unknown */
    uint64_t refused_until; /* ms; it is no master, as far as we saw */
};

/* What is being followed. */
struct mu_sentinel_current {
    char host[MU_SENTINEL_HOST_SIZE]; /* "": nothing yet */
    uint16_t port;
    uint64_t epoch;
    bool doubted; /* it cannot be reached, or is no master */
};

/* The answer to SENTINEL GET-MASTER-ADDR-BY-NAME (host and port, or nil). `answer` gets kind, host
 * and port; a host that can be none and a port out of range make it AWAY. */
void mu_sentinel_read_address(const redisReply *reply, struct mu_sentinel_answer *answer);
/* The config-epoch in the answer to SENTINEL MASTER, 0 when there is none. */
uint64_t mu_sentinel_read_epoch(const redisReply *reply);
/* Is the message on +switch-master ("name ip port ip port") about this master? */
bool mu_sentinel_is_switch(const char *payload, const char *master);
enum mu_sentinel_role { MU_SENTINEL_MASTER, MU_SENTINEL_OTHER, MU_SENTINEL_SECRET };
/* What the answer to INFO replication says of a server. SECRET: it may not be asked. */
enum mu_sentinel_role mu_sentinel_read_role(const redisReply *reply);
/* May a master be called so? */
bool mu_sentinel_master_valid(const char *name);

/* Index of the answer to be followed from now on; `count` when nothing changes. */
size_t mu_sentinel_choose(const struct mu_sentinel_answer *answers, size_t count,
                          const struct mu_sentinel_current *current, uint64_t now);

#endif
