#include "door.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "instance.h"
#include "process.h"

static void start(struct mb_door *door, struct mb_server *server, const char *directory,
                  const char *plugins, const char *authorization) {
    char load[3 * MB_LONG];
    mb_text(door->socket, sizeof door->socket, "%s/door.sock", directory);
    mb_text(load, sizeof load,
            "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s\"], "
            "max_sockets: 20000}}%s]",
            door->socket, plugins);
    const char *settings[] = {load,
                              authorization,
                              "detector.suspect_after=1h",
                              "detector.dead_after=2h",
                              "log.level=warn",
                              NULL};
    door->daemon = mb_daemon_start(server, directory, settings);
    struct mb_pipe *first = mb_pipe_open(door->socket);
    mb_pipe_close(&first);
}

void mb_door_start(struct mb_door *door, struct mb_server *server, const char *directory) {
    start(door, server, directory, "", "authorization.default=allow");
}

void mb_door_start_with(struct mb_door *door, struct mb_server *server, const char *directory,
                        const char *plugins, const char *chain) {
    char authorization[MB_LONG];
    mb_text(authorization, sizeof authorization, "authorization.chain=[%s]", chain);
    start(door, server, directory, plugins, authorization);
}

void mb_door_stop(struct mb_door *door) {
    mb_end(&door->daemon, SIGTERM);
}

/* The file of /proc/<process>, or fails. */
static void read_proc(pid_t process, const char *name, char *text, size_t size) {
    char path[64];
    mb_text(path, sizeof path, "/proc/%d/%s", (int)process, name);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    if (length == 0)
        mb_fail("cannot read %s", path);
}

/* The number behind `skip` spaces. */
static double number_after(const char *text, unsigned skip) {
    for (; skip > 0 && text != NULL; skip--) {
        text = strchr(text, ' ');
        text = text != NULL ? text + 1 : NULL;
    }
    return text != NULL ? strtod(text, NULL) : 0;
}

double mb_process_cpu(pid_t process) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0)
        mb_fail("cannot read the processor's time of %d", (int)process);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

double mb_process_memory(pid_t process) {
    char text[256];
    read_proc(process, "statm", text, sizeof text);
    return number_after(text, 1) * (double)sysconf(_SC_PAGESIZE);
}

size_t mb_allow_files(size_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < count) {
        struct rlimit raised = {count, limit.rlim_max > count ? limit.rlim_max : count};
        if (setrlimit(RLIMIT_NOFILE, &raised) != 0) { /* not allowed to raise the hard one */
            raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &raised);
        }
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

void mb_door_enter(struct mb_pipe *pipe, size_t index, void *load) {
    struct mb_names names;
    mb_load_names(load, index, &names);
    MB_APPEND(pipe, "ENTER", names.session, names.connection, names.instance, MB_INCARNATION, "",
              names.profile);
}

void mb_door_ismember(struct mb_pipe *pipe, size_t index, void *load) {
    struct mb_names names;
    const struct mb_load *all = load;
    mb_load_names(load, index % all->connections, &names);
    MB_APPEND(pipe, "ISMEMBER", names.session, names.connection);
}

void mb_straight_hexists(struct mb_pipe *pipe, size_t index, void *load) {
    char key[MB_LONG];
    struct mb_names names;
    const struct mb_load *all = load;
    mb_load_names(load, index % all->connections, &names);
    mb_text(key, sizeof key, MB_NS "session:%s", names.session);
    MB_APPEND(pipe, "HEXISTS", key, names.connection);
}
