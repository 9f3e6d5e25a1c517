/* The configuration as a file, and secrets in files of their own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "config/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct world {
    char directory[32];
    char config[64]; /* muster.yaml in it */
};

static void path_in(const struct world *world, const char *name, char out[64]) {
    snprintf(out, 64, "%.31s/%.28s", world->directory, name);
}

static void write_file(const struct world *world, const char *name, const char *text, size_t length,
                       mode_t mode) {
    char path[64];
    int fd;

    path_in(world, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int set_up(void **state) {
    struct world *world = mu_calloc(1, sizeof *world);

    strcpy(world->directory, "/tmp/muster-config-XXXXXX");
    if (mkdtemp(world->directory) == NULL) {
        return -1;
    }
    path_in(world, "muster.yaml", world->config);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    static const char *const names[] = {"muster.yaml", "secret", "fifo", "sub/secret", "sub"};
    struct world *world = *state;

    for (size_t i = 0; i < COUNT(names); i++) {
        char path[64];

        path_in(world, names[i], path);
        remove(path);
    }
    if (rmdir(world->directory) != 0) {
        return -1;
    }
    free(world);
    return 0;
}

/* Loads a muster.yaml with this as redis.url; mu_config_deinit() in either case. */
static enum muster_status load_url(const struct world *world, struct mu_config *config,
                                   const char *url, struct mu_error *error) {
    struct mu_buffer text;
    enum muster_status status;

    mu_buffer_init(&text, 0);
    assert_true(mu_buffer_printf(&text, "redis:\n  mode: external\n  url: %s\n", url));
    write_file(world, "muster.yaml", text.data, text.length, 0644);
    mu_buffer_deinit(&text);
    error->text[0] = '\0';
    mu_config_init(config);
    status = mu_config_load(config, world->config, error);
    return status == MUSTER_OK ? mu_config_check(config, error) : status;
}

static void expect_url(const struct world *world, const char *given, const char *expected) {
    struct mu_config config;
    struct mu_error error;

    if (load_url(world, &config, given, &error) != MUSTER_OK) {
        fail_msg("%s", error.text);
    }
    assert_string_equal(config.redis.url, expected);
    mu_config_deinit(&config);
}

/* `sentence` is what stands behind "<directory>/muster.yaml:3:8: redis.url: ". */
static void expect_error(const struct world *world, const char *given, const char *sentence) {
    struct mu_config config;
    struct mu_error error;
    char expected[MU_ERROR_TEXT];

    assert_int_equal(load_url(world, &config, given, &error), MUSTER_BAD_REQUEST);
    snprintf(expected, sizeof expected, "%s:3:8: redis.url: %s", world->config, sentence);
    assert_string_equal(error.text, expected);
    mu_config_deinit(&config);
}

static void a_file_is_loaded(void **state) {
    struct world *world = *state;
    struct mu_config config;
    struct mu_error error;

    write_file(world, "muster.yaml", "log: {level: warn}\n", 19, 0644);
    mu_config_init(&config);
    assert_int_equal(mu_config_load(&config, world->config, &error), MUSTER_OK);
    assert_int_equal(config.log.level, MU_LOG_WARN);
    mu_config_deinit(&config);
}

static void files_that_cannot_be_read(void **state) {
    struct world *world = *state;
    char expected[MU_ERROR_TEXT];
    struct mu_config config;
    struct mu_error error;

    mu_config_init(&config);
    assert_int_equal(mu_config_load(&config, world->config, &error), MUSTER_BAD_REQUEST);
    snprintf(expected, sizeof expected, "%s: cannot be read: No such file or directory",
             world->config);
    assert_string_equal(error.text, expected);
    assert_int_equal(mu_config_load(&config, world->directory, &error), MUSTER_BAD_REQUEST);
    snprintf(expected, sizeof expected, "%s: cannot be read: Is a directory", world->directory);
    assert_string_equal(error.text, expected);
    assert_int_equal(mu_config_load(&config, "/dev/zero", &error), MUSTER_BAD_REQUEST);
    assert_string_equal(error.text, "/dev/zero: is too large; allowed are 256KiB");
    mu_config_deinit(&config);
}

static void secrets_come_from_files(void **state) {
    struct world *world = *state;
    char absolute[96];
    char sub[64];

    path_in(world, "sub", sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file(world, "secret", "redis://:a$b@h\n", 15, 0600);
    expect_url(world, "file:secret", "redis://:a$b@h");
    snprintf(absolute, sizeof absolute, "file:%s/secret", world->directory);
    expect_url(world, absolute, "redis://:a$b@h");
    write_file(world, "secret", "redis://h\r\n", 11, 0640);
    expect_url(world, "file:secret", "redis://h");
    write_file(world, "secret", "redis://h", 9, 0400);
    expect_url(world, "file:./secret", "redis://h");
    write_file(world, "sub/secret", "unix:///s\n", 10, 0600);
    expect_url(world, "file:sub/secret", "unix:///s");
    assert_int_equal(setenv("MU_TEST_DIR", sub, 1), 0);
    expect_url(world, "'file:${MU_TEST_DIR}/secret'", "unix:///s");
}

static void secrets_that_are_refused(void **state) {
    struct world *world = *state;
    char *large = mu_calloc(70 * 1024, 1);
    char path[64];

    expect_error(world, "file:secret",
                 "secret file 'secret' cannot be read: No such file or directory");
    expect_error(world, "'file:'", "names no file behind 'file:'; allowed is file:/path/to/secret");
    write_file(world, "secret", "redis://h\n", 10, 0644);
    expect_error(world, "file:secret",
                 "secret file 'secret' is open to every user (mode 0644); allowed is a file closed "
                 "to others, such as mode 0600 or 0640");
    write_file(world, "secret", "redis://h\n", 10, 0602);
    expect_error(world, "file:secret",
                 "secret file 'secret' is open to every user (mode 0602); allowed is a file closed "
                 "to others, such as mode 0600 or 0640");
    write_file(world, "secret", "\n", 1, 0600);
    expect_error(world, "file:secret",
                 "is read from an empty file; allowed is text of at most 4096 bytes");
    write_file(world, "secret", "redis://h\nredis://i\n", 20, 0600);
    expect_error(world, "file:secret",
                 "has a control character or is not UTF-8; allowed is printable text");
    write_file(world, "secret", "redis://\0h\n", 11, 0600);
    expect_error(world, "file:secret",
                 "has a control character or is not UTF-8; allowed is printable text");
    memset(large, 'x', 70 * 1024);
    write_file(world, "secret", large, 5000, 0600);
    expect_error(world, "file:secret", "is 5000 bytes long; allowed is text of at most 4096 bytes");
    write_file(world, "secret", large, 70 * 1024, 0600);
    expect_error(world, "file:secret",
                 "secret file 'secret' is too large; allowed is a file that holds only the secret");
    free(large);
    /* A FIFO without a writer must not keep the daemon waiting. */
    path_in(world, "fifo", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_error(world, "file:fifo",
                 "secret file 'fifo' is not a regular file; allowed is a file that holds only the "
                 "secret");
    expect_error(world, "file:.",
                 "secret file '.' is not a regular file; allowed is a file that holds only the "
                 "secret");
}

/* What is no secret key has no `file:`, and a secret in a --set is relative to where one is. */
static void where_file_counts(void **state) {
    struct world *world = *state;
    struct mu_config config;
    struct mu_error error;
    char text[128];

    mu_config_init(&config);
    assert_int_equal(mu_config_set(&config, "state_dir=file:x", &error), MUSTER_OK);
    assert_string_equal(config.state_dir, "file:x");
    write_file(world, "secret", "redis://h\n", 10, 0600);
    snprintf(text, sizeof text, "redis.url=file:%s/secret", world->directory);
    assert_int_equal(mu_config_set(&config, text, &error), MUSTER_OK);
    assert_string_equal(config.redis.url, "redis://h");
    assert_int_equal(mu_config_set(&config, "redis.url=file:no-such-secret", &error),
                     MUSTER_BAD_REQUEST);
    assert_string_equal(error.text, "--set redis.url: secret file 'no-such-secret' cannot be read: "
                                    "No such file or directory");
    mu_config_deinit(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_come_from_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_file_counts, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("config_files", tests, NULL, NULL);
}
