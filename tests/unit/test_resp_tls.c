/* TLS of the RESP door without a socket: a client of OpenSSL's in the same process, and bytes that
 * are carried by hand. */
#include "lib/test.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/process.h"
#include "lib/world.h"
#include "transport_resp/tls.h"

#define BULK (10 * 1024 * 1024)

static struct mt_world *world; /* with certificates in it: see lib/certificates.sh */

static const char *file(const char *name) {
    return mt_world_path(world, "%s", name);
}

/* ---- the two ends ------------------------------------------------------------------------- */

struct ends {
    struct resp_tls_context *context;
    struct resp_tls *server;
    SSL_CTX *client_context;
    SSL *client;
    BIO *to_client; /* owned by `client` */
    BIO *to_server;
    bool server_broken;
};

static struct resp_tls_context *context_of(const char *name, bool ask, bool require) {
    char certificate[256];
    char complaint[256];
    snprintf(certificate, sizeof certificate, "%s/%s.pem", mt_world_dir(world), name);
    struct resp_tls_options options = {.certificate = certificate,
                                       .key = mt_world_path(world, "%s.key", name),
                                       .client_ca = ask ? file("ca.pem") : NULL,
                                       .require_client = require};
    struct resp_tls_context *context =
        resp_tls_context_create(&options, complaint, sizeof complaint);
    if (context == NULL)
        fail_msg("%s", complaint);
    assert_string_equal(complaint, "");
    return context;
}

static void connect_to(struct ends *ends, struct resp_tls_context *context, SSL_CTX *client) {
    memset(ends, 0, sizeof *ends);
    ends->context = context;
    ends->server = resp_tls_create(context);
    assert_non_null(ends->server);
    ends->client_context = client;
    ends->client = SSL_new(client);
    ends->to_client = BIO_new(BIO_s_mem());
    ends->to_server = BIO_new(BIO_s_mem());
    SSL_set_bio(ends->client, ends->to_client, ends->to_server);
    SSL_set_connect_state(ends->client);
}

static SSL_CTX *client_context(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(context, file("ca.pem"), NULL), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

static SSL_CTX *client_with(const char *name) {
    SSL_CTX *context = client_context();
    char certificate[256];
    snprintf(certificate, sizeof certificate, "%s/%s.pem", mt_world_dir(world), name);
    assert_int_equal(SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, mt_world_path(world, "%s.key", name),
                                                 SSL_FILETYPE_PEM),
                     1);
    return context;
}

static void end(struct ends *ends) {
    resp_tls_destroy(&ends->server);
    assert_null(ends->server);
    resp_tls_destroy(&ends->server);
    resp_tls_context_unref(&ends->context);
    assert_null(ends->context);
    resp_tls_context_unref(&ends->context);
    SSL_free(ends->client);
    SSL_CTX_free(ends->client_context);
    ERR_clear_error();
}

/* Carries what lies there, `step` bytes at a time. True: something moved. */
static bool carry(struct ends *ends, size_t step) {
    unsigned char buffer[65536];
    bool moved = false;
    int got = 0;
    size_t taken = 0;
    while (!ends->server_broken && (got = BIO_read(ends->to_server, buffer, (int)step)) > 0) {
        ends->server_broken = resp_tls_feed(ends->server, buffer, (size_t)got) < 0;
        moved = true;
    }
    while ((taken = resp_tls_take(ends->server, buffer, step)) > 0) {
        assert_int_equal(BIO_write(ends->to_client, buffer, (int)taken), taken);
        moved = true;
    }
    return moved;
}

/* Until neither has anything more to say. */
static void shake_hands(struct ends *ends, size_t step) {
    do {
        SSL_do_handshake(ends->client);
        ERR_clear_error();
    } while (carry(ends, step));
}

static void expect_established(struct ends *ends) {
    if (!resp_tls_established(ends->server))
        fail_msg("not established: %s", resp_tls_error(ends->server));
    assert_true(SSL_is_init_finished(ends->client));
    assert_string_equal(resp_tls_error(ends->server), "");
}

static void establish(struct ends *ends, SSL_CTX *client) {
    connect_to(ends, context_of("server", false, false), client);
    shake_hands(ends, 65536);
    expect_established(ends);
}

static void expect_refused(struct ends *ends, const char *error) {
    char byte = 0;
    assert_true(ends->server_broken);
    assert_false(resp_tls_established(ends->server));
    if (strstr(resp_tls_error(ends->server), error) == NULL)
        fail_msg("\"%s\", wanted \"%s\"", resp_tls_error(ends->server), error);
    assert_int_equal(resp_tls_feed(ends->server, "\x16", 1), -1);
    assert_int_equal(resp_tls_read(ends->server, &byte, 1), -1);
    assert_int_equal(resp_tls_write(ends->server, "x", 1), -1);
    assert_int_equal(resp_tls_shutdown(ends->server), -1);
    assert_null(resp_tls_subject(ends->server));
}

static void expect_talk(struct ends *ends) {
    char buffer[64];
    assert_int_equal(SSL_write(ends->client, "PING\r\n", 6), 6);
    carry(ends, 65536);
    assert_int_equal(resp_tls_read(ends->server, buffer, sizeof buffer), 6);
    assert_memory_equal(buffer, "PING\r\n", 6);
    assert_int_equal(resp_tls_read(ends->server, buffer, sizeof buffer), 0);
    assert_int_equal(resp_tls_write(ends->server, "+PONG\r\n", 7), 0);
    carry(ends, 65536);
    assert_int_equal(SSL_read(ends->client, buffer, sizeof buffer), 7);
    assert_memory_equal(buffer, "+PONG\r\n", 7);
}

/* ---- handshakes --------------------------------------------------------------------------- */

static void test_byte_by_byte(void **state) {
    (void)state;
    struct ends ends;
    char byte = 0;
    connect_to(&ends, context_of("server", false, false), client_context());
    assert_int_equal(resp_tls_read(ends.server, &byte, 1), 0);
    assert_int_equal(resp_tls_write(ends.server, "x", 1), -1); /* too early */
    assert_int_equal(resp_tls_shutdown(ends.server), -1);
    assert_int_equal(resp_tls_feed(ends.server, "", 0), 0);
    shake_hands(&ends, 1);
    expect_established(&ends);
    assert_int_equal(SSL_version(ends.client), TLS1_3_VERSION);
    assert_null(resp_tls_subject(ends.server));
    expect_talk(&ends);
    end(&ends);
}

static void test_tls12(void **state) {
    (void)state;
    struct ends ends;
    SSL_CTX *client = client_context();
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    establish(&ends, client);
    assert_int_equal(SSL_version(ends.client), TLS1_2_VERSION);
    expect_talk(&ends);
    /* It asks to negotiate again, and is told no. */
    SSL_set_options(ends.client, SSL_OP_LEGACY_SERVER_CONNECT);
    assert_int_equal(SSL_renegotiate(ends.client), 1);
    assert_true(SSL_do_handshake(ends.client) <= 0);
    carry(&ends, 65536);
    char byte = 0;
    (void)resp_tls_read(ends.server, &byte, 1);
    carry(&ends, 65536);
    assert_true(SSL_do_handshake(ends.client) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    end(&ends);
}

static void test_tls11_refused(void **state) {
    (void)state;
    struct ends ends;
    SSL_CTX *client = client_context();
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
    connect_to(&ends, context_of("server", false, false), client);
    shake_hands(&ends, 65536);
    expect_refused(&ends, "unsupported protocol");
    end(&ends);
}

/* No secrecy for what was recorded once the key leaks: not taken. */
static void test_weak_cipher_refused(void **state) {
    (void)state;
    struct ends ends;
    SSL_CTX *client = client_context();
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set_cipher_list(client, "ECDHE-ECDSA-AES128-SHA256:AES128-SHA"), 1);
    connect_to(&ends, context_of("server", false, false), client);
    shake_hands(&ends, 65536);
    expect_refused(&ends, "no shared cipher");
    end(&ends);
}

static void test_garbage(void **state) {
    (void)state;
    unsigned char noise[2048];
    for (unsigned seed = 0; seed < 200; seed++) {
        struct ends ends;
        unsigned value = seed * 2654435761U + 1;
        for (size_t i = 0; i < sizeof noise; i++) {
            value = value * 1103515245U + 12345U;
            noise[i] = (unsigned char)(value >> 16);
        }
        /* Deeper and deeper: a record, a version, a length, a ClientHello. */
        static const unsigned char head[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
        memcpy(noise, head, seed % (sizeof head + 1));
        connect_to(&ends, context_of("server", false, false), client_context());
        ends.server_broken = resp_tls_feed(ends.server, noise, sizeof noise) < 0;
        assert_false(resp_tls_established(ends.server));
        if (ends.server_broken)
            assert_string_not_equal(resp_tls_error(ends.server), "");
        assert_true(resp_tls_pending(ends.server) < 1024);
        end(&ends);
    }
}

/* In the middle of a connection that was fine. */
static void test_garbage_later(void **state) {
    (void)state;
    struct ends ends;
    char byte = 0;
    establish(&ends, client_context());
    assert_int_equal(SSL_write(ends.client, "PING", 4), 4);
    unsigned char record[256];
    int length = BIO_read(ends.to_server, record, sizeof record);
    assert_true(length > 8);
    record[length - 1] ^= 1;
    assert_int_equal(resp_tls_feed(ends.server, record, (size_t)length), 0);
    assert_int_equal(resp_tls_read(ends.server, &byte, 1), -1);
    assert_string_not_equal(resp_tls_error(ends.server), "");
    assert_true(resp_tls_pending(ends.server) > 0); /* the alert */
    assert_int_equal(resp_tls_read(ends.server, &byte, 1), -1);
    assert_int_equal(resp_tls_write(ends.server, "x", 1), -1);
    end(&ends);
}

/* Seen at the first byte: four bytes of PING are less than a record's head, and would wait. */
static void test_plain_text(void **state) {
    (void)state;
    static const char *const lines[] = {"P", "PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct ends ends;
        connect_to(&ends, context_of("server", false, false), client_context());
        ends.server_broken = resp_tls_feed(ends.server, lines[i], strlen(lines[i])) < 0;
        expect_refused(&ends, "does not speak TLS");
        assert_int_equal(resp_tls_pending(ends.server), 0);
        end(&ends);
    }
}

/* ---- certificates of clients -------------------------------------------------------------- */

static void test_client_shown(void **state) {
    (void)state;
    struct ends ends;
    connect_to(&ends, context_of("server", true, true), client_with("client"));
    shake_hands(&ends, 65536);
    expect_established(&ends);
    assert_string_equal(resp_tls_subject(ends.server), "CN=node-1,O=shop");
    expect_talk(&ends);
    end(&ends);
}

static void test_client_absent(void **state) {
    (void)state;
    struct ends ends;
    connect_to(&ends, context_of("server", true, true), client_context());
    shake_hands(&ends, 65536);
    expect_refused(&ends, "peer did not return a certificate");
    end(&ends);
    /* Optional: welcome without a name. */
    connect_to(&ends, context_of("server", true, false), client_context());
    shake_hands(&ends, 65536);
    expect_established(&ends);
    assert_null(resp_tls_subject(ends.server));
    end(&ends);
    /* Not asked for: not believed either. */
    establish(&ends, client_with("client"));
    assert_null(resp_tls_subject(ends.server));
    end(&ends);
}

static void test_client_untrusted(void **state) {
    (void)state;
    for (int required = 0; required < 2; required++) {
        struct ends ends;
        connect_to(&ends, context_of("server", true, required == 1), client_with("stranger"));
        shake_hands(&ends, 65536);
        expect_refused(&ends, "the client's certificate: self");
        end(&ends);
        /* Signed by the right one, but for something else. */
        connect_to(&ends, context_of("server", true, required == 1), client_with("foreign"));
        shake_hands(&ends, 65536);
        expect_refused(&ends, "the client's certificate: un");
        end(&ends);
    }
}

/* Connects a second time with what the first one left. True: it was resumed. */
static bool resumes(struct resp_tls_context *context, const char *client) {
    struct ends first;
    struct ends second;
    char byte = 0;
    connect_to(&first, resp_tls_context_ref(context), client_with(client));
    shake_hands(&first, 65536);
    expect_established(&first);
    (void)SSL_read(first.client, &byte, 1); /* takes the tickets in */
    SSL_SESSION *session = SSL_get1_session(first.client);
    SSL_shutdown(first.client); /* or it cannot be resumed */
    connect_to(&second, context, client_with(client));
    SSL_set_session(second.client, session);
    shake_hands(&second, 65536);
    expect_established(&second);
    bool resumed = SSL_session_reused(second.client) == 1;
    SSL_SESSION_free(session);
    end(&first);
    end(&second);
    return resumed;
}

/* Who showed a certificate shows it again: it may have expired since. */
static void test_resumption(void **state) {
    (void)state;
    assert_true(resumes(context_of("server", false, false), "client"));
    assert_false(resumes(context_of("server", true, false), "client"));
}

/* ---- what goes through -------------------------------------------------------------------- */

static unsigned char *bulk(void) {
    unsigned char *bytes = malloc(BULK);
    assert_non_null(bytes);
    for (size_t i = 0; i < BULK; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 4099);
    return bytes;
}

static void test_bulk_in(void **state) {
    (void)state;
    struct ends ends;
    static unsigned char got[20000];
    unsigned char *bytes = bulk();
    size_t sent = 0;
    size_t read = 0;
    establish(&ends, client_context());
    while (read < BULK) {
        size_t slice = BULK - sent < 50000 ? BULK - sent : 50000;
        if (slice > 0)
            assert_int_equal(SSL_write(ends.client, bytes + sent, (int)slice), slice);
        sent += slice;
        carry(&ends, 1461);
        long more = 0;
        while ((more = resp_tls_read(ends.server, got, sizeof got)) > 0) {
            assert_memory_equal(got, bytes + read, (size_t)more);
            read += (size_t)more;
        }
        assert_int_equal(more, 0);
    }
    assert_int_equal(read, BULK);
    free(bytes);
    end(&ends);
}

static void test_bulk_out(void **state) {
    (void)state;
    struct ends ends;
    unsigned char got[20000];
    unsigned char *bytes = bulk();
    size_t read = 0;
    establish(&ends, client_context());
    assert_int_equal(resp_tls_write(ends.server, bytes, BULK), 0);
    assert_true(resp_tls_pending(ends.server) > BULK);
    while (read < BULK) {
        carry(&ends, 30000);
        int more = 0;
        while ((more = SSL_read(ends.client, got, sizeof got)) > 0) {
            assert_memory_equal(got, bytes + read, (size_t)more);
            read += (size_t)more;
        }
    }
    assert_int_equal(resp_tls_pending(ends.server), 0);
    free(bytes);
    expect_talk(&ends);
    end(&ends);
}

/* A caller that stops reading is told when it was fed too much. */
static void test_input_bound(void **state) {
    (void)state;
    struct ends ends;
    unsigned char bytes[10000] = {0};
    size_t fed = 0;
    establish(&ends, client_context());
    while (!ends.server_broken && fed < 2 * RESP_TLS_INPUT_LIMIT) {
        assert_int_equal(SSL_write(ends.client, bytes, sizeof bytes), sizeof bytes);
        carry(&ends, 65536);
        fed += sizeof bytes;
    }
    assert_true(ends.server_broken);
    assert_true(fed > RESP_TLS_INPUT_LIMIT - 2 * sizeof bytes);
    assert_string_equal(resp_tls_error(ends.server), "more came than is read");
    end(&ends);
}

/* Ten thousand sockets at rest are to cost no buffers. (Nothing is measured with a sanitizer.) */
static void test_rest_is_cheap(void **state) {
    (void)state;
    struct ends ends;
    static unsigned char buffer[65536];
    unsigned char *bytes = bulk();
    establish(&ends, client_context());
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_int_equal(resp_tls_write(ends.server, bytes, BULK), 0);
    while (resp_tls_take(ends.server, buffer, sizeof buffer) > 0) {
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(SSL_write(ends.client, bytes, 50000), 50000);
    int got = 0;
    while ((got = BIO_read(ends.to_server, buffer, sizeof buffer)) > 0)
        assert_int_equal(resp_tls_feed(ends.server, buffer, (size_t)got), 0);
    while (resp_tls_read(ends.server, buffer, sizeof buffer) > 0) {
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    /* 270 KB of it are the test's own client. */
    if (after > before + 350 * 1024)
        fail_msg("%zu bytes more than before", after - before);
    free(bytes);
    end(&ends);
}

/* ---- the end ------------------------------------------------------------------------------ */

static void test_peer_closes(void **state) {
    (void)state;
    struct ends ends;
    char buffer[64];
    establish(&ends, client_context());
    assert_int_equal(SSL_write(ends.client, "QUIT", 4), 4);
    assert_int_equal(SSL_shutdown(ends.client), 0);
    carry(&ends, 65536);
    assert_int_equal(resp_tls_read(ends.server, buffer, sizeof buffer), 4); /* first what it said */
    assert_int_equal(resp_tls_read(ends.server, buffer, sizeof buffer), -1);
    assert_string_equal(resp_tls_error(ends.server), "closed by the peer");
    /* It may be answered still, and told goodbye. */
    assert_int_equal(resp_tls_write(ends.server, "+OK\r\n", 5), 0);
    assert_int_equal(resp_tls_shutdown(ends.server), 0);
    carry(&ends, 65536);
    assert_int_equal(SSL_read(ends.client, buffer, sizeof buffer), 5);
    assert_int_equal(SSL_shutdown(ends.client), 1); /* the other goodbye has come */
    end(&ends);
}

static void test_we_close(void **state) {
    (void)state;
    struct ends ends;
    char buffer[64];
    establish(&ends, client_context());
    assert_int_equal(resp_tls_write(ends.server, "bye", 3), 0);
    assert_int_equal(resp_tls_shutdown(ends.server), 0);
    assert_int_equal(resp_tls_shutdown(ends.server), 0);
    assert_int_equal(resp_tls_write(ends.server, "x", 1), -1);
    carry(&ends, 65536);
    assert_int_equal(SSL_read(ends.client, buffer, sizeof buffer), 3);
    int answer = SSL_read(ends.client, buffer, sizeof buffer);
    assert_int_equal(SSL_get_error(ends.client, answer), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_write(ends.client, "more", 4), 4);
    carry(&ends, 65536);
    assert_int_equal(resp_tls_read(ends.server, buffer, sizeof buffer), 4);
    end(&ends);
}

/* ---- new files --------------------------------------------------------------------------------
 */

static const char *serial(struct ends *ends, char text[64]) {
    X509 *certificate = SSL_get0_peer_certificate(ends->client);
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = BN_bn2hex(number);
    snprintf(text, 64, "%s", hex);
    OPENSSL_free(hex);
    BN_free(number);
    return text;
}

static void test_reload(void **state) {
    (void)state;
    struct ends before;
    struct ends after;
    char one[64];
    char two[64];
    establish(&before, client_context());
    /* The door lets go of the old context; the connection keeps it. */
    resp_tls_context_unref(&before.context);
    connect_to(&after, context_of("renewed", false, false), client_context());
    shake_hands(&after, 65536);
    expect_established(&after);
    assert_string_not_equal(serial(&before, one), serial(&after, two));
    expect_talk(&before);
    expect_talk(&after);
    end(&after);
    expect_talk(&before);
    end(&before);
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
        cmocka_unit_test(test_byte_by_byte),  cmocka_unit_test(test_tls12),
        cmocka_unit_test(test_tls11_refused), cmocka_unit_test(test_weak_cipher_refused),
        cmocka_unit_test(test_garbage),       cmocka_unit_test(test_garbage_later),
        cmocka_unit_test(test_plain_text),    cmocka_unit_test(test_client_shown),
        cmocka_unit_test(test_client_absent), cmocka_unit_test(test_client_untrusted),
        cmocka_unit_test(test_resumption),    cmocka_unit_test(test_bulk_in),
        cmocka_unit_test(test_bulk_out),      cmocka_unit_test(test_input_bound),
        cmocka_unit_test(test_rest_is_cheap), cmocka_unit_test(test_peer_closes),
        cmocka_unit_test(test_we_close),      cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, make_certificates, clean_up);
}
