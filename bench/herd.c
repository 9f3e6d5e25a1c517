#include "herd.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"
#include "process.h"

enum { TURNS = 100 }; /* of an interval: in each of them its share of the herd heartbeats */

struct herd {
    size_t first, count;
    bool door;
    size_t from; /* the first that heartbeats in this turn */
};

static void start(struct mb_pipe *pipe, size_t index, void *context) {
    const struct herd *herd = context;
    char name[MB_NAME];
    mb_instance_name(herd->first + index, name);
    if (herd->door)
        MB_APPEND(pipe, "START", name, MB_INCARNATION);
    else
        MB_APPEND(pipe, "FCALL", "muster_start", "1", MB_KEY, name, MB_INCARNATION);
}

static void heartbeat(struct mb_pipe *pipe, size_t index, void *context) {
    const struct herd *herd = context;
    char name[MB_NAME];
    mb_instance_name(herd->first + herd->from + index, name);
    if (herd->door)
        MB_APPEND(pipe, "HEARTBEAT", name, MB_INCARNATION);
    else
        MB_APPEND(pipe, "FCALL", "muster_heartbeat", "1", MB_KEY, name, MB_INCARNATION);
}

static void subscribe(struct mb_pipe *listener, size_t index, void *context) {
    const struct herd *herd = context;
    char name[MB_NAME];
    char inbox[MB_LONG];
    mb_instance_name(herd->first + index, name);
    mb_text(inbox, sizeof inbox, MB_NS "inbox:%s", name);
    MB_APPEND(listener, "SUBSCRIBE", inbox);
}

/* Whatever came into the inboxes is passed over. */
static void discard(struct mb_pipe *listener) {
    char bytes[16384];
    while (recv(mb_pipe_context(listener)->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

_Noreturn static void live(const char *socket, const char *door, struct herd herd,
                           unsigned heartbeat_ms, int ready) {
    struct mb_pipe *speaker = mb_pipe_open(door != NULL ? door : socket);
    mb_pipe_run(speaker, herd.count, MB_DEPTH, start, &herd);
    struct mb_pipe *listener = NULL;
    if (door == NULL) {
        listener = mb_pipe_open(socket);
        mb_pipe_run(listener, herd.count, MB_DEPTH, subscribe, &herd);
    }
    if (write(ready, "", 1) != 1)
        _exit(EXIT_FAILURE);
    close(ready);
    double due = mb_seconds();
    for (size_t turn = 0;; turn = (turn + 1) % TURNS) {
        herd.from = turn * herd.count / TURNS;
        size_t until = (turn + 1) * herd.count / TURNS;
        if (until > herd.from)
            mb_pipe_run(speaker, until - herd.from, MB_DEPTH, heartbeat, &herd);
        if (listener != NULL)
            discard(listener);
        due += heartbeat_ms / 1e3 / TURNS;
        double now = mb_seconds();
        if (due > now)
            mb_sleep(due - now);
        else
            due = now; /* it was stopped, or late: what was missed is not sent at once */
    }
}

pid_t mb_herd_start(struct mb_server *server, const char *door, size_t first, size_t count,
                    unsigned heartbeat_ms) {
    struct herd herd = {.first = first, .count = count, .door = door != NULL};
    int ready[2];
    char byte = 0;
    if (pipe(ready) != 0)
        mb_fail("cannot make a pipe");
    fflush(NULL);
    pid_t child = mb_fork(MB_CORE_CLIENT);
    if (child == 0) {
        close(ready[0]);
        live(mb_server_socket(server), door, herd, heartbeat_ms, ready[1]);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        mb_fail("a herd of %zu instances did not get ready", count);
    close(ready[0]);
    return child;
}
