#include "auth/cache.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"

#define KEY_MAX 4096            /* longer ones are asked each time */
#define KEEP_MAX_MS 86400000ULL /* a plugin that says more means for ever, which nothing is */

struct entry {
    char *key;
    uint64_t until;
    enum muster_verdict verdict;
    enum muster_status code;
    char *reason;
    char *quota_holder;
    uint32_t quota_connections, quota_sessions;
    UT_hash_handle hh; /* in the order of use */
};

struct mu_auth_cache {
    size_t most;
    struct entry *entries;
};

struct mu_auth_cache *mu_auth_cache_create(size_t most) {
    struct mu_auth_cache *cache = mu_calloc(1, sizeof *cache);
    cache->most = most;
    return cache;
}

static void drop(struct mu_auth_cache *cache, struct entry *entry) {
    HASH_DEL(cache->entries, entry);
    free(entry->key);
    free(entry->reason);
    free(entry->quota_holder);
    free(entry);
}

void mu_auth_cache_flush(struct mu_auth_cache *cache) {
    struct entry *entry = NULL;
    struct entry *next = NULL;
    HASH_ITER(hh, cache->entries, entry, next) {
        drop(cache, entry);
    }
}

void mu_auth_cache_destroy(struct mu_auth_cache **cache) {
    if (*cache == NULL) {
        return;
    }
    mu_auth_cache_flush(*cache);
    free(*cache);
    *cache = NULL;
}

/* With its length before it, so that no text can look like two; NULL is not the empty one. Bytes of
 * this machine: a key is built for every question, and never leaves the process. */
static bool part(struct mu_buffer *out, const char *text) {
    size_t length = text != NULL ? strlen(text) : SIZE_MAX;
    return mu_buffer_append(out, &length, sizeof length) &&
           (text == NULL || mu_buffer_append(out, text, length));
}

bool mu_auth_cache_key(struct mu_buffer *out, const char *link,
                       const struct muster_principal *principal, enum muster_action action,
                       const struct muster_resource *resource) {
    const size_t numbers[] = {(size_t)principal->kind, (size_t)action, principal->role_count};
    bool done = mu_buffer_append(out, numbers, sizeof numbers) && part(out, link) &&
                part(out, principal->id) && part(out, principal->instance) &&
                part(out, principal->claims);
    for (size_t i = 0; done && i < principal->role_count; i++) {
        done = part(out, principal->roles[i]);
    }
    return done && part(out, resource->operation) && part(out, resource->session) &&
           part(out, resource->connection) && part(out, resource->instance) &&
           part(out, resource->incarnation) && part(out, resource->user) &&
           part(out, resource->claims) && part(out, resource->resumed) && out->length <= KEY_MAX;
}

bool mu_auth_cache_find(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                        struct muster_decision *found) {
    struct entry *entry = NULL;
    HASH_FIND(hh, cache->entries, key->data, key->length, entry);
    if (entry == NULL) {
        return false;
    }
    if (now >= entry->until) {
        drop(cache, entry);
        return false;
    }
    HASH_DEL(cache->entries, entry);
    HASH_ADD_KEYPTR(hh, cache->entries, entry->key, key->length, entry);
    *found = (struct muster_decision){.verdict = entry->verdict,
                                      .code = entry->code,
                                      .reason = entry->reason,
                                      .quota_holder = entry->quota_holder,
                                      .quota_connections = entry->quota_connections,
                                      .quota_sessions = entry->quota_sessions};
    return true;
}

void mu_auth_cache_put(struct mu_auth_cache *cache, uint64_t now, const struct mu_buffer *key,
                       const struct muster_decision *decision) {
    struct entry *entry = NULL;
    if (cache->most == 0 || decision->cache_ms == 0) {
        return;
    }
    HASH_FIND(hh, cache->entries, key->data, key->length, entry);
    if (entry != NULL) {
        drop(cache, entry);
    }
    while (HASH_COUNT(cache->entries) >= cache->most) {
        drop(cache, cache->entries);
    }
    entry = mu_calloc(1, sizeof *entry);
    entry->key = mu_calloc(1, key->length);
    memcpy(entry->key, key->data, key->length);
    entry->until = now + (decision->cache_ms < KEEP_MAX_MS ? decision->cache_ms : KEEP_MAX_MS);
    entry->verdict = decision->verdict;
    entry->code = decision->code;
    entry->reason = decision->reason != NULL ? mu_strdup(decision->reason) : NULL;
    entry->quota_holder = decision->quota_holder != NULL ? mu_strdup(decision->quota_holder) : NULL;
    entry->quota_connections = decision->quota_connections;
    entry->quota_sessions = decision->quota_sessions;
    HASH_ADD_KEYPTR(hh, cache->entries, entry->key, key->length, entry);
}

size_t mu_auth_cache_count(const struct mu_auth_cache *cache) {
    return HASH_COUNT(cache->entries);
}
