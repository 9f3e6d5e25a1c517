/* place.h - where Redis is by the configuration, and how the daemon's connections are made to it:
 * link, subscriber and sentinels go by the same settings. */
#ifndef MU_PLACE_H
#define MU_PLACE_H

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "redis/address.h"
#include "redis/link.h"
#include "redis/sentinel.h"
#include "redis/subscriber.h"

struct mu_place {
    struct mu_redis_address address;     /* redis.mode external */
    struct mu_sentinel_places sentinels; /* redis.mode sentinel */
};

/* Reads the files of redis.tls: blocks. `place` is to be deinited in either case. */
enum muster_status mu_place_read(const struct mu_config *config, struct mu_place *place,
                                 struct mu_error *error);
void mu_place_deinit(struct mu_place *place);

/* What all connections share; nothing is owned. */
struct mu_place_client {
    const struct mu_config *config;
    const char *client_name;
    struct mu_log *log;
    void *context; /* of the callbacks, which the caller fills in */
};

struct mu_link_options mu_place_link(const struct mu_place_client *who,
                                     const struct mu_redis_address *address);
struct mu_subscriber_options mu_place_subscriber(const struct mu_place_client *who,
                                                 const struct mu_redis_address *address);
struct mu_sentinel_options mu_place_sentinel(const struct mu_place_client *who,
                                             const struct mu_sentinel_places *places);

#endif
