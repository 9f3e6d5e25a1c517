/* kill -9 of an instance on Redis pub/sub: when do the sessions that it led have new leaders?
 *
 * Everything is real: the daemon of this build, three instance processes, and a reader of the
 * sessions' events who looks at the clock. One daemon and an emptied Redis for every run. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "instance.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { INSTANCES = 3, VICTIMS = 20, HEARTBEAT_MS = 1000, DEADLINE_S = 30 };
/* The detector must have seen the inbox subscribed before its loss means anything. */
#define SETTLE_S 1.0

struct result {
    struct mb_series first;
    struct mb_series middle;
    struct mb_series last;
    double *singles; /* ms of each kill of an instance that led one session, of all runs */
    size_t single_count;
};

/* One session for each victim, who leads it; the other members are on the last instance. */
static void enter_pair(struct mb_pipe *pipe, size_t index, void *context) {
    char session[MB_NAME];
    char instance[MB_NAME];
    (void)context;
    mb_text(session, sizeof session, "pair-%zu", index);
    mb_instance_name(index, instance);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, session, "a", instance, MB_INCARNATION);
    mb_instance_name(VICTIMS, instance);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, session, "b", instance, MB_INCARNATION);
}

/* Half of them die, one after the other: more at once would be a matter for the brake. */
static void single_kills(struct mb_bench *bench, struct mb_server *server, struct result *result) {
    pid_t instances[VICTIMS + 1];
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
    for (size_t i = 0; i <= VICTIMS; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    mb_pipe_run(pipe, VICTIMS, MB_DEPTH, enter_pair, NULL);
    struct mb_pipe *reader = mb_pipe_open(mb_server_socket(server));
    MB_DO(reader, "PSUBSCRIBE", MB_NS "events:session:*");
    mb_sleep(SETTLE_S);
    for (size_t i = 0; i < (bench->quick ? VICTIMS / 4 : VICTIMS / 2); i++) {
        double start = mb_seconds();
        mb_end(&instances[i], SIGKILL);
        mb_watch_leaders(reader, start, &result->singles[result->single_count++], 1, DEADLINE_S);
        mb_sleep(0.137); /* out of step with whatever the daemon does now and then */
    }
    mb_pipe_close(&reader);
    mb_pipe_close(&pipe);
    for (size_t i = 0; i <= VICTIMS; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
}

static void one_run(struct mb_bench *bench, struct mb_server *server, struct result *result) {
    size_t sessions = bench->quick ? 1000 : 10000;
    struct mb_load load = {
        .connections = sessions * INSTANCES, .sessions = sessions, .instances = INSTANCES};
    pid_t instances[INSTANCES];
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);

    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_enter, &load);
    struct mb_pipe *reader = mb_pipe_open(mb_server_socket(server));
    MB_DO(reader, "PSUBSCRIBE", MB_NS "events:session:*");
    mb_sleep(SETTLE_S);

    redisReply *led = MB_CALL(pipe, "SCARD", MB_NS "instance:node-1:leads");
    size_t expected = (size_t)led->integer;
    freeReplyObject(led);
    if (expected == 0)
        mb_fail("the instance to kill leads nothing");
    double *times = mu_calloc(expected, sizeof *times);
    double start = mb_seconds();
    mb_end(&instances[0], SIGKILL);
    mb_watch_leaders(reader, start, times, expected, DEADLINE_S);
    mb_series_add(&result->first, mb_percentile(times, expected, 0));
    mb_series_add(&result->middle, mb_percentile(times, expected, 0.5));
    mb_series_add(&result->last, mb_percentile(times, expected, 1));

    free(times);
    mb_pipe_close(&reader);
    mb_pipe_close(&pipe);
    for (size_t i = 0; i < INSTANCES; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
}

static void report(struct mb_bench *bench, const char *name, struct result *result) {
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "kill -9 to the first new leader",
                                                  .unit = "ms",
                                                  .measured = result->first});
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = "kill -9 to the new leader of half of its sessions",
                                   .unit = "ms",
                                   .measured = result->middle});
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = bench->quick ? "kill -9 to the last, 1,000 led"
                                                        : "kill -9 to the last, 10,000 led",
                                   .unit = "ms",
                                   .measured = result->last,
                                   .limit = MB_LIMIT_EVERY,
                                   .bound = 500});
    static const struct {
        const char *what;
        double fraction, bound;
    } shares[] = {{"kill -9 on pub/sub to the new leader, over all kills: p50", 0.5, 0},
                  {"kill -9 on pub/sub to the new leader, over all kills: p99", 0.99, 500}};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        struct mb_series series = {0};
        mb_series_add(&series,
                      mb_percentile(result->singles, result->single_count, shares[i].fraction));
        mb_report_add(bench->report,
                      &(struct mb_row){
                          .name = name,
                          .what = shares[i].what,
                          .unit = "ms",
                          .measured = series,
                          .limit = shares[i].bound > 0 ? MB_LIMIT_EVERY : MB_LIMIT_NONE,
                          .bound = shares[i].bound,
                          .detail = json_pack("{s:I}", "kills", (json_int_t)result->single_count)});
    }
}

void mb_scenario_failover(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct result result = {0};
    result.singles = mu_calloc(bench->runs * VICTIMS / 2, sizeof *result.singles);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "kill -9", run);
        one_run(bench, server, &result);
        single_kills(bench, server, &result);
    }
    report(bench, name, &result);
    free(result.singles);
    mb_server_stop(&server);
}
