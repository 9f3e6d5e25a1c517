/* muster-sim as real processes against a real Redis; the test plays the coordinator by hand, so
 * that it decides when an instance is buried and when its ghost is reaped. */
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

/* ---- processes ---- */

/* An instance that reports to `<name>.report`. `words`: its id, then further options, then NULL. */
static struct mt_process *start_sim(struct mt_fixture *f, const char *name,
                                    const char *const words[]) {
    const char *argv[40] = {SIM,
                            "instance",
                            "--url",
                            mt_server_url_for(f->server, MT_BACKEND),
                            "--namespace",
                            MT_NAMESPACE,
                            "--seed",
                            "11",
                            "--connections",
                            "120",
                            "--joins",
                            "2",
                            "--sessions",
                            "25",
                            "--users",
                            "20",
                            "--report",
                            mt_world_path(f->world, "%s.report", name),
                            "--id"};
    size_t count = 19;
    while (*words)
        argv[count++] = *words++;
    return mt_process_start(f->world, name, argv);
}
#define START_SIM(f, name, ...) start_sim((f), (name), (const char *const[]){__VA_ARGS__, NULL})

/* The next line that says `what`; the world's connection keeps it. */
static json_t *wait_line(struct mt_process *sim, const char *what) {
    char needle[64];
    snprintf(needle, sizeof needle, "\"%s\"", what);
    char *line = mt_process_wait_line(sim, MT_STDOUT, needle);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    free(line);
    return object;
}

static void wait_said(struct mt_process *sim, const char *what) {
    json_decref(wait_line(sim, what));
}

/* Churn off, nothing in flight, everything heard. */
static void hush(struct mt_process *sim) {
    mt_process_signal(sim, SIGUSR2);
    wait_said(sim, "quiet");
}

static json_t *report_of(struct mt_fixture *f, struct mt_process *sim) {
    mt_process_signal(sim, SIGUSR1);
    json_t *said = wait_line(sim, "reported");
    assert_true(mt_bool(said, "complete"));
    json_decref(said);
    json_t *report =
        json_load_file(mt_world_path(f->world, "%s.report", mt_process_name(sim)), 0, NULL);
    assert_non_null(report);
    return report;
}

static void end_sim(struct mt_process *sim) {
    mt_process_signal(sim, SIGTERM);
    json_t *said = wait_line(sim, "stopped");
    assert_true(mt_bool(said, "acknowledged"));
    json_decref(said);
    assert_int_equal(mt_process_wait(sim), 0);
}

static long long total(const json_t *report, const char *name) {
    return mt_int(json_object_get(report, "totals"), name);
}

static void expect_no_anomalies(const json_t *report) {
    char *text = json_dumps(json_object_get(report, "anomalies"), JSON_COMPACT);
    if (mt_int(report, "anomaly_count") != 0)
        print_error("%s\n", text);
    free(text);
    assert_int_equal(mt_int(report, "anomaly_count"), 0);
}

/* ---- belief against Redis ---- */

static void compare_session(struct mt_fixture *f, const char *session, const json_t *belief) {
    redisReply *hash = mt_command(f->redis, "HGETALL " MT_NS "session:%s", session);
    assert_int_equal(mt_bool(belief, "exists"), hash->elements > 0);
    assert_true(mt_bool(belief, "synced"));
    for (size_t i = 0; i < hash->elements; i += 2) {
        const char *field = hash->element[i]->str;
        const char *value = hash->element[i + 1]->str;
        if (strcmp(field, "#seq") == 0 || strcmp(field, "#term") == 0 ||
            strcmp(field, "#count") == 0)
            assert_int_equal(mt_int(belief, field + 1), strtoll(value, NULL, 10));
        else if (strcmp(field, "#gen") == 0)
            assert_string_equal(mt_str(belief, "gen"), value);
        else if (strcmp(field, "#leader") == 0)
            assert_string_equal(mt_str(belief, "leader") ? mt_str(belief, "leader") : "", value);
    }
}

/* Everything a report says is so, and this instance has no members beside it. */
static void compare(struct mt_fixture *f, const json_t *report) {
    const char *session;
    json_t *belief, *connection, *name;
    size_t i, k;
    long long memberships = 0;
    expect_no_anomalies(report);
    json_object_foreach(json_object_get(report, "sessions"), session, belief) {
        compare_session(f, session, belief);
    }
    json_array_foreach(json_object_get(report, "connections"), i, connection) {
        json_array_foreach(json_object_get(connection, "sessions"), k, name) {
            const char *text = mt_text(f->redis, "HGET " MT_NS "session:%s %s",
                                       json_string_value(name), mt_str(connection, "connection"));
            assert_non_null(text);
            json_t *member = json_loads(text, 0, NULL);
            assert_string_equal(mt_str(member, "instance"), mt_str(report, "instance"));
            assert_string_equal(mt_str(member, "incarnation"), mt_str(report, "incarnation"));
            assert_string_equal(mt_str(member, "user"), mt_str(connection, "user"));
            assert_true(json_equal(json_object_get(member, "profile"),
                                   json_object_get(connection, "profile")));
            json_decref(member);
            memberships++;
        }
    }
    assert_int_equal(memberships, total(report, "memberships"));
    assert_int_equal(
        mt_integer(f->redis, "HLEN " MT_NS "instance:%s:connections", mt_str(report, "instance")),
        total(report, "connections"));
}

static long long beats_of(struct mt_fixture *f, struct mt_process *sim) {
    json_t *report = report_of(f, sim);
    long long beats = json_integer_value(
        json_object_get(json_object_get(report, "counts"), "heartbeats")); /* or 0: none yet */
    json_decref(report);
    return beats;
}

/* Waits for so many more heartbeats: what was suspected before is an anomaly by then. */
static void wait_beats(struct mt_fixture *f, struct mt_process *sim, long long times) {
    long long goal = beats_of(f, sim) + times;
    MT_WAIT(f->world, beats_of(f, sim) >= goal, "heartbeats");
}

static long long members_in_redis(struct mt_fixture *f) {
    long long members = 0;
    redisReply *sessions = mt_command(f->redis, "ZRANGE " MT_NS "sessions 0 -1");
    for (size_t i = 0; i < sessions->elements; i++) {
        const char *count =
            mt_text(f->redis, "HGET " MT_NS "session:%s #count", sessions->element[i]->str);
        members += strtoll(count, NULL, 10);
    }
    return members;
}

static char *incarnation_of(struct mt_fixture *f, const char *instance) {
    return strdup(mt_text(f->redis, "HGET " MT_NS "instance:%s incarnation", instance));
}

/* Pauses the process and buries it, whatever it said last. */
static void bury_paused(struct mt_fixture *f, struct mt_process *sim, const char *instance,
                        char *incarnation) {
    mt_process_signal(sim, SIGSTOP);
    mt_bury(f, instance, incarnation);
}

/* ---- tests ---- */

static void test_enters_reports_and_stops(void **state) {
    struct mt_fixture *f = *state;
    const char *events = mt_world_path(f->world, "events");
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--events", events);
    json_t *entered = wait_line(sim, "entered");
    mt_expect(entered, "{'connections':120,'memberships':240,'joined':240,'adopted':0,'repeated':0,"
                       "'rebuilt':0,'refused':0,'lost':0,'#more':0}");
    json_decref(entered);
    hush(sim);
    json_t *report = report_of(f, sim);
    compare(f, report);
    assert_int_equal(total(report, "memberships"), 240);
    assert_int_equal(members_in_redis(f), 240);
    assert_int_equal(mt_int(json_object_get(report, "events"), "member.joined"), 240);
    redisReply *inbox = mt_command(f->redis, "PUBSUB NUMSUB " MT_NS "inbox:node-1");
    assert_int_equal(inbox->element[1]->integer, 1);
    json_decref(report);

    /* Every event, one a line. */
    FILE *file = fopen(events, "r");
    char line[4096];
    int joined = 0;
    while (fgets(line, sizeof line, file))
        joined += strncmp(line, "{\"event\":\"member.joined\"", 24) == 0;
    fclose(file);
    assert_int_equal(joined, 240);

    end_sim(sim);
    assert_null(mt_text(f->redis, "HGET " MT_NS "instance:node-1 incarnation"));
    char *ghost = strdup(mt_command(f->redis, "ZRANGE " MT_NS "ghosts 0 0")->element[0]->str);
    mt_reap(f, ghost);
    free(ghost);
    assert_int_equal(members_in_redis(f), 0);
}

static void test_same_seed_same_members(void **state) {
    struct mt_fixture *f = *state;
    json_t *reports[2];
    for (int i = 0; i < 2; i++) {
        struct mt_process *sim = START_SIM(f, i ? "b" : "a", "node-1");
        wait_said(sim, "entered");
        reports[i] = report_of(f, sim);
        end_sim(sim);
    }
    assert_true(json_equal(json_object_get(reports[0], "connections"),
                           json_object_get(reports[1], "connections")));
    assert_string_not_equal(mt_str(reports[0], "incarnation"), mt_str(reports[1], "incarnation"));
    json_decref(reports[0]);
    json_decref(reports[1]);
}

static bool churned(struct mt_fixture *f, size_t events) {
    return mt_events_sync(f->events) >= events;
}

static void test_churn_of_several(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sims[3];
    static const char *const ids[] = {"node-1", "node-2", "node-3"};
    for (int i = 0; i < 3; i++) {
        sims[i] = START_SIM(f, ids[i], ids[i], "--churn", "500");
        wait_said(sims[i], "entered");
    }
    MT_WAIT(f->world, churned(f, 6000), "six thousand events");
    for (int i = 0; i < 3; i++)
        hush(sims[i]);
    long long members = 0;
    for (int i = 0; i < 3; i++) {
        json_t *report = report_of(f, sims[i]);
        compare(f, report);
        members += total(report, "memberships");
        assert_true(mt_int(json_object_get(report, "counts"), "leave") > 0);
        assert_true(mt_int(json_object_get(report, "counts"), "update") > 0);
        json_decref(report);
    }
    assert_int_equal(members_in_redis(f), members);
    mt_process_signal(sims[0], SIGUSR2); /* and on again */
    wait_said(sims[0], "churning");
    for (int i = 0; i < 3; i++)
        end_sim(sims[i]);
}

static void test_buried_then_adopted(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    char *incarnation = incarnation_of(f, "node-1");
    bury_paused(f, sim, "node-1", incarnation);
    mt_process_signal(sim, SIGCONT);
    json_t *restarting = wait_line(sim, "restarting");
    assert_string_equal(mt_str(restarting, "reason"), "UNKNOWN_INSTANCE");
    json_decref(restarting);
    json_t *entered = wait_line(sim, "entered");
    mt_expect(entered,
              "{'memberships':240,'joined':0,'adopted':240,'rebuilt':0,'lost':0,'#more':0}");
    assert_string_not_equal(mt_str(entered, "incarnation"), incarnation);
    json_decref(entered);
    json_t *report = report_of(f, sim);
    compare(f, report);
    assert_null(json_object_get(json_object_get(report, "events"), "member.left"));
    json_decref(report);
    free(incarnation);
    end_sim(sim);
}

static void test_buried_and_reaped(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    char *incarnation = incarnation_of(f, "node-1");
    bury_paused(f, sim, "node-1", incarnation);
    char ghost[256];
    snprintf(ghost, sizeof ghost, "node-1:%s", incarnation);
    free(incarnation);
    mt_reap(f, ghost);
    mt_process_signal(sim, SIGCONT);
    wait_said(sim, "restarting");
    json_t *entered = wait_line(sim, "entered");
    assert_int_equal(mt_int(entered, "joined"), 240);
    json_decref(entered);
    wait_beats(f, sim, 3);
    json_t *report = report_of(f, sim);
    compare(f, report); /* it was told of its own end: no anomaly */
    json_decref(report);
    end_sim(sim);
}

static void test_new_generation(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1");
    wait_said(sim, "entered");
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    json_t *restarting = wait_line(sim, "restarting");
    assert_string_equal(mt_str(restarting, "reason"), "generation.changed");
    json_decref(restarting);
    json_t *entered = wait_line(sim, "entered");
    mt_expect(entered, "{'joined':0,'adopted':240,'rebuilt':0,'#more':0}");
    json_decref(entered);
    hush(sim);
    json_t *report = report_of(f, sim);
    assert_string_equal(mt_str(report, "generation"), "gen-2");
    compare(f, report);
    json_decref(report);
    end_sim(sim);
}

static void test_new_generations_under_churn(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim =
        START_SIM(f, "sim", "node-1", "--churn", "5000", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    char generation[16];
    for (int i = 2; i < 8; i++) {
        size_t before = mt_events_sync(f->events);
        MT_WAIT(f->world, churned(f, before + 200), "churn");
        snprintf(generation, sizeof generation, "gen-%d", i);
        mt_ok(f->redis, "rotate", f->epoch, generation, "0", "run-2", MT_SETTINGS);
        wait_said(sim, "restarting");
        wait_said(sim, "entered");
    }
    hush(sim);
    wait_beats(f, sim, 3);
    json_t *report = report_of(f, sim);
    assert_string_equal(mt_str(report, "generation"), "gen-7");
    assert_int_equal(mt_int(json_object_get(report, "counts"), "starts"), 7);
    assert_int_equal(total(report, "rebuilt"), 0);
    compare(f, report);
    json_decref(report);
    end_sim(sim);
}

static void test_lost_data(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    /* Of the lost data nothing is known but that it was not written in the future; what was
     * confirmed is not lost with it, so the library is loaded anew, as after a restart. */
    const char *time = mt_command(f->redis, "TIME")->element[0]->str;
    const char *floor = mt_number(f->redis, (strtoll(time, NULL, 10) + 60) * 1000);
    mt_command(f->redis, "FLUSHALL");
    mt_library_load(f->redis);
    json_t *lease = mt_ok(f->redis, "acquire", "hand", "hand-2", "600000", floor);
    f->epoch = mt_number(f->redis, mt_int(lease, "epoch"));
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", floor, "run-2", MT_SETTINGS);
    wait_said(sim, "restarting");
    json_t *entered = wait_line(sim, "entered");
    mt_expect(entered, "{'joined':240,'adopted':0,'rebuilt':240,'#more':0}");
    json_decref(entered);
    hush(sim);
    json_t *report = report_of(f, sim);
    compare(f, report);
    json_decref(report);
    end_sim(sim);
}

/* A failover forgot the START of the present incarnation: what stands there is the one before, and
 * that is no other process. */
static void test_forgotten_start(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    char *first = strdup(mt_text(f->redis, "HGET " MT_NS "instance:node-1 incarnation"));
    mt_ok(f->redis, "rotate", f->epoch, "gen-2", "0", "run-2", MT_SETTINGS);
    wait_said(sim, "restarting");
    wait_said(sim, "entered");
    mt_command(f->redis, "HSET " MT_NS "instance:node-1 incarnation %s", first);
    free(first);
    json_t *line = wait_line(sim, "restarting");
    assert_string_equal(mt_str(line, "reason"), "STALE_INCARNATION");
    json_decref(line);
    /* Its START waits for the ghost of the first one, which nobody reaps here. */
    assert_true(mt_process_running(sim));
    mt_process_kill(sim);
}

static void test_two_processes_with_one_id(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *older = START_SIM(f, "older", "node-1");
    wait_said(older, "entered");
    struct mt_process *newer = START_SIM(f, "newer", "node-1");
    json_t *taken = wait_line(older, "taken-over");
    assert_string_equal(mt_str(taken, "reason"), "STALE_INCARNATION");
    json_decref(taken);
    assert_int_equal(mt_process_wait(older), 3);
    json_t *entered = wait_line(newer, "entered");
    assert_int_equal(mt_int(entered, "joined") + mt_int(entered, "adopted"), 240);
    json_decref(entered);
    hush(newer);
    json_t *report = report_of(f, newer);
    assert_int_equal(mt_int(json_object_get(report, "counts"), "starts"), 1); /* no ping-pong */
    compare(f, report);
    json_decref(report);
    end_sim(newer);
}

/* Cuts every connection of muster-sim to Redis. */
static void cut(struct mt_fixture *f) {
    char *list = strdup(mt_text(f->redis, "CLIENT LIST"));
    char *rest = NULL;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, " name=muster-sim"))
            mt_integer(f->redis, "CLIENT KILL ID %lld", strtoll(line + strlen("id="), NULL, 10));
    free(list);
}

static void test_connections_cut(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--churn", "1000");
    wait_said(sim, "entered");
    for (int i = 0; i < 5; i++) {
        cut(f);
        for (int up = 0; up < 2; up++) /* commands and events */
            wait_said(sim, "link-up");
    }
    hush(sim);
    json_t *report = report_of(f, sim);
    compare(f, report);
    assert_int_equal(mt_int(json_object_get(report, "counts"), "link_downs"), 5);
    json_decref(report);
    end_sim(sim);
}

/* What the functions never do, done by hand. */
static void test_notices_violations(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--connections", "3", "--sessions", "1",
                                       "--joins", "1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    hush(sim);
    long long seq = mt_seq(f, "room-1"), term = mt_term(f, "room-1");
    static const char event[] =
        "{\"event\":\"leader.changed\",\"session\":\"room-1\",\"gen\":\"gen-1\",\"seq\":%lld,"
        "\"term\":%lld,\"at\":1,\"leader\":\"%s\",\"previous\":\"%s\",\"reason\":\"left\"}";
    char text[512];
    const char *leader = mt_leader(f, "room-1");
    const struct {
        long long seq, term;
        const char *leader, *kind;
    } wrong[] = {
        {seq, term, leader, "seq-repeated"},
        {seq + 9, term, leader, "gap"},
        {seq + 10, term - 1, leader, "term-fell"},
        {seq + 11, term, "other", "two-leaders"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, event, wrong[i].seq, wrong[i].term, wrong[i].leader, leader);
        mt_command(f->redis, "PUBLISH " MT_NS "events:session:room-1 %s", text);
        wait_said(sim, wrong[i].kind);
    }

    /* A member that was acknowledged vanishes; the next snapshot does not have it. */
    const char *member = strcmp(leader, "node-1-1") == 0 ? "node-1-2" : "node-1-1";
    mt_command(f->redis, "HDEL " MT_NS "session:room-1 %s", member);
    mt_command(f->redis, "PUBLISH " MT_NS "events:session:room-1 "
                         "{\"event\":\"resync\",\"session\":\"room-1\",\"gen\":\"gen-1\"}");
    snprintf(text, sizeof text, event, seq + 20, term + 1, leader, leader);
    mt_command(f->redis, "PUBLISH " MT_NS "events:session:room-1 %s", text);
    wait_said(sim, "missing-in-snapshot");
    json_t *report = report_of(f, sim);
    assert_true(mt_int(report, "anomaly_count") >= 5);
    json_decref(report);
    end_sim(sim);
}

static void test_kicked_stays_out(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim = START_SIM(f, "sim", "node-1", "--heartbeat-ms", "50");
    wait_said(sim, "entered");
    json_t *report = report_of(f, sim);
    json_t *first = json_array_get(json_object_get(report, "connections"), 0);
    const char *session = json_string_value(json_array_get(json_object_get(first, "sessions"), 0));
    mt_ok(f->redis, "kick", session, mt_str(first, "connection"));
    json_decref(report);
    wait_beats(f, sim, 3);
    hush(sim);
    report = report_of(f, sim);
    assert_int_equal(total(report, "memberships"), 239);
    assert_int_equal(total(report, "lost"), 1);
    compare(f, report);
    json_decref(report);
    end_sim(sim);
}

static bool beats_on_channel(struct mt_fixture *f) {
    size_t count = mt_events_sync(f->events);
    size_t beats = 0;
    for (size_t i = 0; i < count; i++)
        beats += strcmp(mt_events_channel(f->events, i), "heartbeat") == 0;
    return beats >= 5;
}

static void test_heartbeats(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *sim =
        START_SIM(f, "sim", "node-1", "--heartbeat", "channel", "--heartbeat-ms", "20");
    wait_said(sim, "entered");
    MT_WAIT(f->world, beats_on_channel(f), "five heartbeats on the channel");
    end_sim(sim);

    struct mt_process *silent =
        START_SIM(f, "silent", "node-2", "--no-heartbeat", "--no-inbox", "--stop-after", "3s");
    wait_said(silent, "entered");
    json_t *report = report_of(f, silent);
    assert_null(json_object_get(json_object_get(report, "counts"), "heartbeats"));
    redisReply *inbox = mt_command(f->redis, "PUBSUB NUMSUB " MT_NS "inbox:node-2");
    assert_int_equal(inbox->element[1]->integer, 0);
    json_decref(report);
    assert_int_equal(mt_process_wait(silent), 0); /* by itself */
}

static void test_waits_until_confirmed(void **state) {
    struct mt_fixture *f = *state;
    mt_library_load(f->redis); /* what was confirmed is forgotten */
    struct mt_process *sim = START_SIM(f, "sim", "node-1");
    MT_WAIT(f->world, mt_info(f->redis, "commandstats", "cmdstat_fcall") >= 0, "a call");
    json_t *reply = mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", MT_SETTINGS);
    assert_true(mt_bool(reply, "confirmed"));
    wait_said(sim, "entered");
    end_sim(sim);
}

static void test_usage(void **state) {
    struct mt_fixture *f = *state;
    static const char *const wrong[][6] = {
        {SIM, NULL},
        {SIM, "instance", NULL},
        {SIM, "instance", "--url", "redis://h", NULL},
        {SIM, "instance", "--url", "nonsense", NULL},
        {SIM, "cluster", "--url=redis://h", "--kill-every", "20", NULL},
        {SIM, "instance", "--url=redis://h", "--id=a", "--connections=1x", NULL},
        {SIM, "instance", "--url=redis://h", "--id=a/b", NULL},
        {SIM, "instance", "--url=redis://h", "--id=a", "--kill-every=1s", NULL},
        {SIM, "cluster", "--url=redis://h", "--priority=3..2", NULL},
        {SIM, "cluster", "--url=redis://h", "--door=redis://h", NULL},
        {SIM, "cluster", "--door=redis://h,", NULL},
        {SIM, "cluster", "--door=redis://h", "--heartbeat=channel", NULL},
        {SIM, "cluster", "--url=redis://h", "--token=a.b", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mt_process_run(f->world, "usage", wrong[i], NULL), 2);
    char *out;
    const char *const help[] = {SIM, "--help", NULL};
    assert_int_equal(mt_process_run(f->world, "help", help, &out), 0);
    assert_non_null(strstr(out, "--kill-every"));
    free(out);
}

#define SIM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, mt_fixture_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        SIM_TEST(test_enters_reports_and_stops),
        SIM_TEST(test_same_seed_same_members),
        SIM_TEST(test_churn_of_several),
        SIM_TEST(test_buried_then_adopted),
        SIM_TEST(test_buried_and_reaped),
        SIM_TEST(test_new_generation),
        SIM_TEST(test_new_generations_under_churn),
        SIM_TEST(test_lost_data),
        SIM_TEST(test_forgotten_start),
        SIM_TEST(test_two_processes_with_one_id),
        SIM_TEST(test_connections_cut),
        SIM_TEST(test_notices_violations),
        SIM_TEST(test_kicked_stays_out),
        SIM_TEST(test_heartbeats),
        SIM_TEST(test_waits_until_confirmed),
        SIM_TEST(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
