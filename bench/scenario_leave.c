/* The round trip of a leader's LEAVE, which elects the next one, by the size of its session.
 *
 * One call at a time, over a unix socket. The baseline sends the commands of the same change in
 * one pipelined batch: one round trip, too, but neither checked nor atomic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "process.h"
#include "scenario.h"

enum { SIZES = 4, SAMPLES = 400, SAMPLES_QUICK = 100 };

struct room {
    size_t members;
    size_t leader; /* number of the member who leads; they lead in the order of their numbers */
    char session[MB_NAME];
    char key[MB_LONG];
    char candidates[MB_LONG];
    char events[MB_LONG];
    struct mb_series ours;
    struct mb_series bare;
};

static void room_init(struct room *room, size_t members) {
    *room = (struct room){.members = members};
    mb_text(room->session, sizeof room->session, "room-%zu", members);
    mb_text(room->key, sizeof room->key, MB_NS "session:%s", room->session);
    mb_text(room->candidates, sizeof room->candidates, "%s:candidates", room->key);
    mb_text(room->events, sizeof room->events, MB_NS "events:session:%s", room->session);
}

static void member_name(const struct room *room, size_t number, char name[MB_NAME]) {
    mb_text(name, MB_NAME, "m%zu-%06zu", room->members, number % room->members);
}

static void enter(struct mb_pipe *pipe, size_t index, void *context) {
    const struct room *room = context;
    char connection[MB_NAME];
    member_name(room, index, connection);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, room->session, connection, "node-1",
              MB_INCARNATION);
}

/* The leader leaves; afterwards, unmeasured, it stands at the end of the line again. */
static double leave_once(struct mb_pipe *pipe, struct room *room) {
    char leader[MB_NAME];
    char next[MB_NAME];
    char expected[2 * MB_NAME];
    member_name(room, room->leader, leader);
    member_name(room, room->leader + 1, next);
    mb_text(expected, sizeof expected, "\"leader\":\"%s\"", next);

    double start = mb_seconds();
    redisReply *reply = MB_CALL(pipe, "FCALL", "muster_leave", "1", MB_KEY, room->session, leader,
                                "node-1", MB_INCARNATION);
    double seconds = mb_seconds() - start;
    if (strstr(reply->str, expected) == NULL)
        mb_fail("LEAVE of %s was answered %s", leader, reply->str);
    freeReplyObject(reply);
    MB_DO(pipe, "FCALL", "muster_enter", "1", MB_KEY, room->session, leader, "node-1",
          MB_INCARNATION);
    room->leader = (room->leader + 1) % room->members;
    return seconds;
}

/* What LEAVE of a leader reads, writes and publishes. `index` is unused: one batch is one of it. */
static void bare_commands(struct mb_pipe *pipe, size_t index, void *context) {
    static const char event[] =
        "{\"event\":\"member.left\",\"session\":\"room-10000\",\"gen\":\"9f3c21d07be84a65\","
        "\"seq\":1732000000001,\"term\":1732000000001,\"at\":1732000000000,\"count\":9999,"
        "\"connection\":\"m10000-000001\",\"instance\":\"node-1\",\"reason\":\"left\"}";
    const struct room *room = context;
    char leader[MB_NAME];
    char candidate[2 * MB_NAME];
    (void)index;
    member_name(room, room->leader, leader);
    mb_text(candidate, sizeof candidate, "%s/node-1/" MB_INCARNATION, leader);
    MB_APPEND(pipe, "HGET", MB_NS "instance:node-1:connections", leader);
    MB_APPEND(pipe, "HMGET", room->key, "#seq", "#leader", "#term", "#count", "#anonymous", "#gen",
              leader);
    MB_APPEND(pipe, "ZRANGE", room->candidates, "0", "1");
    MB_APPEND(pipe, "HMGET", MB_NS "instance:node-1", "incarnation", "state", "draining");
    MB_APPEND(pipe, "HSET", MB_NS "instance:node-1:bare", leader, "1732000000000////////{}");
    MB_APPEND(pipe, "HDEL", room->key, leader);
    MB_APPEND(pipe, "ZREM", room->candidates, candidate);
    MB_APPEND(pipe, "HSET", room->key, "#seqb", "1732000000001", "#leaderb", leader, "#termb",
              "1732000000001", "#countb", "9999", "#anonymousb", "9999", "#genb",
              "9f3c21d07be84a65");
    MB_APPEND(pipe, "SREM", MB_NS "bare-leads", room->session);
    MB_APPEND(pipe, "SADD", MB_NS "bare-leads", room->session);
    MB_APPEND(pipe, "PUBLISH", room->events, event);
    MB_APPEND(pipe, "PUBLISH", room->events, event);
}

/* Puts back what bare_commands() took away, so that the session stays as it was. */
static double bare_once(struct mb_pipe *pipe, struct room *room) {
    char leader[MB_NAME];
    char candidate[2 * MB_NAME];
    member_name(room, room->leader, leader);
    mb_text(candidate, sizeof candidate, "%s/node-1/" MB_INCARNATION, leader);
    redisReply *member = MB_CALL(pipe, "HGET", room->key, leader);
    redisReply *rank = MB_CALL(pipe, "ZSCORE", room->candidates, candidate);
    if (member->type != REDIS_REPLY_STRING || rank->type != REDIS_REPLY_STRING)
        mb_fail("%s is no candidate of %s", leader, room->session);

    double seconds = mb_pipe_run(pipe, 1, 1, bare_commands, room);

    MB_DO(pipe, "HSET", room->key, leader, member->str);
    MB_DO(pipe, "ZADD", room->candidates, rank->str, candidate);
    freeReplyObject(member);
    freeReplyObject(rank);
    return seconds;
}

/* The median of many, in microseconds. */
static double median_us(const struct mb_bench *bench, struct mb_pipe *pipe, struct room *room,
                        double (*once)(struct mb_pipe *pipe, struct room *room)) {
    size_t count = bench->quick ? SAMPLES_QUICK : SAMPLES;
    double *samples = mu_calloc(count, sizeof *samples);
    for (size_t i = 0; i < count; i++)
        samples[i] = once(pipe, room) * 1e6;
    double median = mb_percentile(samples, count, 0.5);
    free(samples);
    return median;
}

static void report(struct mb_bench *bench, const char *name, const struct room rooms[SIZES]) {
    for (size_t i = 0; i < SIZES; i++) {
        char what[64];
        mb_text(what, sizeof what, "p50 of a leader's LEAVE, %zu members", rooms[i].members);
        bool aimed = rooms[i].members == 10000;
        mb_report_add(bench->report,
                      &(struct mb_row){.name = name,
                                       .what = what,
                                       .unit = "us",
                                       .measured = rooms[i].ours,
                                       .against = "the bare commands in one round trip",
                                       .baseline = rooms[i].bare,
                                       .limit = aimed ? MB_LIMIT_MEDIAN : MB_LIMIT_NONE,
                                       .bound = 100});
    }
    char what[64];
    mb_text(what, sizeof what, "p50 of a leader's LEAVE, %zu members", rooms[SIZES - 1].members);
    mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                  .what = what,
                                                  .unit = "us",
                                                  .measured = rooms[SIZES - 1].ours,
                                                  .against = "the same with 10 members",
                                                  .baseline = rooms[0].ours,
                                                  .limit = MB_LIMIT_RATIO,
                                                  .bound = 1.3});
}

void mb_scenario_leave(struct mb_bench *bench, const char *name) {
    static const size_t sizes[SIZES] = {10, 1000, 10000, 100000};
    static const size_t sizes_quick[SIZES] = {10, 100, 1000, 10000};
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    struct room rooms[SIZES];

    mb_bench_fresh(server, 1);
    fprintf(stderr, "%s: filling sessions\n", name);
    for (size_t i = 0; i < SIZES; i++) {
        room_init(&rooms[i], bench->quick ? sizes_quick[i] : sizes[i]);
        mb_pipe_run(pipe, rooms[i].members, MB_DEPTH, enter, &rooms[i]);
        median_us(bench, pipe, &rooms[i], leave_once); /* warms up */
    }
    for (size_t run = 0; run < bench->runs; run++) {
        mb_bench_progress(bench, name, "LEAVE and bare commands", run);
        for (size_t i = 0; i < SIZES; i++) {
            mb_series_add(&rooms[i].ours, median_us(bench, pipe, &rooms[i], leave_once));
            mb_series_add(&rooms[i].bare, median_us(bench, pipe, &rooms[i], bare_once));
        }
    }
    report(bench, name, rooms);
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
