/* The managed server: started, restarted with its data, adopted, raced for, stopped or kept. */
#include "lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/redis.h"
#include "redis/link.h"
#include "redis/managed.h"

enum { RACERS = 2 };

/* One daemon's view. */
struct daemon {
    struct fixture *fixture;
    struct mu_managed *managed;
    unsigned ready;
    unsigned failed;
    unsigned closed;
    char reason[MU_ERROR_TEXT];
};

struct fixture {
    struct mt_world *world;
    struct mt_loop *loop;
    struct mt_redis *redis;
    const char *dir;
    char *socket;
    char *password;
    struct daemon daemons[RACERS];
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
    struct daemon *daemon = context;
    daemon->closed++;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mt_redis_close(&f->redis);
    for (int i = 0; i < RACERS; i++) {
        mu_managed_close(&f->daemons[i].managed, true, on_closed, &f->daemons[i]);
    }
    mt_loop_destroy(&f->loop);
    mt_world_destroy(&f->world);
    free(f->socket);
    free(f->password);
    free(f);
    return 0;
}

static void on_ready(void *context, const struct mu_redis_address *address) {
    struct daemon *daemon = context;
    struct fixture *f = daemon->fixture;
    daemon->ready++;
    free(f->socket);
    free(f->password);
    f->socket = strdup(address->path);
    f->password = strdup(address->password);
}

static void on_failed(void *context, const struct mu_error *error) {
    struct daemon *daemon = context;
    daemon->failed++;
    snprintf(daemon->reason, sizeof daemon->reason, "%s", error->text);
}

static struct daemon *start_with(struct fixture *f, int index, struct mu_managed_options options) {
    struct daemon *daemon = &f->daemons[index];
    *daemon = (struct daemon){.fixture = f};
    options.state_dir = options.state_dir ? options.state_dir : f->dir;
    options.appendfsync = "always";
    options.context = daemon;
    options.on_ready = on_ready;
    options.on_failed = on_failed;
    daemon->managed = mu_managed_create(mt_loop_uv(f->loop), &options);
    return daemon;
}

static void expect_ready(struct daemon *daemon, unsigned times) {
    MT_SPIN(daemon->fixture->loop, daemon->ready >= times || daemon->failed > 0, "the server");
    if (daemon->failed > 0) {
        fail_msg("%s", daemon->reason);
    }
}

static struct daemon *start(struct fixture *f, int index) {
    struct daemon *daemon = start_with(f, index, (struct mu_managed_options){0});
    expect_ready(daemon, 1);
    return daemon;
}

static void finish(struct daemon *daemon, bool stop_server) {
    mu_managed_close(&daemon->managed, stop_server, on_closed, daemon);
    assert_null(daemon->managed);
    MT_SPIN(daemon->fixture->loop, daemon->closed == 1, "the end of supervision");
}

static struct mt_redis *redis_of(struct fixture *f) {
    mt_redis_close(&f->redis);
    f->redis = mt_redis_open(f->world, f->socket, f->password);
    return f->redis;
}

static pid_t server_pid(struct fixture *f) {
    return (pid_t)mt_info(redis_of(f), "server", "process_id");
}

static mode_t mode_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static char *read_file(struct fixture *f, const char *name) {
    const char *path = mt_world_path(f->world, "state/%s", name);
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* ---- starting ---- */

static const char *setting(struct fixture *f, const char *name) {
    redisReply *answer = mt_command(f->redis, "CONFIG GET %s", name);
    assert_int_equal(answer->elements, 2);
    return answer->element[1]->str;
}

static void test_starts_a_private_durable_server(void **state) {
    struct fixture *f = *state;
    start(f, 0);
    redis_of(f);
    assert_int_equal(mode_of(f->dir), 0700);
    assert_int_equal(mode_of(mt_world_path(f->world, "state/redis.password")), 0600);
    assert_int_equal(mode_of(mt_world_path(f->world, "state/redis.conf")), 0600);
    assert_int_equal(mode_of(mt_world_path(f->world, "state/redis.sock")), 0700);
    assert_true(strlen(f->password) >= 20);
    assert_string_equal(setting(f, "appendonly"), "yes");
    assert_string_equal(setting(f, "appendfsync"), "always");
    assert_string_equal(setting(f, "maxmemory-policy"), "noeviction");
    assert_string_equal(setting(f, "port"), "0");
    assert_string_equal(setting(f, "protected-mode"), "yes");
    assert_string_equal(setting(f, "enable-debug-command"), "no");
    redisContext *stranger = redisConnectUnix(f->socket);
    assert_int_equal(stranger->err, 0);
    redisReply *answer = redisCommand(stranger, "PING");
    assert_int_equal(answer->type, REDIS_REPLY_ERROR);
    assert_int_equal(strncmp(answer->str, "NOAUTH", 6), 0);
    freeReplyObject(answer);
    redisFree(stranger);
}

static void test_pid_file_and_address(void **state) {
    struct fixture *f = *state;
    struct mu_redis_address address;
    struct mu_error error;
    assert_int_equal(mu_managed_address(f->dir, &address, &error), MUSTER_UNAVAILABLE);
    start(f, 0);
    char *pid = read_file(f, "redis.pid");
    assert_int_equal(atoi(pid), server_pid(f));
    free(pid);
    assert_int_equal(mu_managed_address(f->dir, &address, &error), MUSTER_OK);
    assert_string_equal(address.path, f->socket);
    assert_string_equal(address.password, f->password);
    mu_redis_address_deinit(&address);
}

static void test_a_path_with_unusual_characters(void **state) {
    struct fixture *f = *state;
    f->dir = mt_world_path(f->world, "a \"b\"\\ c\n\xc3\xa4#");
    start(f, 0);
    assert_string_equal(mt_text(redis_of(f), "PING"), "PONG");
}

static void test_listens_on_loopback_if_asked(void **state) {
    struct fixture *f = *state;
    int port = mt_free_port();
    expect_ready(start_with(f, 0, (struct mu_managed_options){.port = (uint16_t)port}), 1);
    redisContext *context = redisConnect("127.0.0.1", port);
    assert_int_equal(context->err, 0);
    redisReply *answer = redisCommand(context, "AUTH %s", f->password);
    assert_int_equal(answer->type, REDIS_REPLY_STATUS);
    freeReplyObject(answer);
    redisFree(context);
    redis_of(f);
    assert_string_equal(setting(f, "bind"), "127.0.0.1 -::1");
}

/* ---- its end and its return ---- */

static void test_restarted_with_its_data(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = start(f, 0);
    pid_t first = server_pid(f);
    mt_command(f->redis, "SET k v");
    kill(first, SIGKILL);
    expect_ready(daemon, 2);
    assert_string_equal(mt_text(redis_of(f), "GET k"), "v");
    assert_int_not_equal(server_pid(f), first);
}

static void test_a_killed_connection_is_no_reason_to_restart(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = start(f, 0);
    pid_t first = server_pid(f);
    mt_command(f->redis, "CLIENT KILL TYPE normal SKIPME yes");
    expect_ready(daemon, 2);
    assert_int_equal(server_pid(f), first);
}

static void test_adopted_by_the_next(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = start(f, 0);
    pid_t first = server_pid(f);
    mt_command(f->redis, "SET k v");
    finish(daemon, false);
    daemon = start(f, 0);
    assert_int_equal(server_pid(f), first);
    assert_string_equal(mt_text(f->redis, "GET k"), "v");
    /* And what was adopted is supervised like what was started. */
    kill(first, SIGKILL);
    waitpid(first, NULL, 0);
    expect_ready(daemon, 2);
    assert_int_not_equal(server_pid(f), first);
    assert_string_equal(mt_text(f->redis, "GET k"), "v");
}

/* The child of a process that is killed with -9 goes on, and is adopted. */
static void test_outlives_a_killed_daemon(void **state) {
    struct fixture *f = *state;
    int ends[2];
    pid_t server = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct mt_loop *loop = mt_loop_create(f->world);
        f->loop = loop;
        start(f, 0);
        server = server_pid(f);
        if (write(ends[1], &server, sizeof server) != sizeof server) {
            _exit(1);
        }
        pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &server, sizeof server), sizeof server);
    close(ends[0]);
    close(ends[1]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(getsid(server), server); /* no signal to the daemon's terminal reaches it */
    start(f, 0);
    assert_int_equal(server_pid(f), server);
}

static void test_a_stopped_server_is_waited_for(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = start(f, 0);
    pid_t first = server_pid(f);
    kill(first, SIGSTOP);
    struct daemon *second = start_with(f, 1, (struct mu_managed_options){0});
    MT_SPIN(f->loop, second->failed > 0, "a complaint");
    assert_non_null(strstr(second->reason, "does not answer"));
    assert_int_equal(second->ready, 0);
    kill(first, SIGCONT);
    MT_SPIN(f->loop, second->ready > 0, "the server");
    assert_int_equal(server_pid(f), first);
    MT_SPIN(f->loop, daemon->ready >= 1, "the server, for the first");
}

/* ---- two ---- */

static long count_starts(struct fixture *f) {
    char *log = read_file(f, "redis.log");
    long count = 0;
    for (const char *at = log; (at = strstr(at, "Redis is starting")) != NULL; at++) {
        count++;
    }
    free(log);
    return count;
}

static void test_two_racing_start_one_server(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < RACERS; i++) {
        start_with(f, i, (struct mu_managed_options){0});
    }
    for (int i = 0; i < RACERS; i++) {
        expect_ready(&f->daemons[i], 1);
    }
    assert_int_equal(count_starts(f), 1);
    pid_t pid = server_pid(f);
    mt_command(f->redis, "SET k v");
    for (unsigned round = 2; round <= 4; round++) {
        kill(pid, SIGKILL);
        for (int i = 0; i < RACERS; i++) {
            expect_ready(&f->daemons[i], round);
        }
        pid = server_pid(f);
        assert_int_equal(count_starts(f), round);
        assert_string_equal(mt_text(f->redis, "GET k"), "v");
    }
}

/* Real processes, of which one is killed while it starts the server. */
static void test_a_starter_that_is_killed(void **state) {
    struct fixture *f = *state;
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        if (child == 0) {
            struct mt_loop *loop = mt_loop_create(f->world);
            f->loop = loop;
            start_with(f, 0, (struct mu_managed_options){0});
            const char *log = mt_world_path(f->world, "state/redis.log");
            MT_SPIN(loop, access(log, F_OK) == 0, "the start of the server");
            kill(getpid(), SIGKILL);
        }
        start_with(f, 0, (struct mu_managed_options){0});
        expect_ready(&f->daemons[0], 1);
        waitpid(child, NULL, 0);
        assert_int_equal(count_starts(f), 1);
        finish(&f->daemons[0], true);
        unlink(mt_world_path(f->world, "state/redis.log"));
    }
}

/* ---- stopping ---- */

static bool gone(pid_t pid) {
    return kill(pid, 0) != 0 && errno == ESRCH;
}

static void test_stopped_with_its_data(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = start(f, 0);
    pid_t first = server_pid(f);
    mt_command(f->redis, "SET k v");
    mt_redis_close(&f->redis);
    finish(daemon, true);
    assert_true(gone(first));
    start(f, 0);
    assert_string_equal(mt_text(redis_of(f), "GET k"), "v");
}

static void test_kept_while_another_daemon_is_connected(void **state) {
    struct fixture *f = *state;
    struct daemon *first = start(f, 0);
    struct daemon *second = start(f, 1);
    pid_t pid = server_pid(f);
    finish(first, true);
    assert_int_equal(server_pid(f), pid);
    finish(second, false);
    /* A link of another daemon counts, a client of another kind does not. */
    mt_command(redis_of(f), "CLIENT SETNAME musterd:other");
    first = start(f, 0);
    finish(first, true);
    assert_string_equal(mt_text(f->redis, "PING"), "PONG");
    mt_command(f->redis, "CLIENT SETNAME musterctl");
    first = start(f, 0);
    finish(first, true);
    assert_null(mt_try_command(f->redis, "PING"));
    MT_SPIN(f->loop, waitpid(pid, NULL, WNOHANG) != 0, "the end of the server");
}

static void test_an_adopted_server_is_stopped(void **state) {
    struct fixture *f = *state;
    finish(start(f, 0), false);
    struct daemon *daemon = start(f, 0);
    mt_redis_close(&f->redis);
    finish(daemon, true);
    int fd = open(mt_world_path(f->world, "state/redis.sock"), O_PATH);
    assert_true(fd < 0); /* Redis removes it in the end */
}

static void test_closing_at_any_moment(void **state) {
    struct fixture *f = *state;
    for (int turns = 0; turns < 60; turns++) {
        struct daemon *daemon = start_with(f, 0, (struct mu_managed_options){0});
        for (int i = 0; i < turns; i++) {
            uv_run(mt_loop_uv(f->loop), i % 2 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        }
        finish(daemon, true);
        assert_int_equal(daemon->failed, 0);
    }
}

static void close_when_ready(void *context, const struct mu_redis_address *address) {
    struct daemon *daemon = context;
    (void)address;
    mu_managed_close(&daemon->managed, true, on_closed, daemon);
}

static void test_closing_inside_on_ready(void **state) {
    struct fixture *f = *state;
    struct daemon *daemon = &f->daemons[0];
    struct mu_managed_options options = {
        .state_dir = f->dir, .context = daemon, .on_ready = close_when_ready};
    daemon->managed = mu_managed_create(mt_loop_uv(f->loop), &options);
    MT_SPIN(f->loop, daemon->closed == 1, "the end");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The ways to fail are in test_managed_failures.c. */
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_starts_a_private_durable_server),
        TEST(test_pid_file_and_address),
        TEST(test_a_path_with_unusual_characters),
        TEST(test_listens_on_loopback_if_asked),
        TEST(test_restarted_with_its_data),
        TEST(test_a_killed_connection_is_no_reason_to_restart),
        TEST(test_adopted_by_the_next),
        TEST(test_outlives_a_killed_daemon),
        TEST(test_a_stopped_server_is_waited_for),
        TEST(test_two_racing_start_one_server),
        TEST(test_a_starter_that_is_killed),
        TEST(test_stopped_with_its_data),
        TEST(test_kept_while_another_daemon_is_connected),
        TEST(test_an_adopted_server_is_stopped),
        TEST(test_closing_at_any_moment),
        TEST(test_closing_inside_on_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
