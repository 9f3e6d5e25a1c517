/* What decisions are given again without asking, and which must not be. */
#include "auth_bench.h"

#include "auth/cache.h"
#include "base/buffer.h"

static void test_cache(void **state) {
    struct bench *b = *state;
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW};
    assert_true(may(b));
    assert_true(may(b));
    assert_int_equal(b->first.asked, 2); /* not unless it says so */
    b->first.decision = (struct muster_decision){
        .verdict = MUSTER_DENY, .cache_ms = DAY, .reason = "kept", .code = MUSTER_RATE_LIMITED};
    assert_true(may(b));
    b->first.decision.verdict = MUSTER_ALLOW;
    assert_true(may(b));
    EXPECT(b, RATE_LIMITED, "kept");
    assert_int_equal(b->first.asked, 3);
    assert_int_equal(counts(b).cache_hits, 1);
    mu_auth_flush(b->auth);
    assert_int_equal(counts(b).cached, 0);
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    assert_int_equal(b->first.asked, 4);
}

/* Whatever a link sees is in the key. */
static void test_cache_key(void **state) {
    static const char *const reader[] = {"reader"};
    static const char *const writer[] = {"writer"};
    static const struct muster_principal principals[] = {
        {.id = "a"},
        {.id = "b"},
        {.id = "a", .kind = MUSTER_PRINCIPAL_USER},
        {.id = "a", .instance = "i"},
        {.id = "a", .claims = "i"},
        {.id = "a", .roles = reader, .role_count = 1},
        {.id = "a", .roles = writer, .role_count = 1},
    };
    static const struct muster_resource resources[] = {
        {0},
        {.operation = "x"},
        {.session = "x"},
        {.session = ""},
        {.connection = "x"},
        {.instance = "x"},
        {.incarnation = "x"},
        {.user = "x"},
        {.claims = "x"},
        {.resumed = "x"},
        {.session = "x1:y"},
        {.session = "x", .connection = "y"},
    };
    enum { P = sizeof principals / sizeof *principals, R = sizeof resources / sizeof *resources };
    struct mu_buffer keys[P * R * 2 * 2];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < (size_t)P * R * 4; i++) {
        mu_buffer_init(&keys[count], 0);
        assert_true(
            mu_auth_cache_key(&keys[count], i % 2 == 0 ? "one" : "two", &principals[i / 4 % P],
                              i / 2 % 2 == 0 ? MUSTER_ACTION_ADMIN : MUSTER_ACTION_SESSION_LEAD,
                              &resources[i / 4 / P]));
        for (size_t j = 0; j < count; j++)
            if (keys[j].length == keys[count].length &&
                memcmp(keys[j].data, keys[count].data, keys[j].length) == 0)
                fail_msg("one key for two questions: %.*s", (int)keys[j].length, keys[j].data);
        count++;
    }
    for (size_t i = 0; i < count; i++)
        mu_buffer_deinit(&keys[i]);
}

static void test_cache_is_per_link(void **state) {
    struct bench *b = *state;
    b->second.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .cache_ms = DAY};
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_OK);
    b->first.decision.verdict = MUSTER_DENY; /* it did not say that it may be passed over */
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_DENIED);
    assert_int_equal(b->second.asked, 1);
    b->first.decision = (struct muster_decision){.verdict = MUSTER_DEFER, .cache_ms = DAY};
    assert_true(may(b));
    unsigned asked = b->first.asked;
    assert_true(may(b)); /* a kept DEFER, then a kept ALLOW */
    assert_int_equal(b->status, MUSTER_OK);
    assert_int_equal(b->first.asked, asked);
    assert_int_equal(b->second.asked, 1);
}

/* What was said before a flush is not kept after it. */
static void test_flush_while_deciding(void **state) {
    struct bench *b = *state;
    b->first.decision.verdict = MUSTER_LATER;
    assert_false(may(b));
    mu_auth_flush(b->auth);
    assert_int_equal(DECIDE(b, &b->first, MUSTER_ALLOW, .cache_ms = DAY), MU_DECIDED);
    mu_auth_tick(b->auth);
    assert_int_equal(b->status, MUSTER_OK);
    assert_int_equal(counts(b).cached, 0);
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .cache_ms = DAY};
    b->first.flushes = true;
    assert_true(may(b));
    assert_int_equal(counts(b).cached, 0);
    assert_int_equal(counts(b).flushes, 2);
}

/* The cache outlives neither its link nor the caller's credentials. */
static void test_cache_does_not_save(void **state) {
    struct bench *b = *state;
    b->first.decision = (struct muster_decision){.verdict = MUSTER_ALLOW, .cache_ms = DAY};
    assert_true(may(b));
    assert_int_equal(counts(b).cached, 1);
    as(b, &(struct muster_principal){
              .id = "node-1", .kind = MUSTER_PRINCIPAL_INSTANCE, .expires_at = 1});
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_UNAUTHENTICATED);
    as(b, &(struct muster_principal){.id = "node-1", .kind = MUSTER_PRINCIPAL_INSTANCE});
    mu_auth_remove(b->auth, "first");
    assert_true(may(b));
    assert_int_equal(b->status, MUSTER_DENIED);
}

static void put(struct mu_auth_cache *cache, uint64_t now, const char *text, uint64_t ms) {
    struct mu_buffer key;
    mu_buffer_init(&key, 0);
    assert_true(mu_buffer_append_text(&key, text));
    mu_auth_cache_put(cache, now, &key, &(struct muster_decision){.cache_ms = ms, .reason = text});
    mu_buffer_deinit(&key);
}

static bool find(struct mu_auth_cache *cache, uint64_t now, const char *text) {
    struct muster_decision found = {0};
    struct mu_buffer key;
    mu_buffer_init(&key, 0);
    assert_true(mu_buffer_append_text(&key, text));
    bool hit = mu_auth_cache_find(cache, now, &key, &found);
    mu_buffer_deinit(&key);
    if (hit)
        assert_string_equal(found.reason, text);
    return hit;
}

static void test_cache_expiry_and_bound(void **state) {
    struct mu_auth_cache *cache = mu_auth_cache_create(3);
    (void)state;
    put(cache, 1000, "a", 50);
    assert_true(find(cache, 1049, "a"));
    assert_false(find(cache, 1050, "a"));
    assert_int_equal(mu_auth_cache_count(cache), 0);
    put(cache, 1000, "for ever", UINT64_MAX);
    assert_true(find(cache, 1000 + DAY - 1, "for ever"));
    assert_false(find(cache, 1000 + (uint64_t)DAY, "for ever"));
    put(cache, 0, "a", DAY);
    put(cache, 0, "b", DAY);
    put(cache, 0, "c", DAY);
    put(cache, 0, "c", DAY); /* takes its own place */
    assert_true(find(cache, 1, "a"));
    put(cache, 1, "d", DAY); /* b was not used for longest */
    assert_int_equal(mu_auth_cache_count(cache), 3);
    assert_true(find(cache, 2, "a"));
    assert_false(find(cache, 2, "b"));
    put(cache, 2, "none", 0);
    assert_false(find(cache, 2, "none"));
    mu_auth_cache_destroy(&cache);
    cache = mu_auth_cache_create(0);
    put(cache, 0, "a", DAY);
    assert_int_equal(mu_auth_cache_count(cache), 0);
    mu_auth_cache_destroy(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_cache),
        cmocka_unit_test(test_cache_key),
        T(test_cache_is_per_link),
        T(test_flush_while_deciding),
        T(test_cache_does_not_save),
        cmocka_unit_test(test_cache_expiry_and_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
