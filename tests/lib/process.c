#include "lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/test.h"
#include "lib/wait.h"

enum { PRINTED_BYTES = 6000 };

struct mt_process {
    struct mt_world *world;
    char *name;
    const char *files[2];
    off_t offset[2]; /* of the next line to be read */
    pid_t pid;
    bool ended;
    int code; /* once ended: exit code, or 128 + signal */
};

static void run_child(const struct mt_process *process, pid_t parent, const char *const argv[]) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL); /* whatever the test has made of it */
    if (getppid() != parent)
        _exit(127);
    int in = open("/dev/null", O_RDONLY);
    int out = open(process->files[MT_STDOUT], O_WRONLY | O_CREAT | O_APPEND, 0600);
    int err = open(process->files[MT_STDERR], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(127);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execvp(argv[0], (char *const *)(void *)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static off_t size_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : 0;
}

struct mt_process *mt_process_start(struct mt_world *world, const char *name,
                                    const char *const argv[]) {
    struct mt_process *process = calloc(1, sizeof *process);
    assert_non_null(process);
    process->world = world;
    process->name = strdup(name);
    process->files[MT_STDOUT] = mt_world_path(world, "%s.out", name);
    process->files[MT_STDERR] = mt_world_path(world, "%s.err", name);
    for (int i = 0; i < 2; i++)
        process->offset[i] = size_of(process->files[i]);
    pid_t parent = getpid();
    fflush(NULL);
    process->pid = fork();
    if (process->pid == 0)
        run_child(process, parent, argv);
    if (process->pid < 0)
        mt_fail(world, "fork for %s: %s", name, strerror(errno));
    mt_world_add(world, process);
    return process;
}

pid_t mt_process_pid(const struct mt_process *process) {
    return process->pid;
}

const char *mt_process_name(const struct mt_process *process) {
    return process->name;
}

struct mt_world *mt_process_world(const struct mt_process *process) {
    return process->world;
}

const char *mt_process_file(const struct mt_process *process, enum mt_stream stream) {
    return process->files[stream];
}

static void reap(struct mt_process *process, int flags) {
    int status = 0;
    pid_t pid = 0;
    if (process->ended)
        return;
    do
        pid = waitpid(process->pid, &status, flags);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return;
    process->ended = true;
    process->code = pid < 0               ? -1
                    : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                          : WEXITSTATUS(status);
}

bool mt_process_running(struct mt_process *process) {
    reap(process, WNOHANG);
    return !process->ended;
}

void mt_process_signal(struct mt_process *process, int signal_number) {
    if (!mt_process_running(process))
        return;
    kill(process->pid, signal_number);
    if (signal_number == SIGSTOP || signal_number == SIGCONT) {
        siginfo_t info = {0};
        int what = signal_number == SIGSTOP ? WSTOPPED : WCONTINUED;
        waitid(P_PID, (id_t)process->pid, &info, what);
    }
}

static bool has_ended(void *context) {
    return !mt_process_running(context);
}

int mt_process_wait(struct mt_process *process) {
    char what[128];
    snprintf(what, sizeof what, "%s to end", process->name);
    mt_wait_until(process->world, has_ended, process, what);
    return process->code;
}

void mt_process_kill(struct mt_process *process) {
    if (!process->ended) {
        kill(process->pid, SIGKILL);
        reap(process, 0);
    }
}

void mt_process_free(struct mt_process *process) {
    free(process->name);
    free(process);
}

static char *read_from(const char *path, off_t offset) {
    FILE *file = fopen(path, "re");
    off_t size = size_of(path);
    size_t length = size > offset ? (size_t)(size - offset) : 0;
    char *text = malloc(length + 1);
    if (text == NULL)
        abort();
    size_t got = 0;
    if (file != NULL) {
        if (fseeko(file, offset, SEEK_SET) == 0)
            got = fread(text, 1, length, file);
        fclose(file);
    }
    text[got] = '\0';
    return text;
}

char *mt_process_output(const struct mt_process *process, enum mt_stream stream) {
    return read_from(process->files[stream], 0);
}

char *mt_process_next_line(struct mt_process *process, enum mt_stream stream) {
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(process->files[stream], "re");
    if (file == NULL)
        return NULL;
    ssize_t length = -1;
    if (fseeko(file, process->offset[stream], SEEK_SET) == 0)
        length = getline(&line, &size, file);
    fclose(file);
    if (length <= 0 || line[length - 1] != '\n') { /* nothing yet, or half a line */
        free(line);
        return NULL;
    }
    process->offset[stream] += length;
    line[length - 1] = '\0';
    return line;
}

struct line_wait {
    struct mt_process *process;
    enum mt_stream stream;
    const char *needle;
    char *line;
};

static bool line_found(void *context) {
    struct line_wait *wait = context;
    bool ended = !mt_process_running(wait->process); /* before reading: its last lines count */
    for (;;) {
        wait->line = mt_process_next_line(wait->process, wait->stream);
        if (wait->line == NULL)
            break;
        if (strstr(wait->line, wait->needle) != NULL)
            return true;
        free(wait->line);
    }
    if (ended)
        mt_fail(wait->process->world, "%s ended with %d and never wrote '%s'", wait->process->name,
                wait->process->code, wait->needle);
    return false;
}

char *mt_process_wait_line(struct mt_process *process, enum mt_stream stream, const char *needle) {
    struct line_wait wait = {process, stream, needle, NULL};
    char what[256];
    snprintf(what, sizeof what, "%s to write '%s'", process->name, needle);
    mt_wait_until(process->world, line_found, &wait, what);
    return wait.line;
}

int mt_process_run(struct mt_world *world, const char *name, const char *const argv[], char **out) {
    off_t start = size_of(mt_world_path(world, "%s.out", name));
    struct mt_process *process = mt_process_start(world, name, argv);
    int code = mt_process_wait(process);
    if (out != NULL)
        *out = read_from(process->files[MT_STDOUT], start);
    return code;
}

void mt_process_print_logs(const struct mt_process *process) {
    for (int i = 0; i < 2; i++) {
        off_t size = size_of(process->files[i]);
        if (size == 0)
            continue;
        char *text = read_from(process->files[i], size > PRINTED_BYTES ? size - PRINTED_BYTES : 0);
        fprintf(stderr, "----- %s (pid %ld), end of %s\n%s\n", process->name, (long)process->pid,
                i == MT_STDOUT ? "stdout" : "stderr", text);
        free(text);
    }
}
