/* How long one ENTER takes at a fixed rate, straight at Redis and through the RESP door: an open
 * loop, so that a stall counts for all whom it delayed (no coordinated omission). */
#include <stdlib.h>

#include "base/alloc.h"
#include "door.h"
#include "play.h"
#include "process.h"
#include "scenario.h"

enum { PER_SECOND = 5000, SHARES = 4 };

static const struct share {
    const char *name;
    double fraction;
} shares[SHARES] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

struct result {
    struct mb_series at[2][SHARES]; /* the door, straight */
};

static void one_way(struct mb_bench *bench, struct mb_server *server, int way,
                    struct result *result) {
    size_t count = bench->quick ? 5000 : 25000;
    struct mb_load load = {.connections = count, .sessions = count / 10, .instances = 10};
    struct mb_door door;
    double *ms = mu_calloc(count, sizeof *ms);
    mb_server_empty(server);
    mb_door_start(&door, server, bench->directory);
    mb_play_start(mb_server_control(server), load.instances);
    struct mb_pipe *pipe = mb_pipe_open(way == 0 ? door.socket : mb_server_socket(server));
    mb_pipe_paced(pipe, count, PER_SECOND, way == 0 ? mb_door_enter : mb_enter, &load, ms);
    for (size_t i = 0; i < SHARES; i++)
        mb_series_add(&result->at[way][i], mb_percentile(ms, count, shares[i].fraction));
    mb_pipe_close(&pipe);
    mb_door_stop(&door);
    free(ms);
}

void mb_scenario_latency(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct result result = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "door and straight", run);
        for (int turn = 0; turn < 2; turn++)
            one_way(bench, server, (int)((run + (size_t)turn) % 2), &result);
    }
    for (size_t i = 0; i < SHARES; i++) {
        char what[96];
        mb_text(what, sizeof what, "ENTER at the RESP door, %d/s, open loop: %s", PER_SECOND,
                shares[i].name);
        mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                      .what = what,
                                                      .unit = "ms",
                                                      .measured = result.at[0][i],
                                                      .against = "FCALL straight",
                                                      .baseline = result.at[1][i]});
    }
    mb_server_stop(&server);
}
