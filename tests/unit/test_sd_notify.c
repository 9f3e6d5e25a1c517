/* The socket of a service manager: a path, an abstract name, none, and what is neither. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sd_notify.h"
#include "lib/world.h"

enum { PATH_SIZE = sizeof((struct sockaddr_un *)NULL)->sun_path };

/* A manager's socket, without waiting. */
static int listen_at(const char *path, size_t length) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    memcpy(address.sun_path, path, length);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void expect(int fd, const char *text) {
    char got[256] = "";
    ssize_t length = recv(fd, got, sizeof got - 1, 0);
    assert_int_equal(length, strlen(text));
    assert_string_equal(got, text);
}

static void a_path(void **state) {
    struct mt_world *world = mt_world_create();
    const char *path = mt_world_path(world, "notify");
    struct mu_error error = {0};
    (void)state;
    int fd = listen_at(path, strlen(path) + 1);
    struct mu_sd_notify *notify = mu_sd_notify_open(path, &error);
    assert_non_null(notify);
    assert_true(mu_sd_notify_send(notify, "READY=1\nSTATUS=fine"));
    expect(fd, "READY=1\nSTATUS=fine");
    close(fd);
    assert_false(mu_sd_notify_send(notify, "READY=1")); /* nobody is there */
    mu_sd_notify_close(&notify);
    assert_null(notify);
    mt_world_destroy(&world);
}

static void an_abstract_name(void **state) {
    char name[64];
    struct mu_error error = {0};
    (void)state;
    snprintf(name, sizeof name, "@mt-notify-%ld", (long)getpid());
    char bound[64];
    memcpy(bound, name, sizeof bound);
    bound[0] = '\0';
    int fd = listen_at(bound, strlen(name));
    struct mu_sd_notify *notify = mu_sd_notify_open(name, &error);
    assert_non_null(notify);
    assert_true(mu_sd_notify_send(notify, "WATCHDOG=1"));
    expect(fd, "WATCHDOG=1");
    mu_sd_notify_close(&notify);
    close(fd);
}

static void a_full_socket_is_not_waited_for_long(void **state) {
    struct mt_world *world = mt_world_create();
    const char *path = mt_world_path(world, "notify");
    struct mu_error error = {0};
    (void)state;
    int fd = listen_at(path, strlen(path) + 1);
    struct mu_sd_notify *notify = mu_sd_notify_open(path, &error);
    unsigned taken = 0;
    while (taken < 100000 && mu_sd_notify_send(notify, "WATCHDOG=1")) {
        taken++;
    }
    assert_in_range(taken, 1, 99999);
    mu_sd_notify_close(&notify);
    close(fd);
    mt_world_destroy(&world);
}

static void none(void **state) {
    struct mu_error error = {0};
    struct mu_sd_notify *notify = NULL;
    (void)state;
    assert_null(mu_sd_notify_open(NULL, &error));
    assert_null(mu_sd_notify_open("", &error));
    assert_int_equal(error.status, MUSTER_OK);
    assert_true(mu_sd_notify_send(NULL, "READY=1"));
    mu_sd_notify_close(&notify);
}

static void what_is_no_address(void **state) {
    char longest[200];
    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[PATH_SIZE] = '\0';
    const char *const wrong[] = {"run/notify", "vsock:2:1", "/", "@", longest};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mu_error error = {0};
        assert_null(mu_sd_notify_open(wrong[i], &error));
        assert_int_equal(error.status, MUSTER_BAD_REQUEST);
    }
    longest[PATH_SIZE - 1] = '\0';
    struct mu_error error = {0};
    struct mu_sd_notify *notify = mu_sd_notify_open(longest, &error);
    assert_non_null(notify);
    mu_sd_notify_close(&notify);
}

static void the_watchdog(void **state) {
    (void)state;
    assert_int_equal(mu_sd_notify_watchdog_ms("30000000", "17", 17), 15000);
    assert_int_equal(mu_sd_notify_watchdog_ms("30000000", NULL, 17), 15000);
    assert_int_equal(mu_sd_notify_watchdog_ms("1", NULL, 17), 1);
    assert_int_equal(mu_sd_notify_watchdog_ms("30000000", "18", 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("30000000", "", 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms(NULL, "17", 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("", NULL, 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("0", NULL, 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("-5", NULL, 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("3s", NULL, 17), 0);
    assert_int_equal(mu_sd_notify_watchdog_ms("99999999999999999999999", NULL, 17), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path),
        cmocka_unit_test(an_abstract_name),
        cmocka_unit_test(a_full_socket_is_not_waited_for_long),
        cmocka_unit_test(none),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(the_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
