/* fsck of a cluster in full use: simulated instances whose members come and go, one that is killed
 * and comes back, a coordinator that is killed. Whatever is read meanwhile is read in the middle of
 * something, and none of it is a finding. */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

static const char *const settings[] = {"detector.heartbeat=200ms", "detector.suspect_after=1s",
                                       "detector.dead_after=2s", "scrub.interval=1ms", NULL};

enum { INSTANCES = 3 };

/* `sessions` of 3 makes some that are too large for one look. */
static struct mt_process *churner(struct mt_cluster *cluster, const char *name, const char *id,
                                  const char *sessions, const char *seed) {
    struct mt_process *sim =
        mt_sim_start(&cluster->place, name, id, "--connections", "150", "--sessions", sessions,
                     "--joins", "2", "--users", "40", "--seed", seed, "--churn", "300");
    mt_sim_await(sim, "entered");
    return sim;
}

/* What fsck says, which must be nothing. */
static void clean(struct mt_cluster *cluster) {
    char *out = NULL;
    int code = mt_ctl(cluster->world, cluster->server,
                      (const char *const[]){"--json", "fsck", NULL}, &out);
    json_t *report = json_loads(out, 0, NULL);
    if (code != 0 || report == NULL)
        mt_fail(cluster->world, "fsck: exit %d: %s", code, out);
    const json_t *checked = json_object_get(report, "checked");
    for (int i = 1; i <= 9; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        assert_true(mt_int(checked, name) > 0);
    }
    assert_int_equal(mt_int(report, "skipped"), 0);
    json_decref(report);
    free(out);
}

static void test_busy(void **state) {
    struct mt_cluster *cluster = mt_cluster_create(MT_SERVER_VOLATILE, settings);
    struct mt_process *sims[INSTANCES];
    *state = cluster;
    for (int i = 0; i < INSTANCES; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%d", i);
        sims[i] = churner(cluster, id, id, i == 2 ? "25" : "3", id + 5);
    }
    for (int i = 0; i < 5; i++)
        clean(cluster);
    mt_process_kill(sims[0]);
    clean(cluster); /* suspected, its leaderships moved */
    MT_WAIT(cluster->world, mt_cluster_saw(cluster, "instance.dead", "node-0"), "a death");
    clean(cluster); /* reaped meanwhile */
    sims[0] = churner(cluster, "node-0-again", "node-0", "3", "11");
    clean(cluster);
    mt_process_kill(cluster->daemon);
    cluster->daemon =
        mt_daemon_lead(cluster->world, "second",
                       &(struct mt_daemon_options){.server = cluster->server, .set = settings});
    clean(cluster);
    for (int i = 0; i < INSTANCES; i++)
        mt_sim_hush(sims[i]);
    mt_cluster_check(cluster);
    char *log = mt_process_output(cluster->daemon, MT_STDERR);
    assert_null(strstr(log, "scrub.finding"));
    free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_busy, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests_name("fsck_busy", tests, NULL, NULL);
}
