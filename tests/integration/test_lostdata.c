/* Redis comes back with nothing, or with what it knew long ago: everything that the instances hold
 * is back, and nobody who had left comes back for long. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "lib/cluster.h"

static const char *const quick[] = {"detector.heartbeat=500ms", "detector.suspect_after=3s",
                                    "detector.dead_after=10s", "detector.resume_grace=2s", NULL};

static void start_instances(struct mt_cluster *c, struct mt_process *sims[], int count,
                            const char *connections, const char *sessions, const char *churn) {
    for (int i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%d", i + 1);
        sims[i] = mt_sim_start(&c->place, id, id, "--connections", connections, "--sessions",
                               sessions, "--users", "100", "--seed", id + 5, "--churn", churn,
                               "--heartbeat", i % 2 == 0 ? "fcall" : "channel");
    }
    for (int i = 0; i < count; i++)
        mt_sim_await(sims[i], "entered");
}

static void await_return(struct mt_process *sims[], int count) {
    for (int i = 0; i < count; i++) {
        mt_sim_await(sims[i], "restarting");
        mt_sim_await(sims[i], "entered");
    }
}

static void check_all(struct mt_cluster *c, struct mt_process *sims[], int count) {
    for (int i = 0; i < count; i++)
        mt_sim_hush(sims[i]);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghosts to go");
    for (int i = 0; i < count; i++)
        mt_sim_check(sims[i], c->redis);
    mt_fsck(c->world, c->server);
}

/* ---- all events of a test, over restarts ---- */

struct seen {
    char key[3 * 128]; /* session, generation, seq */
    UT_hash_handle hh;
};
struct term {
    char session[128];
    json_int_t term;
    UT_hash_handle hh;
};
struct history {
    struct seen *seen;
    struct term *terms;
};

/* No (generation, seq) of a session twice; no term of a session falls. */
static void remember(struct mt_cluster *c, struct history *history) {
    size_t count = mt_events_sync(c->events);
    for (size_t i = 0; i < count; i++) {
        const json_t *event = mt_events_at(c->events, i);
        const char *session = json_string_value(json_object_get(event, "session"));
        if (session == NULL)
            continue;
        struct seen *seen = calloc(1, sizeof *seen);
        struct seen *before = NULL;
        assert_non_null(seen);
        snprintf(seen->key, sizeof seen->key, "%s %s %lld", session, mt_str(event, "gen"),
                 (long long)mt_int(event, "seq"));
        HASH_FIND_STR(history->seen, seen->key, before);
        if (before != NULL)
            mt_fail(c->world, "%s was published twice", seen->key);
        HASH_ADD_STR(history->seen, key, seen);
        struct term *term = NULL;
        HASH_FIND_STR(history->terms, session, term);
        if (term == NULL) {
            term = calloc(1, sizeof *term);
            assert_non_null(term);
            snprintf(term->session, sizeof term->session, "%s", session);
            HASH_ADD_STR(history->terms, session, term);
        }
        if (mt_int(event, "term") < term->term)
            mt_fail(c->world, "the term of %s fell from %lld to %lld", session,
                    (long long)term->term, (long long)mt_int(event, "term"));
        term->term = mt_int(event, "term");
    }
}

static void forget(struct history *history) {
    struct seen *seen = NULL;
    struct seen *next_seen = NULL;
    HASH_ITER(hh, history->seen, seen, next_seen) {
        HASH_DEL(history->seen, seen);
        free(seen);
    }
    struct term *term = NULL;
    struct term *next_term = NULL;
    HASH_ITER(hh, history->terms, term, next_term) {
        HASH_DEL(history->terms, term);
        free(term);
    }
}

/* ---- the tests ---- */

/* Redis restarted: every inbox is gone for a moment, all sockets with it. Nobody is suspected. */
static void test_fleet_wide_reconnect(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_DURABLE, quick);
    struct mt_process *sims[8];
    start_instances(c, sims, 8, "50", "40", "20");
    for (int round = 0; round < 3; round++) {
        mt_cluster_restart_redis(c);
        mt_daemon_await(c->daemon, "data.rotated");
        await_return(sims, 8);
        mt_events_sync(c->events);
        assert_int_equal(mt_events_count(c->events, 0, "instance.suspect", NULL, NULL), 0);
        assert_int_equal(mt_events_count(c->events, 0, "instance.dead", "reason", "instance-dead"),
                         0);
        assert_int_equal(mt_events_count(c->events, 0, "brake.engaged", NULL, NULL), 0);
    }
    check_all(c, sims, 8);
}

/* Who has entered everything and looked at all sessions hears of what others do later, though they
 * only come back to where they were: the first of them gives a session a new term. */
static void test_the_last_to_reconnect(void **state) {
    static const char *const patient[] = {"detector.heartbeat=500ms", "detector.suspect_after=1h",
                                          "detector.dead_after=2h", NULL};
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_DURABLE, patient);
    const char *const shares[] = {"--connections", "1", "--sessions", "20", "--watch-all", NULL};
    struct mt_process *late = mt_sim_start(&c->place, "late", "late", "--connections", "60",
                                           "--sessions", "20", "--no-inbox");
    mt_sim_await(late, "entered");
    struct mt_process *early = mt_sim_start_words(&c->place, "early", "early", shares);
    mt_sim_await(early, "entered");
    mt_sim_hush(early);
    mt_process_signal(late, SIGSTOP);
    mt_cluster_restart_redis(c);
    mt_daemon_await(c->daemon, "data.rotated");
    await_return(&early, 1);
    mt_sim_hush(early);
    mt_process_signal(late, SIGCONT);
    await_return(&late, 1);
    mt_sim_hush(late);
    mt_sim_hush(early);
    mt_sim_check(late, c->redis);
    mt_sim_check(early, c->redis);
    mt_cluster_check(c);
}

/* Sanitizers make it all ten times as slow, and find no more in the fifty-thousandth. */
#if defined(__SANITIZE_ADDRESS__)
#define EACH "1000"
#else
#define EACH "5000"
#endif

/* FLUSHALL under 50,000 connections of ten instances: it tells nobody anything, so it is noticed by
 * looking; then all memberships and leaders are back. */
static void test_flushall(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    struct mt_process *sims[10];
    struct history history = {0};
    start_instances(c, sims, 10, EACH, EACH, "0");
    remember(c, &history);
    mt_events_skip(c->events);
    freeReplyObject(redisCommand(mt_redis_context(c->redis), "FLUSHALL"));
    mt_daemon_await(c->daemon, "data.rotated");
    await_return(sims, 10);
    check_all(c, sims, 10);
    remember(c, &history);
    assert_int_equal(mt_integer(c->redis, "ZCARD " MT_NS "sessions") > 0, 1);
    long long connections = 0;
    for (int i = 0; i < 10; i++)
        connections += mt_integer(c->redis, "HLEN " MT_NS "instance:node-%d:connections", i + 1);
    assert_int_equal(connections, 10 * strtoll(EACH, NULL, 10));
    forget(&history);
}

static void copy(const char *from, const char *to) {
    char block[65536];
    size_t count = 0;
    FILE *in = fopen(from, "rbe");
    FILE *out = fopen(to, "wbe");
    assert_non_null(in);
    assert_non_null(out);
    while ((count = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, count, out), count);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* The server starts again on an old snapshot: members that had left since are in it, and others are
 * missing. */
static void test_old_snapshot(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, quick);
    struct mt_process *sims[3];
    struct history history = {0};
    start_instances(c, sims, 3, "200", "60", "300");
    const char *dump = mt_world_path(c->world, "redis/dump.rdb");
    const char *kept = mt_world_path(c->world, "old.rdb");
    freeReplyObject(redisCommand(mt_redis_context(c->redis), "SAVE"));
    copy(dump, kept);
    size_t before = mt_events_sync(c->events);
    /* one that was in the snapshot leaves for good; many others come and go */
    mt_process_signal(sims[2], SIGTERM);
    assert_int_equal(mt_process_wait(sims[2]), 0);
    MT_WAIT(c->world, mt_events_sync(c->events) > before + 2000, "churn");
    remember(c, &history);
    copy(kept, dump);
    mt_cluster_restart_redis(c);
    mt_daemon_await(c->daemon, "data.rotated");
    await_return(sims, 2);
    MT_WAIT(c->world, mt_integer(c->redis, "EXISTS " MT_NS "instance:node-3") == 0,
            "the one that had gone to go again");
    check_all(c, sims, 2);
    remember(c, &history);
    forget(&history);
}

int main(void) {
    mu_table_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fleet_wide_reconnect, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_the_last_to_reconnect, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_flushall, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_old_snapshot, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
