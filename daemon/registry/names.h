/* names.h - ids that Redis listed, to be looked up one batch after the other. Private to
 * daemon/registry.
 */
#ifndef MU_REGISTRY_NAMES_H
#define MU_REGISTRY_NAMES_H

#include "registry/read.h"

struct mu_named {
    char *id;
    uint64_t number; /* its score; 0 when none was asked for */
};

struct mu_names {
    struct mu_named *items;
    size_t count;
    size_t sent; /* of the batches so far */
    size_t seen; /* whose replies came */
};

void mu_names_deinit(struct mu_names *names);

/* Takes the ids of an array, with scores: id and score in turns. What is no id fails the read. */
void mu_names_take(struct mu_read *read, struct mu_names *names, const redisReply *list,
                   bool scores, const char *key);
void mu_names_sort(struct mu_names *names);

/* Up to MU_READ_BATCH further ones: `send` is called for each. False when there are none left. */
bool mu_names_batch(struct mu_read *read, struct mu_names *names,
                    void (*send)(struct mu_read *read, const char *id));

/* ZRANGE of all registered instances, with the time of their last heartbeat; and its reply.
 * More than MU_READ_INSTANCES_MAX fail the read. */
void mu_names_ask_instances(struct mu_read *read);
void mu_names_take_instances(struct mu_read *read, struct mu_names *names, const redisReply *reply,
                             const char *key);

#endif
