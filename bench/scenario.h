/* scenario.h - what a benchmark is: a name, a line of description, its target, a function. One
 * file each, scenario_<name>.c; scenarios.c lists them. */
#ifndef MB_SCENARIO_H
#define MB_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "load.h"
#include "report.h"
#include "server.h"

struct mb_bench {
    const char *directory; /* the worker's own */
    bool quick;            /* a fifth to a tenth of the load */
    size_t runs;
    struct mb_report *report;
};

struct mb_scenario {
    const char *name;
    const char *about;
    const char *target; /* of docs and --list; the report judges each row by itself */
    void (*run)(struct mb_bench *bench, const char *name);
};

/* All of them, in the order of `all`; *count says how many. */
const struct mb_scenario *mb_scenarios(size_t *count);

void mb_scenario_enter(struct mb_bench *bench, const char *name);
void mb_scenario_memory(struct mb_bench *bench, const char *name);
void mb_scenario_leave(struct mb_bench *bench, const char *name);
void mb_scenario_failover(struct mb_bench *bench, const char *name);
void mb_scenario_reap(struct mb_bench *bench, const char *name);
void mb_scenario_growth(struct mb_bench *bench, const char *name);
void mb_scenario_takeover(struct mb_bench *bench, const char *name);
void mb_scenario_detection(struct mb_bench *bench, const char *name);
void mb_scenario_rebuild(struct mb_bench *bench, const char *name);
void mb_scenario_resp(struct mb_bench *bench, const char *name);
void mb_scenario_clients(struct mb_bench *bench, const char *name);
void mb_scenario_fanout(struct mb_bench *bench, const char *name);
void mb_scenario_lifeline(struct mb_bench *bench, const char *name);
void mb_scenario_authorization(struct mb_bench *bench, const char *name);
void mb_scenario_reference(struct mb_bench *bench, const char *name);
void mb_scenario_pause(struct mb_bench *bench, const char *name);
void mb_scenario_pubsub(struct mb_bench *bench, const char *name);
void mb_scenario_latency(struct mb_bench *bench, const char *name);
void mb_scenario_scale(struct mb_bench *bench, const char *name);
void mb_scenario_calls(struct mb_bench *bench, const char *name);

/* A server with the library loaded; its version goes into the report. */
struct mb_server *mb_bench_server(struct mb_bench *bench);
/* Empties it and plays the coordinator for `instances` started instances. */
void mb_bench_fresh(struct mb_server *server, size_t instances);
/* The load of most scenarios: 100,000 connections in 10,000 sessions, or a fifth of it. */
struct mb_load mb_bench_load(const struct mb_bench *bench);
/* One line on stderr: `name: text (run of runs)`. */
void mb_bench_progress(const struct mb_bench *bench, const char *name, const char *text,
                       size_t run);

#endif
