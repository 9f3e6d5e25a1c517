/* The pub/sub door beside straight FCALL: ENTER, 64 in flight. A request is published, its answer
 * comes into the inbox of the instance, so Redis handles four messages for one call. */
#include <signal.h>
#include <string.h>

#include "door.h"
#include "instance.h"
#include "play.h"
#include "process.h"
#include "scenario.h"

struct cost {
    struct mb_series wall_us, redis_us, daemon_us;
};

/* All requests are those of node-1, so that all answers come into one inbox. */
static void publish(struct mb_pipe *pipe, const struct mb_load *load, size_t index) {
    struct mb_names names;
    char request[2 * MB_LONG];
    mb_load_names(load, index, &names);
    mb_text(request, sizeof request,
            "{\"id\":\"%zu\",\"op\":\"ENTER\",\"args\":[\"%s\",\"%s\",\"%s\",\"" MB_INCARNATION
            "\",{},%s],\"reply_to\":\"" MB_NS "inbox:%s\"}",
            index, names.session, names.connection, names.instance, names.profile, names.instance);
    redisAppendCommand(mb_pipe_context(pipe), "PUBLISH " MB_NS "request %s", request);
}

/* The answers of PUBLISH are read along with the answers in the inbox. */
static void read_publications(struct mb_pipe *pipe, size_t count) {
    for (; count > 0; count--) {
        void *answer = NULL;
        if (redisGetReply(mb_pipe_context(pipe), &answer) != REDIS_OK)
            mb_fail("cannot read from Redis");
        redisReply *reply = answer;
        if (reply->type != REDIS_REPLY_INTEGER || reply->integer != 1)
            mb_fail("a request reached %lld doors", reply->integer);
        freeReplyObject(reply);
    }
}

/* Answers that have arrived, at least one. */
static size_t read_answers(struct mb_pipe *inbox, size_t most) {
    redisContext *redis = mb_pipe_context(inbox);
    size_t count = 0;
    void *answer = NULL;
    while (count < most) {
        if (count == 0 ? redisGetReply(redis, &answer) != REDIS_OK
                       : redisGetReplyFromReader(redis, &answer) != REDIS_OK)
            mb_fail("no answer came");
        if (answer == NULL)
            break;
        redisReply *reply = answer;
        if (reply->elements != 3 || strstr(reply->element[2]->str, "\"ok\":") == NULL)
            mb_fail("a request was answered %s", reply->element[2]->str);
        freeReplyObject(reply);
        answer = NULL;
        count++;
    }
    return count;
}

static double run_door(struct mb_server *server, const struct mb_load *load) {
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct mb_pipe *inbox = mb_pipe_open(mb_server_socket(server));
    MB_DO(inbox, "SUBSCRIBE", MB_NS "inbox:node-1");
    size_t issued = 0;
    size_t over = 0;
    double start = mb_seconds();
    while (over < load->connections) {
        size_t more = load->connections - issued;
        if (more > MB_DEPTH - (issued - over))
            more = MB_DEPTH - (issued - over);
        for (size_t i = 0; i < more; i++)
            publish(pipe, load, issued++);
        read_publications(pipe, more);
        over += read_answers(inbox, issued - over);
    }
    double seconds = mb_seconds() - start;
    mb_pipe_close(&inbox);
    mb_pipe_close(&pipe);
    return seconds;
}

static double run_straight(struct mb_server *server, struct mb_load *load) {
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    double seconds = mb_pipe_run(pipe, load->connections, MB_DEPTH, mb_enter, load);
    mb_pipe_close(&pipe);
    return seconds;
}

static void one_way(struct mb_bench *bench, struct mb_server *server, int way, struct cost *cost) {
    static const char *const settings[] = {"plugins.load=[{name: transport_pubsub}]",
                                           "authorization.default=allow",
                                           "detector.suspect_after=1h",
                                           "detector.dead_after=2h",
                                           "log.level=warn",
                                           NULL};
    struct mb_load load = mb_bench_load(bench);
    load.instances = 1;
    mb_server_empty(server);
    pid_t daemon = mb_daemon_start(server, bench->directory, settings);
    mb_play_start(mb_server_control(server), load.instances);
    double redis = mb_server_cpu(server);
    double used = mb_process_cpu(daemon);
    double seconds = way == 0 ? run_door(server, &load) : run_straight(server, &load);
    double each = 1e6 / (double)load.connections;
    mb_series_add(&cost->wall_us, seconds * each);
    mb_series_add(&cost->redis_us, (mb_server_cpu(server) - redis) * each);
    mb_series_add(&cost->daemon_us, (mb_process_cpu(daemon) - used) * each);
    mb_end(&daemon, SIGTERM);
}

void mb_scenario_pubsub(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct cost costs[2] = {0};
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "door and straight", run);
        for (int turn = 0; turn < 2; turn++) {
            int way = (int)((run + (size_t)turn) % 2);
            one_way(bench, server, way, &costs[way]);
        }
    }
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "ENTER at the pub/sub door, time of one",
                                                  .unit = "us",
                                                  .measured = costs[0].wall_us,
                                                  .against = "FCALL straight",
                                                  .baseline = costs[1].wall_us});
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "ENTER at the pub/sub door, Redis CPU",
                                                  .unit = "us",
                                                  .measured = costs[0].redis_us,
                                                  .against = "FCALL straight",
                                                  .baseline = costs[1].redis_us});
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = "ENTER at the pub/sub door, CPU of the daemon",
                                   .unit = "us",
                                   .measured = costs[0].daemon_us});
    mb_server_stop(&server);
}
