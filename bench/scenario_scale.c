/* Everything at once on one machine: 1,000,000 connections in 100,000 sessions of 1,000 instances,
 * which share ten processes and heartbeat once a second, with the real daemon at default times.
 *
 * What it costs to hold them, what an operation costs among them, what the heartbeats cost, how
 * long a takeover takes, and the removal of a hundred instances that die together. One run: the
 * figures are of a size, not of a small difference. */
#include <signal.h>
#include <stdio.h>

#include "door.h"
#include "herd.h"
#include "instance.h"
#include "ping.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { HERDS = 10, HEARTBEAT_MS = 1000, OPERATIONS = 4, DEADLINE_S = 180 };
#define SETTLE_S 2.0
#define POLL_S 0.005
#define QUICK_DEATH "detector.dead_after=5s"

struct scale {
    struct mb_bench *bench;
    const char *name;
    struct mb_server *server;
    struct mb_load load;
    size_t sample;       /* calls of each operation that are measured */
    double watch_s;      /* how long heartbeats are watched */
    double idle_redis;   /* CPU seconds of Redis a second, with nothing but heartbeats */
    double before_redis; /* used_memory of an empty Redis */
    struct mb_series few[OPERATIONS], many[OPERATIONS]; /* us of Redis CPU */
};

static void row(struct scale *scale, const char *what, const char *unit, double value,
                double bound) {
    struct mb_series series = {0};
    mb_series_add(&series, value);
    mb_report_add(scale->bench->report,
                  &(struct mb_row){.name = scale->name,
                                   .what = what,
                                   .unit = unit,
                                   .measured = series,
                                   .limit = bound > 0 ? MB_LIMIT_EVERY : MB_LIMIT_NONE,
                                   .bound = bound});
}

static void say(const struct scale *scale, const char *text) {
    fprintf(stderr, "%s: %s\n", scale->name, text);
}

/* ---- operations ----------------------------------------------------------------------------- */

/* Connections from `from` on. */
struct part {
    struct mb_load load;
    size_t from;
};

static void enter(struct mb_pipe *pipe, size_t index, void *context) {
    struct part *part = context;
    mb_enter(pipe, part->from + index, &part->load);
}

static void leave(struct mb_pipe *pipe, size_t index, void *context) {
    struct part *part = context;
    struct mb_names names;
    mb_load_names(&part->load, part->from + index, &names);
    MB_APPEND(pipe, "FCALL", "muster_unregister", "1", MB_KEY, names.connection, names.instance,
              MB_INCARNATION);
}

static void check(struct mb_pipe *pipe, size_t index, void *context) {
    struct part *part = context;
    mb_straight_hexists(pipe, index * 7919, &part->load);
}

static void list(struct mb_pipe *pipe, size_t index, void *context) {
    struct part *part = context;
    struct mb_names names;
    char key[MB_LONG];
    mb_load_names(&part->load, index * 7919 % part->load.connections, &names);
    mb_text(key, sizeof key, MB_NS "session:%s", names.session);
    MB_APPEND(pipe, "HGETALL", key);
}

static const struct operation {
    const char *what;
    void (*issue)(struct mb_pipe *pipe, size_t index, void *context);
} operations[OPERATIONS] = {{"ENTER", enter},
                            {"HEXISTS (ISMEMBER)", check},
                            {"HGETALL of 10 (MEMBERS)", list},
                            {"UNREGISTER", leave}};

static double call_us(struct scale *scale, struct mb_pipe *pipe, const struct operation *operation,
                      struct part *part) {
    double cpu = mb_server_cpu(scale->server);
    double seconds = mb_pipe_run(pipe, scale->sample, MB_DEPTH, operation->issue, part);
    cpu = mb_server_cpu(scale->server) - cpu - seconds * scale->idle_redis;
    return cpu * 1e6 / (double)scale->sample;
}

/* ENTER and UNREGISTER are of the last `sample` connections, which open and close no session. All
 * are there again afterwards. */
static void measure(struct scale *scale, struct mb_pipe *pipe, const struct mb_load *load,
                    struct mb_series costs[OPERATIONS]) {
    struct part part = {*load, load->connections - scale->sample};
    for (size_t i = 0; i < OPERATIONS; i++)
        mb_series_add(&costs[i], call_us(scale, pipe, &operations[i], &part));
    mb_pipe_run(pipe, scale->sample, MB_DEPTH, enter, &part);
}

/* ---- some thousand -------------------------------------------------------------------------- */

static void few(struct scale *scale) {
    struct mb_load load = {.connections = 2 * scale->sample,
                           .sessions = scale->sample / 5,
                           .instances = scale->load.instances};
    struct part part = {load, 0};
    say(scale, "operations among some thousand connections");
    mb_bench_fresh(scale->server, load.instances);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(scale->server));
    mb_pipe_run(pipe, load.connections - scale->sample, MB_DEPTH, enter, &part);
    measure(scale, pipe, &load, scale->few);
    mb_pipe_close(&pipe);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void start_herds(struct scale *scale, const char *door, pid_t herds[HERDS]) {
    size_t each = scale->load.instances / HERDS;
    for (size_t i = 0; i < HERDS; i++)
        herds[i] = mb_herd_start(scale->server, door, i * each, each, HEARTBEAT_MS);
}

static void end_herds(pid_t herds[HERDS]) {
    for (size_t i = 0; i < HERDS; i++)
        mb_end(&herds[i], SIGKILL);
}

/* CPU with nothing but heartbeats, in percent of a core. */
static void watch_heartbeats(struct scale *scale, pid_t daemon, const char *how, bool aimed) {
    char what[128];
    mb_sleep(SETTLE_S);
    double redis = mb_server_cpu(scale->server);
    double used = mb_process_cpu(daemon);
    double start = mb_seconds();
    mb_sleep(scale->watch_s);
    used = mb_process_cpu(daemon) - used;
    redis = mb_server_cpu(scale->server) - redis;
    double seconds = mb_seconds() - start;
    scale->idle_redis = redis / seconds;
    mb_text(what, sizeof what, "heartbeats of %zu instances %s: CPU of the daemon",
            scale->load.instances, how);
    row(scale, what, "% of a core", used / seconds * 100, aimed ? 2 : 0);
    mb_text(what, sizeof what, "heartbeats of %zu instances %s: CPU of Redis",
            scale->load.instances, how);
    row(scale, what, "% of a core", redis / seconds * 100, 0);
}

static void fill(struct scale *scale, pid_t daemon) {
    struct part part = {scale->load, 0};
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(scale->server));
    char what[128];
    say(scale, "filling");
    double start = mb_seconds();
    mb_pipe_run(pipe, scale->load.connections - scale->sample, MB_DEPTH, enter, &part);
    double rate = (double)(scale->load.connections - scale->sample) / (mb_seconds() - start);
    row(scale, "ENTER while filling, 64 in flight", "/s", rate, 0);
    say(scale, "operations among all");
    measure(scale, pipe, &scale->load, scale->many);
    mb_pipe_close(&pipe);
    double bytes = mb_server_memory(scale->server) - scale->before_redis;
    row(scale, "Redis memory", "MiB", bytes / 1048576, 0);
    row(scale, "Redis memory a connection, sessions and instances in it", "bytes",
        bytes / (double)scale->load.connections, 560);
    mb_text(what, sizeof what, "daemon's memory, %zu instances and %zu connections",
            scale->load.instances, scale->load.connections);
    row(scale, what, "MiB", mb_process_memory(daemon) / 1048576, 24);
}

static void report_operations(struct scale *scale) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        char what[128];
        mb_text(what, sizeof what, "%s among %zu connections", operations[i].what,
                scale->load.connections);
        mb_report_add(scale->bench->report,
                      &(struct mb_row){.name = scale->name,
                                       .what = what,
                                       .unit = "us of Redis CPU",
                                       .measured = scale->many[i],
                                       .against = "the same among some thousand",
                                       .baseline = scale->few[i],
                                       .limit = i == 0 ? MB_LIMIT_RATIO : MB_LIMIT_NONE,
                                       .bound = 1.3});
    }
}

/* The active one is killed; the other one stands by. Leaves the one that coordinates. */
static void take_over(struct scale *scale, pid_t *daemon) {
    const char *settings[] = {"coordinator.id=second", "log.level=warn",
                              scale->bench->quick ? QUICK_DEATH : NULL, NULL};
    say(scale, "takeover");
    pid_t standby = mb_daemon_start(scale->server, scale->bench->directory, settings);
    struct mb_pipe *watch = mb_watch_open(scale->server, "events:coordinator");
    mb_sleep(SETTLE_S);
    double start = mb_seconds();
    mb_end(daemon, SIGKILL);
    double ms = mb_watch_for(watch, start, "coordinator.elected", "\"second\"", DEADLINE_S);
    mb_pipe_close(&watch);
    *daemon = standby;
    row(scale, "kill -9 of the coordinator to the next one", "ms", ms, 3500);
}

static size_t count_of(struct scale *scale, const char *key) {
    redisReply *reply = MB_CALL(mb_server_control(scale->server), "ZCARD", key);
    size_t count = (size_t)reply->integer;
    freeReplyObject(reply);
    return count;
}

/* Returns when the key has so many entries, in mb_seconds(). */
static double wait_count(struct scale *scale, const char *key, size_t most) {
    double end = mb_seconds() + DEADLINE_S;
    while (count_of(scale, key) > most) {
        if (mb_seconds() > end)
            mb_fail("%s still has %zu entries", key, count_of(scale, key));
        mb_sleep(POLL_S);
    }
    return mb_seconds();
}

/* A tenth of all instances dies, with a tenth of all connections. */
static void die(struct scale *scale, pid_t *herd) {
    size_t left = scale->load.instances - scale->load.instances / HERDS;
    say(scale, "a tenth of all dies");
    mb_sleep(SETTLE_S); /* the new coordinator has seen their inboxes */
    struct mb_ping *ping = mb_ping_start(mb_server_socket(scale->server));
    double killed = mb_seconds();
    mb_end(herd, SIGKILL);
    double buried = wait_count(scale, MB_NS "instances", left);
    double gone = wait_count(scale, MB_NS "ghosts", 0);
    mb_ping_stop(ping);
    row(scale, "kill -9 of a tenth of all to their burial", "s", buried - killed, 0);
    row(scale, "last burial to the last connection reaped", "s", gone - buried, 0);
    row(scale, "longest PING of another client from the kill on", "ms",
        mb_ping_longest_ms(ping, killed, gone), 0);
    mb_ping_destroy(&ping);
}

static void all(struct scale *scale) {
    const char *settings[] = {"log.level=warn", scale->bench->quick ? QUICK_DEATH : NULL, NULL};
    pid_t herds[HERDS];
    mb_server_empty(scale->server);
    scale->before_redis = mb_server_memory(scale->server);
    pid_t daemon = mb_daemon_start(scale->server, scale->bench->directory, settings);
    mb_sleep(1);
    row(scale, "daemon's memory, idle", "MiB", mb_process_memory(daemon) / 1048576, 8);
    say(scale, "heartbeats");
    start_herds(scale, NULL, herds);
    watch_heartbeats(scale, daemon, "straight at Redis", true);
    fill(scale, daemon);
    watch_heartbeats(scale, daemon, "straight at Redis, all connections there", true);
    report_operations(scale);
    take_over(scale, &daemon);
    die(scale, &herds[0]);
    end_herds(herds);
    mb_end(&daemon, SIGKILL);
}

static void at_the_door(struct scale *scale) {
    struct mb_door door;
    pid_t herds[HERDS];
    say(scale, "heartbeats at the RESP door");
    mb_server_empty(scale->server);
    mb_door_start(&door, scale->server, scale->bench->directory);
    start_herds(scale, door.socket, herds);
    watch_heartbeats(scale, door.daemon, "at the RESP door", false);
    end_herds(herds);
    mb_door_stop(&door);
}

void mb_scenario_scale(struct mb_bench *bench, const char *name) {
    size_t parts = bench->quick ? 20 : 1;
    struct scale scale = {.bench = bench,
                          .name = name,
                          .server = mb_bench_server(bench),
                          .load = {.connections = 1000000 / parts,
                                   .sessions = 100000 / parts,
                                   .instances = bench->quick ? 100 : 1000},
                          .sample = bench->quick ? 2000 : 20000,
                          .watch_s = bench->quick ? 2 : 10};
    few(&scale);
    all(&scale);
    at_the_door(&scale);
    mb_server_stop(&scale.server);
}
