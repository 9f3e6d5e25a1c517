/* bucket.h - token buckets, one for each rule and who asks; bounded, the one not used for longest
 * makes room. Pure: the clock is passed in.
 *
 * A bucket that made room begins full again. So `most` should be well above the number of those who
 * ask within `per`. */
#ifndef RULES_BUCKET_H
#define RULES_BUCKET_H

#include <stddef.h>
#include <stdint.h>

#define RULES_RATE_REQUESTS_MAX 1000000
#define RULES_RATE_PER_MAX UINT64_C(86400000)
#define RULES_SEED_SIZE 16

struct rules_rate {
    uint64_t requests; /* 0: no rate */
    uint64_t per_ms;
    uint64_t burst; /* what may come at once after a rest */
};

struct rules_buckets;

/* `seed` is random: who asks must not be able to choose names that fall together. */
struct rules_buckets *rules_buckets_create(size_t most, const unsigned char seed[RULES_SEED_SIZE]);
/* Clears the pointer; NULL in it is fine. */
void rules_buckets_destroy(struct rules_buckets **buckets);

/* Takes one request out of the bucket of `name` under rule number `rule`. 0: it was there;
 * otherwise nothing was taken and in so many ms there is one again. `now_ms` must not fall. */
uint64_t rules_buckets_take(struct rules_buckets *buckets, const struct rules_rate *rate,
                            size_t rule, const char *name, uint64_t now_ms);
size_t rules_buckets_count(const struct rules_buckets *buckets);

#endif
