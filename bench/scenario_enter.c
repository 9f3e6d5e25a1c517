/* ENTER of fresh anonymous connections: muster's one call, the bare commands of the same layout
 * (with the reads that it takes to know what to write, the writes alone, and from inside of a
 * function that does nothing else), and the reference design's register and join, one after the
 * other in every run. What the last two cost beside each other says what no function of this layout
 * can reach. */
#include <stdio.h>

#include "reference.h"
#include "scenario.h"

enum { OURS, BARE, WRITES, LEAST, REFERENCE, WAYS };

struct cost {
    struct mb_series per_second;
    struct mb_series cpu_us;
};

static void measure(struct mb_server *server, struct mb_pipe *pipe, const struct mb_load *load,
                    struct cost *cost,
                    void (*issue)(struct mb_pipe *pipe, size_t index, void *context),
                    void *context) {
    double before = mb_server_cpu(server);
    double seconds = mb_pipe_run(pipe, load->connections, MB_DEPTH, issue, context);
    double cpu = mb_server_cpu(server) - before;
    mb_series_add(&cost->per_second, (double)load->connections / seconds);
    mb_series_add(&cost->cpu_us, cpu * 1e6 / (double)load->connections);
}

struct way {
    const char *name;
    void (*issue)(struct mb_pipe *pipe, size_t index, void *context);
    double bound; /* of the ratio to its CPU; 0: none */
};

static const struct way ways[WAYS] = {
    [OURS] = {"ENTER", mb_enter, 0},
    [BARE] = {"the bare commands", mb_bare_read_enter, 2.0},
    [WRITES] = {"the bare writes alone", mb_bare_enter, 0},
    [LEAST] = {"a function of the bare commands", mb_least_enter, 0},
    [REFERENCE] = {"the reference's register + join", mb_reference_enter, 0.9},
};

static void one_round(struct mb_bench *bench, const char *name, struct mb_server *server,
                      struct mb_pipe *pipe, struct cost costs[WAYS], size_t run) {
    struct mb_load load = mb_bench_load(bench);
    struct mb_reference reference;
    for (int way = OURS; way < WAYS; way++) {
        mb_bench_progress(bench, name, ways[way].name, run);
        mb_bench_fresh(server, load.instances);
        mb_reference_init(&reference, &load, mb_server_control(server));
        mb_least_load(mb_server_control(server));
        measure(server, pipe, &load, &costs[way], ways[way].issue,
                way == REFERENCE ? (void *)&reference : (void *)&load);
    }
}

static void compare(struct mb_bench *bench, const char *name, const char *what,
                    const struct cost *cost, const struct way *way, const struct cost *baseline) {
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = what,
                                   .unit = "us",
                                   .measured = cost->cpu_us,
                                   .against = way->name,
                                   .baseline = baseline->cpu_us,
                                   .limit = way->bound > 0 ? MB_LIMIT_RATIO : MB_LIMIT_NONE,
                                   .bound = way->bound});
}

static void report(struct mb_bench *bench, const char *name, const struct cost costs[WAYS]) {
    for (int way = OURS + 1; way < WAYS; way++) {
        compare(bench, name, "Redis CPU of one ENTER", &costs[OURS], &ways[way], &costs[way]);
        mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                      .what = "ENTER, 64 in flight",
                                                      .unit = "/s",
                                                      .measured = costs[OURS].per_second,
                                                      .against = ways[way].name,
                                                      .baseline = costs[way].per_second});
    }
    static const int limits[] = {BARE, REFERENCE};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct way way = {.name = ways[limits[i]].name};
        compare(bench, name, "Redis CPU of a function of the bare commands", &costs[LEAST], &way,
                &costs[limits[i]]);
    }
}

void mb_scenario_enter(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct cost costs[WAYS] = {0};
    struct cost unused[WAYS] = {0};

    /* A first round warms caches and allocators; it does not count. */
    fprintf(stderr, "%s: warming up\n", name);
    one_round(bench, name, server, pipe, unused, 0);
    for (size_t run = 0; run < bench->runs; run++)
        one_round(bench, name, server, pipe, costs, run);
    report(bench, name, costs);
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
