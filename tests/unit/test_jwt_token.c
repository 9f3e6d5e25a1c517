/* Tokens without a daemon: which hold, and which are refused with which sentence. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_jwt/token.h"
#include "tokens/tokens.h"

#define NOW UINT64_C(1790000000000) /* Unix time in ms */
#define NOW_S 1790000000L
#define GOOD "\"sub\":\"alice\",\"iss\":\"https://id\",\"aud\":\"muster\",\"exp\":1790000060"

/* RSA keys are expensive: they are made once. */
static struct mt_signer *rsa, *other_rsa, *ps, *ec, *ec384, *ec512, *secret;
static struct jwt_keys *keys;
static uint32_t all_algorithms;

static struct jwt_keys *read_keys(char *jwks) {
    char wrong[256] = "";
    struct jwt_keys *set = jwt_keys_read(jwks, strlen(jwks), wrong, sizeof wrong);
    if (set == NULL)
        fail_msg("%s: %s", jwks, wrong);
    free(jwks);
    return set;
}

static int setup(void **state) {
    (void)state;
    all_algorithms = UINT32_MAX;
    rsa = mt_signer_create("RS256", "rsa");
    other_rsa = mt_signer_create("RS256", "other");
    ps = mt_signer_as(rsa, "PS256", "rsa");
    ec = mt_signer_create("ES256", "ec");
    ec384 = mt_signer_create("ES384", "ec384");
    ec512 = mt_signer_create("ES512", "ec512");
    secret = mt_signer_create("HS256", "hs");
    keys = read_keys(mt_jwks(mt_signer_jwk(rsa, NULL), mt_signer_jwk(other_rsa, "\"use\":\"enc\""),
                             mt_signer_jwk(ec, "\"alg\":\"ES256\",\"use\":\"sig\""),
                             mt_signer_jwk(ec384, NULL), mt_signer_jwk(ec512, NULL),
                             mt_signer_jwk(secret, NULL)));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    jwt_keys_unref(&keys);
    mt_signer_destroy(&rsa);
    mt_signer_destroy(&other_rsa);
    mt_signer_destroy(&ps);
    mt_signer_destroy(&ec);
    mt_signer_destroy(&ec384);
    mt_signer_destroy(&ec512);
    mt_signer_destroy(&secret);
    return 0;
}

static struct jwt_settings settings_of_tests(void) {
    return (struct jwt_settings){
        .algorithms = all_algorithms,
        .issuers = {{"https://id", "https://id2"}, 2},
        .audiences = {{"muster"}, 1},
        .leeway_ms = 30000,
        .require_expiry = true,
        .max_token = 8192,
        .user = "sub",
        .fixed_kind = MUSTER_PRINCIPAL_USER,
    };
}

static enum jwt_refusal verify(const struct jwt_settings *settings, const struct jwt_keys *with,
                               const char *token, struct jwt_identity *identity) {
    return jwt_token_verify(settings, with, token, strlen(token), MUSTER_PURPOSE_CALLER, NULL, NOW,
                            identity);
}

/* Takes the token over. */
static void expect_at(int line, const struct jwt_settings *settings, const struct jwt_keys *with,
                      char *token, enum jwt_refusal wanted) {
    struct jwt_identity identity;
    enum jwt_refusal got = verify(settings, with, token, &identity);
    if (got != wanted)
        fail_msg("line %d: %s; wanted: %s", line,
                 got != JWT_ACCEPTED ? jwt_refusal_sentence(got) : "accepted",
                 wanted != JWT_ACCEPTED ? jwt_refusal_sentence(wanted) : "accepted");
    if (got == JWT_ACCEPTED)
        jwt_identity_deinit(&identity);
    free(token);
}

#define expect(token, wanted) expect_with(keys, token, wanted)
#define expect_with(keys, token, wanted)                                                           \
    do {                                                                                           \
        struct jwt_settings usual_ = settings_of_tests();                                          \
        expect_at(__LINE__, &usual_, (keys), (token), (wanted));                                   \
    } while (0)

static char *good(const struct mt_signer *signer) {
    return mt_token(signer, "{%s}", GOOD);
}

static char *with_header(const struct mt_signer *signer, const char *header) {
    return mt_token_sign(signer, header, "{" GOOD "}");
}

/* ---- what holds ---- */

static void test_every_algorithm(void **state) {
    static const char *const names[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                        "HS256", "HS384", "HS512", "ES256", "ES384", "ES512"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct mt_signer *key = names[i][0] == 'H'   ? secret
                                      : names[i][0] != 'E' ? rsa
                                      : names[i][2] == '2' ? ec
                                      : names[i][2] == '3' ? ec384
                                                           : ec512;
        struct mt_signer *signer = mt_signer_as(key, names[i], NULL);
        expect(good(signer), JWT_ACCEPTED);
        /* The same signature under the name of another hash or padding holds for nobody. */
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            char *header = mt_format("{\"alg\":\"%s\"}", names[j]);
            struct jwt_settings usual = settings_of_tests();
            struct jwt_identity identity;
            char *token = with_header(signer, header);
            enum jwt_refusal refusal = verify(&usual, keys, token, &identity);
            if ((refusal == JWT_ACCEPTED) != (i == j))
                fail_msg("%s as %s: %d", names[i], names[j], (int)refusal);
            if (refusal == JWT_ACCEPTED)
                jwt_identity_deinit(&identity);
            free(token);
            free(header);
        }
        mt_signer_destroy(&signer);
    }
}

static void test_algorithm_by_itself(void **state) {
    struct jwt_settings settings = settings_of_tests();
    (void)state;
    settings.algorithms = jwt_algorithm_find("ES256")->bit;
    expect_at(__LINE__, &settings, keys, good(ec), JWT_ACCEPTED);
    expect_at(__LINE__, &settings, keys, good(rsa), JWT_REFUSED_ALGORITHM);
    expect_at(__LINE__, &settings, keys, good(secret), JWT_REFUSED_ALGORITHM);
    expect_at(__LINE__, &settings, keys, good(ec384), JWT_REFUSED_ALGORITHM);
}

/* ---- the header ---- */

static void test_header(void **state) {
    (void)state;
    expect(with_header(rsa, "{\"alg\":\"none\"}"), JWT_REFUSED_NONE);
    expect(with_header(rsa, "{\"alg\":\"None\",\"kid\":\"rsa\"}"), JWT_REFUSED_NONE);
    expect(with_header(rsa, "{\"alg\":\"rs256\",\"kid\":\"rsa\"}"), JWT_REFUSED_ALGORITHM);
    expect(with_header(rsa, "{\"alg\":\"EdDSA\",\"kid\":\"rsa\"}"), JWT_REFUSED_ALGORITHM);
    expect(with_header(rsa, "{\"alg\":\"\"}"), JWT_REFUSED_ALGORITHM);
    expect(with_header(rsa, "{\"kid\":\"rsa\"}"), JWT_REFUSED_NO_ALGORITHM);
    expect(with_header(rsa, "{\"alg\":5}"), JWT_REFUSED_NO_ALGORITHM);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":7}"), JWT_REFUSED_BAD_KID);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"],\"exp\":1}"),
           JWT_REFUSED_CRIT);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}"), JWT_REFUSED_CRIT);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false,\"crit\":[\"b64\"]}"),
           JWT_REFUSED_CRIT);
    expect(with_header(rsa, "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}"),
           JWT_REFUSED_HEADER_TWICE);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"x\",\"kid\":\"rsa\"}"),
           JWT_REFUSED_HEADER_TWICE);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"} {}"), JWT_REFUSED_HEADER);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\""), JWT_REFUSED_HEADER);
    expect(with_header(rsa, "[\"RS256\"]"), JWT_REFUSED_HEADER);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"enc\":\"A128GCM\"}"), JWT_REFUSED_ENCRYPTED);
}

/* ---- keys ---- */

static void test_keys(void **state) {
    (void)state;
    expect(good(rsa), JWT_ACCEPTED);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsb\"}"), JWT_REFUSED_UNKNOWN_KID);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"\"}"), JWT_REFUSED_UNKNOWN_KID);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"ec\"}"), JWT_REFUSED_KEY_TYPE);
    expect(with_header(ec, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}"), JWT_REFUSED_KEY_TYPE);
    expect(with_header(rsa, "{\"alg\":\"RS256\",\"kid\":\"hs\"}"), JWT_REFUSED_KEY_TYPE);
    expect(with_header(ec, "{\"alg\":\"ES256\",\"kid\":\"ec384\"}"), JWT_REFUSED_KEY_TYPE);
    expect(with_header(ec384, "{\"alg\":\"ES384\",\"kid\":\"ec\"}"), JWT_REFUSED_KEY_TYPE);
    expect(good(other_rsa), JWT_REFUSED_KEY_USE); /* for encryption */
    /* A key that the token brings along is not looked at. */
    char *own = mt_signer_jwk(other_rsa, NULL);
    char *header = mt_format("{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":%s}", own);
    expect(with_header(other_rsa, header), JWT_REFUSED_SIGNATURE);
    free(header);
    free(own);
}

static void test_key_says_what_for(void **state) {
    static const char *const refused[] = {
        "\"alg\":\"RS512\"",
        "\"alg\":\"RSA-OAEP\"",
        "\"use\":\"enc\"",
        "\"key_ops\":[\"encrypt\"]",
        "\"alg\":\"RS256\",\"use\":\"enc\"",
        "\"key_ops\":[\"sign\"]",
        "\"key_ops\":[]",
    };
    static const char *const fine[] = {"\"alg\":\"RS256\"", "\"use\":\"sig\"",
                                       "\"key_ops\":[\"verify\"]",
                                       "\"key_ops\":[\"x\",\"verify\"],\"use\":\"sig\""};
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct jwt_keys *one = read_keys(mt_jwks(mt_signer_jwk(rsa, refused[i])));
        expect_with(one, good(rsa), JWT_REFUSED_KEY_USE);
        jwt_keys_unref(&one);
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        struct jwt_keys *one = read_keys(mt_jwks(mt_signer_jwk(rsa, fine[i])));
        expect_with(one, good(rsa), JWT_ACCEPTED);
        jwt_keys_unref(&one);
    }
}

/* The classic: the public key is known to everybody, so it must be nobody's secret. */
static void test_public_key_as_secret(void **state) {
    char *pem = mt_signer_pem(rsa);
    struct mt_signer *forger = mt_signer_secret("HS256", "rsa", pem, strlen(pem));
    struct jwt_keys *public_only = read_keys(mt_jwks(mt_signer_jwk(rsa, NULL)));
    (void)state;
    expect(good(forger), JWT_REFUSED_PUBLIC_AS_SECRET);
    expect_with(public_only, with_header(forger, "{\"alg\":\"HS256\"}"),
                JWT_REFUSED_PUBLIC_AS_SECRET);
    expect(with_header(forger, "{\"alg\":\"HS256\"}"), JWT_REFUSED_SIGNATURE);
    jwt_keys_unref(&public_only);
    mt_signer_destroy(&forger);
    free(pem);
}

static void test_short_secret(void **state) {
    struct mt_signer *small =
        mt_signer_secret("HS512", "s", "0123456789abcdef0123456789abcdef", 32);
    struct mt_signer *fits = mt_signer_as(small, "HS256", "s");
    struct jwt_keys *one = read_keys(mt_jwks(mt_signer_jwk(small, NULL)));
    (void)state;
    expect_with(one, good(small), JWT_REFUSED_KEY_SHORT);
    expect_with(one, good(fits), JWT_ACCEPTED);
    jwt_keys_unref(&one);
    mt_signer_destroy(&small);
    mt_signer_destroy(&fits);
}

static void test_several_keys_fit(void **state) {
    struct mt_signer *many[JWT_FITTING_MAX + 1];
    char *set = NULL;
    (void)state;
    for (size_t i = 0; i < JWT_FITTING_MAX + 1; i++) {
        many[i] = mt_signer_create("ES256", i % 2 == 0 ? NULL : "same");
        char *jwk = mt_signer_jwk(many[i], NULL);
        char *longer = mt_format("%s%s%s", set != NULL ? set : "", set != NULL ? "," : "", jwk);
        free(set);
        free(jwk);
        set = longer;
        if (i + 2 < JWT_FITTING_MAX + 1)
            continue;
        struct jwt_keys *keys_so_far = read_keys(mt_format("{\"keys\":[%s]}", set));
        for (size_t j = 0; j <= i; j++) {
            struct mt_signer *nameless = mt_signer_as(many[j], "ES256", NULL);
            expect_with(keys_so_far, good(nameless),
                        i < JWT_FITTING_MAX ? JWT_ACCEPTED : JWT_REFUSED_AMBIGUOUS);
            if (j % 2 == 1) /* four of the same kid */
                expect_with(keys_so_far, good(many[j]), JWT_ACCEPTED);
            mt_signer_destroy(&nameless);
        }
        expect_with(keys_so_far, with_header(ec, "{\"alg\":\"ES256\"}"),
                    i < JWT_FITTING_MAX ? JWT_REFUSED_SIGNATURE : JWT_REFUSED_AMBIGUOUS);
        expect_with(keys_so_far, with_header(rsa, "{\"alg\":\"RS256\"}"), JWT_REFUSED_NO_KEY);
        jwt_keys_unref(&keys_so_far);
    }
    free(set);
    for (size_t i = 0; i < JWT_FITTING_MAX + 1; i++)
        mt_signer_destroy(&many[i]);
}

/* ---- the signature and the text ---- */

static void test_every_changed_byte(void **state) {
    char *token = good(ec);
    struct jwt_settings settings = settings_of_tests();
    struct jwt_identity identity;
    (void)state;
    for (size_t i = 0; i < strlen(token); i++) {
        char before = token[i];
        token[i] = before == 'A' ? 'B' : 'A';
        if (verify(&settings, keys, token, &identity) == JWT_ACCEPTED)
            fail_msg("byte %zu does not matter", i);
        token[i] = before;
    }
    free(token);
}

static void test_cut_off(void **state) {
    char *token = good(ec);
    struct jwt_settings settings = settings_of_tests();
    struct jwt_identity identity;
    size_t length = strlen(token);
    (void)state;
    for (size_t i = 0; i < length; i++) {
        enum jwt_refusal refusal = jwt_token_verify(&settings, keys, token, i,
                                                    MUSTER_PURPOSE_CALLER, NULL, NOW, &identity);
        const char *end = memrchr(token, '.', i);
        bool in_signature = end != NULL && memchr(token, '.', (size_t)(end - token)) != NULL;
        if (!in_signature)
            assert_int_equal(refusal, JWT_REFUSED_PARTS);
        else if (refusal != JWT_REFUSED_SIGNATURE_SIZE && refusal != JWT_REFUSED_ENCODING)
            fail_msg("cut at %zu: %d", i, (int)refusal);
    }
    expect(mt_format("%s.", token), JWT_REFUSED_PARTS);
    expect(mt_format("%sAAAA", token), JWT_REFUSED_SIGNATURE_SIZE);
    expect(mt_format("%s=", token), JWT_REFUSED_ENCODING);
    expect(mt_format("%s ", token), JWT_REFUSED_ENCODING);
    /* Padding where cjose 0.6.2 does not expect it would end the process. */
    for (size_t i = 0; i < length; i++) {
        char *padded = mt_format("%.*s=%s", (int)i, token, token + i);
        struct jwt_identity nobody;
        assert_int_equal(verify(&settings, keys, padded, &nobody), JWT_REFUSED_ENCODING);
        padded[i + 1] = padded[i + 1] == '.' ? '.' : '=';
        assert_int_equal(verify(&settings, keys, padded, &nobody), JWT_REFUSED_ENCODING);
        (void)jwt_token_is_one(padded, strlen(padded));
        free(padded);
    }
    free(token);
    /* One form only: neither padding nor bits that nobody reads. */
    token = mt_token_sign(ec, "{\"alg\":\"ES256\" }", "{" GOOD "}"); /* 16 bytes: 4 stray bits */
    expect(mt_format("%s", token), JWT_ACCEPTED);
    token[21]++;
    expect(token, JWT_REFUSED_ENCODING);
}

static void test_wrong_signature(void **state) {
    struct mt_signer *strangers[] = {mt_signer_as(other_rsa, "RS256", "rsa"),
                                     mt_signer_create("ES256", "ec"),
                                     mt_signer_create("HS256", "hs")};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        expect(good(strangers[i]), JWT_REFUSED_SIGNATURE);
        mt_signer_destroy(&strangers[i]);
    }
}

static void test_too_long(void **state) {
    char *padding = calloc(1, 1024 * 1024 + 1);
    (void)state;
    assert_non_null(padding);
    memset(padding, 'x', 1024 * 1024);
    expect(mt_token(ec, "{" GOOD ",\"x\":\"%s\"}", padding), JWT_REFUSED_TOO_LONG);
    padding[7000] = '\0';
    expect(mt_token(ec, "{" GOOD ",\"x\":\"%s\"}", padding), JWT_REFUSED_TOO_LONG);
    padding[5000] = '\0';
    expect(mt_token(ec, "{" GOOD ",\"x\":\"%s\"}", padding), JWT_ACCEPTED);
    free(padding);
}

/* ---- shape ---- */

static void expect_shape(const char *text, bool is_one) {
    if (jwt_token_is_one(text, strlen(text)) != is_one)
        fail_msg("%.40s: %d", text, !is_one);
}

static void test_shape(void **state) {
    char *token = good(ec);
    char *large = calloc(1, 1024 * 1024 + 1);
    (void)state;
    assert_non_null(large);
    expect_shape(token, true);
    expect_shape("eyJhbGciOiJub25lIn0.e30.", true);
    expect_shape("eyJhbGciOiJub25lIn0.", true); /* cut off */
    expect_shape("eyJhbGciOiJub25lIn0", false);
    expect_shape("", false);
    expect_shape(".", false);
    expect_shape("..", false);
    expect_shape("eyJh", false);
    expect_shape("eyJhbGciOiJub25lIn0.e30", true);
    expect_shape("eyJhbGciOiJub25l.e30.x", true); /* a broken header is to be refused */
    expect_shape("eyJhbGciOiJub25l.e30", false);
    expect_shape("ezra.c2VjcmV0c2VjcmV0", false); /* <name>.<secret> of auth_rules */
    expect_shape("eyja.c2VjcmV0c2VjcmV0", false);
    expect_shape("ew.x", false);
    expect_shape("s3cret", false);
    expect_shape("mt_node-1.c2VjcmV0.x", false);
    expect_shape("{\"alg\":1}.e30.x", false);
    expect_shape("ICB7.e30.x", true); /* two spaces before the brace */
    memset(large, 'e', 1024 * 1024);
    expect_shape(large, false);
    memcpy(large, token, 100);
    expect_shape(large, true);
    free(large);
    free(token);
}

/* ---- a table of what a refusal says ---- */

static void test_sentences(void **state) {
    (void)state;
    assert_null(jwt_refusal_sentence(JWT_ACCEPTED));
    for (int i = JWT_ACCEPTED + 1; i < JWT_REFUSALS; i++) {
        const char *sentence = jwt_refusal_sentence((enum jwt_refusal)i);
        assert_true(strlen(sentence) > 10 && strlen(sentence) <= 200);
        assert_true(jwt_refusal_class((enum jwt_refusal)i) < JWT_CLASSES);
        for (int j = JWT_ACCEPTED + 1; j < i; j++)
            assert_string_not_equal(sentence, jwt_refusal_sentence((enum jwt_refusal)j));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_algorithm_by_itself),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_says_what_for),
        cmocka_unit_test(test_public_key_as_secret),
        cmocka_unit_test(test_short_secret),
        cmocka_unit_test(test_several_keys_fit),
        cmocka_unit_test(test_every_changed_byte),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_wrong_signature),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
