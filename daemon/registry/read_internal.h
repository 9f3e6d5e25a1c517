/* read_internal.h - what registry.c, read.c and the reads share. Private to daemon/registry. */
#ifndef MU_REGISTRY_READ_INTERNAL_H
#define MU_REGISTRY_READ_INTERNAL_H

#include "base/ids.h"
#include "registry/read.h"
#include "registry/stored.h"

/* Copies the arguments. The caller sets link, name_space, version, callback and context. */
struct mu_read *mu_read_create(size_t count, const struct muster_text *arguments);
void mu_read_destroy(struct mu_read *read);
/* Something happened to it: when nothing is pending and it waits for no turn, it is over (and
 * gone). */
void mu_read_settle(struct mu_read *read);

/* The present generation, empty when there is none: ask in a batch, take its reply, then compare
 * with the `#gen` of a session (NULL: not equal). */
struct mu_generation {
    char id[MU_ID_SIZE];
};
void mu_generation_ask(struct mu_read *read);
void mu_generation_take(struct mu_read *read, struct mu_generation *generation,
                        const redisReply *reply, const char *key);
bool mu_generation_is(const struct mu_generation *generation, const redisReply *gen);

#endif
