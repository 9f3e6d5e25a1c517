/* An instance falls silent: when is it suspect, and when has its session another leader? Killed,
 * its inbox closes and the probe sees it; stopped, its sockets stay open, as when a network fails,
 * and only its heartbeats end. */
#include <signal.h>

#include "instance.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { INSTANCES = 3, HEARTBEAT_MS = 1000, DEADLINE_S = 30 };
#define SETTLE_S 1.5 /* the detector has seen the inboxes open */

struct result {
    struct mb_series suspect, led; /* ms */
};

static void enter(struct mb_server *server, const char *connection, const char *instance) {
    MB_DO(mb_server_control(server), "FCALL", "muster_enter", "1", MB_KEY, "room", connection,
          instance, MB_INCARNATION);
}

static void one_run(struct mb_bench *bench, struct mb_server *server, int signal_number,
                    struct result *result) {
    pid_t instances[INSTANCES];
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);
    enter(server, "c1", "node-1");
    enter(server, "c2", "node-2");
    struct mb_pipe *watch = mb_watch_open(server, "events:instances");
    struct mb_pipe *room = mb_watch_open(server, "events:session:room");
    mb_sleep(SETTLE_S);
    double start = mb_seconds();
    kill(instances[0], signal_number);
    mb_series_add(&result->suspect,
                  mb_watch_for(watch, start, "instance.suspect", "\"node-1\"", DEADLINE_S));
    double led = 0;
    mb_watch_leaders(room, start, &led, 1, DEADLINE_S);
    mb_series_add(&result->led, led);
    mb_pipe_close(&room);
    mb_pipe_close(&watch);
    for (size_t i = 0; i < INSTANCES; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
}

static void add(struct mb_bench *bench, const char *name, const char *what,
                const struct mb_series *measured, double bound) {
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = what,
                                   .unit = "ms",
                                   .measured = *measured,
                                   .limit = bound > 0 ? MB_LIMIT_EVERY : MB_LIMIT_NONE,
                                   .bound = bound});
}

void mb_scenario_detection(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct result killed = {0};
    struct result silent = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "kill -9, SIGSTOP", run);
        one_run(bench, server, SIGKILL, &killed);
        one_run(bench, server, SIGSTOP, &silent);
    }
    add(bench, name, "kill -9 to suspect, by the probe of its inbox", &killed.suspect, 0);
    add(bench, name, "kill -9 to the new leader, by the probe of its inbox", &killed.led, 500);
    add(bench, name, "silence (SIGSTOP) to suspect", &silent.suspect, 0);
    add(bench, name, "silence (SIGSTOP) to the new leader", &silent.led, 3500);
    mb_server_stop(&server);
}
