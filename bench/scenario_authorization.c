/* What authorization costs an ENTER: two authorizers whose answers are cached, against none.
 *
 * An answer is kept for a principal, an action and all that the question names, its connection too:
 * so only who enters again is found in the cache. Each ENTER asks whether it may enter and whether
 * it may lead, each authorizer of the chain: four look-ups. Fresh connections, about whom both are
 * asked each time and whose answers are put into the cache, are measured beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "door.h"
#include "play.h"
#include "process.h"
#include "scenario.h"

enum { AGAIN = 2000, SESSIONS = 200 };

struct cost {
    struct mb_series wall_us;
    struct mb_series daemon_us;
};

struct costs {
    struct cost again[2], fresh[2]; /* with authorizers, without */
};

struct place {
    struct mb_server *server;
    struct mb_pipe *pipe;
    struct mb_door door;
};

static void start(struct place *place, const char *directory, bool authorizers) {
    char *decider = mb_beside("tests/plugins/decider.so");
    char plugins[2 * MB_LONG];
    if (access(decider, R_OK) != 0)
        mb_fail("there is no %s: build the tests, too", decider);
    mb_text(plugins, sizeof plugins,
            ", {name: \"%s\", config: {mood: defer, cache: 1h}}"
            ", {name: auth_rules, config: {rules: [{effect: allow, cache: 1h}]}}",
            decider);
    if (authorizers)
        mb_door_start_with(&place->door, place->server, directory, plugins, "decider, auth_rules");
    else
        mb_door_start(&place->door, place->server, directory);
    free(decider);
}

static void enter_again(struct mb_pipe *pipe, size_t index, void *context) {
    mb_door_enter(pipe, index % AGAIN, context);
}

static void measure(struct place *place, size_t count, struct cost *cost,
                    void (*issue)(struct mb_pipe *pipe, size_t index, void *context),
                    void *context) {
    double daemon = mb_process_cpu(place->door.daemon);
    double seconds = mb_pipe_run(place->pipe, count, MB_DEPTH, issue, context);
    mb_series_add(&cost->wall_us, seconds * 1e6 / (double)count);
    mb_series_add(&cost->daemon_us,
                  (mb_process_cpu(place->door.daemon) - daemon) * 1e6 / (double)count);
}

/* They take turns in being first. */
static void one_run(struct mb_bench *bench, struct place *place, struct costs *costs, size_t run) {
    struct mb_load load = mb_bench_load(bench);
    struct mb_load few = {.connections = AGAIN, .sessions = SESSIONS, .instances = load.instances};
    for (int turn = 0; turn < 2; turn++) {
        int way = (int)((run + (size_t)turn) % 2);
        mb_server_empty(place->server);
        start(place, bench->directory, way == 0);
        mb_play_start(mb_server_control(place->server), load.instances);
        place->pipe = mb_pipe_open(place->door.socket);
        mb_pipe_run(place->pipe, AGAIN, MB_DEPTH, enter_again, &few);
        measure(place, load.connections, &costs->again[way], enter_again, &few);
        measure(place, load.connections, &costs->fresh[way], mb_door_enter, &load);
        mb_pipe_close(&place->pipe);
        mb_door_stop(&place->door);
    }
}

/* The rate holds what client and daemon share a core for; the daemon's own time does not, nor does
 * it hold what else the machine did meanwhile. */
static void add(struct mb_bench *bench, const char *name, const char *what,
                const struct cost cost[2]) {
    char cpu[MB_LONG];
    mb_text(cpu, sizeof cpu, "%s, CPU of the daemon", what);
    const struct mb_row rows[] = {
        {.what = what, .measured = cost[0].wall_us, .baseline = cost[1].wall_us},
        {.what = cpu, .measured = cost[0].daemon_us, .baseline = cost[1].daemon_us},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mb_row row = rows[i];
        row.name = name;
        row.unit = "us";
        row.against = "no authorizer";
        mb_report_add(bench->report, &row);
    }
}

void mb_scenario_authorization(struct mb_bench *bench, const char *name) {
    struct place place = {.server = mb_bench_server(bench)};
    struct costs costs = {0};
    struct costs unused = {0};
    fprintf(stderr, "%s: warming up\n", name);
    one_run(bench, &place, &unused, 0);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "with two authorizers and with none", run);
        one_run(bench, &place, &costs, run);
    }
    add(bench, name, "ENTER again, two cached authorizers", costs.again);
    add(bench, name, "ENTER of fresh connections, two authorizers asked", costs.fresh);
    mb_server_stop(&place.server);
}
