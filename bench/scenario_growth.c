/* Does ENTER cost more when there is more? Redis CPU of a call in a namespace with some thousand
 * connections, and of the same number of calls when a million is there, in the same run. Neither
 * opens a session: those that do cost more, wherever they come. And of calls into a session of
 * 10,000 members, against calls into sessions of one. */
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

/* Redis CPU of ENTER into sessions that hold `members` each, in us; `sessions` of them take the
 * calls in turn. */
static double cost_into(struct mb_server *server, struct mb_pipe *pipe, size_t sessions,
                        size_t members, size_t sample) {
    struct mb_load load = {
        .connections = sessions * members + sample, .sessions = sessions, .instances = 100};
    mb_bench_fresh(server, load.instances);
    cost(server, pipe, &load, 0, sessions * members);
    return cost(server, pipe, &load, sessions * members, sample);
}

static void members(struct mb_bench *bench, const char *name, struct mb_server *server) {
    size_t sample = bench->quick ? 2000 : 5000;
    struct mb_series one = {0};
    struct mb_series crowd = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "ENTER into sessions of 1 and of 10,000", run);
        struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
        mb_series_add(&one, cost_into(server, pipe, sample, 1, sample));
        mb_series_add(&crowd, cost_into(server, pipe, 1, 10000, sample));
        mb_pipe_close(&pipe);
    }
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "ENTER into a session of 10,000 members",
                                                  .unit = "us of Redis CPU",
                                                  .measured = crowd,
                                                  .against = "the same into sessions of one",
                                                  .baseline = one,
                                                  .limit = MB_LIMIT_RATIO,
                                                  .bound = 1.3});
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
    members(bench, name, server);
    mb_server_stop(&server);
}
