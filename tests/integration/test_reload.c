/* SIGHUP: what can change changes, what cannot is named, what is wrong changes nothing. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/server.h"
#include "lib/world.h"

#define PLUGINS MUSTER_BUILD_DIR "/tests/plugins"

struct stage {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_process *daemon;
};

static void configure(const struct stage *stage, const char *lease, const char *level,
                      const char *plugins) {
    FILE *file = fopen(mt_world_path(stage->world, "musterd.yaml"), "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: t\n"
            "state_dir: %s\n"
            "redis: {mode: external, url: \"%s\"}\n"
            "coordinator: {lease: %s}\n"
            "log: {level: %s, format: json}\n"
            "plugins:\n"
            "  path: %s\n"
            "  load: %s\n",
            mt_world_path(stage->world, "state"), mt_server_url(stage->server), lease, level,
            PLUGINS, plugins);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->world = mt_world_create();
    stage->server = mt_server_start(stage->world, "redis", MT_SERVER_VOLATILE, NULL);
    configure(stage, "3s", "info",
              "[{name: reloader, config: {greeting: hi}}, {name: moody}, {name: stubborn}]");
    stage->daemon =
        mt_process_start(stage->world, "musterd",
                         (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config",
                                               mt_world_path(stage->world, "musterd.yaml"), NULL});
    mt_daemon_await(stage->daemon, "lease.acquired");
    *state = stage;
    return 0;
}

static int tear_down(void **state) {
    struct stage *stage = *state;
    mt_server_free(&stage->server);
    mt_world_destroy(&stage->world);
    free(stage);
    return 0;
}

static void expect(const struct stage *stage, const char *event, const char *field,
                   const char *part) {
    json_t *line = mt_daemon_wait(stage->daemon, event);
    const char *text = json_string_value(json_object_get(line, field));
    if (text == NULL || strstr(text, part) == NULL)
        mt_fail(stage->world, "%s: %s is '%s', which lacks '%s'", event, field,
                text != NULL ? text : "", part);
    json_decref(line);
}

static void test_changes(void **state) {
    const struct stage *stage = *state;
    configure(stage, "3s", "debug", "[{name: reloader, config: {greeting: ho}}, {name: moody}]");
    mt_process_signal(stage->daemon, SIGHUP);
    expect(stage, "plugin.reloader.greeting", "message", "first hi, before hi, after ho");
    mt_daemon_await(stage->daemon, "config.reloaded");
    configure(stage, "3s", "debug", "[{name: reloader}, {name: moody}]");
    mt_process_signal(stage->daemon, SIGHUP);
    expect(stage, "plugin.reloader.greeting", "message", "first hi, before ho, after hello");
    mt_daemon_await(stage->daemon, "config.reloaded");
    mt_process_signal(stage->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(stage->daemon), 0);
}

static void test_what_takes_a_restart(void **state) {
    const struct stage *stage = *state;
    configure(stage, "5s", "info", "[{name: reloader}, {name: listener}]");
    mt_process_signal(stage->daemon, SIGHUP);
    expect(stage, "config.applied", "key", "plugins.load.reloader.greeting");
    expect(stage, "config.needs_restart", "key", "plugins.load.moody");
    expect(stage, "config.needs_restart", "key", "plugins.load.stubborn");
    expect(stage, "config.needs_restart", "key", "plugins.load.listener");
    expect(stage, "config.needs_restart", "key", "coordinator.lease");
    mt_daemon_await(stage->daemon, "config.reloaded");
}

/* Not even what is right in it counts. */
static void refused(const struct stage *stage, const char *error) {
    mt_process_signal(stage->daemon, SIGHUP);
    expect(stage, "config.refused", "error", error);
}

static void test_refusals(void **state) {
    const struct stage *stage = *state;
    const char *file = mt_world_path(stage->world, "musterd.yaml");
    configure(stage, "3s", "error", "[{name: reloader, config: {greeting: no}}, {name: moody}]");
    refused(stage, "musterd.yaml:8:10: plugin reloader refuses to reload: it does not want to");
    configure(stage, "3s", "error", "[{name: reloader, config: {greting: no}}, {name: moody}]");
    refused(stage, "musterd.yaml:8:45: plugins.load: reloader.greting: unknown key");
    /* Who had agreed already gets its old part again. */
    configure(stage, "3s", "error",
              "[{name: reloader, config: {greeting: ho}}, {name: moody},\n"
              "         {name: stubborn, config: {greeting: no}}]");
    refused(stage, "musterd.yaml:9:10: plugin stubborn refuses to reload: it does not want to");
    configure(stage, "3s", "loud", "[]");
    refused(stage, "musterd.yaml:5:14: log.level");
    assert_int_equal(unlink(file), 0);
    refused(stage, "musterd.yaml: cannot be read");
    /* after all that it is as it was */
    configure(stage, "3s", "info",
              "[{name: reloader, config: {greeting: he}}, {name: moody}, {name: stubborn}]");
    mt_process_signal(stage->daemon, SIGHUP);
    expect(stage, "plugin.reloader.greeting", "message", "first hi, before hi, after he");
    expect(stage, "config.reloaded", "id", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_takes_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
