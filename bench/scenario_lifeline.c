/* kill -9 of an instance at the RESP door: when do the sessions that it led have new leaders? The
 * end of its socket is the signal. Single sessions, one instance after the other, and one instance
 * that led 10,000. Everything is real: the daemon, the instance processes, the reader of events. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "door.h"
#include "process.h"
#include "scenario.h"
#include "watch.h"

enum { VICTIMS = 50, DEADLINE_S = 30 };

/* An instance process that holds a lifeline and does nothing else. */
static pid_t start_instance(const struct mb_door *door, const char *instance) {
    int ready[2];
    char byte = 0;
    if (pipe(ready) != 0)
        mb_fail("cannot make a pipe");
    fflush(NULL);
    pid_t child = mb_fork(MB_CORE_CLIENT);
    if (child == 0) {
        close(ready[0]);
        struct mb_pipe *pipe = mb_pipe_open(door->socket);
        MB_DO(pipe, "START", instance, MB_INCARNATION);
        if (write(ready[1], "", 1) != 1)
            _exit(EXIT_FAILURE);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        mb_fail("instance %s did not get ready", instance);
    close(ready[0]);
    return child;
}

static void enter(struct mb_pipe *pipe, const char *session, const char *connection,
                  const char *instance) {
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, session, connection, instance,
              MB_INCARNATION, "", "{}");
}

/* Of each pair of members the first leads, on the instance that will be killed. */
struct pairs {
    const char *victim; /* NULL: one of its own for each */
};

static void enter_pair(struct mb_pipe *pipe, size_t index, void *context) {
    const struct pairs *pairs = context;
    char session[MB_NAME];
    char victim[MB_NAME];
    char connection[2][MB_NAME];
    mb_text(session, sizeof session, "%s-%zu", pairs->victim != NULL ? "all" : "one", index);
    mb_text(victim, sizeof victim, "victim-%zu", index);
    mb_text(connection[0], MB_NAME, "a-%s", session);
    mb_text(connection[1], MB_NAME, "b-%s", session);
    enter(pipe, session, connection[0], pairs->victim != NULL ? pairs->victim : victim);
    enter(pipe, session, connection[1], "survivor");
}

struct result {
    struct mb_series last;
    double *singles; /* ms of each kill, of all runs */
    size_t single_count;
};

static void one_run(struct mb_bench *bench, struct mb_server *server, struct result *result) {
    size_t sessions = bench->quick ? 1000 : 10000;
    struct mb_door door;
    pid_t victims[VICTIMS];
    char name[MB_NAME];
    mb_server_empty(server);
    mb_door_start(&door, server, bench->directory);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct mb_pipe *reader = mb_pipe_open(mb_server_socket(server));
    pid_t survivor = start_instance(&door, "survivor");
    pid_t large = start_instance(&door, "large");
    for (size_t i = 0; i < VICTIMS; i++) {
        mb_text(name, sizeof name, "victim-%zu", i);
        victims[i] = start_instance(&door, name);
    }
    mb_pipe_run(pipe, VICTIMS, MB_DEPTH, enter_pair, &(struct pairs){NULL});
    mb_pipe_run(pipe, sessions, MB_DEPTH, enter_pair, &(struct pairs){"large"});
    MB_DO(reader, "PSUBSCRIBE", MB_NS "events:session:*");
    mb_sleep(1); /* the detector has seen them all */

    /* The brake counts what is not up: half of them may die. */
    double *times = mu_calloc(sessions, sizeof *times);
    double start = mb_seconds();
    mb_end(&large, SIGKILL);
    mb_watch_leaders(reader, start, times, sessions, DEADLINE_S);
    mb_series_add(&result->last, mb_percentile(times, sessions, 1));
    for (size_t i = 0; i < (bench->quick ? VICTIMS / 5 : VICTIMS / 2 - 1); i++) {
        mb_sleep(0.15); /* one death has nothing to do with the one before */
        start = mb_seconds();
        mb_end(&victims[i], SIGKILL);
        mb_watch_leaders(reader, start, &result->singles[result->single_count++], 1, DEADLINE_S);
    }

    free(times);
    for (size_t i = 0; i < VICTIMS; i++)
        mb_end(&victims[i], SIGKILL);
    mb_end(&survivor, SIGKILL);
    mb_pipe_close(&reader);
    mb_pipe_close(&pipe);
    mb_door_stop(&door);
}

/* A percentile of all kills of all runs. */
static struct mb_series share(struct result *result, double fraction) {
    struct mb_series series = {0};
    mb_series_add(&series, mb_percentile(result->singles, result->single_count, fraction));
    return series;
}

static void add(struct mb_bench *bench, const char *name, const char *what,
                struct mb_series measured, double bound) {
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = what,
                                                  .unit = "ms",
                                                  .measured = measured,
                                                  .limit = MB_LIMIT_MEDIAN,
                                                  .bound = bound});
}

void mb_scenario_lifeline(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct result result = {0};
    result.singles = mu_calloc(bench->runs * VICTIMS, sizeof *result.singles);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "kill -9", run);
        one_run(bench, server, &result);
    }
    add(bench, name, "kill -9 at the RESP door to the new leader: p50", share(&result, 0.5), 10);
    add(bench, name, "kill -9 at the RESP door to the new leader: p99", share(&result, 0.99), 50);
    add(bench, name,
        bench->quick ? "kill -9 to the last, 1,000 led" : "kill -9 to the last, 10,000 led",
        result.last, 500);
    free(result.singles);
    mb_server_stop(&server);
}
