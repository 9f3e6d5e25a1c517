/* chaos - one seed, one disaster.
 *
 *     chaos --seed N [--schedules K] [--jobs J] [--duration 6s] [--census FILE] [--list]
 *
 * Runs the schedules of the seeds N to N+K-1, J at a time, each in a process of its own. A schedule
 * that fails prints its seed, its log and the directory that it left. --list only says what would
 * happen. --census writes what was done, and what came of it, as JSON. Exit code 1: one failed.
 *
 *     chaos demand FILE…
 *
 * Adds up such files, and demands that everything was done and had its effect.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/table.h"
#include "chaos/act.h"
#include "chaos/census.h"
#include "chaos/proxy.h"
#include "chaos/quiet.h"
#include "chaos/store.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { MOST_JOBS = 64 };

struct options {
    uint64_t seed;
    unsigned schedules;
    unsigned jobs;
    unsigned duration_ms;
    const char *census;
    bool list;
};

/* ---- one schedule, in a process of its own ---- */

struct run {
    const struct ch_schedule *schedule;
    struct ch_stage *stage;
    const char *census; /* file for it */
    bool passed;
};

/* Until the schedule's time has come; the pauses of quiet points do not count. */
static void wait_for(struct ch_stage *stage, uint64_t due_ms) {
    while (mt_now_ms() < due_ms) {
        uint64_t left = due_ms - mt_now_ms();
        ch_store_turn(stage);
        mt_let_pass(left < 20 ? left : 20);
    }
}

static void test_schedule(void **state) {
    struct run *run = *state;
    ch_stage_open(&run->stage, run->schedule);
    struct ch_stage *stage = run->stage;
    uint64_t zero = mt_now_ms();
    for (unsigned i = 0; i < run->schedule->count; i++) {
        const struct ch_step *step = &run->schedule->steps[i];
        wait_for(stage, zero + step->at_ms);
        ch_act(stage, step);
        if (step->action != CH_QUIET)
            continue;
        ch_quiet(stage);
        if (i + 1 < run->schedule->count)
            ch_unquiet(stage);
        zero = mt_now_ms() - step->at_ms;
    }
    ch_judge(stage);
    if (json_dump_file(stage->census, run->census, JSON_COMPACT | JSON_SORT_KEYS) != 0)
        mt_fail(stage->world, "%s cannot be written", run->census);
    run->passed = true;
}

static int tear_down(void **state) {
    struct run *run = *state;
    ch_stage_close(&run->stage, !run->passed);
    return 0;
}

static int run_schedule(const struct options *options, uint64_t seed, const char *census) {
    static struct ch_schedule schedule;
    struct run run = {.schedule = &schedule, .census = census};
    ch_schedule_make(&schedule, seed, options->duration_ms);
    const struct CMUnitTest tests[] = {
        {"schedule", test_schedule, NULL, tear_down, &run},
    };
    mu_table_init();
    return cmocka_run_group_tests(tests, NULL, NULL) == 0 && run.passed ? 0 : 1;
}

/* ---- many of them ---- */

struct job {
    pid_t pid;
    uint64_t seed;
    uint64_t began_ms;
    FILE *output;
    char census[64];
};

struct runner {
    const struct options *options;
    struct job jobs[MOST_JOBS];
    json_t *census; /* sums */
    unsigned passed;
    unsigned failed;
};

static void begin_job(struct runner *runner, struct job *job, uint64_t seed) {
    job->seed = seed;
    job->began_ms = mt_now_ms();
    job->output = tmpfile();
    snprintf(job->census, sizeof job->census, "/tmp/chaos-census-XXXXXX");
    int fd = mkstemp(job->census);
    if (job->output == NULL || fd < 0) {
        perror("chaos: a file for the output");
        exit(1);
    }
    close(fd);
    fflush(NULL);
    pid_t parent = getpid();
    job->pid = fork();
    if (job->pid != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(fileno(job->output), STDOUT_FILENO) < 0 ||
        dup2(fileno(job->output), STDERR_FILENO) < 0)
        _exit(1);
    int code = run_schedule(runner->options, seed, job->census);
    fflush(NULL);
    _exit(code);
}

static void print_output(FILE *output) {
    char block[4096];
    size_t count = 0;
    rewind(output);
    while ((count = fread(block, 1, sizeof block, output)) > 0)
        fwrite(block, 1, count, stdout);
}

static void end_job(struct runner *runner, struct job *job, int status) {
    bool fine = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!fine) {
        print_output(job->output);
        if (WIFSIGNALED(status))
            printf("the schedule's process was ended by signal %d\n", WTERMSIG(status));
        printf("to see it again: chaos --seed %" PRIu64 " --duration %ums\n", job->seed,
               runner->options->duration_ms);
    }
    printf("seed %" PRIu64 ": %s after %" PRIu64 " ms\n", job->seed, fine ? "passed" : "FAILED",
           mt_now_ms() - job->began_ms);
    fflush(stdout);
    *(fine ? &runner->passed : &runner->failed) += 1;
    ch_census_add(runner->census, job->census);
    unlink(job->census);
    fclose(job->output);
    job->pid = 0;
}

static void wait_for_one(struct runner *runner) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    for (unsigned i = 0; pid > 0 && i < runner->options->jobs; i++)
        if (runner->jobs[i].pid == pid)
            end_job(runner, &runner->jobs[i], status);
    if (pid < 0 && errno != EINTR)
        exit(1);
}

static int run_all(const struct options *options) {
    struct runner runner = {0};
    runner.options = options;
    runner.census = json_object();
    printf("seeds %" PRIu64 " to %" PRIu64 ", %u ms each\n", options->seed,
           options->seed + options->schedules - 1, options->duration_ms);
    for (unsigned started = 0; runner.passed + runner.failed < options->schedules;) {
        for (unsigned i = 0; i < options->jobs && started < options->schedules; i++)
            if (runner.jobs[i].pid == 0)
                begin_job(&runner, &runner.jobs[i], options->seed + started++);
        wait_for_one(&runner);
    }
    json_object_set_new(runner.census, "passed", json_integer(runner.passed));
    json_object_set_new(runner.census, "failed", json_integer(runner.failed));
    char *text = json_dumps(runner.census, JSON_INDENT(1) | JSON_SORT_KEYS);
    printf("%s\n%u passed, %u failed\n", text, runner.passed, runner.failed);
    free(text);
    if (options->census != NULL &&
        json_dump_file(runner.census, options->census, JSON_COMPACT) != 0)
        return 1;
    json_decref(runner.census);
    return runner.failed == 0 ? 0 : 1;
}

static void list_all(const struct options *options) {
    static struct ch_schedule schedule;
    for (unsigned i = 0; i < options->schedules; i++) {
        ch_schedule_make(&schedule, options->seed + i, options->duration_ms);
        ch_schedule_print(&schedule, stdout);
    }
}

/* ---- arguments ---- */

static uint64_t number(const char *text, uint64_t lowest, uint64_t highest) {
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    bool seconds = strcmp(end, "s") == 0;
    if (seconds)
        value *= 1000;
    if (errno != 0 || end == text || (*end != '\0' && !seconds && strcmp(end, "ms") != 0) ||
        value < lowest || value > highest) {
        fprintf(stderr, "chaos: '%s' is no number from %" PRIu64 " to %" PRIu64 "\n", text, lowest,
                highest);
        exit(2);
    }
    return value;
}

static void read_options(int argc, char *argv[], struct options *options) {
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"schedules", required_argument, NULL, 'k'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"duration", required_argument, NULL, 'd'},
                                          {"census", required_argument, NULL, 'c'},
                                          {"list", no_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options->seed = number(optarg, 0, UINT64_MAX);
            break;
        case 'k':
            options->schedules = (unsigned)number(optarg, 1, 1000000);
            break;
        case 'j':
            options->jobs = (unsigned)number(optarg, 1, MOST_JOBS);
            break;
        case 'd':
            options->duration_ms = (unsigned)number(optarg, 500, 60000);
            break;
        case 'c':
            options->census = optarg;
            break;
        case 'l':
            options->list = true;
            break;
        default:
            exit(2);
        }
    }
}

/* Redis syncs each write to its file; where that takes seconds a schedule tests the disk alone. */
static void use_memory(void) {
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

int main(int argc, char *argv[]) {
    struct options options = {.seed = 1, .schedules = 1, .jobs = 1, .duration_ms = 6000};
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "proxy") == 0)
        return ch_proxy_main(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "demand") == 0)
        return ch_census_demand(argc - 2, argv + 2);
    read_options(argc, argv, &options);
    if (options.list) {
        list_all(&options);
        return 0;
    }
    use_memory();
    return run_all(&options);
}
