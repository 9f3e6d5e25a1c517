/* The managed server: the ways to fail, each with its sentence, and how it goes on afterwards. */
#include "lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/process.h"
#include "lib/redis.h"
#include "redis/managed.h"

struct fixture {
    struct mt_world *world;
    struct mt_loop *loop;
    struct mu_managed *managed;
    const char *dir;
    unsigned ready;
    unsigned failed;
    unsigned closed;
    char reason[MU_ERROR_TEXT];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    signal(SIGPIPE, SIG_IGN);
    f->world = mt_world_create();
    f->loop = mt_loop_create(f->world);
    f->dir = mt_world_path(f->world, "state");
    *state = f;
    return 0;
}

static void on_closed(void *context) {
    struct fixture *f = context;
    f->closed++;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_managed_close(&f->managed, true, on_closed, f);
    mt_loop_destroy(&f->loop);
    mt_world_destroy(&f->world);
    free(f);
    return 0;
}

static void on_ready(void *context, const struct mu_redis_address *address) {
    struct fixture *f = context;
    (void)address;
    f->ready++;
}

static void on_failed(void *context, const struct mu_error *error) {
    struct fixture *f = context;
    f->failed++;
    assert_int_not_equal(error->status, MUSTER_OK);
    snprintf(f->reason, sizeof f->reason, "%s", error->text);
}

static void start_with(struct fixture *f, struct mu_managed_options options) {
    options.state_dir = f->dir;
    options.context = f;
    options.on_ready = on_ready;
    options.on_failed = on_failed;
    f->managed = mu_managed_create(mt_loop_uv(f->loop), &options);
}

static void expect_failure(struct fixture *f, const char *sentence) {
    MT_SPIN(f->loop, f->failed > 0, "a failure");
    assert_int_equal(f->ready, 0);
    if (!strstr(f->reason, sentence)) {
        fail_msg("'%s' instead of '%s'", f->reason, sentence);
    }
}

static void start_and_fail(struct fixture *f, const char *sentence) {
    start_with(f, (struct mu_managed_options){0});
    expect_failure(f, sentence);
}

/* A file of the test's directory. */
static const char *write_file(struct fixture *f, const char *name, mode_t mode, const char *text) {
    const char *path = mt_world_path(f->world, "%s", name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

/* ---- the program ---- */

static void test_no_program(void **state) {
    struct fixture *f = *state;
    start_with(f, (struct mu_managed_options){.server = "no-such-redis-server"});
    expect_failure(f, "there is no no-such-redis-server in PATH");
}

static void test_no_program_at_a_path(void **state) {
    struct fixture *f = *state;
    start_with(f, (struct mu_managed_options){.server = "/nowhere/redis-server"});
    expect_failure(f, "there is no /nowhere/redis-server: install Redis");
}

static void test_an_old_program(void **state) {
    struct fixture *f = *state;
    const char *server =
        write_file(f, "old", 0700, "#!/bin/sh\necho 'Redis server v=6.2.14 sha=00000000:0'\n");
    start_with(f, (struct mu_managed_options){.server = server});
    expect_failure(f, "is of version 6.2.14, but muster needs 7.0 or later");
}

static void test_another_program(void **state) {
    struct fixture *f = *state;
    const char *server = write_file(f, "other", 0700, "#!/bin/sh\necho hello\n");
    start_with(f, (struct mu_managed_options){.server = server});
    expect_failure(f, "is it redis-server?");
}

static void test_a_program_that_ends_at_once(void **state) {
    struct fixture *f = *state;
    const char *server = write_file(f, "bad", 0700,
                                    "#!/bin/sh\n"
                                    "[ \"$1\" = --version ] && exec echo 'Redis server v=7.0.0'\n"
                                    "echo run >>runs\n"
                                    "echo '1:M 01 Jan 2026 00:00:00.000 * a notice'\n"
                                    "echo '1:M 01 Jan 2026 00:00:00.000 # the disk is full'\n"
                                    "exit 9\n");
    start_with(f, (struct mu_managed_options){.server = server});
    expect_failure(f, "ended at once (exit status 9): the disk is full");
    assert_null(strstr(f->reason, "notice"));
    /* The attempts go on, but the same failure is not told each time. */
    const char *runs = mt_world_path(f->world, "state/runs");
    struct stat info;
    MT_SPIN(f->loop, stat(runs, &info) == 0 && info.st_size >= 16, "four attempts");
    assert_int_equal(f->failed, 1);
}

static void test_a_configuration_that_redis_refuses(void **state) {
    struct fixture *f = *state;
    start_with(f, (struct mu_managed_options){.appendfsync = "sometimes"});
    expect_failure(f, "ended at once (exit status 1)");
    assert_non_null(strstr(f->reason, "appendfsync"));
}

static void test_a_port_that_is_taken(void **state) {
    struct fixture *f = *state;
    struct mt_peer *peer = mt_peer_create(f->loop, &(struct mt_peer_script){0});
    start_with(f, (struct mu_managed_options){.port = (uint16_t)mt_peer_port(peer)});
    expect_failure(f, "the port is taken");
    assert_non_null(strstr(f->reason, "Address already in use"));
    /* The attempts go on: once it is free, the server starts. */
    mt_peer_close(&peer);
    MT_SPIN(f->loop, f->ready == 1, "the server");
}

/* ---- the directory ---- */

static void test_no_parent(void **state) {
    struct fixture *f = *state;
    f->dir = mt_world_path(f->world, "none/state");
    start_and_fail(f, "cannot create state directory");
}

static void test_a_file(void **state) {
    struct fixture *f = *state;
    write_file(f, "state", 0600, "x");
    start_and_fail(f, "is no directory");
}

static void test_open_to_others(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(chmod(f->dir, 0750), 0);
    start_and_fail(f, "is open to others (mode 750)");
    assert_int_equal(access(mt_world_path(f->world, "state/redis.password"), F_OK), -1);
    assert_int_equal(chmod(f->dir, 0700), 0);
    MT_SPIN(f->loop, f->ready == 1, "the server");
}

static void test_of_another_user(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    if (chown(f->dir, 65534, (gid_t)-1) != 0) {
        skip(); /* only root can give it away */
    }
    start_and_fail(f, "belongs to user 65534");
}

static void test_a_path_that_is_too_long(void **state) {
    struct fixture *f = *state;
    char name[101];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    f->dir = mt_world_path(f->world, "%s", name);
    start_and_fail(f, "a unix socket may have 107");
}

/* ---- the password ---- */

static void test_a_password_that_others_can_read(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    write_file(f, "state/redis.password", 0644, "sesame\n");
    start_and_fail(f, "redis.password is open to others (mode 644)");
}

static void test_an_empty_password(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    write_file(f, "state/redis.password", 0600, "\n");
    start_and_fail(f, "redis.password is empty");
}

/* A server that somebody else started on the socket: never a second one beside it. */
static void test_a_server_with_another_password(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    const char *socket = mt_world_path(f->world, "state/redis.sock");
    struct mt_process *server = mt_process_start(
        f->world, "other",
        (const char *const[]){"redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                              "--requirepass", "sesame", NULL});
    struct mt_redis *redis = mt_redis_open(f->world, socket, "sesame");
    start_and_fail(f, "another server has the socket: redis at ");
    assert_non_null(strstr(f->reason, "WRONGPASS"));
    assert_int_equal(access(mt_world_path(f->world, "state/redis.log"), F_OK), -1);
    assert_string_equal(mt_text(redis, "PING"), "PONG");
    mt_redis_close(&redis);
    mt_process_kill(server);
    MT_SPIN(f->loop, f->ready == 1, "a server of our own");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_no_program),
        TEST(test_no_program_at_a_path),
        TEST(test_an_old_program),
        TEST(test_another_program),
        TEST(test_a_program_that_ends_at_once),
        TEST(test_a_configuration_that_redis_refuses),
        TEST(test_a_port_that_is_taken),
        TEST(test_no_parent),
        TEST(test_a_file),
        TEST(test_open_to_others),
        TEST(test_of_another_user),
        TEST(test_a_path_that_is_too_long),
        TEST(test_a_password_that_others_can_read),
        TEST(test_an_empty_password),
        TEST(test_a_server_with_another_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
