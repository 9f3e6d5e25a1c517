/* auth_rules without a daemon: patterns, tokens, dates, buckets, what a configuration may say, and
 * which rule decides. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_rules/date.h"
#include "unit/auth_rules_read.h"

/* ---- patterns ---- */

static bool match(const char *pattern, const char *value, enum rules_reach reach) {
    static const struct rules_names names = {"node-1", "*", "ada"};
    struct rules_glob glob;
    const char *wrong = NULL;
    if (rules_glob_read(&glob, RULES_OF_IDS, pattern, &wrong) != MUSTER_OK)
        fail_msg("%s: %s", pattern, wrong);
    bool found = rules_glob_match(&glob, &names, value, reach);
    rules_glob_deinit(&glob);
    return found;
}

static void test_globs(void **state) {
    static const struct {
        const char *pattern, *value;
        bool covers, touches;
    } cases[] = {
        {"room-1", "room-1", true, true},
        {"room-1", "room-12", false, false},
        {"room-*", "room-", true, true},
        {"room-*", "roo", false, false},
        {"*", "x", true, true},
        {"*-lobby", "a-lobby-b-lobby", true, true},
        {"*-lobby", "a-lobby-b", false, false},
        {"a*b*c", "aXbXbXc", true, true},
        {"a*b*c", "aXc", false, false},
        {"**", "x", true, true},
        {"user-{user}-*", "user-ada-1", true, true},
        {"user-{user}-*", "user-bob-1", false, false},
        {"{principal}", "node-1", true, true},
        {"{principal}{user}", "node-1ada", true, true},
        /* values that are patterns */
        {"room-*", "room-*", true, true},
        {"room-*", "room-7*", true, true},
        {"room-7", "room-*", false, true},
        {"room-*", "*", false, true},
        {"*", "*", true, true},
        {"room-*", "*-7", false, true},
        {"room-*", "hall-*", false, false},
        {"secret-*", "s*", false, true},
        {"*-secret", "team-*", false, true},
        {"a*c", "*b", false, false},
        {"a", "*", false, true},
        {"a*", "b*", false, false},
        {"*x*", "*y*", false, true},
        /* a placeholder that stands for a star puts none into the pattern */
        {"{instance}", "*", false, true},
        {"{instance}", "node-1", false, false},
        {"x-{instance}", "x-*", false, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *pattern = cases[i].pattern;
        const char *value = cases[i].value;
        if (match(pattern, value, RULES_COVERS) != cases[i].covers ||
            match(pattern, value, RULES_TOUCHES) != cases[i].touches)
            fail_msg("'%s' and '%s': not as wanted", pattern, value);
    }
    char longest[RULES_VALUE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[RULES_VALUE_MAX + 1] = '\0';
    assert_false(match("*", longest, RULES_COVERS));
    assert_true(match("b", longest, RULES_TOUCHES));
    longest[RULES_VALUE_MAX] = '\0';
    assert_true(match("*", longest, RULES_COVERS));
}

/* Both ways of matching against every text of two letters and a star: what is covered is touched;
 * what is covered, every instance of it is covered, and what is not touched has none. */
static void test_globs_exhaustively(void **state) {
    enum { LENGTH = 4, LETTERS = 3, TEXTS = 1 + 3 + 9 + 27 + 81 };
    static char texts[TEXTS][LENGTH + 1];
    size_t count = 0;
    (void)state;
    for (size_t length = 0, all = 1; length <= LENGTH; length++, all *= LETTERS) {
        for (size_t n = 0; n < all; n++, count++) {
            for (size_t i = 0, rest = n; i < length; i++, rest /= LETTERS)
                texts[count][i] = "ab*"[rest % LETTERS];
        }
    }
    for (size_t p = 1; p < TEXTS; p++) {
        for (size_t v = 1; v < TEXTS; v++) {
            bool covers = match(texts[p], texts[v], RULES_COVERS);
            bool touches = match(texts[p], texts[v], RULES_TOUCHES);
            bool some = false;
            assert_true(touches || !covers);
            for (size_t t = 1; t < TEXTS; t++) {
                bool plain = strchr(texts[t], '*') == NULL;
                if (!plain || !match(texts[v], texts[t], RULES_COVERS))
                    continue;
                bool in = match(texts[p], texts[t], RULES_COVERS);
                if (covers && !in)
                    fail_msg("'%s' covers '%s' but not '%s'", texts[p], texts[v], texts[t]);
                if (in && !touches)
                    fail_msg("'%s' does not touch '%s' but '%s'", texts[p], texts[v], texts[t]);
                some = some || in;
            }
            if (touches && !some && strlen(texts[p]) + strlen(texts[v]) <= LENGTH)
                fail_msg("'%s' touches '%s' in nothing", texts[p], texts[v]);
        }
    }
}

static void test_bad_globs(void **state) {
    char longest[RULES_GLOB_MAX + 2];
    const struct {
        const char *pattern, *wrong;
    } cases[] = {
        {"", "is empty"},        {"room/1", "no id has"},
        {"room-?", "no id has"}, {"{usr}", "no id has"},
        {"{user", "no id has"},  {"{user}{user}{user}{user}{user}", "too many placeholders"},
        {longest, "too long"},
    };
    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[RULES_GLOB_MAX + 1] = '\0';
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rules_glob glob;
        const char *wrong = "nothing";
        assert_int_equal(rules_glob_read(&glob, RULES_OF_IDS, cases[i].pattern, &wrong),
                         MUSTER_BAD_REQUEST);
        if (strstr(wrong, cases[i].wrong) == NULL)
            fail_msg("'%s': %s", cases[i].pattern, wrong);
    }
    longest[RULES_GLOB_MAX] = '\0';
    assert_true(match(longest, longest, RULES_COVERS));
}

/* ---- tokens ---- */

static void test_tokens(void **state) {
    char text[RULES_TOKEN_SIZE];
    char other[RULES_TOKEN_SIZE];
    char printed[RULES_HASH_TEXT_SIZE];
    struct rules_token token;
    struct rules_hash hash;
    struct rules_hash again;
    (void)state;
    assert_true(rules_token_make("node-1", text));
    assert_true(rules_token_make("node-1", other));
    assert_string_not_equal(text, other);
    assert_int_equal(strlen(text), strlen("node-1.") + RULES_SECRET_LENGTH);
    assert_true(rules_token_split(text, strlen(text), &token));
    assert_string_equal(token.name, "node-1");
    assert_true(rules_hash_make(token.secret, &hash));
    rules_hash_print(&hash, printed);
    assert_true(rules_hash_read(printed, &again));
    assert_true(rules_hash_matches(&again, token.secret));
    for (size_t i = strlen("node-1."); text[i] != '\0'; i++) { /* every byte counts */
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        assert_false(rules_hash_matches(&again, token.secret));
        text[i] = kept;
    }
    again.salt[0] ^= 1;
    assert_false(rules_hash_matches(&again, token.secret));
    assert_true(rules_hash_make(token.secret, &again)); /* another salt, another hash */
    assert_memory_not_equal(hash.digest, again.digest, RULES_DIGEST_SIZE);
}

/* What sha256sum says: the documentation tells how to make such a line by hand. */
static void test_known_hash(void **state) {
    struct rules_hash hash;
    (void)state;
    assert_true(rules_hash_read("sha256:000102030405060708090a0b0c0d0e0f:"
                                "7e1c6158663861767a85469482f580b29ebc3a08c4e87a4081668056af5b7a18",
                                &hash));
    assert_true(rules_hash_matches(&hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
}

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyz_-ABCDE"
#define DIGEST "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"

static void test_shapes(void **state) {
    static const char *const strange[] = {
        "",
        ".",
        "node-1",
        "." SECRET,
        "node-1." SECRET "x",
        "node-1.0123456789abcdefghijklmnopqrstuvwxyz_-ABCD",
        "node-1.0123456789abcdefghijklmnopqrstuvwxyz_-ABCD=",
        "node-1.0123456789abcdefghijklmnopqrstuvwxyz_-ABC.E",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0." SECRET, /* a JWT: two dots */
        "node 1." SECRET,
        "node-1:" SECRET,
    };
    static const char *const no_hashes[] = {
        "",
        "sha256:",
        "sha256::" DIGEST,
        "sha256:00:" DIGEST,
        "sha256:0001020304050607:" DIGEST "0",
        "sha256:000102030405060:" DIGEST,
        "sha256:000102030405060g:" DIGEST,
        "sha512:0001020304050607:" DIGEST,
        "sha256:0001020304050607:",
        "sha256:0001020304050607:" DIGEST ":",
    };
    struct rules_token token;
    struct rules_hash hash;
    char name[RULES_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        if (rules_token_split(strange[i], strlen(strange[i]), &token))
            fail_msg("'%s' was taken for a token", strange[i]);
    }
    for (size_t i = 0; i < sizeof no_hashes / sizeof no_hashes[0]; i++) {
        if (rules_hash_read(no_hashes[i], &hash))
            fail_msg("'%s' was taken for a hash", no_hashes[i]);
    }
    assert_true(rules_token_split("node-1." SECRET, strlen("node-1." SECRET), &token));
    assert_true(rules_hash_read("sha256:0001020304050607:" DIGEST, &hash));
    memset(name, 'a', sizeof name);
    name[RULES_NAME_MAX + 1] = '\0';
    assert_false(rules_token_name_valid(name));
    name[RULES_NAME_MAX] = '\0';
    assert_true(rules_token_name_valid(name));
    assert_false(rules_token_name_valid(""));
    assert_false(rules_token_name_valid("node.1"));
}

/* ---- dates ---- */

static void test_dates(void **state) {
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2027-01-31", 1801353600},
        {"2027-01-31T12:00:00Z", 1801396800},
        {"2027-01-31t12:00:00.987z", 1801396800},
        {"2027-01-31 12:00:00+01:00", 1801393200},
        {"2027-01-31T12:00:00-01:30", 1801402200},
        {"2028-02-29T23:59:59Z", 1835481599},
    };
    static const char *const bad[] = {
        "",
        "2027",
        "2027-02-29",
        "2027-13-01",
        "2027-00-10",
        "2027-1-31",
        "2027-01-31T12:00:00",
        "2027-01-31T24:00:00Z",
        "2027-01-31T12:00Z",
        "2027-01-31T12:00:00.Z",
        "2027-01-31T12:00:00Zx",
        "2027-01-31T12:00:00+0100",
        "2027-01-31x",
        "1969-12-31",
        "1970-01-01T00:00:00+01:00",
        "31.1.2027",
    };
    uint64_t ms = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!rules_date_read(good[i].text, &ms) || ms != good[i].seconds * 1000)
            fail_msg("%s: %llu", good[i].text, (unsigned long long)ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (rules_date_read(bad[i], &ms))
            fail_msg("'%s' was taken for a date", bad[i]);
    }
}

/* ---- buckets ---- */

static void test_buckets(void **state) {
    static const unsigned char seed[RULES_SEED_SIZE] = {1};
    struct rules_rate rate = {.requests = 10, .per_ms = 1000, .burst = 3};
    struct rules_buckets *buckets = rules_buckets_create(2, seed);
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5000), 0);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5000), 100);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5040), 60);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5099), 1);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5100), 0);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5100), 100);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "b", 5100), 0);   /* its own bucket */
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", 5000), 100); /* never backwards */
    for (int i = 0; i < 3; i++) /* a long rest fills it, and not more */
        assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", UINT64_MAX / 2), 0);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", UINT64_MAX / 2), 100);
    /* the one not used for longest makes room: b, not a */
    assert_int_equal(rules_buckets_take(buckets, &rate, 2, "a", UINT64_MAX / 2), 0);
    assert_int_equal(rules_buckets_count(buckets), 2);
    assert_int_equal(rules_buckets_take(buckets, &rate, 1, "a", UINT64_MAX / 2), 100);
    rules_buckets_destroy(&buckets);
    assert_null(buckets);
}

/* Whatever the pace at which they come: no more than burst and what flows in. */
static void test_buckets_never_give_more(void **state) {
    static const unsigned char seed[RULES_SEED_SIZE] = {2};
    struct rules_rate rate = {.requests = 7, .per_ms = 300, .burst = 5};
    struct rules_buckets *buckets = rules_buckets_create(1, seed);
    uint64_t now = 1000;
    uint64_t given = 0;
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        now += i % 7 == 0 ? i % 50 : 0;
        given += rules_buckets_take(buckets, &rate, 1, "a", now) == 0 ? 1 : 0;
        assert_true(given <= rate.burst + (now - 1000) * rate.requests / rate.per_ms);
    }
    assert_true(given + 100 >= (now - 1000) * rate.requests / rate.per_ms);
    rules_buckets_destroy(&buckets);
}

/* ---- configurations ---- */

static void test_complaints(void **state) {
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"      rules: {a: b}\n", "r.yaml:5:14: rules: is no list"},
        {"      rules: [x]\n", "r.yaml:5:15: rules: rule 1: is no mapping"},
        {"      rules:\n      - {action: admin}\n",
         "r.yaml:6:9: rules: rule 1: effect: is missing; allowed are allow and deny"},
        {"      rules:\n      - {effect: allow}\n      - {effect: maybe}\n",
         "r.yaml:7:18: rules: rule 2: effect: 'maybe' is not known; allowed are deny and allow"},
        {"      rules: [{effect: deny, sesion: x}]\n",
         "r.yaml:5:38: rules: rule 1: unknown key 'sesion'; allowed here are principal, role, "},
        {"      rules: [{effect: deny, action: session.eat}]\n",
         "r.yaml:5:38: rules: rule 1: action: 'session.eat' matches no action; allowed are "},
        {"      rules: [{effect: deny, operation: [ENTER, DANCE]}]\n",
         "r.yaml:5:49: rules: rule 1: operation: 'DANCE' is none"},
        {"      rules: [{effect: deny, kind: robot}]\n",
         "kind: 'robot' is not known; allowed are anonymous, instance, user and operator"},
        {"      rules: [{effect: deny, session: 'a/b'}]\n", "session: 'a/b' has a byte that no id"},
        {"      rules: [{effect: deny, session: []}]\n", "session: is neither a text nor a list"},
        {"      rules: [{effect: deny, session: [[a]]}]\n", "session: has an item that is no text"},
        {"      rules: [{effect: deny, rate: {requests: 1}}]\n", "this rule denies"},
        {"      rules: [{effect: deny, quota: {sessions: 1}}]\n", "this rule denies"},
        {"      rules: [{effect: allow, reason: no}]\n", "this rule allows"},
        {"      rules: [{effect: allow, cache: 1s, rate: {requests: 1}}]\n", "asked each time"},
        {"      rules: [{effect: allow, cache: 1}]\n", "cache: is not a duration"},
        {"      rules: [{effect: allow, cache: 2d}]\n", "cache: is out of range"},
        {"      rules: [{effect: allow, rate: {per: 1s}}]\n", "rate: requests is missing"},
        {"      rules: [{effect: allow, rate: {requests: 0}}]\n", "allowed is 1 to 1000000"},
        {"      rules: [{effect: allow, rate: {requests: 1, each: node}}]\n",
         "rate.each: 'node' is not known; allowed are principal and user"},
        {"      rules: [{effect: allow, quota: {}}]\n", "is no mapping"},
        {"      rules: [{effect: allow, quota: {per: user}}]\n", "quota: bounds nothing"},
        {"      principals: [a]\n", "r.yaml:5:19: principals: is no mapping"},
        {"      principals: {a: {kind: user}}\n",
         "r.yaml:5:23: principals: a: has neither token nor certificate"},
        {"      principals: {a: {certificate: CN=a}}\n", "principals: a: kind: is missing"},
        {"      principals: {a: {certificate: CN=a, kind: anonymous}}\n",
         "kind: 'anonymous' is not known; allowed are instance, user and operator"},
        {"      principals: {a: {token: plain, kind: user}}\n", "a: token: is no salted hash"},
        {"      principals: {a.b: {token: x, kind: user}}\n", "without a dot"},
        {"      principals: {a/b: {token: x, kind: user}}\n", "the name is no id"},
        {"      principals: {a: {certificate: CN=a, kind: user, expires: soon}}\n",
         "expires: is no date; allowed is one of RFC 3339"},
        {"      principals: {a: {certificate: CN=a, kind: user, instance: 'b c'}}\n",
         "instance: is no id"},
        {"      principals:\n        a: {certificate: CN=a, kind: user}\n"
         "        b: {certificate: CN=a, kind: user}\n",
         "r.yaml:6:9: principals: 'a' and 'b' have the same certificate"},
        {"      principals: {a: {certificate: CN=a, kind: user, shoe: 44}}\n",
         "unknown key 'shoe'; allowed here are token, certificate, kind, instance, roles and"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct read read;
        read_config(&read, cases[i].text);
        if (read.policy != NULL || strstr(read.complaint, cases[i].complaint) == NULL)
            fail_msg("%s\n  says '%s'\n  and not '%s'", cases[i].text, read.complaint,
                     cases[i].complaint);
        if (strstr(read.complaint, "plain") != NULL)
            fail_msg("it repeats a token: %s", read.complaint);
        forget(&read);
    }
}

static void test_nothing_is_fine(void **state) {
    static const char *const texts[] = {"      {}\n", "      rules: []\n      principals: {}\n",
                                        "      rules:\n      principals:\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct read read;
        read_config(&read, texts[i]);
        assert_non_null(read.policy);
        assert_int_equal(read.policy->rule_count, 0);
        assert_int_equal(read.policy->rate_entries, 100000);
        forget(&read);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_globs_exhaustively),
        cmocka_unit_test(test_bad_globs),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_known_hash),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_buckets_never_give_more),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
