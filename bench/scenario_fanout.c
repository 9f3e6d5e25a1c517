/* Many sockets at the RESP door: what an idle one costs, and how fast events reach those that
 * subscribed while one of them does not read.
 *
 * Events are published straight at Redis, each to the hundredth part of the sockets, paced so that
 * 50,000 a second are delivered. Latency is from just before the publishing of one to the reading
 * of its last byte, by one clock; publisher, readers and daemon share a core. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "door.h"
#include "process.h"
#include "scenario.h"

enum { SESSIONS = 100, DELIVERIES_A_SECOND = 50000, ONE_TURN = 256, DEADLINE_S = 60 };

struct crowd {
    struct mb_pipe **pipes;
    size_t count;
    int poll;
    double *latencies_ms;
    size_t delivered, expected;
};

static void subscribe(struct mb_pipe *pipe, size_t session) {
    char name[MB_NAME];
    mb_text(name, sizeof name, "session:fan-%zu", session);
    MB_DO(pipe, "SUBSCRIBE", name);
}

static void open_crowd(struct crowd *crowd, const struct mb_door *door, size_t count) {
    crowd->count = count;
    crowd->pipes = mu_calloc(count, sizeof(struct mb_pipe *));
    crowd->poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < count; i++) {
        crowd->pipes[i] = mb_pipe_open(door->socket);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(crowd->poll, EPOLL_CTL_ADD, mb_pipe_context(crowd->pipes[i])->fd, &event) !=
            0)
            mb_fail("cannot watch a socket: %s", strerror(errno));
    }
}

static void close_crowd(struct crowd *crowd) {
    for (size_t i = 0; i < crowd->count; i++)
        mb_pipe_close(&crowd->pipes[i]);
    close(crowd->poll);
    free(crowd->pipes);
    free(crowd->latencies_ms);
}

/* Every message holds its time once; they are short, and come whole. */
static void take(struct crowd *crowd, size_t reader) {
    char bytes[65536];
    ssize_t got = read(mb_pipe_context(crowd->pipes[reader])->fd, bytes, sizeof bytes - 1);
    double now = mb_seconds();
    if (got <= 0)
        mb_fail("a reader lost its socket: %s", got < 0 ? strerror(errno) : "end of file");
    bytes[got] = '\0';
    for (const char *at = strstr(bytes, "\"at\":"); at != NULL; at = strstr(at + 5, "\"at\":")) {
        if (crowd->delivered < crowd->expected)
            crowd->latencies_ms[crowd->delivered] = (now - strtod(at + 5, NULL)) * 1e3;
        crowd->delivered++;
    }
}

static void read_all(struct crowd *crowd, int wait_ms) {
    struct epoll_event events[ONE_TURN];
    int count = epoll_wait(crowd->poll, events, ONE_TURN, wait_ms);
    for (int i = 0; i < count; i++)
        take(crowd, events[i].data.u64);
}

static void publish(struct mb_pipe *pipe, size_t index) {
    char channel[MB_LONG];
    char payload[MB_LONG];
    mb_text(channel, sizeof channel, MB_NS "events:session:fan-%zu", index % SESSIONS);
    mb_text(payload, sizeof payload, "{\"event\":\"bench\",\"at\":%.6f,\"pad\":\"%0100d\"}",
            mb_seconds(), 0);
    MB_DO(pipe, "PUBLISH", channel, payload);
}

static void fan_out(struct crowd *crowd, struct mb_pipe *publisher, size_t events) {
    size_t each = crowd->count / SESSIONS;
    crowd->expected = events * each;
    crowd->latencies_ms = mu_calloc(crowd->expected, sizeof *crowd->latencies_ms);
    double start = mb_seconds();
    double pause = (double)each / DELIVERIES_A_SECOND;
    for (size_t sent = 0; crowd->delivered < crowd->expected;) {
        double now = mb_seconds();
        /* By the plan, not by when the last one was done: a late one is not forgotten. */
        while (sent < events && now - start >= (double)sent * pause)
            publish(publisher, sent++);
        read_all(crowd, 1);
        if (now - start > DEADLINE_S)
            mb_fail("%zu of %zu events were delivered", crowd->delivered, crowd->expected);
    }
}

struct result {
    struct mb_series daemon_mib, idle_bytes, p50, p99, longest, growth_mib;
};

static void one_run(struct mb_bench *bench, struct mb_server *server, size_t sockets,
                    struct result *result) {
    struct mb_door door;
    struct crowd crowd = {0};
    mb_server_empty(server);
    mb_door_start(&door, server, bench->directory);
    struct mb_pipe *publisher = mb_pipe_open(mb_server_socket(server));
    double before = mb_process_memory(door.daemon);
    mb_series_add(&result->daemon_mib, before / 1048576);
    open_crowd(&crowd, &door, sockets);
    double after = mb_process_memory(door.daemon);
    mb_series_add(&result->idle_bytes, (after - before) / (double)sockets);
    for (size_t i = 0; i < sockets; i++)
        subscribe(crowd.pipes[i], i % SESSIONS);
    struct mb_pipe *stopped = mb_pipe_open(door.socket); /* it subscribes to all, and never reads */
    for (size_t i = 0; i < SESSIONS; i++)
        subscribe(stopped, i);
    before = mb_process_memory(door.daemon);
    fan_out(&crowd, publisher, bench->quick ? 4000 : 20000);
    mb_series_add(&result->growth_mib, (mb_process_memory(door.daemon) - before) / 1048576);
    mb_series_add(&result->p50, mb_percentile(crowd.latencies_ms, crowd.expected, 0.5));
    mb_series_add(&result->p99, mb_percentile(crowd.latencies_ms, crowd.expected, 0.99));
    mb_series_add(&result->longest, mb_percentile(crowd.latencies_ms, crowd.expected, 1));
    mb_pipe_close(&stopped);
    mb_pipe_close(&publisher);
    close_crowd(&crowd);
    mb_door_stop(&door);
}

static void add(struct mb_bench *bench, const char *name, const char *what, const char *unit,
                struct mb_series measured, double bound) {
    mb_report_add(bench->report,
                  &(struct mb_row){.name = name,
                                   .what = what,
                                   .unit = unit,
                                   .measured = measured,
                                   .limit = bound > 0 ? MB_LIMIT_MEDIAN : MB_LIMIT_NONE,
                                   .bound = bound});
}

void mb_scenario_fanout(struct mb_bench *bench, const char *name) {
    size_t sockets = bench->quick ? 1000 : 10000;
    size_t allowed = mb_allow_files(sockets * 2);
    struct mb_server *server = mb_bench_server(bench);
    struct result result = {0};
    char what[64];
    if (allowed < sockets + 100)
        mb_fail("this machine allows %zu open files, and %zu are needed", allowed, sockets + 100);
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "fan-out", run);
        one_run(bench, server, sockets, &result);
    }
    add(bench, name, "daemon's memory, idle, with the RESP door", "MiB", result.daemon_mib, 8);
    mb_text(what, sizeof what, "daemon's memory an idle socket, %zu of them", sockets);
    add(bench, name, what, "bytes", result.idle_bytes, 4096);
    add(bench, name, "event to reader, 50,000/s, one stopped: p50", "ms", result.p50, 0);
    add(bench, name, "event to reader, 50,000/s, one stopped: p99", "ms", result.p99, 50);
    add(bench, name, "event to reader, longest", "ms", result.longest, 0);
    add(bench, name, "growth of the daemon meanwhile", "MiB", result.growth_mib, 0);
    mb_server_stop(&server);
}
