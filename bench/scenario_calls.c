/* Redis commands inside one call, counted by Redis itself: no clock, so the figures are the same
 * on every machine and a change of them is a change of the code. */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

enum { SESSIONS = 20, MEMBERS = 5, CALLS = SESSIONS };

/* `most`: not more commands than this; a change of the functions that needs more says so here. */
struct operation {
    const char *what;
    double most;
    void (*issue)(struct mb_pipe *pipe, size_t index, void *context);
};

/* The member that is `position`th in session `index`. */
static struct mb_names member(size_t index, size_t position) {
    static const struct mb_load load = {
        .connections = (size_t)SESSIONS * MEMBERS, .sessions = SESSIONS, .instances = 2};
    struct mb_names names;
    mb_load_names(&load, index + position * SESSIONS, &names);
    return names;
}

static void enter(struct mb_pipe *pipe, size_t index, size_t position) {
    struct mb_names names = member(index, position);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, names.session, names.connection,
              names.instance, MB_INCARNATION, "", names.profile);
}

static void first_enter(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    enter(pipe, index, 0);
}

static void next_enter(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    enter(pipe, index, 1);
}

static void more_enters(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    for (size_t position = 2; position < MEMBERS; position++)
        enter(pipe, index, position);
}

static void leave(struct mb_pipe *pipe, size_t index, size_t position) {
    struct mb_names names = member(index, position);
    MB_APPEND(pipe, "FCALL", "muster_leave", "1", MB_KEY, names.session, names.connection,
              names.instance, MB_INCARNATION);
}

static void leader_leave(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    leave(pipe, index, 0);
}

static void follower_leave(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    leave(pipe, index, 2);
}

static void unregister(struct mb_pipe *pipe, size_t index, size_t position) {
    struct mb_names names = member(index, position);
    MB_APPEND(pipe, "FCALL", "muster_unregister", "1", MB_KEY, names.connection, names.instance,
              MB_INCARNATION);
}

static void follower_unregister(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    unregister(pipe, index, 3);
}

static void leader_unregister(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    unregister(pipe, index, 1);
}

static void last_unregister(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    unregister(pipe, index, 4);
}

static void heartbeat(struct mb_pipe *pipe, size_t index, void *context) {
    (void)context;
    MB_APPEND(pipe, "FCALL", "muster_heartbeat", "1", MB_KEY, index % 2 == 0 ? "node-1" : "node-2",
              MB_INCARNATION);
}

/* In this order: each finds what the ones before it left. Those without a name only prepare. */
static const struct operation operations[] = {
    {"ENTER that opens a session", 13, first_enter},
    {"ENTER into a session that has a leader", 8, next_enter},
    {"ENTER repeated", 5, next_enter},
    {NULL, 0, more_enters},
    {"LEAVE of a follower", 12, follower_leave},
    {"LEAVE of the leader", 20, leader_leave},
    {"UNREGISTER of a follower", 11, follower_unregister},
    {"UNREGISTER of the leader", 19, leader_unregister},
    {"UNREGISTER that closes a session", 20, last_unregister},
    {"HEARTBEAT", 8, heartbeat},
};

/* Takes out what the benchmark itself calls; returns the sum of the rest, all a call. */
static double per_call(json_t *commands) {
    double sum = 0;
    const char *name = NULL;
    void *next = NULL;
    json_t *calls = NULL;
    json_object_foreach_safe(commands, next, name, calls) {
        if (strcmp(name, "fcall") == 0 || strcmp(name, "info") == 0 ||
            strncmp(name, "config", strlen("config")) == 0) {
            json_object_del(commands, name);
            continue;
        }
        double each = (double)json_integer_value(calls) / CALLS;
        json_object_set_new(commands, name, json_real(each));
        sum += each;
    }
    return sum;
}

void mb_scenario_calls(struct mb_bench *bench, const char *name) {
    struct mb_server *server = mb_bench_server(bench);
    struct mb_pipe *pipe = mb_pipe_open(mb_server_socket(server));
    mb_bench_fresh(server, 2);
    fprintf(stderr, "%s: counting\n", name);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *operation = &operations[i];
        mb_server_reset_commands(server);
        mb_pipe_run(pipe, CALLS, 1, operation->issue, NULL);
        if (operation->what == NULL)
            continue;
        json_t *commands = mb_server_commands(server);
        struct mb_series counted = {0};
        mb_series_add(&counted, per_call(commands));
        mb_report_add(bench->report, &(struct mb_row){.name = name,
                                                      .what = operation->what,
                                                      .unit = "commands",
                                                      .measured = counted,
                                                      .limit = MB_LIMIT_MEDIAN,
                                                      .bound = operation->most,
                                                      .detail = commands});
    }
    mb_pipe_close(&pipe);
    mb_server_stop(&server);
}
