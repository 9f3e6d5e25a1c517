/* What a real daemon tells the service manager that started it: the test plays systemd. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/wait.h"

#define PLUGINS "plugins.path=" MUSTER_BUILD_DIR "/tests/plugins"

struct stage {
    struct mt_world *world;
    struct mt_server *server;
    int fd; /* the manager's socket */
    char got[512];
};

static void listen_at(struct stage *stage, const char *name, size_t length) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    stage->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(stage->fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static int set_up(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->world = mt_world_create();
    stage->server = mt_server_start(stage->world, "redis", MT_SERVER_VOLATILE, NULL);
    *state = stage;
    return 0;
}

static int tear_down(void **state) {
    struct stage *stage = *state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    unsetenv("MOODY_BLOCKS");
    close(stage->fd);
    mt_server_free(&stage->server);
    mt_world_destroy(&stage->world);
    free(stage);
    return 0;
}

static bool next(struct stage *stage) {
    ssize_t length = recv(stage->fd, stage->got, sizeof stage->got - 1, 0);
    stage->got[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* Reads on until it has a ping, or something that is none. */
static bool next_of(struct stage *stage, bool ping) {
    while (next(stage)) {
        if ((strcmp(stage->got, "WATCHDOG=1") == 0) == ping)
            return true;
    }
    return false;
}

/* The next message that is no ping, or the next ping, must be this. */
static void expect(struct stage *stage, const char *text) {
    MT_WAIT(stage->world, next_of(stage, strcmp(text, "WATCHDOG=1") == 0), text);
    if (strcmp(stage->got, text) != 0)
        mt_fail(stage->world, "told '%s' instead of '%s'", stage->got, text);
}

/* Passes over all that comes before a message with this in it. */
static bool comes(struct stage *stage, const char *part) {
    while (next(stage)) {
        if (strstr(stage->got, part) != NULL)
            return true;
    }
    return false;
}

static struct mt_process *start(const struct stage *stage, const char *const *set) {
    const struct mt_daemon_options options = {.server = stage->server, .set = set};
    return mt_daemon_start(stage->world, "daemon", &options);
}

static void it_tells_its_life(void **state) {
    struct stage *stage = *state;
    unsigned long long at = 0;
    char name[64];
    snprintf(name, sizeof name, "@mt-supervise-%ld", (long)getpid());
    listen_at(stage, name, strlen(name));
    setenv("WATCHDOG_USEC", "40000", 1);
    struct mt_process *daemon = start(stage, NULL);
    expect(stage, "STATUS=waiting for Redis");
    expect(stage, "READY=1\nSTATUS=standby, another daemon may coordinate");
    expect(stage, "STATUS=coordinating");
    for (int i = 0; i < 5; i++)
        expect(stage, "WATCHDOG=1");

    mt_process_signal(daemon, SIGHUP);
    MT_WAIT(stage->world, next_of(stage, false), "a reload");
    assert_int_equal(sscanf(stage->got, "RELOADING=1\nMONOTONIC_USEC=%llu", &at), 1);
    assert_in_range(at / 1000, 1, mt_now_ms());
    expect(stage, "READY=1");

    /* A Redis that goes and comes back is no matter of readiness. */
    mt_server_kill(stage->server);
    expect(stage, "STATUS=standby, another daemon may coordinate");
    expect(stage, "STATUS=Redis is away");
    mt_server_restart(stage->server);
    MT_WAIT(stage->world, comes(stage, "STATUS=coordinating"), "its role");

    mt_process_signal(daemon, SIGTERM);
    expect(stage, "STOPPING=1\nSTATUS=ending");
    assert_int_equal(mt_process_wait(daemon), 0);
    while (next(stage))
        assert_null(strstr(stage->got, "READY"));
}

static void it_is_ready_only_when_it_serves(void **state) {
    struct stage *stage = *state;
    const char *path = mt_world_path(stage->world, "notify");
    listen_at(stage, path, strlen(path) + 1);
    setenv("WATCHDOG_USEC", "20000", 1);
    mt_server_kill(stage->server);
    struct mt_process *daemon = start(stage, NULL);
    expect(stage, "STATUS=waiting for Redis");
    mt_daemon_await(daemon, "redis.unreachable");
    mt_daemon_await(daemon, "redis.unreachable");
    while (next(stage)) {
        assert_null(strstr(stage->got, "READY=1"));
        assert_string_not_equal(stage->got, "WATCHDOG=1");
    }
    mt_server_restart(stage->server);
    MT_WAIT(stage->world, comes(stage, "READY=1"), "readiness");
}

static void a_watchdog_of_another_process_is_not_ours(void **state) {
    struct stage *stage = *state;
    const char *path = mt_world_path(stage->world, "notify");
    listen_at(stage, path, strlen(path) + 1);
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct mt_process *daemon = start(stage, NULL);
    mt_daemon_await(daemon, "lease.acquired");
    mt_let_pass(200);
    while (next(stage))
        assert_string_not_equal(stage->got, "WATCHDOG=1");
}

/* The pings come from the loop: a process that lives but does not turn it sends none. */
static void a_loop_that_is_stuck_says_nothing(void **state) {
    struct stage *stage = *state;
    const char *path = mt_world_path(stage->world, "notify");
    const char *file = mt_world_path(stage->world, "block");
    static const char *const set[] = {PLUGINS,
                                      "plugins.load=[{name: moody, config: {mood: "
                                      "blocks_told}}]",
                                      "plugins.watchdog=0ms", NULL};
    listen_at(stage, path, strlen(path) + 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    setenv("MOODY_BLOCKS", file, 1);
    struct mt_process *daemon = start(stage, set);
    for (int i = 0; i < 5; i++)
        expect(stage, "WATCHDOG=1");
    fclose(fopen(file, "we"));
    mt_daemon_await(daemon, "plugin.moody.blocks");
    while (next(stage)) {
    }
    mt_let_pass(1000); /* fifty pings */
    assert_false(next(stage));
    assert_true(mt_process_running(daemon));
    mt_process_signal(daemon, SIGABRT); /* as systemd does */
    assert_int_equal(mt_process_wait(daemon), 128 + SIGABRT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_tells_its_life),
        TEST(it_is_ready_only_when_it_serves),
        TEST(a_watchdog_of_another_process_is_not_ours),
        TEST(a_loop_that_is_stuck_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
