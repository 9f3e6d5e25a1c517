#include <stdio.h>

#include "play.h"
#include "scenario.h"

static const struct mb_scenario scenarios[] = {
    {"calls", "Redis commands inside one call of each operation, counted by Redis",
     "not more than listed", mb_scenario_calls},
    {"memory", "Redis memory of a connection with one session and a 60-byte profile",
     "<= 560 bytes", mb_scenario_memory},
    {"enter", "ENTER of fresh connections, straight FCALL, 64 in flight",
     "Redis CPU <= 2.0 x bare commands, <= 0.9 x reference design", mb_scenario_enter},
    {"reference", "the reference design: membership checks, lists, a leader's leave, removal",
     "ratios", mb_scenario_reference},
    {"growth", "ENTER among few and a million connections, into sessions of 1 and of 10,000",
     "<= 1.3 x", mb_scenario_growth},
    {"leave", "round trip of a leader's LEAVE, by members of its session",
     "p50 <= 100 us at 10,000 members, flat (<= 1.3 x)", mb_scenario_leave},
    {"failover", "kill -9 of an instance on Redis pub/sub until its sessions have new leaders",
     "p99 <= 500 ms, 10,000 led within 500 ms", mb_scenario_failover},
    {"reap", "removal of a dead instance with many connections by the daemon",
     "<= 2.5 s, no PING of another client, at Redis or at the daemon, over 5 ms", mb_scenario_reap},
    {"takeover", "the coordinator ends until the next one is elected",
     "SIGTERM <= 100 ms, kill -9 <= 3.5 s", mb_scenario_takeover},
    {"detection", "an instance falls silent until its session has another leader",
     "kill -9 <= 500 ms, silence <= 3.5 s", mb_scenario_detection},
    {"pause", "an instance, the daemon or Redis stands still for 5 s: is anybody removed?",
     "0 of 100,000 members", mb_scenario_pause},
    {"resp", "ENTER, ISMEMBER and lists through the RESP door and straight at Redis, 64 in flight",
     "ENTER >= 0.90 x, lists >= 0.8 x; CPU of the daemon <= 1.5 x Redis's", mb_scenario_resp},
    {"latency", "ENTER at a fixed rate, an open loop: p50, p99, p99.9, max", "figures",
     mb_scenario_latency},
    {"pubsub", "ENTER through the pub/sub door and straight at Redis, 64 in flight", "a ratio",
     mb_scenario_pubsub},
    {"clients", "256 clients that wait for each answer, at the RESP door and straight at Redis",
     "Redis CPU <= 0.6 x", mb_scenario_clients},
    {"authorization", "ENTER at the RESP door with two cached authorizers and with none", "a ratio",
     mb_scenario_authorization},
    {"fanout", "10,000 sockets at the RESP door: idle, and with events while one does not read",
     "<= 4 KiB a socket, p99 <= 50 ms", mb_scenario_fanout},
    {"lifeline", "kill -9 of an instance at the RESP door until its sessions have new leaders",
     "p50 <= 10 ms, p99 <= 50 ms, 10,000 led <= 500 ms", mb_scenario_lifeline},
    {"scale", "1,000,000 connections, 100,000 sessions, 1,000 instances: what it all costs",
     "daemon <= 8 MiB idle, <= 24 MiB then, <= 2 % of a core; <= 560 bytes a connection",
     mb_scenario_scale},
    {"rebuild", "FLUSHALL until all connections are back", "a figure", mb_scenario_rebuild},
};

const struct mb_scenario *mb_scenarios(size_t *count) {
    *count = sizeof scenarios / sizeof scenarios[0];
    return scenarios;
}

struct mb_server *mb_bench_server(struct mb_bench *bench) {
    struct mb_server *server = mb_server_start(bench->directory);
    mb_play_load(mb_server_control(server));
    mb_report_machine(bench->report, mb_server_version(server), bench->quick);
    return server;
}

void mb_bench_fresh(struct mb_server *server, size_t instances) {
    struct mb_pipe *control = mb_server_control(server);
    mb_server_empty(server);
    mb_play_lead(control);
    mb_play_start(control, instances);
}

struct mb_load mb_bench_load(const struct mb_bench *bench) {
    size_t parts = bench->quick ? 5 : 1;
    return (struct mb_load){
        .connections = 100000 / parts, .sessions = 10000 / parts, .instances = 10};
}

void mb_bench_progress(const struct mb_bench *bench, const char *name, const char *text,
                       size_t run) {
    fprintf(stderr, "%s: %s (%zu of %zu)\n", name, text, run + 1, bench->runs);
}
