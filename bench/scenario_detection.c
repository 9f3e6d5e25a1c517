/* An instance falls silent: when is it suspect? Killed, its inbox closes and the probe sees it;
 * stopped, its sockets stay open, as when a network fails, and only its heartbeats end. */
#include <signal.h>

#include "instance.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { INSTANCES = 3, HEARTBEAT_MS = 1000, DEADLINE_S = 30 };
#define SETTLE_S 1.5 /* the detector has seen the inboxes open */

static double one_run(struct mb_bench *bench, struct mb_server *server, int signal_number) {
    pid_t instances[INSTANCES];
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);
    struct mb_pipe *watch = mb_watch_open(server, "events:instances");
    mb_sleep(SETTLE_S);
    double start = mb_seconds();
    kill(instances[0], signal_number);
    double ms = mb_watch_for(watch, start, "instance.suspect", "\"node-1\"", DEADLINE_S);
    mb_pipe_close(&watch);
    for (size_t i = 0; i < INSTANCES; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
    return ms;
}

void mb_scenario_detection(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_series killed = {0};
    struct mb_series silent = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "kill -9, SIGSTOP", run);
        mb_series_add(&killed, one_run(bench, server, SIGKILL));
        mb_series_add(&silent, one_run(bench, server, SIGSTOP));
    }
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = "kill -9 to suspect, by the probe of its inbox",
                                   .unit = "ms",
                                   .measured = killed,
                                   .limit = MB_LIMIT_EVERY,
                                   .bound = 500});
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "SIGSTOP to suspect, by silence",
                                                  .unit = "ms",
                                                  .measured = silent,
                                                  .limit = MB_LIMIT_EVERY,
                                                  .bound = 3500});
    mb_server_stop(&server);
}
