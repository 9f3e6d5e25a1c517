/* muster-sim cluster: it harms its instances as told, and leaves none behind. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"
#include "lib/process.h"
#include "lib/wait.h"

#define SIM MUSTER_BUILD_DIR "/muster-sim"

static int set_up(void **state) {
    return mt_fixture_start(state) || mt_fixture_fresh(state);
}

static void wait_said(struct mt_process *cluster, const char *what) {
    char needle[64];
    snprintf(needle, sizeof needle, "{\"cluster\":\"%s\"", what);
    free(mt_process_wait_line(cluster, MT_STDOUT, needle));
}

static struct mt_process *start_cluster(struct mt_fixture *f) {
    const char *const argv[] = {SIM,
                                "cluster",
                                "--url",
                                mt_server_url_for(f->server, MT_BACKEND),
                                "--namespace",
                                MT_NAMESPACE,
                                "--instances",
                                "3",
                                "--connections",
                                "50",
                                "--sessions",
                                "10",
                                "--kill-every",
                                "300ms",
                                "--return-after",
                                "200ms",
                                "--pause-every",
                                "400ms",
                                "--pause-for",
                                "100ms",
                                "--churn",
                                "200",
                                "--seed",
                                "5",
                                NULL};
    return mt_process_start(f->world, "cluster", argv);
}

/* The pids of the instances that it has started so far. */
static size_t pids_of(struct mt_process *cluster, pid_t pids[], size_t room) {
    char *output = mt_process_output(cluster, MT_STDOUT);
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(output, "\n", &rest); line && count < room;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        const char *what = json_string_value(json_object_get(object, "cluster"));
        if (what && strcmp(what, "spawned") == 0)
            pids[count++] = (pid_t)mt_int(object, "pid");
        json_decref(object);
    }
    free(output);
    return count;
}

/* Ended, if not yet reaped by whoever inherited it. */
static bool has_ended(pid_t pid) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    bool zombie = fgets(line, sizeof line, file) && strstr(line, ") Z ");
    fclose(file);
    return zombie;
}

static void expect_all_gone(struct mt_fixture *f, struct mt_process *cluster) {
    pid_t pids[256];
    size_t count = pids_of(cluster, pids, 256);
    assert_true(count >= 3);
    for (size_t i = 0; i < count; i++)
        MT_WAIT(f->world, has_ended(pids[i]), "an instance of the cluster to end");
}

static void test_cluster_kills_and_stops(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *cluster = start_cluster(f);
    static const char *const happenings[] = {"killed", "spawned", "killed", "paused", "continued"};
    for (size_t i = 0; i < sizeof happenings / sizeof *happenings; i++)
        wait_said(cluster, happenings[i]);
    mt_process_signal(cluster, SIGTERM);
    assert_int_equal(mt_process_wait(cluster), 0);
    expect_all_gone(f, cluster);
}

static void test_cluster_takes_its_children_along(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *cluster = start_cluster(f);
    wait_said(cluster, "killed");
    mt_process_kill(cluster);
    expect_all_gone(f, cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cluster_kills_and_stops, set_up, mt_fixture_end),
        cmocka_unit_test_setup_teardown(test_cluster_takes_its_children_along, set_up,
                                        mt_fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
