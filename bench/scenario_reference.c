/* The reference system's way of working (reference.h) beside ours: membership check, lists, a
 * leader's leave, the removal of a dead instance. Register + join is in `enter` and `memory`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ping.h"
#include "process.h"
#include "reference.h"
#include "scenario.h"

enum { SMALL = 10, LARGE = 1000, CROWD = 10000, LEAVES = 100, LEAVES_QUICK = 20 };

/* Ours and theirs. */
struct pair {
    struct mb_series ours, theirs;
};

struct result {
    struct pair ismember, small, large, leave;
    struct mb_series removal[2], stall[2]; /* of 10,000 sessions, of one */
};

static void get_all(struct mb_pipe *pipe, size_t index, void *context) {
    const struct mb_load *load = context;
    struct mb_names names;
    char key[MB_LONG];
    mb_load_names(load, index % load->sessions, &names);
    mb_text(key, sizeof key, MB_NS "session:%s", names.session);
    MB_APPEND(pipe, "HGETALL", key);
}

static void is_member(struct mb_pipe *pipe, size_t index, void *context) {
    const struct mb_load *load = context;
    struct mb_names names;
    char key[MB_LONG];
    mb_load_names(load, index % load->connections, &names);
    mb_text(key, sizeof key, MB_NS "session:%s", names.session);
    MB_APPEND(pipe, "HEXISTS", key, names.connection);
}

/* The first connection leads, leaves and is the last in line afterwards. */
static double leave(struct mb_pipe *pipe, const struct mb_load *load, size_t turn) {
    struct mb_names names;
    mb_load_names(load, turn * load->sessions, &names);
    double start = mb_seconds();
    MB_DO(pipe, "FCALL", "muster_leave", "1", MB_KEY, names.session, names.connection,
          names.instance, MB_INCARNATION);
    double seconds = mb_seconds() - start;
    MB_DO(pipe, "FCALL", "muster_enter", "1", MB_KEY, names.session, names.connection,
          names.instance, MB_INCARNATION, "", names.profile);
    return seconds;
}

static void checks_and_lists(struct mb_bench *bench, struct mb_server *server, struct mb_pipe *pipe,
                             struct result *result) {
    struct mb_load load = mb_bench_load(bench);
    struct mb_load large = {.connections = LARGE, .sessions = 1, .instances = 10};
    struct mb_reference reference;
    size_t lists = load.connections / 10;
    mb_bench_fresh(server, load.instances);
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_enter, &load);
    double checks = (double)load.connections;
    mb_series_add(&result->ismember.ours,
                  mb_pipe_run(pipe, load.connections, MB_DEPTH, is_member, &load) * 1e6 / checks);
    mb_series_add(&result->small.ours,
                  mb_pipe_run(pipe, lists, MB_DEPTH, get_all, &load) * 1e6 / (double)lists);
    mb_bench_fresh(server, load.instances);
    mb_reference_init(&reference, &load, pipe);
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_reference_enter, &reference);
    mb_series_add(&result->ismember.theirs,
                  mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_reference_ismember, &reference) *
                      1e6 / checks);
    mb_series_add(&result->small.theirs,
                  mb_reference_list(pipe, &reference, lists) * 1e6 / (double)lists);

    lists = bench->quick ? 200 : 1000;
    mb_bench_fresh(server, large.instances);
    mb_pipe_run(pipe, large.connections, MB_DEPTH, mb_enter, &large);
    mb_series_add(&result->large.ours,
                  mb_pipe_run(pipe, lists, MB_DEPTH, get_all, &large) * 1e6 / (double)lists);
    mb_bench_fresh(server, large.instances);
    mb_reference_init(&reference, &large, pipe);
    mb_pipe_run(pipe, large.connections, MB_DEPTH, mb_reference_enter, &reference);
    mb_series_add(&result->large.theirs,
                  mb_reference_list(pipe, &reference, lists) * 1e6 / (double)lists);
}

static void leaves(struct mb_bench *bench, struct mb_server *server, struct mb_pipe *pipe,
                   struct result *result) {
    size_t count = bench->quick ? LEAVES_QUICK : LEAVES;
    struct mb_load load = {.connections = CROWD, .sessions = 1, .instances = 10};
    struct mb_reference reference;
    double *samples = mu_calloc(count, sizeof *samples);
    mb_bench_fresh(server, load.instances);
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_enter, &load);
    for (size_t i = 0; i < count; i++)
        samples[i] = leave(pipe, &load, i) * 1e6;
    mb_series_add(&result->leave.ours, mb_percentile(samples, count, 0.5));
    mb_bench_fresh(server, load.instances);
    mb_reference_init(&reference, &load, pipe);
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_reference_enter, &reference);
    for (size_t i = 0; i < count; i++)
        samples[i] = mb_reference_leave(pipe, &reference) * 1e6;
    mb_series_add(&result->leave.theirs, mb_percentile(samples, count, 0.5));
    free(samples);
}

/* Ours is in `reap`, by the real daemon. */
static void removal(struct mb_bench *bench, struct mb_server *server, struct mb_pipe *pipe,
                    struct result *result, size_t shape) {
    struct mb_load load = mb_bench_load(bench);
    struct mb_reference reference;
    load.instances = 1;
    load.sessions = shape == 0 ? load.sessions : 1;
    mb_bench_fresh(server, 1);
    mb_reference_init(&reference, &load, pipe);
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_reference_enter, &reference);
    struct mb_ping *ping = mb_ping_start(mb_server_socket(server));
    double start = mb_seconds();
    mb_series_add(&result->removal[shape], mb_reference_remove(pipe, &reference));
    double end = mb_seconds();
    mb_ping_stop(ping);
    mb_series_add(&result->stall[shape], mb_ping_longest_ms(ping, start, end));
    mb_ping_destroy(&ping);
}

static void add(struct mb_bench *bench, const char *name, const char *what,
                const struct pair *pair) {
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = what,
                                                  .unit = "us",
                                                  .measured = pair->ours,
                                                  .against = "the reference design",
                                                  .baseline = pair->theirs});
}

static void add_removal(struct mb_bench *bench, const char *name, const struct result *result,
                        size_t shape, size_t connections) {
    char what[128];
    mb_text(what, sizeof what, "the reference design removes an instance, %zu connections in %s",
            connections, shape == 0 ? "many sessions" : "one session");
    mb_report_add(bench->report,
                  &(struct mb_row){
                      .name = name, .what = what, .unit = "s", .measured = result->removal[shape]});
    mb_text(what, sizeof what, "longest PING of another client meanwhile, %s",
            shape == 0 ? "many sessions" : "one session");
    mb_report_add(bench->report,
                  &(struct mb_row){
                      .name = name, .what = what, .unit = "ms", .measured = result->stall[shape]});
}

void mb_scenario_reference(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct result result = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "checks, lists, leave, removal", run);
        checks_and_lists(bench, server, pipe, &result);
        leaves(bench, server, pipe, &result);
        removal(bench, server, pipe, &result, 0);
        removal(bench, server, pipe, &result, 1);
    }
    add(bench, name, "membership check, straight, 64 in flight", &result.ismember);
    add(bench, name, "list of 10, straight, 64 in flight", &result.small);
    add(bench, name, "list of 1,000, straight, 64 in flight", &result.large);
    add(bench, name, "p50 of a leader's leave, 10,000 members", &result.leave);
    for (size_t i = 0; i < 2; i++)
        add_removal(bench, name, &result, i, mb_bench_load(bench).connections);
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
