/* cache.h - what an authorizer said, DEFER too, by everything that it saw: given again without
 * asking it, for as long as it allowed.
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

/* `most` 0: it keeps nothing. */
struct mu_auth_cache *mu_auth_cache_create(size_t most);
void mu_auth_cache_destroy(struct mu_auth_cache **cache);

/* The key of a question to `link`: who, what, on what. False: out of memory, or too long to be
 * kept. */
bool mu_auth_cache_key(struct mu_buffer *out, const char *link,
                       const struct muster_principal *principal, enum muster_action action,
                       const struct muster_resource *resource) MU_WARN_UNUSED;
/* `found` has verdict, code, reason and quota; its texts are valid until the cache changes. */
bool mu_auth_cache_find(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                        struct muster_decision *found);
/* For decision->cache_ms, at most a day. */
void mu_auth_cache_put(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                       const struct muster_decision *decision);
void mu_auth_cache_flush(struct mu_auth_cache *cache);
size_t mu_auth_cache_count(const struct mu_auth_cache *cache);

#endif
