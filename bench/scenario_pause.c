/* A pause of five seconds, as of a garbage collector, a snapshot or a virtual machine that moves:
 * of an instance that holds all connections, of the daemon, of Redis. Is any member removed, and
 * are they all still there? Default times of the detector. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "instance.h"
#include "process.h"
#include "scenario.h"

enum { INSTANCES = 3, HEARTBEAT_MS = 1000, PAUSE_S = 5, KINDS = 3 };
/* After the pause: everybody heartbeats again, and the detector has looked more than once. */
#define SETTLE_S 5.0
#define SETTLE_QUICK_S 2.0

struct lost {
    struct mb_series events; /* member.left */
    struct mb_series gone;   /* connections that are no longer there */
};

static const char *const kinds[KINDS] = {"an instance", "the daemon", "Redis"};

/* Counts what came until nothing came for a second. */
static double count_left(struct mb_pipe *reader) {
    redisContext *redis = mb_pipe_context(reader);
    double left = 0;
    redisSetTimeout(redis, (struct timeval){.tv_sec = 1});
    for (;;) {
        void *answer = NULL;
        if (redisGetReply(redis, &answer) != REDIS_OK)
            break; /* the time is over: this connection is used up */
        redisReply *reply = answer;
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 &&
            strstr(reply->element[3]->str, "{\"event\":\"member.left\"") != NULL)
            left++;
        freeReplyObject(reply);
    }
    return left;
}

static double count_connections(struct mb_server *server) {
    redisReply *reply =
        MB_CALL(mb_server_control(server), "HLEN", MB_NS "instance:node-1:connections");
    double count = (double)reply->integer;
    freeReplyObject(reply);
    return count;
}

static void one_pause(const struct mb_bench *bench, struct mb_server *server, pid_t whom,
                      double connections, struct lost *lost) {
    struct mb_pipe *reader = mb_pipe_open(mb_server_socket(server));
    MB_DO(reader, "PSUBSCRIBE", MB_NS "events:session:*");
    kill(whom, SIGSTOP);
    mb_sleep(PAUSE_S);
    kill(whom, SIGCONT);
    mb_sleep(bench->quick ? SETTLE_QUICK_S : SETTLE_S);
    mb_series_add(&lost->events, count_left(reader));
    mb_series_add(&lost->gone, connections - count_connections(server));
    mb_pipe_close(&reader);
}

void mb_scenario_pause(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_load load = mb_bench_load(bench);
    struct lost lost[KINDS] = {0};
    pid_t instances[INSTANCES];
    /* Nothing is lost, so that one filling serves all pauses; two of each are enough for a count.
     */
    size_t runs = bench->runs < 2 ? bench->runs : 2;
    load.instances = 1;
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = mb_instance_start(server, i, HEARTBEAT_MS);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    mb_pipe_run(pipe, load.connections, MB_DEPTH, mb_enter, &load);
    mb_pipe_close(&pipe);
    const pid_t who[KINDS] = {instances[0], daemon, mb_server_process(server)};
    for (size_t run = 0; run < (bench->quick ? 1 : runs); run++) {
        for (size_t i = 0; i < KINDS; i++) {
            mb_bench_progress(bench, name, kinds[i], run);
            one_pause(bench, server, who[i], (double)load.connections, &lost[i]);
        }
    }
    for (size_t i = 0; i < KINDS; i++) {
        char what[128];
        mb_text(what, sizeof what, "%s paused for 5 s: members removed, of %zu", kinds[i],
                load.connections);
        mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                      .what = what,
                                                      .unit = "members",
                                                      .measured = lost[i].events,
                                                      .limit = MB_LIMIT_EVERY,
                                                      .bound = 0});
        mb_text(what, sizeof what, "%s paused for 5 s: connections gone", kinds[i]);
        mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                      .what = what,
                                                      .unit = "connections",
                                                      .measured = lost[i].gone,
                                                      .limit = MB_LIMIT_EVERY,
                                                      .bound = 0});
    }
    for (size_t i = 0; i < INSTANCES; i++)
        mb_end(&instances[i], SIGKILL);
    mb_end(&daemon, SIGTERM);
    mb_server_stop(&server);
}
