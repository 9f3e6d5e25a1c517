#include "auth_rules/bucket.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "auth_rules/alloc.h"

#define uthash_malloc(size) rules_calloc(1, (size))
#include <uthash.h>

#ifdef __clang_analyzer__
/* The analyzer does not follow uthash's lists. */
#undef HASH_DELETE
#define HASH_DELETE(hh, head, delptr) ((head) = (delptr)->hh.next)
#endif

#define KEY_SIZE 32
#define NAME_MAX_BYTES 256

struct bucket {
    unsigned char key[KEY_SIZE]; /* seeded SHA-256 of rule and name: no name is kept */
    uint64_t level;              /* one request is rate.per_ms, so that it is a whole number */
    uint64_t at_ms;              /* when `level` was so high */
    UT_hash_handle hh;           /* in the order of their last use */
};

struct rules_buckets {
    size_t most;
    unsigned char seed[RULES_SEED_SIZE];
    struct bucket *table;
};

struct rules_buckets *rules_buckets_create(size_t most, const unsigned char seed[RULES_SEED_SIZE]) {
    struct rules_buckets *buckets = rules_calloc(1, sizeof *buckets);
    buckets->most = most;
    memcpy(buckets->seed, seed, RULES_SEED_SIZE);
    return buckets;
}

static void drop(struct rules_buckets *buckets, struct bucket *bucket) {
    HASH_DELETE(hh, buckets->table, bucket);
    free(bucket);
}

void rules_buckets_destroy(struct rules_buckets **pointer) {
    struct rules_buckets *buckets = *pointer;
    *pointer = NULL;
    if (buckets == NULL) {
        return;
    }
    while (buckets->table != NULL) {
        drop(buckets, buckets->table);
    }
    free(buckets);
}

size_t rules_buckets_count(const struct rules_buckets *buckets) {
    return HASH_COUNT(buckets->table);
}

static bool key_of(const struct rules_buckets *buckets, size_t rule, const char *name,
                   unsigned char key[KEY_SIZE]) {
    unsigned char text[RULES_SEED_SIZE + sizeof rule + NAME_MAX_BYTES];
    size_t length = strnlen(name, NAME_MAX_BYTES);
    memcpy(text, buckets->seed, RULES_SEED_SIZE);
    memcpy(text + RULES_SEED_SIZE, &rule, sizeof rule);
    memcpy(text + RULES_SEED_SIZE + sizeof rule, name, length);
    return EVP_Digest(text, RULES_SEED_SIZE + sizeof rule + length, key, NULL, EVP_sha256(),
                      NULL) == 1;
}

/* The bucket, as the last one of the order; a fresh one is full. */
static struct bucket *use(struct rules_buckets *buckets, const unsigned char key[KEY_SIZE],
                          uint64_t full, uint64_t now_ms) {
    struct bucket *bucket = NULL;
    unsigned hash;
    memcpy(&hash, key, sizeof hash);
    HASH_FIND_BYHASHVALUE(hh, buckets->table, key, KEY_SIZE, hash, bucket);
    if (bucket != NULL) {
        HASH_DELETE(hh, buckets->table, bucket);
    } else {
        while (HASH_COUNT(buckets->table) >= buckets->most && buckets->table != NULL) {
            drop(buckets, buckets->table);
        }
        bucket = rules_calloc(1, sizeof *bucket);
        memcpy(bucket->key, key, KEY_SIZE);
        bucket->level = full;
        bucket->at_ms = now_ms;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, buckets->table, bucket->key, KEY_SIZE, hash, bucket);
    return bucket;
}

uint64_t rules_buckets_take(struct rules_buckets *buckets, const struct rules_rate *rate,
                            size_t rule, const char *name, uint64_t now_ms) {
    unsigned char key[KEY_SIZE];
    uint64_t full = rate->burst * rate->per_ms; /* at most 10^6 * 10^8 */
    if (!key_of(buckets, rule, name, key)) {
        return rate->per_ms; /* no SHA-256: nobody is counted, so nobody may */
    }
    struct bucket *bucket = use(buckets, key, full, now_ms);
    uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    uint64_t missing = full - bucket->level;
    bucket->level =
        passed > missing / rate->requests ? full : bucket->level + passed * rate->requests;
    bucket->at_ms = now_ms > bucket->at_ms ? now_ms : bucket->at_ms;
    if (bucket->level >= rate->per_ms) {
        bucket->level -= rate->per_ms;
        return 0;
    }
    uint64_t lacking = rate->per_ms - bucket->level;
    return (lacking + rate->requests - 1) / rate->requests;
}
