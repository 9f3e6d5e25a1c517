/* each_instance.h - the instances of a namespace, read from Redis. */
#ifndef MU_CTL_EACH_INSTANCE_H
#define MU_CTL_EACH_INSTANCE_H

#include "ask.h"

struct mu_instance_look {
    const redisReply *id;
    int64_t heartbeat;        /* when it was heard last, ms since 1970 */
    const redisReply *fields; /* incarnation state draining started_at meta; nil: gone meanwhile */
    int64_t connections;
    int64_t leads;
};

/* Reads all, some hundred in one round trip, and calls `each` for one after the other; its texts
 * end with the call. Blocks. Ends early when Redis is lost (`ctl->lost`). */
void mu_each_instance(struct mu_ctl *ctl,
                      void (*each)(void *context, const struct mu_instance_look *look),
                      void *context);

#endif
