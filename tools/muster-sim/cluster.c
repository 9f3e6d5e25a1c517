/* cluster.c - the parent of simulated instances.
 *
 * Each instance is a fork and exec of this program. One is killed with -9 every --kill-every and
 * started again --return-after later; one is stopped every --pause-every and continued --pause-for
 * later. TERM, INT or --duration: all get SIGTERM, and SIGKILL if they have not ended in 15 s. The
 * kernel kills them when the parent dies (PR_SET_PDEATHSIG).
 */
#include "cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/error.h"
#include "journal.h"
#include "plan.h"

#define STOP_MS 15000

enum child_state { RUNNING, PAUSED, KILLED, STOPPED };

struct child {
    struct cluster *cluster;
    char id[32];
    char **argv; /* of its process, with a NULL behind */
    size_t argc;
    pid_t pid; /* 0: none now */
    enum child_state state;
    uv_timer_t timer; /* its return, or its continuation */
};

struct cluster {
    const struct mu_sim_options *options;
    uv_loop_t loop;
    struct mu_journal *journal;
    struct child *children;
    size_t count;
    uint64_t random;
    bool stopping;
    bool failed;
    uv_timer_t kill_timer, pause_timer, end_timer;
    uv_signal_t term, interrupt, child_signal;
};

static void say(struct child *child, const char *what, const char *name, int64_t value) {
    json_t *fields = json_object();
    json_object_set_new(fields, "instance", json_string(child->id));
    if (child->pid)
        json_object_set_new(fields, "pid", json_integer(child->pid));
    if (name)
        json_object_set_new(fields, name, json_integer(value));
    mu_journal_line(child->cluster->journal, what, fields);
}

/* ---- the command line of a child ---- */

static void add_argument(struct child *child, const char *format, ...) MU_PRINTF(2, 3);

static void add_argument(struct child *child, const char *format, ...) {
    char *text;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&text, format, list);
    va_end(list);
    if (length < 0)
        abort();
    child->argv = mu_realloc(child->argv, (child->argc + 2) * sizeof *child->argv);
    child->argv[child->argc++] = text;
    child->argv[child->argc] = NULL;
}

static void build_arguments(struct child *child) {
    const struct mu_sim_options *options = child->cluster->options;
    add_argument(child, "muster-sim");
    add_argument(child, "instance");
    for (size_t i = 0; i < options->forward_count; i++)
        add_argument(child, "%s", options->forward[i]);
    add_argument(child, "--id=%s", child->id);
    add_argument(child, "--seed=%" PRIu64, options->seed);
    if (options->report_file)
        add_argument(child, "--report=%s.%s", options->report_file, child->id);
    if (options->events_file)
        add_argument(child, "--events=%s.%s", options->events_file, child->id);
}

/* ---- children ---- */

/* In the new process, with all signals blocked: the loop's handlers, which it inherited and which
 * write to the parent, go first, so that a signal sent from now on is its own. */
static _Noreturn void become_instance(const struct child *child, pid_t parent,
                                      const sigset_t *mask) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGCHLD};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before it could take us along */
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv("/proc/self/exe", child->argv);
    _exit(127);
}

static void spawn(struct child *child) {
    pid_t parent = getpid();
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become_instance(child, parent, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        fprintf(stderr, "muster-sim: fork: %s\n", strerror(errno));
        child->cluster->failed = true;
        return;
    }
    child->pid = pid;
    child->state = RUNNING;
    say(child, "spawned", NULL, 0);
}

static void end_loop_when_all_ended(struct cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++)
        if (cluster->children[i].pid)
            return;
    if (cluster->stopping)
        uv_stop(&cluster->loop);
}

static void note_end(struct child *child, int status) {
    struct cluster *cluster = child->cluster;
    /* SIGTERM ends one that was told to stop before it could listen: it holds nothing yet. */
    bool fine = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    if (child->state == KILLED) {
        say(child, "ended", "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    } else {
        if (!cluster->stopping || !fine)
            cluster->failed = true;
        say(child, cluster->stopping ? "ended" : "ended-by-itself",
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        child->state = STOPPED;
    }
    child->pid = 0;
}

static void on_child_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct cluster *cluster = handle->data;
    for (size_t i = 0; i < cluster->count; i++) {
        struct child *child = &cluster->children[i];
        int status;
        if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid)
            note_end(child, status);
    }
    end_loop_when_all_ended(cluster);
}

/* A running one, or NULL. */
static struct child *pick(struct cluster *cluster) {
    size_t running = 0;
    for (size_t i = 0; i < cluster->count; i++)
        running += cluster->children[i].state == RUNNING && cluster->children[i].pid ? 1 : 0;
    if (running == 0)
        return NULL;
    size_t chosen = mu_plan_random(&cluster->random) % running;
    for (size_t i = 0;; i++)
        if (cluster->children[i].state == RUNNING && cluster->children[i].pid && chosen-- == 0)
            return &cluster->children[i];
}

static void on_return(uv_timer_t *timer) {
    struct child *child = timer->data;
    if (child->pid) /* not reaped yet */
        uv_timer_start(timer, on_return, 10, 0);
    else
        spawn(child);
}

static void on_kill(uv_timer_t *timer) {
    struct cluster *cluster = timer->data;
    struct child *child = pick(cluster);
    if (!child)
        return;
    child->state = KILLED;
    say(child, "killed", "return_after_ms", (int64_t)cluster->options->return_after_ms);
    kill(child->pid, SIGKILL);
    uv_timer_start(&child->timer, on_return, cluster->options->return_after_ms, 0);
}

static void on_continue(uv_timer_t *timer) {
    struct child *child = timer->data;
    if (!child->pid)
        return;
    child->state = RUNNING;
    kill(child->pid, SIGCONT);
    say(child, "continued", NULL, 0);
}

static void on_pause(uv_timer_t *timer) {
    struct cluster *cluster = timer->data;
    struct child *child = pick(cluster);
    if (!child)
        return;
    child->state = PAUSED;
    say(child, "paused", "pause_for_ms", (int64_t)cluster->options->pause_for_ms);
    kill(child->pid, SIGSTOP);
    uv_timer_start(&child->timer, on_continue, cluster->options->pause_for_ms, 0);
}

/* ---- the end ---- */

static void on_overdue(uv_timer_t *timer) {
    struct cluster *cluster = timer->data;
    for (size_t i = 0; i < cluster->count; i++)
        if (cluster->children[i].pid)
            kill(cluster->children[i].pid, SIGKILL);
}

static void stop(struct cluster *cluster) {
    if (cluster->stopping) {
        on_overdue(&cluster->end_timer);
        return;
    }
    cluster->stopping = true;
    uv_timer_stop(&cluster->kill_timer);
    uv_timer_stop(&cluster->pause_timer);
    for (size_t i = 0; i < cluster->count; i++) {
        struct child *child = &cluster->children[i];
        uv_timer_stop(&child->timer);
        if (!child->pid)
            continue;
        if (child->state == PAUSED) /* a needless one would undo the SIGSTOP of a leak checker */
            kill(child->pid, SIGCONT);
        kill(child->pid, SIGTERM);
    }
    uv_timer_start(&cluster->end_timer, on_overdue, STOP_MS, 0);
    end_loop_when_all_ended(cluster);
}

static void on_stop_signal(uv_signal_t *handle, int number) {
    (void)number;
    stop(handle->data);
}

static void on_duration_over(uv_timer_t *timer) {
    stop(timer->data);
}

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    uv_close(handle, NULL);
}

static void start_every(struct cluster *cluster, uv_timer_t *timer, uv_timer_cb callback,
                        uint64_t every_ms) {
    uv_timer_init(&cluster->loop, timer);
    timer->data = cluster;
    if (every_ms)
        uv_timer_start(timer, callback, every_ms, every_ms);
}

static void start_signal(struct cluster *cluster, uv_signal_t *handle, uv_signal_cb callback,
                         int number) {
    uv_signal_init(&cluster->loop, handle);
    handle->data = cluster;
    uv_signal_start(handle, callback, number);
}

static void begin(struct cluster *cluster) {
    const struct mu_sim_options *options = cluster->options;
    start_signal(cluster, &cluster->child_signal, on_child_signal, SIGCHLD);
    start_signal(cluster, &cluster->term, on_stop_signal, SIGTERM);
    start_signal(cluster, &cluster->interrupt, on_stop_signal, SIGINT);
    start_every(cluster, &cluster->kill_timer, on_kill, options->kill_every_ms);
    start_every(cluster, &cluster->pause_timer, on_pause, options->pause_every_ms);
    start_every(cluster, &cluster->end_timer, on_duration_over, options->duration_ms);
    json_t *fields = json_object();
    json_object_set_new(fields, "seed", json_integer((json_int_t)options->seed));
    json_object_set_new(fields, "instances", json_integer((json_int_t)cluster->count));
    mu_journal_line(cluster->journal, "started", fields);
    for (size_t i = 0; i < cluster->count; i++) {
        struct child *child = &cluster->children[i];
        child->cluster = cluster;
        snprintf(child->id, sizeof child->id, "node-%zu", i + 1);
        uv_timer_init(&cluster->loop, &child->timer);
        child->timer.data = child;
        build_arguments(child);
        spawn(child);
    }
}

int mu_cluster_run(const struct mu_sim_options *options) {
    struct cluster cluster = {
        .options = options,
        .count = (size_t)options->instances,
        .random = options->seed,
    };
    uv_loop_init(&cluster.loop);
    cluster.journal = mu_journal_create(STDOUT_FILENO, NULL);
    cluster.children = mu_calloc(cluster.count, sizeof *cluster.children);
    begin(&cluster);
    uv_run(&cluster.loop, UV_RUN_DEFAULT);
    json_t *fields = json_object();
    json_object_set_new(fields, "fine", json_boolean(!cluster.failed));
    mu_journal_line(cluster.journal, "stopped", fields);
    uv_walk(&cluster.loop, close_handle, NULL);
    uv_run(&cluster.loop, UV_RUN_DEFAULT);
    uv_loop_close(&cluster.loop);
    for (size_t i = 0; i < cluster.count; i++) {
        for (size_t k = 0; k < cluster.children[i].argc; k++)
            free(cluster.children[i].argv[k]);
        free(cluster.children[i].argv);
    }
    free(cluster.children);
    mu_journal_destroy(&cluster.journal);
    return cluster.failed ? 1 : 0;
}
