/* The RESP door beside Redis itself: ENTER, ISMEMBER and lists, 64 in flight on one unix socket.
 *
 * Client and daemon share a core here, so that the rate through the door holds the work of both;
 * what the daemon used of its processor stands beside it, and is what a machine with a core for
 * each would be limited by. */
#include <stdio.h>

#include "door.h"
#include "play.h"
#include "process.h"
#include "scenario.h"

enum { SMALL = 10, LARGE = 1000 };

struct cost {
    struct mb_series wall_us;
    struct mb_series redis_us;
    struct mb_series daemon_us;
};

struct costs {
    struct cost enter[2], ismember[2], small[2], large[2]; /* at the door, straight */
};

struct place {
    struct mb_server *server;
    struct mb_pipe *pipes[2];
    struct mb_door door;
};

typedef void issue_fn(struct mb_pipe *pipe, size_t index, void *context);

static void measure(struct place *place, int way, size_t count, struct cost *cost, issue_fn *issue,
                    void *context) {
    double redis = mb_server_cpu(place->server);
    double daemon = mb_process_cpu(place->door.daemon);
    double seconds = mb_pipe_run(place->pipes[way], count, MB_DEPTH, issue, context);
    mb_series_add(&cost->wall_us, seconds * 1e6 / (double)count);
    mb_series_add(&cost->redis_us, (mb_server_cpu(place->server) - redis) * 1e6 / (double)count);
    mb_series_add(&cost->daemon_us,
                  (mb_process_cpu(place->door.daemon) - daemon) * 1e6 / (double)count);
}

static void door_small(struct mb_pipe *pipe, size_t index, void *context) {
    char session[MB_NAME];
    const struct mb_load *load = context;
    mb_text(session, sizeof session, "room-%05zu", index % load->sessions);
    MB_APPEND(pipe, "MEMBERS", session);
}

static void straight_small(struct mb_pipe *pipe, size_t index, void *context) {
    char key[MB_LONG];
    const struct mb_load *load = context;
    mb_text(key, sizeof key, MB_NS "session:room-%05zu", index % load->sessions);
    MB_APPEND(pipe, "HGETALL", key);
}

static void enter_large(struct mb_pipe *pipe, size_t index, void *context) {
    char connection[MB_NAME];
    (void)context;
    mb_text(connection, sizeof connection, "large-%06zu", index);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, "large", connection, "node-1",
              MB_INCARNATION, "",
              "{\"name\":\"somebody or other\",\"colour\":\"turquoise or so\"}");
}

static void door_large(struct mb_pipe *pipe, size_t index, void *context) {
    (void)index;
    (void)context;
    MB_APPEND(pipe, "MEMBERS", "large");
}

static void straight_large(struct mb_pipe *pipe, size_t index, void *context) {
    (void)index;
    (void)context;
    MB_APPEND(pipe, "HGETALL", MB_NS "session:large");
}

/* Whichever comes first has a small advantage or none; so they take turns. */
static void one_run(struct mb_bench *bench, struct place *place, struct costs *costs, size_t run) {
    static issue_fn *const enters[2] = {mb_door_enter, mb_enter};
    static issue_fn *const looks[2] = {mb_door_ismember, mb_straight_hexists};
    static issue_fn *const smalls[2] = {door_small, straight_small};
    static issue_fn *const larges[2] = {door_large, straight_large};
    struct mb_load load = mb_bench_load(bench);
    for (int turn = 0; turn < 2; turn++) {
        int way = (int)((run + (size_t)turn) % 2);
        mb_server_empty(place->server);
        mb_door_start(&place->door, place->server, bench->directory);
        mb_play_start(mb_server_control(place->server), load.instances);
        place->pipes[0] = mb_pipe_open(place->door.socket);
        place->pipes[1] = mb_pipe_open(mb_server_socket(place->server));
        measure(place, way, load.connections, &costs->enter[way], enters[way], &load);
        measure(place, way, 2 * load.connections, &costs->ismember[way], looks[way], &load);
        measure(place, way, load.connections / 2, &costs->small[way], smalls[way], &load);
        mb_pipe_run(place->pipes[1], LARGE, MB_DEPTH, enter_large, NULL);
        measure(place, way, load.connections / 50, &costs->large[way], larges[way], NULL);
        mb_pipe_close(&place->pipes[0]);
        mb_pipe_close(&place->pipes[1]);
        mb_door_stop(&place->door);
    }
}

static void add(struct mb_bench *bench, const char *name, const char *what,
                const struct cost cost[2], const char *against, double bound) {
    mb_report_add(bench->report,
                  &(struct mb_row){
                      .name = name,
                      .what = what,
                      .unit = "us",
                      .measured = cost[0].wall_us,
                      .against = against,
                      .baseline = cost[1].wall_us,
                      .limit = bound > 0 ? MB_LIMIT_RATIO : MB_LIMIT_NONE,
                      .bound = bound,
                      .detail = json_pack(
                          "{s:f,s:f,s:f}", "daemon_cpu_us", mb_series_median(&cost[0].daemon_us),
                          "redis_cpu_us", mb_series_median(&cost[0].redis_us),
                          "redis_cpu_us_straight", mb_series_median(&cost[1].redis_us)),
                  });
}

/* With a core for each process the slower of daemon and Redis decides how many there are a second.
 * Where there are only two cores this is from what each used. */
static void report_slower(struct mb_bench *bench, const char *name, const struct cost cost[2]) {
    struct mb_series slower = {0};
    for (size_t i = 0; i < cost[0].daemon_us.count; i++) {
        double daemon = cost[0].daemon_us.values[i];
        double redis = cost[0].redis_us.values[i];
        mb_series_add(&slower, daemon > redis ? daemon : redis);
    }
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = "ISMEMBER, CPU of the slower of daemon and Redis",
                                   .unit = "us",
                                   .measured = slower,
                                   .against = "time of one HEXISTS straight",
                                   .baseline = cost[1].wall_us,
                                   .limit = MB_LIMIT_RATIO,
                                   .bound = 1 / 0.8});
}

void mb_scenario_resp(struct mb_bench *bench, const char *name) {
    struct place place = {.server = mb_bench_server(bench)};
    struct costs costs = {0};
    struct costs unused = {0};
    fprintf(stderr, "%s: warming up\n", name);
    one_run(bench, &place, &unused, 0);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "door and straight", run);
        one_run(bench, &place, &costs, run);
    }
    add(bench, name, "ENTER at the door, time of one", costs.enter, "FCALL straight", 1 / 0.9);
    add(bench, name, "ISMEMBER at the door, time of one", costs.ismember, "HEXISTS straight", 0);
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "ISMEMBER, CPU of the daemon",
                                                  .unit = "us",
                                                  .measured = costs.ismember[0].daemon_us,
                                                  .against = "CPU of Redis",
                                                  .baseline = costs.ismember[0].redis_us,
                                                  .limit = MB_LIMIT_RATIO,
                                                  .bound = 1.5});
    report_slower(bench, name, costs.ismember);
    add(bench, name, "MEMBERS of 10 at the door, time of one", costs.small, "HGETALL straight",
        1 / 0.8);
    add(bench, name, "MEMBERS of 1,000 at the door, time of one", costs.large, "HGETALL straight",
        1 / 0.8);
    mb_server_stop(&place.server);
}
