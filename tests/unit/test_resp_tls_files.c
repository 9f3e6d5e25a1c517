/* The files of TLS: what is wrong with them is said, and which it was. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/process.h"
#include "lib/world.h"
#include "transport_resp/tls.h"

static struct mt_world *world; /* with certificates in it: see lib/certificates.sh */

static const char *file(const char *name) {
    return mt_world_path(world, "%s", name);
}

static void expect_complaint(struct resp_tls_options options, const char *first,
                             const char *second) {
    char complaint[400];
    struct resp_tls_context *context =
        resp_tls_context_create(&options, complaint, sizeof complaint);
    if (context != NULL || strstr(complaint, first) == NULL || strstr(complaint, second) == NULL)
        fail_msg("\"%s\", wanted \"%s\" and \"%s\"", complaint, first, second);
    char small[8];
    assert_null(resp_tls_context_create(&options, small, sizeof small));
    assert_true(strlen(small) < sizeof small);
}

static void write_file(const char *name, const char *text) {
    FILE *out = fopen(file(name), "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void test_bad_files(void **state) {
    (void)state;
    const struct resp_tls_options good = {.certificate = file("server.pem"),
                                          .key = file("server.key")};
    struct resp_tls_options bad = good;
    write_file("empty.pem", "");
    write_file("torn.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    assert_int_equal(mkfifo(file("fifo.pem"), 0600), 0);
    static const struct {
        const char *file;
        const char *complaint;
    } cases[] = {
        {"none.pem", "No such file"},
        {"empty.pem", "there is none in it"},
        {"fifo.pem", "is not a file"},
        {"torn.pem", "bad base64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bad.certificate = file(cases[i].file);
        expect_complaint(bad, bad.certificate, cases[i].complaint);
    }
    bad = good;
    bad.key = file("renewed.key");
    expect_complaint(bad, bad.key, "does not fit the certificate");
    bad.key = file("none.key");
    expect_complaint(bad, bad.key, "No such file");
    bad.key = file("server.pem");
    assert_int_equal(chmod(bad.key, 0600), 0);
    expect_complaint(bad, bad.key, "holds no key");
    bad.key = file("locked.key");
    expect_complaint(bad, bad.key, "is encrypted");
    bad.key = NULL;
    expect_complaint(bad, "needs a certificate", "key");
    bad = good;
    bad.client_ca = file("empty.pem");
    expect_complaint(bad, bad.client_ca, "no certificate in it");
    bad.client_ca = file("none.pem");
    expect_complaint(bad, bad.client_ca, "No such file");
    bad.client_ca = NULL;
    bad.require_client = true;
    expect_complaint(bad, "client_ca", "required");
}

static void test_key_open_to_all(void **state) {
    (void)state;
    struct resp_tls_options options = {.certificate = file("renewed.pem"),
                                       .key = file("renewed.key")};
    assert_int_equal(chmod(options.key, 0644), 0);
    expect_complaint(options, options.key, "0644");
    assert_int_equal(chmod(options.key, 0640), 0); /* a group of those who may is common */
    char complaint[256];
    struct resp_tls_context *context =
        resp_tls_context_create(&options, complaint, sizeof complaint);
    assert_non_null(context);
    assert_string_equal(complaint, "");
    resp_tls_context_unref(&context);
}

static void test_expired(void **state) {
    (void)state;
    char complaint[256];
    struct resp_tls_options options = {.certificate = file("expired.pem"),
                                       .key = file("expired.key")};
    struct resp_tls_context *context =
        resp_tls_context_create(&options, complaint, sizeof complaint);
    assert_non_null(context);
    assert_non_null(strstr(complaint, "has expired"));
    assert_non_null(strstr(complaint, options.certificate));
    resp_tls_context_unref(&context);
}

static int make_certificates(void **state) {
    (void)state;
    world = mt_world_create();
    const char *const argv[] = {MUSTER_SOURCE_DIR "/tests/lib/certificates.sh", mt_world_dir(world),
                                NULL};
    return mt_process_run(world, "certificates", argv, NULL);
}

static int clean_up(void **state) {
    (void)state;
    mt_world_destroy(&world);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_key_open_to_all),
        cmocka_unit_test(test_expired),
    };
    return cmocka_run_group_tests(tests, make_certificates, clean_up);
}
