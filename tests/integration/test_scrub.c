/* The coordinator's scrub: it walks over everything again and again, says nothing about a cluster
 * that lives, however busy, and says what was broken by hand; it mends nothing. */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

static const char *const quick[] = {"scrub.interval=1ms", "detector.heartbeat=200ms",
                                    "detector.suspect_after=1s", "detector.dead_after=2s", NULL};

/* How many passes the log tells of. `last`, if not NULL: the newest, to be freed. */
static size_t passes(struct mt_process *daemon, json_t **last) {
    static const char needle[] = "\"event\":\"scrub.pass\"";
    char *log = mt_process_output(daemon, MT_STDERR);
    const char *newest = NULL;
    size_t count = 0;
    for (char *rest = log, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        if (strstr(line, needle) != NULL) {
            newest = line;
            count++;
        }
    }
    if (last != NULL)
        *last = json_loads(newest, 0, NULL);
    free(log);
    return count;
}

/* Waits for a pass that began after this call. */
static json_t *whole_pass(struct mt_cluster *cluster) {
    json_t *pass;
    size_t before = passes(cluster->daemon, NULL);
    MT_WAIT(cluster->world, passes(cluster->daemon, NULL) >= before + 2, "a pass of the scrub");
    passes(cluster->daemon, &pass);
    assert_non_null(pass);
    return pass;
}

static bool said(struct mt_cluster *cluster, const char *event) {
    char *log = mt_process_output(cluster->daemon, MT_STDERR);
    bool found = strstr(log, event) != NULL;
    free(log);
    return found;
}

/* Joins, leaves, a killed instance and its reaping: passes go over it and find nothing. */
static void test_busy(void **state) {
    struct mt_cluster *cluster = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    *state = cluster;
    struct mt_process *churner =
        mt_sim_start(&cluster->place, "churner", "node-1", "--sessions", "20", "--connections",
                     "100", "--churn", "200", "--seed", "5");
    struct mt_process *victim = mt_cluster_instance(cluster, "node-2", "7");
    mt_sim_await(churner, "entered");
    json_t *pass = whole_pass(cluster);
    assert_true(mt_int(pass, "sessions") > 0);
    assert_true(mt_int(pass, "memberships") > 0);
    assert_int_equal(mt_int(pass, "skipped"), 0);
    json_decref(pass);
    mt_process_kill(victim);
    MT_WAIT(cluster->world, mt_cluster_saw(cluster, "instance.dead", "node-2"), "a death");
    MT_WAIT(cluster->world, mt_cluster_reaped(cluster), "the reaping");
    json_decref(whole_pass(cluster));
    mt_sim_hush(churner);
    assert_false(said(cluster, "scrub.finding"));
    assert_false(said(cluster, "scrub.failed"));
    mt_cluster_check(cluster);
}

static void test_finding(void **state) {
    struct mt_cluster *cluster = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    *state = cluster;
    mt_cluster_instance(cluster, "node-1", "3");
    json_decref(whole_pass(cluster));
    assert_false(said(cluster, "scrub.finding"));
    redisReply *all = mt_command(cluster->redis, "ZRANGE " MT_NS "sessions 0 -1");
    assert_true(all->elements > 15);
    for (size_t i = 0; i < all->elements; i++)
        mt_command(cluster->redis, "HINCRBY " MT_NS "session:%s #count 1", all->element[i]->str);
    json_t *line = mt_daemon_wait(cluster->daemon, "scrub.finding");
    assert_string_equal(mt_str(line, "code"), "COUNT_WRONG");
    assert_int_equal(mt_int(line, "invariant"), 5);
    assert_non_null(strstr(mt_str(line, "what"), "the recount is"));
    json_decref(line);
    /* All of it is said again by every pass, but only so often. */
    json_decref(whole_pass(cluster));
    char *log = mt_process_output(cluster->daemon, MT_STDERR);
    size_t lines = 0;
    for (const char *at = log; (at = strstr(at, "scrub.finding")) != NULL; at++)
        lines++;
    free(log);
    assert_in_range(lines, 2, 10);
    assert_int_equal(mt_ctl(cluster->world, cluster->server,
                            (const char *const[]){"fsck", "--repair", NULL}, NULL),
                     0);
    mt_cluster_check(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_busy, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_finding, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
