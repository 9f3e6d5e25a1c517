/* Draining with a real daemon and `musterctl drain`: the test plays the clients, which move when
 * they are told to, or do not. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cluster.h"

enum { MOST = 10000, RATE = 2000, BURST = 512 + 64 };

/* Nobody heartbeats here. */
static const char *const patient[] = {"detector.suspect_after=1h", "detector.dead_after=2h", NULL};
static const char *const hasty[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                                    "coordinator.lease=600ms", "coordinator.renew=150ms", NULL};

/* Clients of node-1 with the numbers 0 to count - 1: connections c<n>, d<n> once they moved. */
struct clients {
    struct mt_cluster *cluster;
    size_t count;
    size_t next; /* event that was not looked at yet */
    unsigned told[MOST];
    bool stubborn[MOST]; /* it does not move */
    size_t told_all;
    long long first_at; /* of instance.move */
    size_t events;
};

static struct clients *begin(struct mt_cluster *c, int count) {
    struct clients *clients = calloc(1, sizeof *clients);
    assert_non_null(clients);
    clients->cluster = c;
    clients->count = (size_t)count;
    mt_ok(c->redis, "start", "node-1", "a");
    mt_ok(c->redis, "start", "node-2", "b");
    mt_ok(c->redis, "start", "node-3", "c");
    return clients;
}

/* The connections of node-1, which lead `sessions` sessions; one of each other in every one. */
static void enter_all(struct clients *clients, int sessions) {
    struct mt_redis *redis = clients->cluster->redis;
    char session[32];
    char name[32];
    for (size_t i = 0; i < clients->count; i++) {
        snprintf(session, sizeof session, "s%d", (int)i % sessions);
        snprintf(name, sizeof name, "c%zu", i);
        mt_append(redis, (const char *const[]){"enter", session, name, "node-1", "a",
                                               "{\"resume\":\"secret\"}", "{}", NULL});
    }
    for (int i = 0; i < 2 * sessions; i++) {
        snprintf(session, sizeof session, "s%d", i / 2);
        snprintf(name, sizeof name, "o%d", i);
        mt_append(redis,
                  (const char *const[]){"enter", session, name, i % 2 == 0 ? "node-2" : "node-3",
                                        i % 2 == 0 ? "b" : "c", "", "{}", NULL});
    }
    mt_drain(redis, clients->count + 2 * (size_t)sessions);
    mt_redis_forget(redis);
    mt_events_skip(clients->cluster->events);
    mt_replay_load(clients->cluster->replay, redis);
    assert_int_equal(mt_cluster_leads(clients->cluster, "node-1"), sessions);
}

/* The client goes elsewhere, in one step. */
static void send_resume(struct clients *clients, size_t number) {
    char old[32];
    char name[32];
    snprintf(old, sizeof old, "c%zu", number);
    snprintf(name, sizeof name, "d%zu", number);
    bool odd = number % 2 == 1;
    mt_append(clients->cluster->redis,
              (const char *const[]){"resume", name, odd ? "node-3" : "node-2", odd ? "c" : "b", old,
                                    "node-1:a", "secret", NULL});
}

/* What was published so far: whoever was told moves, and must not see an error. */
static void obey(struct clients *clients) {
    struct mt_cluster *c = clients->cluster;
    size_t count = mt_events_sync(c->events);
    for (; clients->next < count; clients->next++) {
        const json_t *event = mt_events_at(c->events, clients->next);
        const json_t *list = json_object_get(event, "connections");
        size_t sent = 0;
        if (strcmp(mt_str(event, "event"), "instance.move") != 0)
            continue;
        clients->events++;
        if (clients->first_at == 0)
            clients->first_at = mt_int(event, "at");
        for (size_t i = 0; i < json_array_size(list); i++) {
            size_t number = strtoul(json_string_value(json_array_get(list, i)) + 1, NULL, 10);
            assert_true(number < clients->count);
            clients->told_all++;
            if (clients->told[number]++ == 0 && !clients->stubborn[number]) {
                send_resume(clients, number);
                sent++;
            }
        }
        mt_drain(c->redis, sent);
        mt_redis_forget(c->redis);
    }
}

#define START_CTL(c, ...)                                                                          \
    mt_process_start((c)->world, "drain",                                                          \
                     (const char *const[]){MUSTER_BUILD_DIR "/musterctl", "--url",                 \
                                           mt_server_url((c)->server), "--namespace",              \
                                           MT_NAMESPACE, __VA_ARGS__, NULL})

/* Obeys until musterctl ends: its exit status. */
static int obey_until_end(struct clients *clients, struct mt_process *ctl) {
    MT_WAIT(clients->cluster->world, (obey(clients), !mt_process_running(ctl)), "musterctl to end");
    int code = mt_process_wait(ctl);
    obey(clients);
    return code;
}

static void expect_output(struct mt_process *ctl, enum mt_stream stream, const char *wanted) {
    char *text = mt_process_output(ctl, stream);
    if (strstr(text, wanted) == NULL)
        mt_fail(mt_process_world(ctl), "musterctl says '%s', not '%s'", text, wanted);
    free(text);
}

/* No event that a client or its companions would notice; and never more told than the rate allows
 * (a second's worth after a stall, and one slice). */
static void check_events(struct clients *clients, int sessions) {
    const struct mt_events *events = clients->cluster->events;
    size_t moved = 0;
    for (size_t i = 0, told = 0; i < clients->next; i++) {
        const json_t *event = mt_events_at(events, i);
        const char *name = mt_str(event, "event");
        if (strcmp(name, "leader.changed") == 0) {
            assert_string_equal(mt_str(event, "reason"), "draining");
            assert_non_null(mt_str(event, "leader"));
            assert_int_equal(told, 0); /* leaderships first */
            moved++;
        } else if (strcmp(name, "instance.move") == 0) {
            long long passed = mt_int(event, "at") - clients->first_at;
            told += json_array_size(json_object_get(event, "connections"));
            assert_true(told <= (size_t)(RATE * (passed + 1000) / 1000 + BURST));
        } else if (strcmp(name, "member.resumed") != 0 && strncmp(name, "instance.", 9) != 0) {
            fail_msg("an event that nobody should see: %s", name);
        }
    }
    assert_int_equal(moved, sessions);
}

static void test_ten_thousand(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    int count = MOST / (int)mt_slowness();
    int sessions = count / 5;
    struct clients *clients = begin(c, count);
    enter_all(clients, sessions);
    struct mt_process *ctl = START_CTL(c, "drain", "node-1", "--rate", "2000/s", "--wait");
    assert_int_equal(obey_until_end(clients, ctl), 0);
    expect_output(ctl, MT_STDOUT, "node-1: no connection is left");
    char *errors = mt_process_output(ctl, MT_STDERR);
    assert_string_equal(errors, "");
    free(errors);
    assert_true(clients->told_all >= (size_t)count); /* HSCAN may give one twice */
    check_events(clients, sessions);
    assert_int_equal(mt_integer(c->redis, "HLEN " MT_NS "instance:node-1:connections"), 0);
    mt_ok(c->redis, "stop", "node-1", "a");
    mt_cluster_check(c);
    free(clients);
}

/* The coordinator is killed half-way: the next one goes on, and nobody is told twice. */
static void test_takeover(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, hasty);
    struct mt_daemon_options options = {.server = c->server, .set = hasty};
    struct mt_process *second = mt_daemon_start(c->world, "second", &options);
    mt_daemon_await(second, "lease.standby");
    struct clients *clients = begin(c, 900);
    enter_all(clients, 30);
    struct mt_process *ctl =
        START_CTL(c, "drain", "node-1", "--rate=300", "--notice=1h", "--wait", "--json");
    MT_WAIT(c->world, (obey(clients), clients->told_all >= 100), "a hundred to be told");
    mt_process_kill(c->daemon);
    assert_true(clients->told_all < 900);
    assert_int_equal(obey_until_end(clients, ctl), 0);
    mt_daemon_await(second, "drain.begins");
    assert_true(clients->told_all >= 900); /* HSCAN may give one twice */
    expect_output(ctl, MT_STDOUT, "\"connections\":0,");
    expect_output(ctl, MT_STDOUT, "\"ended\":\"empty\"}\n");
    mt_cluster_check(c);
    free(clients);
}

/* Does the program `argv` print `part`? */
static bool prints(struct mt_world *world, const char *const argv[], const char *part) {
    char *out = NULL;
    assert_int_equal(mt_process_run(world, "look", argv, &out), 0);
    bool found = strstr(out, part) != NULL;
    free(out);
    return found;
}

/* Three stay. musterctl asks through the RESP door. */
static void test_some_stay(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    char load[256];
    char door[160];
    snprintf(door, sizeof door, "unix://%s/door", mt_world_dir(c->world));
    snprintf(load, sizeof load, "plugins.load=[{name: transport_resp, config: {listen: [\"%s\"]}}]",
             door);
    const char *set[] = {load, "authorization.default=allow", patient[0], patient[1], NULL};
    c->daemon = mt_daemon_lead(c->world, "daemon",
                               &(struct mt_daemon_options){.server = c->server, .set = set});
    mt_ok(c->redis, "start", "node-1", "a", "{\"big\":12345678901234567890}");
    struct clients *clients = begin(c, 20);
    enter_all(clients, 4);
    clients->stubborn[3] = clients->stubborn[7] = clients->stubborn[19] = true;
    struct mt_process *ctl = mt_process_start(
        c->world, "drain",
        (const char *const[]){MUSTER_BUILD_DIR "/musterctl", "--namespace", MT_NAMESPACE, "--door",
                              door, "drain", "node-1", "--rate", "10000/s", "--notice", "300ms",
                              "--wait", NULL});
    assert_int_equal(obey_until_end(clients, ctl), 1);
    expect_output(ctl, MT_STDERR, "3 connections of 20 did not move");
    expect_output(ctl, MT_STDERR, "`musterctl undrain node-1` ends that");
    for (size_t i = 0; i < 20; i++)
        assert_true(clients->stubborn[i] ? clients->told[i] >= 2 : clients->told[i] == 1);

    /* It shows where it is; and ends through the door, too. */
    char *out = NULL;
    const char *words[] = {
        MUSTER_BUILD_DIR "/musterctl", "--door", door, "undrain", "node-1", NULL};
    const char *look[] = {
        MUSTER_BUILD_DIR "/musterctl", "--door", door, "call", "INSTANCE", "node-1", NULL};
    static const char told[] = "\"drain\":{\"rate\":10000,\"notice\":300,\"told\":3,\"rounds\":";
    MT_WAIT(c->world, prints(c->world, look, told), "a round that told all three");
    assert_int_equal(mt_process_run(c->world, "undrain", words, &out), 0);
    assert_string_equal(out, "node-1 does not drain any more\n");
    free(out);
    mt_cluster_check(c);
    free(clients);
}

/* `off` in the middle ends it at once, and musterctl notices. */
static void test_off(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct clients *clients = begin(c, 600);
    enter_all(clients, 10);
    struct mt_process *ctl = START_CTL(c, "drain", "node-1", "--rate=2", "--wait");
    MT_WAIT(c->world, (obey(clients), clients->told_all > 0), "somebody to be told");
    assert_int_equal(
        mt_ctl(c->world, c->server, (const char *const[]){"drain", "node-1", "--off", NULL}, NULL),
        0);
    assert_int_equal(obey_until_end(clients, ctl), 1);
    expect_output(ctl, MT_STDERR, "it does not drain any more: ");
    mt_daemon_await(c->daemon, "drain.ends");
    obey(clients);
    bool off = false;
    for (size_t i = 0; i < clients->next; i++) {
        const char *name = mt_str(mt_events_at(c->events, i), "event");
        off |= strcmp(name, "instance.undrained") == 0;
        assert_false(off && strcmp(name, "instance.move") == 0);
        /* Two a second, and whoever stands at the same place of the hash. */
        assert_true(json_array_size(json_object_get(mt_events_at(c->events, i), "connections")) <=
                    16);
    }
    assert_true(off);
    mt_cluster_check(c);
    free(clients);
}

/* A drain that would take an hour gets another rate; the interrupted musterctl leaves it on. */
static void test_another_rate(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct clients *clients = begin(c, 3600);
    enter_all(clients, 10);
    struct mt_process *ctl = START_CTL(c, "drain", "node-1", "--rate=1", "--wait");
    MT_WAIT(c->world, (obey(clients), clients->told_all > 0), "somebody to be told");
    free(mt_process_wait_line(ctl, MT_STDOUT, "of 3600 told"));
    mt_process_signal(ctl, SIGINT);
    assert_int_equal(mt_process_wait(ctl), 1);
    expect_output(ctl, MT_STDERR, "it still drains, `musterctl undrain node-1` ends that");
    ctl = START_CTL(c, "drain", "node-1", "--rate=5000", "--wait");
    assert_int_equal(obey_until_end(clients, ctl), 0);
    assert_true(clients->told_all >= 3600); /* HSCAN may give one twice */
    mt_cluster_check(c);
    free(clients);
}

/* Without a rate leaderships move and nobody is told; and an instance that ends is no success. */
static void test_without_a_rate(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct clients *clients = begin(c, 50);
    enter_all(clients, 10);
    struct mt_process *ctl = START_CTL(c, "drain", "node-1", "--wait");
    assert_int_equal(obey_until_end(clients, ctl), 0);
    expect_output(ctl, MT_STDOUT, "node-1: it leads nothing any more");
    assert_int_equal(clients->events, 0);
    assert_int_equal(mt_cluster_leads(c, "node-1"), 0);

    ctl = START_CTL(c, "drain", "node-1", "--rate=1", "--wait");
    MT_WAIT(c->world, (obey(clients), clients->told_all > 0), "somebody to be told");
    mt_ok(c->redis, "stop", "node-1", "a");
    assert_int_equal(mt_process_wait(ctl), 1);
    expect_output(ctl, MT_STDERR, "the instance ended meanwhile: ");
    assert_int_equal(
        mt_ctl(c->world, c->server, (const char *const[]){"drain", "node-1", NULL}, NULL), 1);
    MT_WAIT(c->world, mt_cluster_reaped(c), "the ghost to be reaped");
    free(clients);
}

/* Simulated instances obey, or do not. */
static void test_sims(void **state) {

    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, patient);
    struct mt_process *goes = mt_cluster_instance(c, "node-1", "1");
    struct mt_process *stays = mt_sim_start(&c->place, "node-2", "node-2", "--connections", "200",
                                            "--sessions", "30", "--obey", "ignore", "--seed", "2");
    mt_sim_await(stays, "entered");
    const char *go[] = {"drain", "node-1", "--rate=5000", "--wait", NULL};
    const char *stay[] = {"drain", "node-2", "--rate=5000", "--notice=200ms", "--wait", NULL};
    assert_int_equal(mt_ctl(c->world, c->server, go, NULL), 0);
    assert_int_equal(mt_ctl(c->world, c->server, stay, NULL), 1);
    mt_sim_hush(goes);
    mt_sim_hush(stays);
    mt_sim_check(goes, c->redis);
    mt_sim_check(stays, c->redis);
    json_t *report = mt_sim_report(goes);
    assert_int_equal(mt_sim_total(report, "connections"), 0);
    json_decref(report);
    assert_int_equal(mt_integer(c->redis, "HLEN " MT_NS "instance:node-2:connections"), 200);
    mt_cluster_check(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ten_thousand, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_takeover, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_some_stay, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_off, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_another_rate, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_without_a_rate, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_sims, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
