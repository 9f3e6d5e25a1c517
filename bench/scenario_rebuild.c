/* FLUSHALL: when does Redis hold again all that the instances hold? A real daemon, and muster-sim
 * instances, which start again and re-enter, paced, as a good client does. */
#include <signal.h>
#include <stdlib.h>

#include "instance.h"
#include "process.h"
#include "scenario.h"

enum { INSTANCES = 5, DEADLINE_S = 120 };

static void await_connections(struct mb_server *server, size_t wanted) {
    for (double end = mb_seconds() + DEADLINE_S;;) {
        size_t held = 0;
        for (size_t i = 0; i < INSTANCES; i++) {
            char key[MB_LONG];
            char name[MB_NAME];
            mb_instance_name(i, name);
            mb_text(key, sizeof key, MB_NS "instance:%s:connections", name);
            redisReply *reply = MB_CALL(mb_server_control(server), "HLEN", key);
            held += (size_t)reply->integer;
            freeReplyObject(reply);
        }
        if (held == wanted)
            return;
        if (mb_seconds() > end)
            mb_fail("%zu of %zu connections are there", held, wanted);
        mb_sleep(0.005);
    }
}

static pid_t start_instance(struct mb_bench *bench, struct mb_server *server, size_t number,
                            const char *connections) {
    char url[MB_LONG];
    char name[MB_NAME];
    char log[MB_LONG];
    char *program = mb_beside("muster-sim");
    mb_instance_name(number, name);
    mb_text(url, sizeof url, "unix://%s", mb_server_socket(server));
    mb_text(log, sizeof log, "%s/%s.log", bench->directory, name);
    const char *argv[] = {program,     "instance",    "--url",      url,           "--id",
                          name,        "--namespace", MB_NAMESPACE, "--no-follow", "--connections",
                          connections, NULL};
    pid_t instance = mb_start(argv, MB_CORE_CLIENT, log);
    free(program);
    return instance;
}

void mb_scenario_rebuild(struct mb_bench *bench, const char *name) {
    size_t connections = bench->quick ? 1000 : 10000;
    struct mb_server *server = mb_bench_server(bench);
    struct mb_series series = {0};
    char text[24];
    mb_text(text, sizeof text, "%zu", connections);
    for (size_t run = 0; run < bench->runs; run++) {
        pid_t instances[INSTANCES];
        mb_bench_progress(bench, name, "FLUSHALL", run);
        mb_server_empty(server);
        pid_t daemon = mb_daemon_start(server, bench->directory, NULL);
        for (size_t i = 0; i < INSTANCES; i++)
            instances[i] = start_instance(bench, server, i, text);
        await_connections(server, connections * INSTANCES);
        double start = mb_seconds();
        mb_server_empty(server);
        await_connections(server, connections * INSTANCES);
        mb_series_add(&series, (mb_seconds() - start) * 1e3);
        for (size_t i = 0; i < INSTANCES; i++)
            mb_end(&instances[i], SIGKILL);
        mb_end(&daemon, SIGTERM);
    }
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = bench->quick ? "FLUSHALL to 5,000 connections back"
                                                        : "FLUSHALL to 50,000 connections back",
                                   .unit = "ms",
                                   .measured = series});
    mb_server_stop(&server);
}
