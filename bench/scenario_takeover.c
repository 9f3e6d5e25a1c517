/* The coordinator ends: when is the next one elected? Two real daemons at default timings, one of
 * them standing by; the clock runs from the signal to `coordinator.elected`. */
#include <signal.h>

#include "instance.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { DEADLINE_S = 30 };
#define SETTLE_S 1.5 /* the standby has seen the lease */

static double one_run(struct mb_bench *bench, struct mb_server *server, int signal_number) {
    static const char *const first[] = {"coordinator.id=first", NULL};
    static const char *const second[] = {"coordinator.id=second", NULL};
    mb_server_empty(server);
    pid_t active = mb_daemon_start(server, bench->directory, first);
    pid_t standby = mb_daemon_start(server, bench->directory, second);
    struct mb_pipe *watch = mb_watch_open(server, "events:coordinator");
    mb_sleep(SETTLE_S);
    double start = mb_seconds();
    kill(active, signal_number);
    double ms = mb_watch_for(watch, start, "coordinator.elected", "\"second\"", DEADLINE_S);
    mb_pipe_close(&watch);
    mb_end(&active, SIGKILL);
    mb_end(&standby, SIGTERM);
    return ms;
}

void mb_scenario_takeover(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_series term = {0};
    struct mb_series killed = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "SIGTERM, kill -9", run);
        mb_series_add(&term, one_run(bench, server, SIGTERM));
        mb_series_add(&killed, one_run(bench, server, SIGKILL));
    }
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "SIGTERM to the next coordinator",
                                                  .unit = "ms",
                                                  .measured = term,
                                                  .limit = MB_LIMIT_EVERY,
                                                  .bound = 100});
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "kill -9 to the next coordinator",
                                                  .unit = "ms",
                                                  .measured = killed,
                                                  .limit = MB_LIMIT_EVERY,
                                                  .bound = 3500});
    mb_server_stop(&server);
}
