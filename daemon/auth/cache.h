/* cache.h - decisions that may be given again without asking, by everything an authorizer sees.
 *
 * Bounded; the one not used for longest makes room. */
#ifndef MU_AUTH_CACHE_H
#define MU_AUTH_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "muster/types.h"

struct mu_auth_cache;

struct mu_auth_cached {
    bool allow;
    enum muster_status code; /* of a denial */
    const char *reason;      /* of a denial, or NULL; valid until the cache changes */
};

/* `most` 0: it keeps nothing. */
struct mu_auth_cache *mu_auth_cache_create(size_t most);
void mu_auth_cache_destroy(struct mu_auth_cache **cache);

/* The key of a question: who, what, on what. False: out of memory, or too long to be kept. */
bool mu_auth_cache_key(struct mu_buffer *out, const struct muster_principal *principal,
                       enum muster_action action,
                       const struct muster_resource *resource) MU_WARN_UNUSED;
bool mu_auth_cache_find(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                        struct mu_auth_cached *found);
void mu_auth_cache_put(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                       uint64_t keep_ms, const struct mu_auth_cached *decision);
void mu_auth_cache_flush(struct mu_auth_cache *cache);
size_t mu_auth_cache_count(const struct mu_auth_cache *cache);

#endif
