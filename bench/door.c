#include "door.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

double mb_process_cpu(pid_t process) {
    char path[64];
    char text[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    mb_text(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    /* Behind the name, which may hold anything: state, then ten numbers, then these two. */
    const char *at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        mb_fail("cannot read %s", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double mb_process_memory(pid_t process) {
    char path[64];
    unsigned long pages = 0;
    mb_text(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        mb_fail("cannot read %s", path);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
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
