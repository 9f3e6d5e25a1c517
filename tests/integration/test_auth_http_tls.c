/* auth_http over HTTPS: who the service is is always checked, and it can check who asks. */
#include "lib/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/auth_http/service.h"

static struct mt_service service;

/* ---- certificates, in the directory of the test ---- */

static const char *file(const char *name, const char *ending) {
    return mt_world_path(service.stand->world, "%s.%s", name, ending);
}

static void openssl(const char *const argv[]) {
    static unsigned times;
    int code = mt_process_run(service.stand->world, mt_service_text(&service, "openssl%u", ++times),
                              argv, NULL);
    if (code != 0)
        mt_fail(service.stand->world, "openssl %s ended with %d", argv[1], code);
}

static void make_authority(const char *name) {
    openssl((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                                  file(name, "key"), "-out", file(name, "pem"), "-days", "2",
                                  "-subj", mt_service_text(&service, "/CN=%s", name), NULL});
}

/* `subject` such as IP:127.0.0.1. */
static void make_certificate(const char *name, const char *authority, const char *subject) {
    FILE *extension = fopen(file(name, "ext"), "we");
    assert_non_null(extension);
    fprintf(extension, "subjectAltName=%s\n", subject);
    assert_int_equal(fclose(extension), 0);
    openssl((const char *const[]){"openssl", "req", "-newkey", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                                  file(name, "key"), "-out", file(name, "csr"), "-subj",
                                  mt_service_text(&service, "/CN=%s", name), NULL});
    openssl((const char *const[]){"openssl", "x509", "-req", "-in", file(name, "csr"), "-CA",
                                  file(authority, "pem"), "-CAkey", file(authority, "key"),
                                  "-CAcreateserial", "-days", "2", "-extfile", file(name, "ext"),
                                  "-out", file(name, "pem"), NULL});
}

static void start_service(const char *certificate, const char *client_authority) {
    static const char *tls[4];
    tls[0] = file(certificate, "pem");
    tls[1] = file(certificate, "key");
    tls[2] = client_authority != NULL ? file(client_authority, "pem") : NULL;
    mt_service_start(&service, tls);
}

static void start_daemon(const char *more) {
    mt_service_daemon(&service, mt_service_text(&service,
                                                "url: 'https://127.0.0.1:%d/authorize', actions: "
                                                "[session.enter]%s",
                                                service.port, more));
}

static const char *trusting(const char *authority) {
    return mt_service_text(&service, ", ca_file: '%s'", file(authority, "pem"));
}

static void expect_allowed(void) {
    mt_ask(service.stand, service.client, "ENTER", "allow-1", "c1", "node-1", "k1");
}

static void expect_denied(const char *reason) {
    const char *message = mt_turned_down(service.stand, service.client, MUSTER_DENIED, "ENTER",
                                         "allow-1", "c1", "node-1", "k1");
    if (strstr(message, reason) == NULL)
        mt_fail(service.stand->world, "'%s' does not say '%s'", message, reason);
}

static void expect_never_asked(void) {
    expect_denied("cannot be reached");
    assert_int_equal(mt_service_asked(&service, NULL), 0);
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "unreachable"), 1);
}

/* ---- cases ---- */

static void test_trusted(void **state) {
    (void)state;
    make_authority("ca");
    make_certificate("server", "ca", "IP:127.0.0.1");
    start_service("server", NULL);
    start_daemon(trusting("ca"));
    for (int i = 0; i < 3; i++)
        expect_allowed();
    /* Shaking hands once is enough. */
    assert_int_equal(mt_int(mt_service_last(&service), "connection"), 1);
    mt_stand_stop(service.stand, service.daemon);
}

/* The very certificate of the service, and nobody else of the same authority. */
static void test_pinned(void **state) {
    (void)state;
    make_authority("ca");
    make_certificate("server", "ca", "IP:127.0.0.1");
    make_certificate("sister", "ca", "IP:127.0.0.1");
    start_service("server", NULL);
    start_daemon(trusting("server"));
    expect_allowed();
    mt_service_reload(&service,
                      mt_service_text(&service,
                                      "url: 'https://127.0.0.1:%d/', actions: "
                                      "[session.enter]%s",
                                      service.port, trusting("sister")),
                      "plugin.reloaded");
    expect_denied("cannot be reached");
    assert_int_equal(mt_service_asked(&service, NULL), 1);
    mt_stand_stop(service.stand, service.daemon);
}

static void test_other_authority(void **state) {
    (void)state;
    make_authority("ca");
    make_authority("other");
    make_certificate("server", "ca", "IP:127.0.0.1");
    start_service("server", NULL);
    start_daemon(trusting("other"));
    expect_never_asked();
}

/* The system's certificates do not vouch for it. */
static void test_no_authority(void **state) {
    (void)state;
    make_authority("ca");
    make_certificate("server", "ca", "IP:127.0.0.1");
    start_service("server", NULL);
    start_daemon("");
    expect_never_asked();
}

static void test_other_name(void **state) {
    (void)state;
    make_authority("ca");
    make_certificate("server", "ca", "DNS:auth.example,IP:127.0.0.2");
    start_service("server", NULL);
    start_daemon(trusting("ca"));
    expect_never_asked();
}

static void test_shows_itself(void **state) {
    (void)state;
    make_authority("ca");
    make_certificate("server", "ca", "IP:127.0.0.1");
    make_certificate("client", "ca", "DNS:muster");
    start_service("server", "ca");
    start_daemon(mt_service_text(&service, "%s, client_cert: '%s', client_key: 'file:%s'",
                                 trusting("ca"), file("client", "pem"), file("client", "key")));
    expect_allowed();
    /* Without it nothing is said; and a new configuration keeps no old connection. */
    mt_service_reload(&service,
                      mt_service_text(&service,
                                      "url: 'https://127.0.0.1:%d/', actions: "
                                      "[session.enter]%s",
                                      service.port, trusting("ca")),
                      "plugin.reloaded");
    expect_denied("cannot be reached");
    assert_int_equal(mt_service_asked(&service, NULL), 1);
    mt_stand_stop(service.stand, service.daemon);
}

/* Somebody takes the connection and says nothing. */
static void test_no_handshake(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    service.port = ntohs(address.sin_port);
    start_daemon(", connect_timeout: 500ms, timeout: 5m");
    expect_denied("did not answer in time");
    mt_stand_stop(service.stand, service.daemon);
    close(fd);
}

static int set_up(void **state) {
    (void)state;
    mt_service_create(&service);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mt_service_destroy(&service);
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_trusted),      TEST(test_pinned),     TEST(test_other_authority),
        TEST(test_no_authority), TEST(test_other_name), TEST(test_shows_itself),
        TEST(test_no_handshake),
    };
    return cmocka_run_group_tests_name("auth_http_tls", tests, NULL, NULL);
}
