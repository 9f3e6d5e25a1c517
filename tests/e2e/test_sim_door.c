/* muster-sim at the RESP doors of two daemons, beside an instance that talks to Redis, in the same
 * sessions: whatever happens to a door, nobody sees an anomaly, and at the end everybody believes
 * what Redis holds. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

#define CTL MUSTER_BUILD_DIR "/musterctl"

enum { DAEMONS = 2, SIMS = 3 };

static const char *const daemon_names[DAEMONS] = {"first", "second"};

struct stand {
    struct mt_cluster *cluster;
    struct mt_process *daemons[DAEMONS];
    char doors[DAEMONS][400]; /* of both daemons; the one at whose door it begins is the index */
    struct mt_process *sims[SIMS];
};

/* ---- the stand ---------------------------------------------------------------------------- */

static void start_daemon(struct stand *stand, size_t which, const char *extra) {
    struct mt_cluster *c = stand->cluster;
    char load[512];
    snprintf(load, sizeof load,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s/%s.resp\"]}}]",
             mt_world_dir(c->world), daemon_names[which]);
    const char *const set[] = {"detector.suspect_after=1h",
                               "detector.dead_after=2h",
                               "authorization.default=allow",
                               load,
                               extra,
                               NULL};
    struct mt_daemon_options options = {.server = c->server, .set = set};
    stand->daemons[which] = mt_daemon_start(c->world, daemon_names[which], &options);
    mt_daemon_await(stand->daemons[which], "plugin.transport_resp.listening");
}

static int set_up_bare(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL)
        return -1;
    *state = stand;
    stand->cluster = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    const char *dir = mt_world_dir(stand->cluster->world);
    for (size_t i = 0; i < DAEMONS; i++)
        snprintf(stand->doors[i], sizeof stand->doors[i], "unix://%s/%s.resp,unix://%s/%s.resp",
                 dir, daemon_names[i], dir, daemon_names[DAEMONS - 1 - i]);
    return 0;
}

static int set_up(void **state) {
    if (set_up_bare(state) != 0)
        return -1;
    for (size_t i = 0; i < DAEMONS; i++)
        start_daemon(*state, i, NULL);
    return 0;
}

static int tear_down(void **state) {
    struct stand *stand = *state;
    mt_cluster_destroy(&stand->cluster);
    free(stand);
    return 0;
}

/* One at Redis, one at each door; all of them churn. */
static void start_sims(struct stand *stand) {
    struct mt_world *world = stand->cluster->world;
    const struct mt_sim_place at[SIMS] = {
        stand->cluster->place,
        {world, "--door", stand->doors[0]},
        {world, "--door", stand->doors[1]},
    };
    static const char *const ids[SIMS] = {"straight", "node-1", "node-2"};
    for (size_t i = 0; i < SIMS; i++)
        stand->sims[i] =
            mt_sim_start(&at[i], ids[i], ids[i], "--connections", "60", "--joins", "2",
                         "--sessions", "15", "--users", "20", "--churn", "150", "--heartbeat-ms",
                         "200", "--seed", "7", i == 2 ? "--watch-all" : NULL);
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_await(stand->sims[i], "entered");
}

static bool published(struct stand *stand, size_t events) {
    return mt_events_sync(stand->cluster->events) >= events;
}

static void churn_on(struct stand *stand) {
    size_t before = mt_events_sync(stand->cluster->events);
    MT_WAIT(stand->cluster->world, published(stand, before + 400), "churn");
}

/* At rest everybody believes what is so. */
static void check_all(struct stand *stand) {
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_hush(stand->sims[i]);
    for (size_t i = 0; i < SIMS; i++)
        mt_sim_check(stand->sims[i], stand->cluster->redis);
    mt_cluster_check(stand->cluster);
}

static void stop_all(struct stand *stand) {
    for (size_t i = 0; i < SIMS; i++) {
        mt_process_signal(stand->sims[i], SIGTERM);
        json_t *said = mt_sim_wait(stand->sims[i], "stopped");
        assert_true(mt_bool(said, "acknowledged"));
        json_decref(said);
        assert_int_equal(mt_process_wait(stand->sims[i]), 0);
    }
}

static long long count_of(const json_t *report, const char *name) {
    return json_integer_value(json_object_get(json_object_get(report, "counts"), name));
}

/* ---- tests -------------------------------------------------------------------------------- */

static void test_both_kinds_of_door(void **state) {
    struct stand *stand = *state;
    start_sims(stand);
    churn_on(stand);
    check_all(stand);
    json_t *report = mt_sim_report(stand->sims[1]);
    assert_true(count_of(report, "leave") > 0);
    assert_true(count_of(report, "update") > 0);
    json_decref(report);
    stop_all(stand);
    MT_WAIT(stand->cluster->world, mt_cluster_reaped(stand->cluster), "no ghost");
    assert_int_equal(mt_integer(stand->cluster->redis, "EXISTS " MT_NS "sessions"), 0);
}

/* No instance began anew, but for a door that was silent: on a slow machine any may be. */
static void expect_no_restart(const struct mt_process *sim) {
    char *output = mt_process_output(sim, MT_STDOUT);
    const char *at = output;
    while ((at = strstr(at, "{\"sim\":\"restarting\"")) != NULL) {
        const char *reason = strstr(at, "\"reason\":\"door-silent\"");
        const char *end = strchr(at, '\n');
        if (reason == NULL || (end != NULL && reason > end))
            mt_fail(mt_process_world(sim), "%s began anew", mt_process_name(sim));
        at++;
    }
    free(output);
}

/* Who was at the door goes to the other one, twice, and nobody enters again for that. */
static void test_a_daemon_dies(void **state) {
    struct stand *stand = *state;
    start_sims(stand);
    for (size_t round = 0; round < DAEMONS; round++) {
        churn_on(stand);
        mt_process_kill(stand->daemons[round]);
        for (int links = 0; links < 2; links++) /* commands and events */
            mt_sim_await(stand->sims[1 + round], "link-up");
        if (round == 0)
            start_daemon(stand, 0, NULL);
    }
    churn_on(stand);
    check_all(stand);
    for (size_t i = 0; i < SIMS; i++)
        expect_no_restart(stand->sims[i]);
    stop_all(stand);
}

/* The connections of the daemons to Redis are cut: the doors stay open, and tell. */
static void test_daemons_are_cut_off(void **state) {
    struct stand *stand = *state;
    struct mt_redis *redis = stand->cluster->redis;
    start_sims(stand);
    for (int round = 0; round < 4; round++) {
        churn_on(stand);
        char *list = strdup(mt_text(redis, "CLIENT LIST"));
        char *rest = NULL;
        for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (strstr(line, " name=musterd"))
                mt_integer(redis, "CLIENT KILL ID %lld", strtoll(line + strlen("id="), NULL, 10));
        free(list);
    }
    churn_on(stand);
    check_all(stand);
    expect_no_restart(stand->sims[1]);
    json_t *report = mt_sim_report(stand->sims[1]);
    assert_true(mt_int(json_object_get(report, "events"), "resync") > 0);
    json_decref(report);
    stop_all(stand);
}

/* A daemon that sleeps does what it was asked when it wakes: the instance is another one by then.
 */
static void test_a_daemon_sleeps(void **state) {
    struct stand *stand = *state;
    start_sims(stand);
    churn_on(stand);
    mt_process_signal(stand->daemons[0], SIGSTOP);
    json_t *restarting = mt_sim_wait(stand->sims[1], "restarting");
    assert_string_equal(mt_str(restarting, "reason"), "door-silent");
    json_decref(restarting);
    mt_sim_await(stand->sims[1], "entered");
    churn_on(stand);
    mt_process_signal(stand->daemons[0], SIGCONT);
    churn_on(stand);
    check_all(stand);
    stop_all(stand);
}

/* Sessions that are too large for one answer are read in pages. */
static void test_large_sessions(void **state) {
    struct stand *stand = *state;
    for (size_t i = 0; i < DAEMONS; i++)
        start_daemon(stand, i, "limits.profile=1MiB"); /* 32 members an answer */
    const struct mt_sim_place at = {stand->cluster->world, "--door", stand->doors[1]};
    for (size_t i = 0; i < 2; i++) {
        static const char *const ids[] = {"node-1", "node-2"};
        stand->sims[i] = mt_sim_start(&at, ids[i], ids[i], "--connections", "120", "--sessions",
                                      "1", "--churn", "200", "--heartbeat-ms", "200");
        mt_sim_await(stand->sims[i], "entered");
    }
    churn_on(stand);
    mt_process_kill(stand->daemons[1]); /* everything is read again */
    for (size_t i = 0; i < 2; i++)
        mt_sim_await(stand->sims[i], "link-up");
    churn_on(stand);
    for (size_t i = 0; i < 2; i++)
        mt_sim_hush(stand->sims[i]);
    for (size_t i = 0; i < 2; i++)
        mt_sim_check(stand->sims[i], stand->cluster->redis);
    mt_cluster_check(stand->cluster);
}

/* ---- who may ------------------------------------------------------------------------------ */

/* A fresh token; *hash, too, is the caller's. */
static char *new_token(struct mt_world *world, char **hash) {
    const char *const argv[] = {CTL, "token", "new", "node-1", "--json", NULL};
    char *out = NULL;
    assert_int_equal(mt_process_run(world, "token", argv, &out), 0);
    json_t *answer = json_loads(out, 0, NULL);
    free(out);
    char *token = strdup(mt_str(answer, "token"));
    *hash = strdup(mt_str(answer, "hash"));
    json_decref(answer);
    return token;
}

static void test_token(void **state) {
    struct stand *stand = *state;
    struct mt_world *world = stand->cluster->world;
    char load[800], door[200];
    char *hash = NULL;
    char *token = new_token(world, &hash);
    snprintf(door, sizeof door, "unix://%s/first.resp", mt_world_dir(world));
    snprintf(load, sizeof load,
             "plugins.load=[{name: transport_resp, config: {listen: [\"%s\"]}}, "
             "{name: auth_rules, config: {principals: {node-1: {kind: instance, token: \"%s\"}}, "
             "rules: [{kind: instance, effect: allow}]}}]",
             door, hash);
    free(hash);
    const char *const set[] = {load, "authorization.default=deny",
                               "authorization.chain=[auth_rules]", NULL};
    struct mt_daemon_options options = {.server = stand->cluster->server, .set = set};
    stand->daemons[0] = mt_daemon_lead(world, "first", &options);

    const struct mt_sim_place at = {world, "--door", door};
    struct mt_process *known =
        mt_sim_start(&at, "known", "node-1", "--connections", "20", "--token", token);
    mt_sim_await(known, "entered");
    mt_sim_hush(known);
    mt_sim_check(known, stand->cluster->redis);
    mt_process_signal(known, SIGTERM);
    assert_int_equal(mt_process_wait(known), 0);

    /* Without it nothing may be heard. */
    struct mt_process *unknown = mt_sim_start(&at, "unknown", "node-1", "--connections", "20");
    json_t *down = mt_sim_wait(unknown, "link-down");
    assert_non_null(strstr(mt_str(down, "reason"), "DENIED"));
    json_decref(down);
    free(token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_kinds_of_door, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_daemon_dies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_daemons_are_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_daemon_sleeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_sessions, set_up_bare, tear_down),
        cmocka_unit_test_setup_teardown(test_token, set_up_bare, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
