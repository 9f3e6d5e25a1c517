/* muster-bench - what muster costs, each figure beside its baseline of the same run. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "scenario.h"

enum { EXIT_USAGE = 2, MOST_CHOSEN = 64, RUNS = 5, RUNS_QUICK = 3 };

struct plan {
    struct mb_bench bench;
    const struct mb_scenario *chosen[MOST_CHOSEN];
    size_t count;
    bool json;
};

static void print_usage(FILE *output) {
    fprintf(output,
            "Usage: muster-bench [SCENARIO...|all] [--quick] [--json] [--runs N]\n"
            "Measures muster against Redis itself; see bench/README.md for how to read it.\n\n"
            "  --quick     a fifth to a tenth of the load, %d runs: shows that it works\n"
            "  --runs N    alternating runs of each scenario (%d), 1 to %d\n"
            "  --json      print JSON instead of a table; progress goes to stderr in any case\n"
            "  --list      list the scenarios and their targets\n"
            "  --version, --help\n",
            RUNS_QUICK, RUNS, MB_MOST_RUNS);
}

static void print_list(void) {
    size_t count = 0;
    const struct mb_scenario *all = mb_scenarios(&count);
    for (size_t i = 0; i < count; i++)
        printf("%-9s %s\n          target: %s\n", all[i].name, all[i].about, all[i].target);
}

/* False when there is no such scenario. */
static bool choose(struct plan *plan, const char *name) {
    size_t count = 0;
    const struct mb_scenario *all = mb_scenarios(&count);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, "all") != 0 && strcmp(name, all[i].name) != 0)
            continue;
        found = true;
        if (plan->count < MOST_CHOSEN)
            plan->chosen[plan->count++] = &all[i];
    }
    return found;
}

static bool read_runs(const char *text, size_t *runs) {
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 1 || number > MB_MOST_RUNS)
        return false;
    *runs = (size_t)number;
    return true;
}

/* An exit code, or -1 to go on. */
static int read_arguments(struct plan *plan, int argc, char **argv) {
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"list", no_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    for (;;) {
        int option = getopt_long(argc, argv, "h", options, NULL);
        if (option < 0)
            break;
        switch (option) {
        case 'q':
            plan->bench.quick = true;
            break;
        case 'j':
            plan->json = true;
            break;
        case 'r':
            if (!read_runs(optarg, &plan->bench.runs)) {
                fprintf(stderr, "muster-bench: --runs takes a whole number from 1 to %d\n",
                        MB_MOST_RUNS);
                return EXIT_USAGE;
            }
            break;
        case 'l':
            print_list();
            return EXIT_SUCCESS;
        case 'h':
            print_usage(stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("muster-bench " MUSTER_VERSION);
            return EXIT_SUCCESS;
        default:
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (!choose(plan, argv[i])) {
            fprintf(stderr, "muster-bench: no scenario '%s'; --list shows them\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (plan->count == 0)
        choose(plan, "all");
    if (plan->bench.runs == 0)
        plan->bench.runs = plan->bench.quick ? RUNS_QUICK : RUNS;
    return -1;
}

static int work(const char *directory, void *context) {
    struct plan *plan = context;
    plan->bench.directory = directory;
    plan->bench.report = mb_report_create();
    for (size_t i = 0; i < plan->count; i++)
        plan->chosen[i]->run(&plan->bench, plan->chosen[i]->name);
    if (plan->json)
        mb_report_print_json(plan->bench.report, stdout);
    else
        mb_report_print_table(plan->bench.report, stdout);
    mb_report_destroy(&plan->bench.report);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct plan plan = {0};
    int code = read_arguments(&plan, argc, argv);
    if (code >= 0)
        return code;
    return mb_guard(work, &plan);
}
