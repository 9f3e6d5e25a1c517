/* 256 clients that send one ENTER each and wait for its answer, at the door and straight at Redis:
 * what of Redis's processor does one call take? The door puts the requests of all sockets into one
 * pipeline; Redis by itself reads and writes each socket on its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "door.h"
#include "play.h"
#include "process.h"
#include "scenario.h"

enum { CLIENTS = 256, ONE_TURN = 64 };

struct crowd {
    struct mb_pipe *pipes[CLIENTS];
    int poll;
    size_t issued, answered;
};

static void open_crowd(struct crowd *crowd, const char *socket) {
    crowd->issued = crowd->answered = 0;
    crowd->poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < CLIENTS; i++) {
        crowd->pipes[i] = mb_pipe_open(socket);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(crowd->poll, EPOLL_CTL_ADD, mb_pipe_context(crowd->pipes[i])->fd, &event) !=
            0)
            mb_fail("cannot watch a socket: %s", strerror(errno));
    }
}

static void close_crowd(struct crowd *crowd) {
    for (size_t i = 0; i < CLIENTS; i++)
        mb_pipe_close(&crowd->pipes[i]);
    close(crowd->poll);
}

static void ask(struct crowd *crowd, size_t client, const struct mb_load *load, bool door) {
    struct mb_names names;
    redisContext *redis = mb_pipe_context(crowd->pipes[client]);
    char *bytes = NULL;
    mb_load_names(load, crowd->issued++, &names);
    int length =
        door
            ? redisFormatCommand(&bytes, "ENTER %s %s %s %s %s %s", names.session, names.connection,
                                 names.instance, MB_INCARNATION, "", names.profile)
            : redisFormatCommand(&bytes, "FCALL muster_enter 1 " MB_KEY " %s %s %s %s %s %s",
                                 names.session, names.connection, names.instance, MB_INCARNATION,
                                 "", names.profile);
    if (length < 0 || write(redis->fd, bytes, (size_t)length) != length)
        mb_fail("a client cannot write");
    redisFreeCommand(bytes);
}

static void take(struct crowd *crowd, size_t client) {
    redisContext *redis = mb_pipe_context(crowd->pipes[client]);
    void *reply = NULL;
    if (redisBufferRead(redis) != REDIS_OK || redisGetReplyFromReader(redis, &reply) != REDIS_OK)
        mb_fail("a client cannot read: %s", redis->errstr);
    if (reply == NULL)
        return; /* a part of it */
    if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        mb_fail("a call was refused: %s", ((redisReply *)reply)->str);
    freeReplyObject(reply);
    crowd->answered++;
}

/* Returns the seconds that it took. */
static double run(struct crowd *crowd, const struct mb_load *load, bool door) {
    double start = mb_seconds();
    for (size_t i = 0; i < CLIENTS; i++)
        ask(crowd, i, load, door);
    while (crowd->answered < load->connections) {
        struct epoll_event events[ONE_TURN];
        int count = epoll_wait(crowd->poll, events, ONE_TURN, 10000);
        if (count <= 0)
            mb_fail("nothing was answered for ten seconds");
        for (int i = 0; i < count; i++) {
            size_t before = crowd->answered;
            take(crowd, events[i].data.u64);
            if (crowd->answered > before && crowd->issued < load->connections)
                ask(crowd, events[i].data.u64, load, door);
        }
    }
    return mb_seconds() - start;
}

void mb_scenario_clients(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_load load = mb_bench_load(bench);
    struct mb_series cpu[2] = {0};
    struct mb_series rate[2] = {0};
    load.connections /= 2;
    for (size_t turn = 0; turn < 2 * bench->runs + 2; turn++) {
        int way = (int)((turn / 2 + turn) % 2); /* they take turns in coming first */
        struct mb_door door;
        struct crowd crowd;
        mb_bench_progress(bench, name, way == 0 ? "door" : "straight", turn < 2 ? 0 : turn / 2 - 1);
        mb_server_empty(server);
        mb_door_start(&door, server, bench->directory);
        mb_play_start(mb_server_control(server), load.instances);
        open_crowd(&crowd, way == 0 ? door.socket : mb_server_socket(server));
        double before = mb_server_cpu(server);
        double seconds = run(&crowd, &load, way == 0);
        double used = mb_server_cpu(server) - before;
        if (turn >= 2) { /* the first of each warms up */
            mb_series_add(&cpu[way], used * 1e6 / (double)load.connections);
            mb_series_add(&rate[way], (double)load.connections / seconds);
        }
        close_crowd(&crowd);
        mb_door_stop(&door);
    }
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "256 clients, Redis CPU of one ENTER",
                                                  .unit = "us",
                                                  .measured = cpu[0],
                                                  .against = "straight at Redis",
                                                  .baseline = cpu[1],
                                                  .limit = MB_LIMIT_RATIO,
                                                  .bound = 0.6});
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = "256 clients, ENTER",
                                                  .unit = "/s",
                                                  .measured = rate[0],
                                                  .against = "straight at Redis",
                                                  .baseline = rate[1]});
    mb_server_stop(&server);
}
