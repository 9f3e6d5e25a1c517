#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

void mb_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("muster-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

void mb_text(char *text, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= size)
        mb_fail("a text is too long for %zu bytes", size);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Waits for the worker; passes SIGINT and SIGTERM (which are blocked) on to it. */
static int guard_worker(pid_t worker, const sigset_t *signals) {
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGINT || number == SIGTERM)
            kill(worker, number);
        int status = 0;
        if (waitpid(worker, &status, WNOHANG) == worker)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int mb_guard(int (*work)(const char *directory, void *context), void *context) {
    const char *base = getenv("TMPDIR");
    char directory[PATH_MAX];
    mb_text(directory, sizeof directory, "%s/muster-bench-XXXXXX",
            base != NULL && base[0] == '/' ? base : "/tmp");
    if (mkdtemp(directory) == NULL)
        mb_fail("cannot create a directory like %s: %s", directory, strerror(errno));

    sigset_t signals;
    sigset_t before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &before);
    fflush(NULL);
    pid_t worker = mb_fork(MB_CORE_CLIENT);
    if (worker == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        signal(SIGPIPE, SIG_IGN);
        exit(work(directory, context));
    }
    int code = guard_worker(worker, &signals);
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}

bool mb_pinnable(void) {
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

void mb_pin(int core) {
    if (!mb_pinnable())
        return;
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET((size_t)core, &cores);
    /* Where it is refused (cpusets) the figures are worse, not wrong. */
    (void)sched_setaffinity(0, sizeof cores, &cores);
}

pid_t mb_fork(int core) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        mb_fail("cannot fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILURE);
        mb_pin(core);
    }
    return child;
}

pid_t mb_start(const char *const argv[], int core, const char *log) {
    fflush(NULL);
    pid_t child = mb_fork(core);
    if (child != 0)
        return child;
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int input = open("/dev/null", O_RDONLY);
    if (output < 0 || input < 0)
        _exit(126);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(input);
    close(output);
    signal(SIGPIPE, SIG_DFL);
    /* execvp takes its words as not const by history only. */
    union {
        const char *const *given;
        char *const *taken;
    } words = {.given = argv};
    execvp(argv[0], words.taken);
    _exit(127);
}

void mb_end(pid_t *process, int signal_number) {
    if (*process <= 0)
        return;
    kill(*process, signal_number);
    while (waitpid(*process, NULL, 0) < 0 && errno == EINTR)
        continue;
    *process = 0;
}

char *mb_beside(const char *name) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        mb_fail("cannot read /proc/self/exe: %s", strerror(errno));
    self[length] = '\0';
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dirname(self), name) < 0)
        mb_fail("out of memory");
    return path;
}

double mb_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void mb_sleep(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
        continue;
}
