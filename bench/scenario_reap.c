/* The removal of a dead instance that held many connections: how long it takes, and how long
 * another client's PING waits meanwhile.
 *
 * The daemon of this build does it all: an instance process is killed with -9, found dead, buried
 * and reaped. Time runs from the burial (its ghost stands in Redis) until the ghost is gone. The
 * baseline removes the same connections with the bare commands, 64 connections in flight. */
#include <signal.h>
#include <string.h>

#include "instance.h"
#include "ping.h"
#include "process.h"
#include "scenario.h"

enum { INSTANCES = 3, HEARTBEAT_MS = 250, DEADLINE_S = 120, SHAPES = 2 };
#define GHOST MB_NS "ghosts:node-1:" MB_INCARNATION
#define POLL_S 0.001

/* Death comes soon, but only after the leaderships moved away from the suspect. */
static const char *const settings[] = {"detector.heartbeat=250ms", "detector.suspect_after=1s",
                                       "detector.dead_after=3s", NULL};

/* The same with a RESP door, at which the daemon is PINGed, too. */
static pid_t start_daemon(struct mb_bench *bench, struct mb_server *server, char door[MB_LONG]) {
    char load[2 * MB_LONG];
    const char *all[8] = {load};
    size_t count = 1;
    mb_text(door, MB_LONG, "%s/door.sock", bench->directory);
    mb_text(load, sizeof load,
            "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s\"]}}]", door);
    for (size_t i = 0; settings[i] != NULL; i++)
        all[count++] = settings[i];
    return mb_daemon_start(server, bench->directory, all);
}

/* How long others had to wait in one stretch of time. */
struct stalls {
    struct mb_series ping;    /* the longest round trip of another client, ms */
    struct mb_series door;    /* the same at the daemon */
    struct mb_series command; /* the longest single command in Redis, ms */
    char what[96];            /* which it was, in the last run */
};

struct shape {
    struct mb_load load;
    struct mb_series seconds;
    struct mb_series per_second;
    struct mb_series cpu_us;   /* of Redis, a connection */
    struct mb_series commands; /* a connection */
    struct mb_series slices;
    struct mb_series slice_us; /* mean */
    struct stalls moving;      /* while its leaderships moved, before the burial */
    struct stalls reaping;
    struct mb_series bare_seconds;
    struct mb_series bare_cpu_us;
    struct mb_series bare_ping;
};

static bool ghost_exists(struct mb_server *server) {
    redisReply *reply = MB_CALL(mb_server_control(server), "EXISTS", GHOST);
    bool exists = reply->integer == 1;
    freeReplyObject(reply);
    return exists;
}

/* Returns when it was seen, in mb_seconds(). */
static double wait_ghost(struct mb_server *server, bool wanted) {
    double end = mb_seconds() + DEADLINE_S;
    while (ghost_exists(server) != wanted) {
        if (mb_seconds() > end)
            mb_fail("the dead instance was not %s within %d s", wanted ? "buried" : "reaped",
                    DEADLINE_S);
        mb_sleep(POLL_S);
    }
    return mb_seconds();
}

/* Commands that Redis ran meanwhile, but for those of this benchmark. */
static double count_commands(struct mb_server *server) {
    static const char *const others[] = {"ping",        "exists",       "info",
                                         "fcall",       "config|set",   "config|resetstat",
                                         "slowlog|get", "slowlog|reset"};
    json_t *commands = mb_server_commands(server);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        json_object_del(commands, others[i]);
    double sum = 0;
    const char *name = NULL;
    json_t *calls = NULL;
    json_object_foreach(commands, name, calls) {
        sum += (double)json_integer_value(calls);
    }
    json_decref(commands);
    return sum;
}

static void run_ours(struct mb_bench *bench, struct mb_server *server, struct mb_pipe *pipe,
                     struct shape *shape) {
    pid_t instances[INSTANCES];
    mb_server_empty(server);
    char door[MB_LONG];
    pid_t daemon = start_daemon(bench, server, door);
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);
    mb_pipe_run(pipe, shape->load.connections, MB_DEPTH, mb_enter, &shape->load);

    struct mb_ping *ping = mb_ping_start(mb_server_socket(server));
    struct mb_ping *knock = mb_ping_start(door);
    mb_server_watch_slow(server);
    double killed = mb_seconds();
    mb_end(&instances[0], SIGKILL);
    double buried = wait_ghost(server, true);
    double cpu = mb_server_cpu(server);
    double slow = mb_server_slowest_ms(server, shape->moving.what, sizeof shape->moving.what);
    mb_series_add(&shape->moving.command, slow);
    mb_server_watch_slow(server);
    mb_server_reset_commands(server);
    double gone = wait_ghost(server, false);
    cpu = mb_server_cpu(server) - cpu;
    double commands = count_commands(server);
    double slices = 0;
    double slices_us = 0;
    mb_server_command(server, "fcall", &slices, &slices_us);
    slow = mb_server_slowest_ms(server, shape->reaping.what, sizeof shape->reaping.what);
    mb_series_add(&shape->reaping.command, slow);
    mb_ping_stop(ping);
    mb_ping_stop(knock);

    double connections = (double)shape->load.connections;
    mb_series_add(&shape->seconds, gone - buried);
    mb_series_add(&shape->per_second, connections / (gone - buried));
    mb_series_add(&shape->cpu_us, cpu * 1e6 / connections);
    mb_series_add(&shape->commands, commands / connections);
    /* A few of the calls are heartbeats and renewals. */
    mb_series_add(&shape->slices, slices);
    mb_series_add(&shape->slice_us, slices > 0 ? slices_us / slices : 0);
    mb_series_add(&shape->moving.ping, mb_ping_longest_ms(ping, killed, buried - POLL_S));
    mb_series_add(&shape->reaping.ping, mb_ping_longest_ms(ping, buried - POLL_S, gone));
    mb_series_add(&shape->moving.door, mb_ping_longest_ms(knock, killed, buried - POLL_S));
    mb_series_add(&shape->reaping.door, mb_ping_longest_ms(knock, buried - POLL_S, gone));
    mb_ping_destroy(&ping);
    mb_ping_destroy(&knock);
    for (size_t i = 0; i < INSTANCES; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
}

static void run_bare(struct mb_server *server, struct mb_pipe *pipe, struct shape *shape) {
    mb_server_empty(server);
    mb_pipe_run(pipe, shape->load.connections, MB_DEPTH, mb_bare_enter, &shape->load);
    struct mb_ping *ping = mb_ping_start(mb_server_socket(server));
    double cpu = mb_server_cpu(server);
    double start = mb_seconds();
    mb_pipe_run(pipe, shape->load.connections, MB_DEPTH, mb_bare_remove, &shape->load);
    double end = mb_seconds();
    cpu = mb_server_cpu(server) - cpu;
    mb_ping_stop(ping);
    mb_series_add(&shape->bare_seconds, end - start);
    mb_series_add(&shape->bare_cpu_us, cpu * 1e6 / (double)shape->load.connections);
    mb_series_add(&shape->bare_ping, mb_ping_longest_ms(ping, start, end));
    mb_ping_destroy(&ping);
}

static void add_row(struct mb_bench *bench, struct mb_row row, const struct shape *shape,
                    const char *what) {
    char text[128];
    mb_text(text, sizeof text, "%s (%zu connections in %zu session%s)", what,
            shape->load.connections, shape->load.sessions, shape->load.sessions == 1 ? "" : "s");
    row.what = text;
    mb_report_add(bench->report, &row);
}

static void report_stalls(struct mb_bench *bench, const char *name, const struct shape *shape,
                          const struct stalls *stalls, bool reaping) {
    add_row(bench,
            (struct mb_row){.name = name,
                            .unit = "ms",
                            .measured = stalls->ping,
                            .against = reaping ? "the bare commands" : NULL,
                            .baseline = shape->bare_ping,
                            .limit = MB_LIMIT_EVERY,
                            .bound = 5},
            shape,
            reaping ? "longest PING of another client while reaping"
                    : "longest PING of another client before, while leaderships moved");
    add_row(bench,
            (struct mb_row){.name = name,
                            .unit = "ms",
                            .measured = stalls->door,
                            .limit = MB_LIMIT_EVERY,
                            .bound = 5},
            shape,
            reaping ? "longest PING at the daemon's RESP door while reaping"
                    : "longest PING at the daemon's RESP door before");
    add_row(bench,
            (struct mb_row){.name = name,
                            .unit = "ms",
                            .measured = stalls->command,
                            .detail = json_pack("{s:s}", "command", stalls->what)},
            shape,
            reaping ? "longest single command in Redis while reaping"
                    : "longest single command in Redis before");
}

static void report(struct mb_bench *bench, const char *name, const struct shape *shape) {
    add_row(bench,
            (struct mb_row){.name = name,
                            .unit = "s",
                            .measured = shape->seconds,
                            .against = "the bare commands",
                            .baseline = shape->bare_seconds,
                            .limit = MB_LIMIT_MEDIAN,
                            .bound = 2.5},
            shape, "burial to the last connection reaped");
    add_row(bench, (struct mb_row){.name = name, .unit = "/s", .measured = shape->per_second},
            shape, "connections reaped");
    report_stalls(bench, name, shape, &shape->reaping, true);
    report_stalls(bench, name, shape, &shape->moving, false);
    add_row(bench,
            (struct mb_row){.name = name,
                            .unit = "us",
                            .measured = shape->cpu_us,
                            .against = "the bare commands",
                            .baseline = shape->bare_cpu_us},
            shape, "Redis CPU a connection");
    add_row(bench, (struct mb_row){.name = name, .unit = "commands", .measured = shape->commands},
            shape, "Redis commands a connection");
    add_row(bench, (struct mb_row){.name = name, .unit = "calls", .measured = shape->slices}, shape,
            "function calls meanwhile, nearly all of them slices");
    add_row(bench, (struct mb_row){.name = name, .unit = "us", .measured = shape->slice_us}, shape,
            "mean time of such a call in Redis");
}

void mb_scenario_reap(struct mb_bench *bench, const char *name) {
    struct mb_load many = mb_bench_load(bench);
    many.instances = 1; /* all connections on node-1; the others only keep the brake off */
    struct mb_load one = many;
    one.sessions = 1;
    struct shape shapes[SHAPES] = {{.load = many}, {.load = one}};
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));

    for (size_t run = 0; run < bench->runs; run++) {
        for (size_t i = 0; i < SHAPES; i++) {
            mb_bench_progress(bench, name, i == 0 ? "many sessions" : "one session", run);
            run_ours(bench, server, pipe, &shapes[i]);
            run_bare(server, pipe, &shapes[i]);
        }
    }
    for (size_t i = 0; i < SHAPES; i++)
        report(bench, name, &shapes[i]);
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
