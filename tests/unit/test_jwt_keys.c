/* The file of keys: what is in it, and whether it may be trusted. */
#include "lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_jwt/file.h"
#include "auth_jwt/text.h"
#include "lib/world.h"
#include "tokens/tokens.h"

static struct mt_signer *rsa, *ec, *secret;

static int setup(void **state) {
    (void)state;
    rsa = mt_signer_create("RS256", "rsa");
    ec = mt_signer_create("ES256", "ec");
    secret = mt_signer_create("HS256", "hs");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    mt_signer_destroy(&rsa);
    mt_signer_destroy(&ec);
    mt_signer_destroy(&secret);
    return 0;
}

/* Takes the text over. */
static void expect_broken(char *jwks, const char *sentence) {
    char wrong[256] = "";
    struct jwt_keys *keys = jwt_keys_read(jwks, strlen(jwks), wrong, sizeof wrong);
    if (keys != NULL || strstr(wrong, sentence) == NULL)
        fail_msg("%s: '%s', wanted '%s'", jwks, wrong, sentence);
    free(jwks);
}

static void test_broken_sets(void **state) {
    static const char *const fixed[][2] = {
        {"", "is not a JSON object"},
        {"[]", "is not a JSON object"},
        {"{\"keys\":[]", "is not a JSON object"},
        {"{}", "has no list named keys"},
        {"{\"keys\":{}}", "has no list named keys"},
        {"{\"keys\":[]}", "has no key"},
        {"{\"keys\":[7]}", "key 1 is no object with a kty"},
        {"{\"keys\":[{\"kid\":\"a\"}]}", "key 1 is no object with a kty"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}", "has no key"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}]}",
         "has no key"},
        {"{\"keys\":[],\"keys\":[]}", "has a member twice"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"k\":\"AAAA\"}]}", "has a member twice"},
        {"{\"keys\":[{\"kty\":\"oct\"}]}", "key 1 has no good k"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"\"}]}", "key 1 has no good k"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA==\"}]}", "key 1 has no good k"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAA\"}]}", "key 1 has 128 bits"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", "key 1 has no good n"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\",\"d\":\"AA\"}]}", "is private"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\",\"qi\":\"A=A\"}]}",
         "is private"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAA=AA\"}]}", "key 1 has no good k"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQ\"}]}", "key 1 has no good e"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"Ag\"}]}", "key 1 has no good e"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AAAB\"}]}", "key 1 has no good e"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
         "key 1 has no good x"},
        {"{\"keys\":[{\"kty\":\"oct\",\"kid\":5,\"k\":\"AA\"}]}", "has a kid that is no text"},
        {"{\"keys\":[{\"kty\":\"oct\",\"use\":[],\"k\":\"AA\"}]}", "has a use that is no text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        expect_broken(strdup(fixed[i][0]), fixed[i][1]);
}

static void test_damaged_keys(void **state) {
    struct mt_signer *weak = mt_signer_rsa("RS256", NULL, 1024);
    char *good = mt_signer_jwk(ec, NULL);
    (void)state;
    /* The second key is named. */
    expect_broken(mt_jwks(mt_signer_jwk(ec, NULL), mt_signer_jwk(weak, NULL)),
                  "key 2 has 1024 bits");
    char *bent = mt_jwks(strdup(good));
    char *x = strstr(bent, "\"x\":\"") + 5;
    x[3] = x[3] == 'A' ? 'B' : 'A'; /* no point of the curve any more */
    expect_broken(bent, "key 1 is damaged");
    char *many = mt_format("%s", good);
    for (size_t i = 0; i < JWT_KEYS_MAX; i++) {
        char *longer = mt_format("%s,%s", many, good);
        free(many);
        many = longer;
    }
    expect_broken(mt_format("{\"keys\":[%s]}", many), "has 129 keys; at most 128");
    free(many);
    free(good);
    mt_signer_destroy(&weak);
}

static void test_good_set(void **state) {
    char *jwks = mt_jwks(mt_signer_jwk(rsa, NULL),
                         mt_format("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}"),
                         mt_signer_jwk(ec, NULL));
    char wrong[256];
    struct jwt_keys *keys = jwt_keys_read(jwks, strlen(jwks), wrong, sizeof wrong);
    (void)state;
    assert_non_null(keys);
    assert_int_equal(keys->count, 2);
    assert_int_equal(keys->skipped, 1);
    assert_false(keys->secret);
    struct jwt_keys *second = jwt_keys_ref(keys);
    jwt_keys_unref(&keys);
    assert_null(keys);
    assert_int_equal(second->keys[1].bits, 256);
    jwt_keys_unref(&second);
    free(jwks);
}

/* ---- the file ---- */

static void write_file(const char *path, char *text, mode_t mode) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    free(text);
}

static void expect_file(const char *path, const char *sentence) {
    char wrong[JWT_WRONG_MAX] = "";
    struct jwt_stamp stamp;
    struct jwt_keys *keys = jwt_file_read(path, &stamp, wrong);
    if ((keys == NULL) != (sentence != NULL) ||
        (sentence != NULL && strstr(wrong, sentence) == NULL))
        fail_msg("%s: '%s'", path, wrong);
    jwt_keys_unref(&keys);
}

static void test_file(void **state) {
    struct mt_world *world = mt_world_create();
    char *folder = mt_format("%s/open", mt_world_dir(world));
    char *path = mt_format("%s/jwks.json", mt_world_dir(world));
    char *inside = mt_format("%s/jwks.json", folder);
    (void)state;
    expect_file(path, strerror(ENOENT));
    write_file(path, mt_jwks(mt_signer_jwk(rsa, NULL)), 0644);
    expect_file(path, NULL);
    chmod(path, 0646);
    expect_file(path, "everybody may write it");
    write_file(path, mt_jwks(mt_signer_jwk(rsa, NULL), mt_signer_jwk(secret, NULL)), 0644);
    expect_file(path, "holds a shared secret and everybody may read it");
    chmod(path, 0640);
    expect_file(path, NULL);
    write_file(path, mt_format("{\"keys\":[]}"), 0600);
    expect_file(path, "has no key");
    char *spaces = mt_format("%*s", (int)JWT_FILE_MAX + 1, "{}");
    write_file(path, spaces, 0600);
    expect_file(path, "larger than 1 MiB");
    assert_int_equal(mkdir(folder, 0700), 0);
    expect_file(folder, "is not a regular file");
    write_file(inside, mt_jwks(mt_signer_jwk(rsa, NULL)), 0644);
    expect_file(inside, NULL);
    chmod(folder, 01777);
    expect_file(inside, "everybody may write in its folder");
    chmod(folder, 0700);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_file(path, "is not a regular file"); /* and nobody waits for a writer */
    unlink(path);
    unlink(inside);
    free(folder);
    free(path);
    free(inside);
    mt_world_destroy(&world);
}

static void test_stamp(void **state) {
    struct mt_world *world = mt_world_create();
    char *path = mt_format("%s/jwks.json", mt_world_dir(world));
    char *next = mt_format("%s/next", mt_world_dir(world));
    struct jwt_stamp none = jwt_file_stamp(path);
    (void)state;
    assert_false(none.there);
    write_file(path, mt_format("abc"), 0600);
    struct jwt_stamp first = jwt_file_stamp(path);
    struct jwt_stamp same = jwt_file_stamp(path);
    assert_true(jwt_stamp_equal(&first, &same));
    assert_false(jwt_stamp_equal(&first, &none));
    for (int i = 0; i < 5; i++) { /* each of them tells by itself */
        same = first;
        same.about.st_dev += i == 0 ? 1 : 0;
        same.about.st_ino += i == 1 ? 1 : 0;
        same.about.st_size += i == 2 ? 1 : 0;
        same.about.st_mtim.tv_nsec ^= i == 3 ? 1 : 0;
        same.about.st_ctim.tv_sec += i == 4 ? 1 : 0;
        assert_false(jwt_stamp_equal(&first, &same));
    }
    /* Another file of the same size, renamed over it. */
    write_file(next, mt_format("abd"), 0600);
    assert_int_equal(rename(next, path), 0);
    struct jwt_stamp renamed = jwt_file_stamp(path);
    assert_false(jwt_stamp_equal(&first, &renamed));
    unlink(path);
    free(path);
    free(next);
    mt_world_destroy(&world);
}

static void test_base64(void **state) {
    static const char *const bad[] = {"A",     "AA=", "AA==", "AB",       "A+AA", "A/AA", "AA A",
                                      "AAAAA", "é",   "A=AA", "AAAAA=AA", "=",    "A==="};
    char *bytes = NULL;
    size_t size = 0;
    (void)state;
    assert_true(jwt_base64_decode("YWI-_w", 6, &bytes, &size));
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "ab>\xff", 5);
    jwt_wipe_free(&bytes, size);
    assert_true(jwt_base64_decode("", 0, &bytes, &size));
    assert_int_equal(size, 0);
    jwt_wipe_free(&bytes, size);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (jwt_base64_decode(bad[i], strlen(bad[i]), &bytes, &size))
            fail_msg("%s", bad[i]);
        assert_null(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_sets), cmocka_unit_test(test_damaged_keys),
        cmocka_unit_test(test_good_set),    cmocka_unit_test(test_file),
        cmocka_unit_test(test_stamp),       cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
