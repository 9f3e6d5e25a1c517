/* managed_program.c - which redis-server is it? Runs in the pool: it waits for a child. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis/managed_files.h"

#define PATIENCE_MS 10000
#define MAJOR_NEEDED 7
#define OUTPUT_SIZE 512

extern char **environ;

/* Runs `<program> --version` with its output in a pipe. An errno of its own, 0 if it runs. */
static int start(const char *program, int output, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    char name[4096];
    char option[] = "--version";
    strncpy(name, program, sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *arguments[] = {name, option, NULL};
    int result = posix_spawnp(pid, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

static void read_output(int fd, char *out, size_t size) {
    size_t used = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (used + 1 < size && poll(&ready, 1, PATIENCE_MS) > 0) {
        ssize_t count = read(fd, out + used, size - 1 - used);
        if (count <= 0) {
            break;
        }
        used += (size_t)count;
    }
    out[used] = '\0';
}

enum muster_status mu_managed_check_program(const char *program, struct mu_error *error) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "cannot run %s: %s", program,
                            strerror(errno));
    }
    pid_t pid = 0;
    int result = start(program, ends[1], &pid);
    close(ends[1]);
    if (result != 0) {
        close(ends[0]);
        return result == ENOENT ? mu_error_set(error, MUSTER_UNAVAILABLE,
                                               "there is no %s%s: install Redis 7 or later, or "
                                               "use redis.mode external",
                                               program, strchr(program, '/') ? "" : " in PATH")
                                : mu_error_set(error, MUSTER_UNAVAILABLE, "cannot run %s: %s",
                                               program, strerror(result));
    }
    char output[OUTPUT_SIZE];
    read_output(ends[0], output, sizeof output);
    close(ends[0]);
    int status = 0;
    kill(pid, SIGKILL); /* it has said all; a hanging one is not waited for */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    const char *found = strstr(output, "v=");
    if (!found) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "%s does not tell its version: is it redis-server?", program);
    }
    if (strtol(found + 2, NULL, 10) < MAJOR_NEEDED) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "%s is of version %.*s, but muster needs %d.0 or later (functions)",
                            program, (int)strcspn(found + 2, " \r\n"), found + 2, MAJOR_NEEDED);
    }
    return MUSTER_OK;
}
