/* URLs of Redis: what is accepted, what is refused, and that no sentence repeats a password. */
#include "lib/test.h"

#include <string.h>

#include "redis/address.h"

static struct mu_redis_address good(const char *url) {
    struct mu_redis_address address;
    struct mu_error error = {.status = MUSTER_OK};
    enum muster_status status = mu_redis_address_parse(url, &address, &error);
    if (status != MUSTER_OK) {
        fail_msg("%s: %s", url, error.text);
    }
    return address;
}

static void check_tcp(const char *url, const char *host, unsigned port, unsigned database) {
    struct mu_redis_address address = good(url);
    assert_string_equal(address.host, host);
    assert_null(address.path);
    assert_int_equal(address.port, port);
    assert_int_equal(address.database, database);
    mu_redis_address_deinit(&address);
    assert_null(address.host);
}

static void test_tcp(void **state) {
    (void)state;
    check_tcp("redis://localhost", "localhost", 6379, 0);
    check_tcp("redis://localhost/", "localhost", 6379, 0);
    check_tcp("redis://10.0.0.1:7000/15", "10.0.0.1", 7000, 15);
    check_tcp("redis://[::1]", "::1", 6379, 0);
    check_tcp("redis://[fe80::1%eth0]:65535/2", "fe80::1%eth0", 65535, 2);
    check_tcp("redis://:secret@redis-1.example:1", "redis-1.example", 1, 0);
}

static void test_unix(void **state) {
    (void)state;
    struct mu_redis_address address = good("unix:///run/redis/redis.sock?db=3");
    assert_string_equal(address.path, "/run/redis/redis.sock");
    assert_null(address.host);
    assert_null(address.user);
    assert_null(address.password);
    assert_int_equal(address.database, 3);
    mu_redis_address_deinit(&address);
    address = good("unix://bob:pw@/a");
    assert_string_equal(address.path, "/a");
    assert_string_equal(address.user, "bob");
    assert_string_equal(address.password, "pw");
    mu_redis_address_deinit(&address);
}

static void check_login(const char *url, const char *user, const char *password) {
    struct mu_redis_address address = good(url);
    if (user) {
        assert_string_equal(address.user, user);
    } else {
        assert_null(address.user);
    }
    if (password) {
        assert_string_equal(address.password, password);
    } else {
        assert_null(address.password);
    }
    mu_redis_address_deinit(&address);
}

static void test_login(void **state) {
    (void)state;
    check_login("redis://h", NULL, NULL);
    check_login("redis://:secret@h", NULL, "secret");
    check_login("redis://user@h", "user", NULL);
    check_login("redis://user:@h", "user", "");
    check_login("redis://us%65r:p%40%2f%3A%25@h", "user", "p@/:%");
    check_login("redis://user:with:colon@h", "user", "with:colon");
    check_login("redis://user:with@at@h", "user", "with@at");
}

static void test_refused(void **state) {
    static const char *const urls[] = {
        NULL,
        "",
        "localhost:6379",
        "http://h",
        "redis:/h",
        "redis://",
        "redis:///0",
        "redis://@h",
        "redis://:@h",
        "redis://:hunter2@",
        "redis://:hunter2@h:0",
        "redis://:hunter2@h:65536",
        "redis://:hunter2@h:x",
        "redis://:hunter2@h:",
        "redis://:hunter2@h:99999999999999",
        "redis://:hunter2@h/x",
        "redis://:hunter2@h/-1",
        "redis://:hunter2@h/1/2",
        "redis://:hunter2@h/99999999999",
        "redis://:hunter2@h?db=1",
        "redis://:hunter2@h#x",
        "redis://:hunter2@h h",
        "redis://:hunter2@[::1",
        "redis://:hunter2@[::1]x",
        "redis://:hunter2@[]",
        "redis://:hunter2@a%20b",
        "redis://:hunter2%@h",
        "redis://:hunter2%4@h",
        "redis://:hunter2%zz@h",
        "redis://:hunter2%00@h",
        "redis://hunter2%q:x@h",
        "redis://user:hunter2/x@h",
        "redis://user:hunter2?x@h",
        "rediss://",
        "rediss:///1",
        "rediss://:hunter2@h:0",
        "rediss://:hunter2@h/x",
        "rediss://:hunter2@h?tls=no",
        "rediss://user:hunter2/x@h",
        "redisss://:hunter2@h",
        "REDISS://:hunter2@h",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix://:hunter2@",
        "unix://:hunter2@/",
        "unix://:hunter2@relative/path",
        "unix://:hunter2@/a?db=x",
        "unix://:hunter2@/a?database=1",
        "unix://:hunter2%@/a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct mu_redis_address address;
        struct mu_error error = {.status = MUSTER_OK};
        if (mu_redis_address_parse(urls[i], &address, &error) != MUSTER_BAD_REQUEST) {
            fail_msg("accepted: %s", urls[i]);
        }
        assert_int_equal(error.status, MUSTER_BAD_REQUEST);
        assert_true(strlen(error.text) > 10);
        assert_null(strstr(error.text, "hunter2"));
        assert_null(address.host);
        assert_null(address.password);
    }
}

static void test_tls(void **state) {
    (void)state;
    struct mu_redis_address address = good("rediss://u:p%40q@[::1]:7000/3");
    assert_true(address.tls);
    assert_string_equal(address.host, "::1");
    assert_string_equal(address.user, "u");
    assert_string_equal(address.password, "p@q");
    assert_int_equal(address.port, 7000);
    assert_int_equal(address.database, 3);
    assert_null(address.ca);
    assert_null(address.server_name);
    mu_redis_address_deinit(&address);
    address = good("rediss://h");
    assert_true(address.tls);
    assert_int_equal(address.port, 6379);
    mu_redis_address_deinit(&address);
    assert_false(address.tls);
    address = good("redis://h");
    assert_false(address.tls);
    mu_redis_address_deinit(&address);
    address = good("unix:///a");
    assert_false(address.tls);
    mu_redis_address_deinit(&address);
}

static const struct mu_redis_tls_options all_of_tls = {
    .ca = "/ca.pem", .certificate = "/c.pem", .key = "/c.key", .server_name = "redis.example"};

static void test_tls_options(void **state) {
    (void)state;
    struct mu_redis_address address = good("rediss://h");
    struct mu_redis_address copy;
    assert_int_equal(mu_redis_address_set_tls(&address, &all_of_tls, NULL), MUSTER_OK);
    assert_int_equal(mu_redis_address_set_tls(&address, &all_of_tls, NULL), MUSTER_OK);
    mu_redis_address_copy(&copy, &address);
    mu_redis_address_deinit(&address);
    assert_true(copy.tls);
    assert_string_equal(copy.ca, "/ca.pem");
    assert_string_equal(copy.certificate, "/c.pem");
    assert_string_equal(copy.key, "/c.key");
    assert_string_equal(copy.server_name, "redis.example");
    /* "" is not given, as in the configuration. */
    struct mu_redis_tls_options empty = {.ca = "", .certificate = "", .key = "", .server_name = ""};
    assert_int_equal(mu_redis_address_set_tls(&copy, &empty, NULL), MUSTER_OK);
    assert_null(copy.ca);
    assert_null(copy.certificate);
    assert_null(copy.key);
    assert_null(copy.server_name);
    mu_redis_address_deinit(&copy);
}

static void check_refused(const char *url, struct mu_redis_tls_options options,
                          const char *sentence) {
    struct mu_redis_address address = good(url);
    struct mu_error error = {.text = ""};
    assert_int_equal(mu_redis_address_set_tls(&address, &options, &error), MUSTER_BAD_REQUEST);
    assert_non_null(strstr(error.text, sentence));
    mu_redis_address_deinit(&address);
}

static void test_tls_options_that_do_not_fit(void **state) {
    (void)state;
    const char *without = "rediss:// only";
    check_refused("redis://h", (struct mu_redis_tls_options){.ca = "/a"}, without);
    check_refused("unix:///h", (struct mu_redis_tls_options){.server_name = "a"}, without);
    check_refused("redis://h", all_of_tls, without);
    check_refused("rediss://h", (struct mu_redis_tls_options){.certificate = "/a"}, "not its key");
    check_refused("rediss://h", (struct mu_redis_tls_options){.key = "/a"}, "not its certificate");
    check_refused("rediss://h", (struct mu_redis_tls_options){.server_name = "a b"}, "malformed");
    check_refused("rediss://h", (struct mu_redis_tls_options){.server_name = "*"}, "malformed");
}

static void test_socket_path_length(void **state) {
    (void)state;
    char url[256] = "unix:///";
    size_t length = strlen(url);
    memset(url + length, 'a', 106);
    struct mu_redis_address address = good(url); /* 107 bytes */
    assert_int_equal(strlen(address.path), 107);
    mu_redis_address_deinit(&address);
    url[length + 106] = 'a';
    struct mu_error error;
    assert_int_equal(mu_redis_address_parse(url, &address, &error), MUSTER_BAD_REQUEST);
    assert_non_null(strstr(error.text, "107"));
}

static void check_description(const char *url, const char *expected) {
    struct mu_redis_address address = good(url);
    char text[64];
    mu_redis_address_describe(&address, text, sizeof text);
    assert_string_equal(text, expected);
    mu_redis_address_deinit(&address);
}

static void test_describe(void **state) {
    (void)state;
    check_description("redis://u:hunter2@h:1/2", "h:1/2");
    check_description("redis://:hunter2@[::1]", "[::1]:6379/0");
    check_description("unix://:hunter2@/run/a.sock?db=4", "/run/a.sock/4");
}

static void test_copy_is_independent(void **state) {
    (void)state;
    struct mu_redis_address first = good("redis://u:p@h:5/6");
    struct mu_redis_address second;
    mu_redis_address_copy(&second, &first);
    mu_redis_address_deinit(&first);
    assert_string_equal(second.host, "h");
    assert_string_equal(second.user, "u");
    assert_string_equal(second.password, "p");
    assert_int_equal(second.port, 5);
    assert_int_equal(second.database, 6);
    mu_redis_address_deinit(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_options),
        cmocka_unit_test(test_tls_options_that_do_not_fit),
        cmocka_unit_test(test_socket_path_length),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_copy_is_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
