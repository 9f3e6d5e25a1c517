/* Bytes of Redis memory that one connection takes: the growth of used_memory, divided. */
#include "reference.h"
#include "scenario.h"

static double bytes(struct mb_server *server, struct mb_pipe *pipe, const struct mb_load *load,
                    void (*issue)(struct mb_pipe *pipe, size_t index, void *context),
                    void *context) {
    double before = mb_server_memory(server);
    mb_pipe_run(pipe, load->connections, MB_DEPTH, issue, context);
    return (mb_server_memory(server) - before) / (double)load->connections;
}

void mb_scenario_memory(struct mb_bench *bench, const char *name) {
    struct mb_load load = mb_bench_load(bench);
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct mb_reference reference;
    struct mb_series ours = {0};
    struct mb_series theirs = {0};

    mb_reference_init(&reference, &load, pipe);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "ENTER", run);
        mb_bench_fresh(server, load.instances);
        mb_series_add(&ours, bytes(server, pipe, &load, mb_enter, &load));
        mb_bench_progress(bench, name, "reference design", run);
        mb_bench_fresh(server, load.instances);
        mb_series_add(&theirs, bytes(server, pipe, &load, mb_reference_enter, &reference));
    }
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "Redis memory of one connection",
                                                  .unit = "bytes",
                                                  .measured = ours,
                                                  .against = "the reference design",
                                                  .baseline = theirs,
                                                  .limit = MB_LIMIT_MEDIAN,
                                                  .bound = 560});
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
