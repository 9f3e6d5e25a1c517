#include "instance.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "process.h"

enum { READY_S = 30 };

/* ---- the daemon ---------------------------------------------------------------------------- */

static void write_config(const char *path, const char *directory, const char *socket) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        mb_fail("cannot write %s", path);
    fprintf(file,
            "namespace: " MB_NAMESPACE "\nstate_dir: %s\nredis:\n  mode: external\n"
            "  url: unix://%s\ncoordinator:\n  id: bench\n",
            directory, socket);
    if (fclose(file) != 0)
        mb_fail("cannot write %s", path);
}

_Noreturn static void fail_with_log(const char *log, const char *why) {
    char line[1024];
    FILE *file = fopen(log, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        fputs(line, stderr);
    mb_fail("musterd %s", why);
}

/* A function that needs confirmed data and an instance that does not exist: the code tells. */
static bool confirmed(struct mb_server *server) {
    redisReply *reply = mb_pipe_try(
        mb_server_control(server),
        (const char *const[]){"FCALL", "muster_heartbeat", "1", MB_KEY, "nobody", "nothing", NULL});
    bool ready = reply->type == REDIS_REPLY_ERROR &&
                 strncmp(reply->str, "UNKNOWN_INSTANCE", strlen("UNKNOWN_INSTANCE")) == 0;
    freeReplyObject(reply);
    return ready;
}

pid_t mb_daemon_start(struct mb_server *server, const char *directory,
                      const char *const *settings) {
    enum { MOST_WORDS = 32 };
    char *program = mb_beside("musterd");
    char *config = NULL;
    char *log = NULL;
    if (asprintf(&config, "%s/musterd.yaml", directory) < 0 ||
        asprintf(&log, "%s/musterd.log", directory) < 0)
        mb_fail("out of memory");
    write_config(config, directory, mb_server_socket(server));
    const char *argv[MOST_WORDS] = {program, "--config", config};
    size_t count = 3;
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        if (count + 2 >= MOST_WORDS)
            mb_fail("too many settings");
        argv[count++] = "--set";
        argv[count++] = settings[i];
    }
    remove(log);
    pid_t daemon = mb_start(argv, MB_CORE_CLIENT, log);
    for (double end = mb_seconds() + READY_S; !confirmed(server); mb_sleep(0.01)) {
        if (waitpid(daemon, NULL, WNOHANG) == daemon)
            fail_with_log(log, "ended at once");
        if (mb_seconds() > end)
            fail_with_log(log, "did not get ready");
    }
    free(program);
    free(config);
    free(log);
    return daemon;
}

/* ---- an instance --------------------------------------------------------------------------- */

_Noreturn static void live(const char *socket, const char *instance, unsigned heartbeat_ms,
                           int ready) {
    char inbox[MB_LONG];
    mb_text(inbox, sizeof inbox, MB_NS "inbox:%s", instance);
    struct mb_pipe *listener = mb_pipe_open(socket);
    struct mb_pipe *speaker = mb_pipe_open(socket);
    MB_DO(listener, "SUBSCRIBE", inbox);
    if (write(ready, "", 1) != 1)
        _exit(EXIT_FAILURE);
    close(ready);
    for (;;) {
        redisReply *reply =
            mb_pipe_try(speaker, (const char *const[]){"FCALL", "muster_heartbeat", "1", MB_KEY,
                                                       instance, MB_INCARNATION, NULL});
        freeReplyObject(reply); /* an end that the benchmark brought about is no failure here */
        mb_sleep(heartbeat_ms / 1e3);
    }
}

pid_t mb_instance_start(struct mb_server *server, size_t number, unsigned heartbeat_ms) {
    char instance[MB_NAME];
    int ready[2];
    char byte = 0;
    mb_instance_name(number, instance);
    MB_DO(mb_server_control(server), "FCALL", "muster_start", "1", MB_KEY, instance,
          MB_INCARNATION);
    if (pipe(ready) != 0)
        mb_fail("cannot make a pipe");
    fflush(NULL);
    pid_t child = mb_fork(MB_CORE_CLIENT);
    if (child == 0) {
        close(ready[0]);
        live(mb_server_socket(server), instance, heartbeat_ms, ready[1]);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        mb_fail("instance %s did not get ready", instance);
    close(ready[0]);
    return child;
}
