/* Plugins that start, run and stop badly in a real daemon: said with one exact line, contained, and
 * the daemon goes on or ends with the documented code. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/wait.h"

#define PLUGINS MUSTER_BUILD_DIR "/tests/plugins"

struct fixture {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_process *daemon;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){0};
    fixture.world = mt_world_create();
    fixture.server = mt_server_start(fixture.world, "redis", MT_SERVER_VOLATILE, NULL);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mt_server_free(&f->server);
    mt_world_destroy(&f->world);
    return 0;
}

/* With the plugin moody; `more` are further keys, ended by NULL. */
static void start(struct fixture *f, const char *mood, const char *const more[]) {
    char load[256];
    const char *set[8] = {"plugins.path=" PLUGINS, load, "plugins.stop_timeout=200ms"};
    size_t count = 3;
    snprintf(load, sizeof load, "plugins.load=[{name: moody, config: {mood: %s}}]", mood);
    for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
        set[count++] = more[i];
    }
    f->daemon = mt_daemon_start(f->world, "d1",
                                &(struct mt_daemon_options){.server = f->server, .set = set});
}

static void expect_line(struct fixture *f, const char *event, const char *pattern) {
    json_t *line = mt_daemon_wait(f->daemon, event);
    json_object_del(line, "time");
    mt_expect(line, "%s", pattern);
    json_decref(line);
}

static void end(struct fixture *f, int code) {
    mt_process_signal(f->daemon, SIGTERM);
    int found = mt_process_wait(f->daemon);
    if (found != code) {
        mt_fail(f->world, "exit code %d instead of %d", found, code);
    }
}

static void expect_end(struct fixture *f, int code, const char *sentence) {
    int found = mt_process_wait(f->daemon);
    char *err = mt_process_output(f->daemon, MT_STDERR);
    if (found != code || strstr(err, sentence) == NULL) {
        mt_fail(f->world, "exit code %d instead of %d, or not '%s'", found, code, sentence);
    }
    free(err);
}

/* The daemon coordinates, whatever the plugin does. */
static void expect_serving(struct fixture *f) {
    struct mt_redis *redis = mt_server_connect(f->server);
    MT_WAIT(f->world, mt_text(redis, "GET " MT_NS "coordinator") != NULL, "a coordinator");
    mt_redis_close(&redis);
}

static void a_good_one_leaves_nothing(void **state) {
    struct fixture *f = *state;
    start(f, "good", NULL);
    expect_line(f, "plugin.loaded",
                "{'level':'info','event':'plugin.loaded','plugin':'moody','version':'1',"
                "'file':'" PLUGINS "/moody.so','kinds':1}");
    mt_daemon_await(f->daemon, "plugin.moody.fired");
    expect_serving(f);
    mt_process_signal(f->daemon, SIGTERM);
    mt_daemon_await(f->daemon, "plugin.stopped");
    mt_daemon_await(f->daemon, "lease.released");
    mt_daemon_await(f->daemon, "plugin.moody.closed");
    assert_int_equal(mt_process_wait(f->daemon), 0);
}

static void an_open_default_is_said(void **state) {
    struct fixture *f = *state;
    start(f, "good", (const char *const[]){"authorization.default=allow", NULL});
    expect_line(f, "authorization.open",
                "{'level':'warn','event':'authorization.open','authorizers':0,'message':"
                "'authorization.default is allow: whoever reaches a door may do what no "
                "authorizer denies'}");
    end(f, 0);
}

static void start_may_refuse(void **state) {
    struct fixture *f = *state;
    start(f, "start_fails", NULL);
    expect_end(f, 2,
               "musterd: --set: plugins.load: " PLUGINS
               "/moody.so: plugin moody refuses to start: not today\n");
}

static void init_may_refuse(void **state) {
    struct fixture *f = *state;
    start(f, "init_fails", NULL);
    expect_end(f, 2,
               "musterd: --set: plugins.load: " PLUGINS
               "/moody.so: plugin moody refuses to init: not in the mood\n");
}

static void a_slow_hook_is_said(void **state) {
    struct fixture *f = *state;
    start(f, "slow", NULL);
    json_t *line = mt_daemon_wait(f->daemon, "plugin.slow");
    assert_string_equal(mt_str(line, "plugin"), "moody");
    assert_non_null(strstr(mt_str(line, "message"), "timer held the loop for "));
    assert_non_null(strstr(mt_str(line, "message"), " us; allowed are 5000 us"));
    json_decref(line);
    expect_serving(f);
    end(f, 0);
}

static void calls_from_other_threads_are_refused(void **state) {
    struct fixture *f = *state;
    start(f, "foreign", NULL);
    expect_line(f, "plugin.foreign_thread",
                "{'level':'warn','event':'plugin.foreign_thread','plugin':'moody','message':"
                "'stopped was called from a thread that is not the loop\\u0027s; nothing "
                "happened','times':4}");
    expect_serving(f);
    end(f, 0);
    char *err = mt_process_output(f->daemon, MT_STDERR);
    assert_null(strstr(err, "must never be seen"));
    free(err);
}

static void misuse_is_said(void **state) {
    struct fixture *f = *state;
    start(f, "stopped_twice", NULL);
    expect_line(f, "plugin.misuse",
                "{'level':'warn','event':'plugin.misuse','plugin':'moody','message':"
                "'release: it does not hold \\u0027nothing\\u0027','times':1}");
    end(f, 0);
}

static void work_has_a_bound(void **state) {
    struct fixture *f = *state;
    start(f, "overworks", NULL);
    json_t *line = mt_daemon_wait(f->daemon, "plugin.moody.refused");
    assert_string_equal(mt_str(line, "message"), "OVERLOADED");
    json_decref(line);
    mt_daemon_await(f->daemon, "plugin.moody.worked");
    end(f, 0);
}

static void what_is_open_at_the_end_is_named(void **state) {
    static const struct {
        const char *mood, *stopped, *open;
        int code; /* 1: what is left may still run */
    } cases[] = {
        {"never_stopped", "not said", "nothing", 1},
        {"leaks_timer", "said", "1 timers", 0},
        {"leaks_hold", "said", "1 own timer", 1},
        {"leaks_work", "said", "1 works", 1},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char pattern[512];
        start(f, cases[i].mood, NULL);
        mt_daemon_await(f->daemon, "plugin.moody.fired");
        mt_process_signal(f->daemon, SIGTERM);
        snprintf(pattern, sizeof pattern,
                 "{'level':'error','event':'plugin.unfinished','plugin':'moody','stopped':'%s',"
                 "'open':'%s','message':'the plugin did not stop in plugins.stop_timeout'}",
                 cases[i].stopped, cases[i].open);
        expect_line(f, "plugin.unfinished", pattern);
        /* The rest ends as it should. */
        mt_daemon_await(f->daemon, "daemon.ended");
        int code = mt_process_wait(f->daemon);
        if (code != cases[i].code) {
            mt_fail(f->world, "%s: exit code %d", cases[i].mood, code);
        }
    }
}

static void one_that_blocks_is_named_and_the_daemon_ends(void **state) {
    static const struct {
        const char *mood, *plugin, *hook;
    } cases[] = {
        {"blocks", "moody", "timer"},
        {"blocks_init", "moody", "init"},
        {"blocks_start", "moody", "start"},
        {"blocks_loop", "", "loop"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char pattern[512];
        start(f, cases[i].mood, (const char *const[]){"plugins.watchdog=300ms", NULL});
        snprintf(pattern, sizeof pattern,
                 "{'level':'error','event':'plugin.blocked','plugin':'%s','hook':'%s','ms':300,"
                 "'message':'it holds the loop and does not come back; the daemon ends'}",
                 cases[i].plugin, cases[i].hook);
        expect_line(f, "plugin.blocked", pattern);
        int code = mt_process_wait(f->daemon);
        if (code != 70) {
            mt_fail(f->world, "%s: exit code %d", cases[i].mood, code);
        }
    }
}

/* In logfmt, too; and a process that was stopped is not one that blocks. */
static void a_stopped_process_is_not_blocked(void **state) {
    struct fixture *f = *state;
    start(f, "good", (const char *const[]){"plugins.watchdog=500ms", "log.format=logfmt", NULL});
    free(mt_process_wait_line(f->daemon, MT_STDERR, "event=plugin.moody.fired"));
    mt_process_signal(f->daemon, SIGSTOP);
    mt_let_pass(1500);
    mt_process_signal(f->daemon, SIGCONT);
    expect_serving(f);
    end(f, 0);

    start(f, "blocks", (const char *const[]){"plugins.watchdog=300ms", "log.format=logfmt", NULL});
    expect_end(f, 70,
               " level=error event=plugin.blocked plugin=\"moody\" hook=\"timer\" ms=300 "
               "message=\"it holds the loop and does not come back; the daemon ends\"\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_good_one_leaves_nothing),
        TEST(an_open_default_is_said),
        TEST(start_may_refuse),
        TEST(init_may_refuse),
        TEST(a_slow_hook_is_said),
        TEST(calls_from_other_threads_are_refused),
        TEST(misuse_is_said),
        TEST(work_has_a_bound),
        TEST(what_is_open_at_the_end_is_named),
        TEST(one_that_blocks_is_named_and_the_daemon_ends),
        TEST(a_stopped_process_is_not_blocked),
    };
    return cmocka_run_group_tests_name("plugins_life", tests, NULL, NULL);
}
