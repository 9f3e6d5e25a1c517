/* Does ENTER cost more when there is more? Redis CPU of a call in a namespace with some thousand
 * connections, and of the same number of calls when a million is there, in the same run. Neither
 * opens a session: those that do cost more, wherever they come. */
#include "process.h"
#include "scenario.h"

struct part {
    struct mb_load load;
    size_t from; /* the first connection */
};

static void enter_from(struct mb_pipe *pipe, size_t index, void *context) {
    struct part *part = context;
    mb_enter(pipe, part->from + index, &part->load);
}

/* Redis CPU of one call, in us, over `count` calls from connection `from` on. */
static double cost(struct mb_server *server, struct mb_pipe *pipe, const struct mb_load *load,
                   size_t from, size_t count) {
    struct part part = {*load, from};
    double before = mb_server_cpu(server);
    mb_pipe_run(pipe, count, MB_DEPTH, enter_from, &part);
    return (mb_server_cpu(server) - before) / (double)count * 1e6;
}

void mb_scenario_growth(struct mb_bench *bench, const char *name) {
    size_t all = bench->quick ? 100000 : 1000000;
    size_t sample = bench->quick ? 10000 : 20000;
    struct mb_load load = {.connections = all, .sessions = all / 10, .instances = 100};
    struct mb_load small = {.connections = 2 * sample, .sessions = sample / 10, .instances = 100};
    struct mb_server *server = mb_bench_server(bench);
    struct mb_series first = {0};
    struct mb_series last = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "ENTER", run);
        mb_bench_fresh(server, load.instances);
        struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
        cost(server, pipe, &small, 0, small.sessions);
        mb_series_add(&first, cost(server, pipe, &small, small.sessions, sample));
        mb_bench_fresh(server, load.instances);
        cost(server, pipe, &load, 0, all - sample);
        mb_series_add(&last, cost(server, pipe, &load, all - sample, sample));
        mb_pipe_close(&pipe);
    }
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = bench->quick ? "ENTER with 100,000 connections there"
                                                        : "ENTER with 1,000,000 connections there",
                                   .unit = "us of Redis CPU",
                                   .measured = last,
                                   .against = "the same with some thousand there",
                                   .baseline = first,
                                   .limit = MB_LIMIT_RATIO,
                                   .bound = 1.3});
    mb_server_stop(&server);
}
